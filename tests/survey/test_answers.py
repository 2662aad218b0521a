import sqlite3

import pytest

from dlvr_plugin.core.errors import DataError
from dlvr_plugin.survey.answer_record import Answer, read_answer
from dlvr_plugin.survey.answers import AnswerStore
from tests.survey.helpers import body_of, record


@pytest.fixture
def store(copy_study):
    store = AnswerStore(copy_study('frames'))
    yield store
    store.close()


def answer(turn, submission='f' * 32, choice='a'):
    return Answer(turn, submission, choice, record())


def test_answers_are_stored_in_turn_and_once(store):
    token = store.study.participants[0].token
    assert store.add(token, answer(0)) == 'stored'
    assert store.add(token, answer(0)) == 'known'  # sent again, because its acknowledgement was lost
    assert store.add(token, answer(0, 'e' * 32, 'b')) == 'refused'
    assert store.add(token, answer(2)) == 'refused'
    assert store.add(token, answer(1, 'd' * 32, 'b')) == 'stored'
    assert [(each.turn, each.choice) for each in store.read()] == [(0, 'a'), (1, 'b')]
    assert store.progress(token) == (False, 2)
    assert store.progress(store.study.participants[1].token) == (False, 0)


def test_consent_is_that_of_the_first_time(store):
    token = store.study.participants[0].token
    store.consent(token, 'de')
    store.consent(token, 'en')
    with sqlite3.connect(store.path) as connection:
        assert connection.execute('SELECT participant, language FROM consents').fetchall() == [(token, 'de')]
    assert store.progress(token).consented


def test_all_or_none(store):
    token = store.study.participants[0].token
    store.add(token, answer(0))
    assert store.add_all(token, 'en', [answer(0, 'e' * 32), answer(1)]) == {'stored': 0, 'known': 0, 'refused': 1}
    assert len(store.read()) == 1
    assert not store.progress(token).consented
    assert store.add_all(token, 'en', [answer(0), answer(1)]) == {'stored': 1, 'known': 1, 'refused': 0}
    assert len(store.read()) == 2


def test_the_file_is_written_ahead_and_waits_for_the_disk(store):
    assert store._connection.execute('PRAGMA journal_mode').fetchone() == ('wal',)
    assert store._connection.execute('PRAGMA synchronous').fetchone() == (2,)  # FULL


@pytest.mark.parametrize('content', [None, b'', b'no database' * 100])
def test_a_store_that_cannot_be_used(copy_study, content):
    folder = copy_study('frames')
    path = folder / 'answers.sqlite'
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(DataError, match=r'answers\.sqlite'):
        AnswerStore(folder)


def test_an_answer_as_the_page_sends_it(store):
    study, participant = store.study, store.study.participants[0]
    read = read_answer(body_of(study, participant.token, 2, 'b'), study, participant)
    assert (read.turn, read.choice, read.record) == (2, 'b', record())


@pytest.mark.parametrize(
    'change',
    [
        {'choice': 'c'},
        {'choice': 'none'},  # not offered by this study
        {'choice': ['a']},
        {'turn': '0' * 24},
        {'turn': 0},
        {'submission': 'x' * 32},
        {'submission': 'f' * 33},
        {'seconds': -1},
        {'seconds': float('nan')},
        {'seconds': '5'},
        {'seconds': True},
        {'switches': 1.5},
        {'switches': 10**9},
        {'events': [[0, 'script', '']]},
        {'events': [[0, 'switch', '<script>']]},
        {'events': [[0, 'switch', '']] * 1001},
        {'events': 'none'},
        {'means': ['key']},
        {'screen': {'width': 1}},
        {'screen': []},
        {'view': {'scale': 1, 'x': 2, 'y': 0}},
        {'language': 'x' * 41},
        {'language': '\ud800'},
        {'language': None},
        {'extra': 1},
        {'view': None},
    ],
)
def test_answers_that_no_page_sends(store, change):
    study, participant = store.study, store.study.participants[0]
    with pytest.raises(DataError):
        read_answer({**body_of(study, participant.token, 0), **change}, study, participant)


def test_the_turn_of_somebody_else(store):
    study = store.study
    with pytest.raises(DataError, match='none of this participant'):
        read_answer(body_of(study, study.participants[1].token, 0), study, study.participants[0])
