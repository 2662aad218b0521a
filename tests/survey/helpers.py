"""A small evaluation of noise, studies of it, and answers that simulated participants give."""

import hashlib
import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from dlvr_plugin.evaluation.evaluation_file import format_json
from dlvr_plugin.survey.answers import StoredAnswer
from dlvr_plugin.survey.make_study import StudyOptions, make_study
from dlvr_plugin.survey.plan import draw_turns
from dlvr_plugin.survey.study import Comparison, Participant, Rules, Stimulus, Study

METHODS = ('Secret-Alpha', 'Secret-Beta', 'Secret-Gamma')
CLIPS = ('secretwalk', 'secretcity')
SIZE, NUM_FRAMES = (48, 64), 6


def image_of(owner: int, clip: int, frame: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Noise (h, w, 3) that no other frame has; the ground truth is the last owner."""
    return np.random.default_rng([owner, clip, frame]).integers(0, 256, (*size, 3), np.uint8)


def write_evaluation(root: Path, *, methods=METHODS, clips=CLIPS, num_frames=NUM_FRAMES, size=SIZE) -> Path:
    """Write clips and the file of an evaluation of them, and return its folder."""
    digests: dict[tuple[int, int], dict[str, str]] = {}
    for owner in range(len(methods) + 1):
        for clip, name in enumerate(clips):
            folder = root / f'clips{owner}' / name
            folder.mkdir(parents=True)
            for frame in range(num_frames):
                assert cv2.imwrite(str(folder / f'{frame:04d}.png'), image_of(owner, clip, frame, size))
            files = sorted(folder.iterdir())
            digests[owner, clip] = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    frames = [f'{frame:04d}' for frame in range(num_frames)]
    result = {'mean': {}, 'frames': {}}
    evaluation = {
        'format': 1,
        'protocol': {},
        'versions': {},
        'metrics': {},
        'gt_root': str(root / f'clips{len(methods)}'),
        'clips': {
            name: {'size': list(size), 'frames': frames, 'frame_rate': None, 'sha256': digests[len(methods), clip]}
            for clip, name in enumerate(clips)
        },
        'methods': {
            method: {
                'root': str(root / f'clips{owner}'),
                'mean': {},
                'intervals': {},
                'clips': {name: {**result, 'sha256': digests[owner, clip]} for clip, name in enumerate(clips)},
            }
            for owner, method in enumerate(methods)
        },
    }
    folder = root / 'evaluation'
    folder.mkdir()
    (folder / 'metrics.json').write_text(format_json(evaluation))
    return folder


PAIR = f'{METHODS[0]}:{METHODS[1]}'


def write_study(root: Path, **options: Any) -> tuple[Path, Study]:
    """Make a study of the small evaluation, and return its folder and what it is."""
    evaluation = root / 'evaluation'
    if not evaluation.exists():
        write_evaluation(root)
    given = {'pairs': [PAIR], 'frames': 2, 'participants': 3, 'practice': 1, **options}
    folder = root / 'study'
    return folder, make_study(evaluation, folder, StudyOptions(**given))


def plain_study(
    pairs: tuple[tuple[str, str], ...],
    clips: tuple[str, ...],
    *,
    frames: int = 3,
    participants: int = 30,
    trials: int | None = None,
    checks: int = 1,
    seed: int = 0,
    rules: Rules | None = None,
    allow_no_difference: bool = False,
) -> Study:
    """Return a study without pictures."""
    common = {'mode': 'toggle', 'first': 0, 'second': 1}
    comparisons = [
        Comparison(kind='trial', pair=pair, clip=clip, frame=frame, **common)
        for pair in range(len(pairs))
        for clip in clips
        for frame in range(frames)
    ]
    for kind in ('same', 'bicubic'):
        comparisons += [Comparison(kind=kind, pair=None, clip=clips[0], frame=0, **common)] * checks
    plans = draw_turns(comparisons, num_participants=participants, num_trials=trials, seed=seed)
    return Study(
        id='0' * 16,
        key='0' * 64,
        seed=seed,
        name='evaluation',
        picture='PNG',
        allow_no_difference=allow_no_difference,
        rules=rules or Rules(),
        pairs=pairs,
        stimuli=(Stimulus(size=SIZE, frame_rate=None, files=('0.png',)),) * 2,
        comparisons=tuple(comparisons),
        participants=tuple(Participant(token=f'token-{index}', turns=turns) for index, turns in enumerate(plans)),
        texts={},
    )


def record(**changes: Any) -> dict[str, Any]:
    """What the page records of an answer."""
    return {
        'seconds': 5.0,
        'switches': 3,
        'events': [[400, 'switch', 'key']],
        'means': 'key',
        'screen': {'width': 1280, 'height': 800, 'window_width': 1280, 'window_height': 700, 'pixel_ratio': 1},
        'view': {'scale': 1, 'x': 0.5, 'y': 0.5},
        'language': 'en',
        **changes,
    }


def simulate(study: Study, probability: Callable[[Comparison], float], seed: int, **changes: Any) -> list[StoredAnswer]:
    """Let all participants prefer the first method of a pair with a probability; they pass the checks."""
    rng = random.Random(seed)
    answers = []
    for participant in study.participants:
        for index, turn in enumerate(participant.turns):
            comparison = study.comparisons[turn.comparison]
            is_first = comparison.pair is None or rng.random() < probability(comparison)
            choice = 'a' if is_first != turn.swapped else 'b'
            if comparison.kind == 'same' and study.allow_no_difference:
                choice = 'none'
            answers.append(StoredAnswer(participant.token, index, choice, 0.0, record(**changes)))
    return answers


def body_of(study: Study, token: str, turn: int, choice: str = 'a', **changes: Any) -> dict[str, Any]:
    """What the page sends for an answer."""
    submission = hashlib.sha256(f'{token}/{turn}/{choice}'.encode()).hexdigest()[:32]
    return {
        'turn': study.turn_id(token, turn),
        'submission': submission,
        'choice': choice,
        **record(),
        **changes,
    }


def names_in(content: bytes, study: Study) -> list[str]:
    """What of a study a participant must not know, as far as it stands in something."""
    secrets = {name for pair in study.pairs for name in pair} | {each.clip for each in study.comparisons}
    secrets |= {study.key, 'bicubic', 'swapped', study.name}
    return [secret for secret in secrets if secret.encode() in content]


def read_json(path: Path) -> Mapping[str, Any]:
    """Return what a file says."""
    return json.loads(path.read_text())
