"""The page of a participant: one file, the same whether a server or a folder gives it, but for where answers go."""

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

from dlvr_plugin.report.page_template import data_for_page, read_parts
from dlvr_plugin.survey.study import FRAMES, Participant, Study

_PARTS = Path(__file__).with_name('page')
_SHARED_SCRIPTS = ('helpers.js', 'viewer.js', 'player.js')
_SCRIPTS = ('texts.js', 'stores.js', 'recording.js', 'survey.js')
_SHARED_STYLES = ('base.css', 'viewer.css')


def build_page(study: Study, participant: Participant, *, signing_key: str | None = None) -> str:
    """Return the page of a participant.

    It says nothing about methods, clips and checks: pictures have names that tell nothing, all turns look alike.

    Args:
        study: What it belongs to.
        participant: Whose page it is.
        signing_key: Hexadecimal; the page then keeps the answers and signs a file of them. Without it, the page sends
            them to the server that it came from.
    """
    # Data stands in an element that no script can leave; the hashes let the page run its own script and nothing else.
    script = '\n' + read_parts(_SHARED_SCRIPTS) + read_parts(_SCRIPTS, _PARTS)
    style = '\n' + read_parts(_SHARED_STYLES) + read_parts(['survey.css'], _PARTS)
    parts = {
        'policy': (
            f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; img-src 'self' data:; "
            "connect-src 'self'; base-uri 'none'; form-action 'none'"
        ),
        'title': 'Study',  # the script puts that of the language in its place
        'style': style,
        'script': script,
        'data': data_for_page(collect_data(study, participant, signing_key)),
    }
    template = (_PARTS / 'survey.html').read_text(encoding='utf-8')
    return re.sub(r'{{(\w+)}}', lambda match: parts[match[1]], template)


def collect_data(study: Study, participant: Participant, signing_key: str | None) -> dict[str, Any]:
    """Return what the scripts of the page work on: ``clips`` are the turns, ``methods`` the sides A and B."""
    return {
        'study': study.id,
        'token': participant.token,
        'key': signing_key,
        'allow_no_difference': study.allow_no_difference,
        'texts': study.texts,
        'methods': [{'name': 'A'}, {'name': 'B'}],
        'first_shown': [0, 1],
        'clips': [_describe_turn(study, participant, index) for index in range(len(participant.turns))],
    }


def _describe_turn(study: Study, participant: Participant, index: int) -> dict[str, Any]:
    turn = participant.turns[index]
    comparison = study.comparisons[turn.comparison]
    sides = [study.stimuli[comparison.first], study.stimuli[comparison.second]]
    if turn.swapped:
        sides.reverse()
    return {
        'id': study.turn_id(participant.token, index),
        'practice': comparison.kind == 'practice',
        'mode': comparison.mode,
        'size': sides[0].size,
        'frame_rate': sides[0].frame_rate,
        'frames': list(range(len(sides[0].files))),
        'methods': [{'urls': [f'{FRAMES}/{name}' for name in side.files]} for side in sides],
    }


def _hash(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
