import asyncio
import json

import httpx
import pytest

from dlvr_plugin.survey.answers import AnswerStore
from dlvr_plugin.survey.rate_limit import RateLimit
from dlvr_plugin.survey.server import SurveyServer
from tests.survey.conftest import MANY
from tests.survey.helpers import body_of, names_in, write_study

ADDRESS = 'http://127.0.0.1:8000'


class Client:
    """Calls the application without a network, and keeps all that it answered."""

    def __init__(self, server):
        self.server, self.token = server, server.store.study.participants[0].token
        self.said = []

    def call(self, method, path, **options):
        return asyncio.run(self._call(method, path, options))

    async def _call(self, method, path, options):
        transport = httpx.ASGITransport(app=self.server.app)
        async with httpx.AsyncClient(transport=transport, base_url=ADDRESS) as client:
            response = await client.request(method, path, **options)
        self.said.append(response)
        return response

    def get(self, path):
        return self.call('GET', path)

    def post(self, path, content, **options):
        return self.call('POST', path, json=content, **options)

    def consent(self, token=None):
        return self.post(f'/{token or self.token}/consent', {'language': 'en'})

    def answer(self, turn, choice='a', token=None, **changes):
        token = token or self.token
        return self.post(f'/{token}/answers', body_of(self.server.store.study, token, turn, choice, **changes))


@pytest.fixture
def client(copy_study):
    folder = copy_study('both')
    store = AnswerStore(folder)
    yield Client(SurveyServer(folder, store, answers=MANY, failures=MANY))
    store.close()


def test_a_whole_study_without_a_name(client):
    study = client.server.store.study
    for participant in study.participants:
        assert client.get(f'/{participant.token}.html').status_code == 200
        assert client.consent(participant.token).json() == {'consented': True, 'answered': 0}
        for turn in range(len(participant.turns)):
            answered = client.answer(turn, token=participant.token)
            assert answered.json() == {'consented': True, 'answered': turn + 1}
    for name in {name for stimulus in study.stimuli for name in stimulus.files}:
        response = client.get(f'/frames/{name}')
        assert response.content == (client.server.frames / name).read_bytes()
        assert 'immutable' in response.headers['cache-control']
    assert len(client.server.store.read()) == sum(len(each.turns) for each in study.participants)
    for response in client.said:
        headers = '\n'.join(f'{name}: {value}' for name, value in response.headers.items())
        assert not names_in(response.content + headers.encode(), study), response.url
        assert 'set-cookie' not in response.headers


def test_the_page_may_run_its_own_script_alone(client):
    page = client.get(f'/{client.token}.html')
    assert "default-src 'none'; script-src 'sha256-" in page.text
    assert 'unsafe' not in page.text.split('</head>')[0].split('<style>')[0]
    assert page.headers['x-frame-options'] == 'DENY'
    assert page.headers['referrer-policy'] == 'no-referrer'
    assert page.headers['cache-control'] == 'no-store'
    assert '"key": null' in page.text


def test_answers_sent_again_count_once_and_others_are_refused(client):
    client.consent()
    assert client.answer(0).status_code == 200
    again = client.answer(0)
    assert (again.status_code, again.json()['answered']) == (200, 1)
    other = client.answer(0, 'b')  # from another tab
    assert (other.status_code, other.json()['answered']) == (409, 1)
    ahead = client.answer(2)
    assert (ahead.status_code, ahead.json()['answered']) == (409, 1)
    [stored] = client.server.store.read()
    assert stored.choice == 'a'


def test_many_at_once_are_stored_once(client):
    client.consent()
    study = client.server.store.study

    async def send_all():
        transport = httpx.ASGITransport(app=client.server.app)
        bodies = [body_of(study, client.token, 0, 'ab'[index % 2]) for index in range(40)]
        async with httpx.AsyncClient(transport=transport, base_url=ADDRESS) as session:
            sent = [session.post(f'/{client.token}/answers', json=body) for body in bodies]
            return [response.status_code for response in await asyncio.gather(*sent)]

    statuses = asyncio.run(send_all())
    assert statuses.count(200) == 20  # one choice, as often as it was sent
    assert statuses.count(409) == 20
    assert len(client.server.store.read()) == 1


def test_no_answer_without_consent(client):
    assert client.answer(0).status_code == 400
    assert client.post(f'/{client.token}/consent', {'language': 'xx'}).status_code == 400
    assert client.post(f'/{client.token}/consent', ['en']).status_code == 400
    assert client.server.store.read() == []


def test_the_turn_of_somebody_else_is_refused(client):
    study = client.server.store.study
    other = study.participants[1].token
    client.consent()
    response = client.post(f'/{client.token}/answers', body_of(study, other, 0))
    assert response.status_code == 400
    assert client.server.store.read() == []


