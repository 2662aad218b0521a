import hashlib
import hmac
import json
import re

import pytest

from dlvr_plugin.survey.answers import AnswerStore
from dlvr_plugin.survey.static_pages import collect_files
from tests.survey.helpers import body_of


@pytest.fixture
def store(copy_study):
    store = AnswerStore(copy_study('frames'))
    yield store
    store.close()


def write_file(store, path, participant=0, *, choice='a', key=None, **changes):
    """Write what the page of a participant gives; signed as RFC 2104 says, by the key that the page has."""
    study = store.study
    token = study.participants[participant].token
    answers = [body_of(study, token, index, choice) for index in range(len(study.participants[participant].turns))]
    payload = json.dumps({'study': study.id, 'participant': token, 'language': 'en', 'answers': answers, **changes})
    page = (store.path.parent / f'site/{token}.html').read_text()
    key = key or re.search(r'"key": "([0-9a-f]{64})"', page)[1]
    signature = hmac.digest(bytes.fromhex(key), payload.encode(), hashlib.sha256).hex()
    path.write_text(json.dumps({'payload': payload, 'signature': signature}))
    return path


def test_files_are_merged_once(store, tmp_path):
    files = [write_file(store, tmp_path / f'{index}.json', index) for index in range(2)]
    num_turns = len(store.study.participants[0].turns)
    assert [each[1:] for each in collect_files(store, files)] == [(num_turns, 0, '')] * 2
    assert [each[1:] for each in collect_files(store, files)] == [(0, num_turns, '')] * 2
    assert len(store.read()) == 2 * num_turns
    assert store.progress(store.study.participants[0].token) == (True, num_turns)


def test_other_answers_of_the_same_participant_are_refused(store, tmp_path):
    collect_files(store, [write_file(store, tmp_path / 'one.json')])
    [found] = collect_files(store, [write_file(store, tmp_path / 'two.json', choice='b')])
    assert 'differ from those of the same participant' in found.refused
    assert {each.choice for each in store.read()} == {'a'}


def test_the_beginning_may_be_there_already(store, tmp_path):
    token = store.study.participants[0].token
    first = [body_of(store.study, token, 0)]
    collect_files(store, [write_file(store, tmp_path / 'half.json', answers=first)])
    [found] = collect_files(store, [write_file(store, tmp_path / 'whole.json')])
    assert found[1:] == (len(store.study.participants[0].turns) - 1, 1, '')


def test_forged_files_are_refused(store, tmp_path):
    study = store.study
    tokens = [each.token for each in study.participants]
    good = json.loads(write_file(store, tmp_path / 'good.json').read_text())
    swapped = [body_of(study, tokens[0], index) for index in (1, 0)]
    forged = {
        'changed.json': json.dumps({**good, 'payload': good['payload'].replace('"choice": "a"', '"choice": "b"', 1)}),
        'unsigned.json': json.dumps({'payload': good['payload']}),
        'short.json': json.dumps({**good, 'signature': good['signature'][:10]}),
        'surrogate.json': json.dumps({**good, 'payload': good['payload'].replace('"en"', '"\\\\ud800"')}),
        'half.json': json.dumps({**good, 'payload': good['payload'].replace('"en"', '"\ud800"')}),
        'who.json': json.dumps({**good, 'payload': good['payload'].replace(tokens[0], '\ud800')}),
        'signs.json': json.dumps({**good, 'signature': 'ä' * 64}),
        'list.json': '[]',
        'empty.json': '',
        'deep.json': '[' * 100000,
        'inner.json': json.dumps({**good, 'payload': '{'}),
    }
    files = []
    for name, content in forged.items():
        files.append(tmp_path / name)
        files[-1].write_text(content)
    other_key = study.signing_key(tokens[1])
    files += [
        write_file(store, tmp_path / 'key.json', key=other_key),
        write_file(store, tmp_path / 'token.json', participant=0, key=other_key),
        write_file(store, tmp_path / 'study.json', study='f' * 16),
        write_file(store, tmp_path / 'order.json', answers=swapped),
        write_file(store, tmp_path / 'double.json', answers=[body_of(study, tokens[0], 0)] * 2),
        write_file(store, tmp_path / 'theirs.json', answers=[body_of(study, tokens[1], 0)]),
        write_file(store, tmp_path / 'none.json', answers=None),
        write_file(store, tmp_path / 'language.json', language=None),
        write_file(store, tmp_path / 'unknown.json', language='xx'),
        tmp_path / 'missing.json',
        tmp_path,
    ]
    found = collect_files(store, files)
    assert [each.file.name for each in found if not each.refused] == []
    assert store.read() == []
    reasons = {each.file.name: each.refused for each in found}
    assert 'signature' in reasons['changed.json']
    assert 'signature' in reasons['key.json']
    assert 'another study' in reasons['study.json']
    assert 'another order' in reasons['double.json']


def test_a_folder_of_pages_is_not_listed(store):
    index = (store.path.parent / 'site/index.html').read_text()
    assert not any(each.token in index for each in store.study.participants)


def test_a_page_has_its_own_key_alone(store):
    keys = {each.token: store.study.signing_key(each.token) for each in store.study.participants}
    for token in keys:
        page = (store.path.parent / f'site/{token}.html').read_text()
        assert [other for other, key in keys.items() if key in page] == [token]
        assert [other for other in keys if other in page] == [token]
        assert store.study.key not in page
