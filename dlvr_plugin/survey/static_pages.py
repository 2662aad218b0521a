"""A study on plain files: a page for each participant, and the signed files of answers that come back."""

import hmac
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from dlvr_plugin.core.errors import DataError
from dlvr_plugin.core.files import write_atomic
from dlvr_plugin.core.regular_files import read_regular
from dlvr_plugin.survey.answer_record import Answer, parse_json, read_answer
from dlvr_plugin.survey.answers import AnswerStore
from dlvr_plugin.survey.page_template import build_page
from dlvr_plugin.survey.study import Participant, Study

_MOST_BYTES_OF_FILE = 2**26
_INDEX = (
    '<!doctype html>\n<meta charset="utf-8">\n<title>Study</title>\n<p>Please open the link that you were given.</p>\n'
)


def write_pages(study: Study, site: Path) -> None:
    """Write a page for each participant, and one that keeps web servers from listing them."""
    for participant in study.participants:
        page = build_page(study, participant, signing_key=study.signing_key(participant.token))
        write_atomic(site / f'{participant.token}.html', page.encode(), sync=False)
    write_atomic(site / 'index.html', _INDEX.encode(), sync=False)


class Collected(NamedTuple):
    """What became of a file of answers: how many were new, how many were there already, or why it was refused."""

    file: Path
    num_stored: int = 0
    num_known: int = 0
    refused: str = ''


def collect_files(store: AnswerStore, files: Iterable[Path]) -> list[Collected]:
    """Merge files of answers into the store; of each file all answers or none."""
    return [_collect(store, file) for file in files]


def _collect(store: AnswerStore, file: Path) -> Collected:
    try:
        participant, language, answers = _read_signed(store.study, file)
    except DataError as error:
        return Collected(file, refused=str(error))
    outcomes = store.add_all(participant.token, language, answers)
    if outcomes['refused']:
        problem = f'{outcomes["refused"]} answers differ from those of the same participant that are there already'
        return Collected(file, refused=problem)
    return Collected(file, outcomes['stored'], outcomes['known'])


def _read_signed(study: Study, file: Path) -> tuple[Participant, str, list[Answer]]:
    signed = parse_json(read_regular(file, most_bytes=_MOST_BYTES_OF_FILE))
    if not isinstance(signed, Mapping) or not all(isinstance(signed.get(key), str) for key in ('payload', 'signature')):
        raise DataError('no file of answers')
    content = parse_json(signed['payload'])
    if not isinstance(content, Mapping) or content.get('study') != study.id:
        raise DataError('a file of another study')
    token = content.get('participant')
    participant = study.participant(token) if isinstance(token, str) else None
    if participant is None:
        raise DataError('a file of nobody who takes part')
    payload, given = (signed[key].encode(errors='surrogatepass') for key in ('payload', 'signature'))
    signature = hmac.new(bytes.fromhex(study.signing_key(participant.token)), payload, sha256)
    if not hmac.compare_digest(signature.hexdigest().encode(), given):
        raise DataError('the signature is not that of its content: it was changed, or is forged')
    answers, language = content.get('answers'), content.get('language')
    if not isinstance(answers, list) or not isinstance(language, str) or language not in study.texts:
        raise DataError('no file of answers')
    read = [read_answer(answer, study, participant) for answer in answers]
    if [answer.turn for answer in read] != list(range(len(read))):
        raise DataError('answers are missing, doubled, or in another order than they were given')
    return participant, language, read