@pytest.mark.parametrize(
    'path',
    [
        '/', '/index.html', '/nobody.html', '/study.json', '/links.txt', '/answers.sqlite', '/frames/', '/frames',
        '/frames/../study.json', '/frames/..%2f..%2fstudy.json', '/frames/%2e%2e/%2e%2e/study.json', '/../study.json',
        '/frames/..%5cstudy.json', '/frames//etc/passwd', '/%00.html', '/frames/%00', '/docs', '/openapi.json',
        '/..%2fstudy.json.html', '/nobody/progress', '/nobody/answers',
    ],
)  # fmt: skip
def test_nothing_else_is_served(client, path):
    response = client.get(path)
    assert response.status_code in (404, 405)
    assert not names_in(response.content, client.server.store.study)
    assert len(response.content) < 100


@pytest.mark.parametrize(
    ('headers', 'content', 'status'),
    [
        ({'content-type': 'text/plain'}, b'{}', 415),
        ({'content-type': 'application/x-www-form-urlencoded'}, b'choice=a', 415),
        ({}, b'{}', 415),
        ({'content-type': 'application/json', 'origin': 'https://elsewhere.example'}, b'{}', 403),
        ({'content-type': 'application/json', 'origin': 'null'}, b'{}', 403),
        ({'content-type': 'application/json'}, b'', 400),
        ({'content-type': 'application/json'}, b'{', 400),
        ({'content-type': 'application/json'}, b'\xff\xfe', 400),
        ({'content-type': 'application/json'}, b'[' * 60000, 400),
        ({'content-type': 'application/json'}, b'null', 400),
        ({'content-type': 'application/json'}, b' ' * 2**16 + b'{}', 413),
        ({'content-type': 'application/json'}, b'9' * 60000, 400),
    ],
)
def test_bodies_that_no_page_sends(client, headers, content, status):
    client.consent()
    response = client.call('POST', f'/{client.token}/answers', content=content, headers=headers)
    assert response.status_code == status
    assert client.server.store.read() == []


def test_a_page_of_this_server_may_send(client):
    client.consent()
    body = body_of(client.server.store.study, client.token, 0)
    assert client.post(f'/{client.token}/answers', body, headers={'origin': ADDRESS}).status_code == 200


def test_scripts_in_texts_do_not_become_part_of_the_page(tmp_path):
    path = tmp_path / 'mine.yml'
    path.write_text('language: en\nquestion: "</script><script>alert(1)</script><img src=x onerror=alert(1)>"\n')
    folder, _ = write_study(tmp_path, texts=['en', str(path)])
    store = AnswerStore(folder)
    page = Client(SurveyServer(folder, store)).get(f'/{store.study.participants[0].token}.html').text
    store.close()
    assert 'alert(1)' in page
    assert '<script>alert' not in page
    assert '<img src=x' not in page
    assert page.count('</script>') == 2


def test_who_asks_too_often_is_slowed_down(client):
    now = [0.0]
    client.server._answers = RateLimit(per_second=1, burst=3, clock=lambda: now[0])
    progress = f'/{client.token}/progress'
    assert [client.get(progress).status_code for _ in range(5)] == [200, 200, 200, 429, 429]
    other = client.server.store.study.participants[1].token
    assert client.get(f'/{other}/progress').status_code == 200  # nobody else is
    now[0] = 2.0
    assert [client.get(progress).status_code for _ in range(3)] == [200, 200, 429]
    assert client.said[-1].headers['retry-after'] == '2'


def test_tokens_cannot_be_tried_one_after_another(client):
    client.server._failures = RateLimit(per_second=0.1, burst=5, clock=lambda: 0.0)
    assert [client.get(f'/{index:022d}.html').status_code for index in range(8)] == [404] * 5 + [429] * 3
    assert client.get(f'/{client.token}.html').status_code == 200  # others of the same address go on


def test_a_full_disk_is_told_and_nothing_is_acknowledged(client):
    client.consent()
    pages = client.server.store._connection.execute('PRAGMA page_count').fetchone()[0]
    client.server.store._connection.execute(f'PRAGMA max_page_count = {pages}')
    events = [[index, 'switch', 'key'] for index in range(900)]
    assert client.answer(0, events=events).status_code == 503
    assert client.server.store.read() == []
    client.server.store._connection.execute('PRAGMA max_page_count = 100000')
    assert client.answer(0, events=events).status_code == 200  # the page goes on trying
    assert json.dumps(client.server.store.read()[0].record['events']) == json.dumps(events)
