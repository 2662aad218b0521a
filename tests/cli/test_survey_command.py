import json
import os
import re
import signal
import subprocess
import sys

import httpx
import pytest

from dlvr_plugin.cli.main import main
from dlvr_plugin.survey.answers import AnswerStore
from tests.survey.helpers import PAIR, body_of, write_evaluation


@pytest.fixture
def evaluation(tmp_path):
    return write_evaluation(tmp_path)


def make(evaluation, out, *words):
    return main(['survey', 'make', str(evaluation), '--out', str(out), '--pairs', PAIR, '--frames', '2', *words])


def test_from_make_to_table(evaluation, tmp_path, capsys, host_log):
    study = tmp_path / 'study'
    assert make(evaluation, study, '--participants', '30') == 0
    assert 'An interval of at most 10 % to either side takes 104 answers' in '\n'.join(host_log)
    assert '120 answers (± 9.3 %, enough) in all, 60 answers (± 13.2 %, too few) a clip' in '\n'.join(host_log)
    assert main(['survey', 'table', str(study)]) == 0
    assert '30 participants were invited, 0 answered' in capsys.readouterr().out
    written = {path.name for path in (study / 'table').iterdir()}
    assert written == {'table.md', 'table.tex', 'answers.csv', 'preferences.png', 'preferences.pdf'}


def test_collect_says_what_was_refused(evaluation, tmp_path, host_log):
    study = tmp_path / 'study'
    make(evaluation, study)
    (tmp_path / 'sent').mkdir()
    (tmp_path / 'sent/forged.json').write_text(json.dumps({'payload': '{}', 'signature': ''}))
    assert main(['survey', 'collect', str(study), str(tmp_path / 'sent')]) == 1
    assert 'forged.json: refused' in '\n'.join(host_log)
    assert '0 files merged, 1 refused' in '\n'.join(host_log)


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--half-width', '0'], '--half-width must be'),
        (['--half-width', 'nan'], '--half-width must be'),
        (['--min-seconds', '-1'], 'min_seconds must be at least 0'),
        (['--trials', '99'], '1 to 4 trials'),
        (['--texts', 'fr'], 'no language that comes with the package'),
        (['--pairs', 'one'], 'METHOD:REFERENCE'),
    ],
)
def test_arguments_that_cannot_be_used(evaluation, tmp_path, host_log, words, message):
    assert make(evaluation, tmp_path / 'study', *words) == 1
    assert message in '\n'.join(host_log)
    assert 'Traceback' not in '\n'.join(host_log)
    assert not (tmp_path / 'study').exists()


def test_no_study(tmp_path, host_log):
    for command in (['table', str(tmp_path)], ['serve', str(tmp_path)], ['collect', str(tmp_path), 'x']):
        assert main(['survey', *command]) == 1
        assert 'is not the output of dlvr survey make' in '\n'.join(host_log)
        host_log.clear()


@pytest.mark.parametrize(('host', 'port'), [('127.0.0.1', '70000'), ('nowhere.invalid', '0'), ('192.0.2.1', '0')])
def test_addresses_that_cannot_be_listened_at(evaluation, tmp_path, host_log, host, port):
    make(evaluation, tmp_path / 'study')
    assert main(['survey', 'serve', str(tmp_path / 'study'), '--host', host, '--port', port]) == 1
    assert 'port' in '\n'.join(host_log)
    assert 'Traceback' not in '\n'.join(host_log)


@pytest.mark.slow
def test_serve_until_interrupted(evaluation, tmp_path):
    study = tmp_path / 'study'
    make(evaluation, study)
    command = [sys.executable, '-m', 'dlvr_plugin.cli', 'survey', 'serve', str(study), '--port', '0']
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ)
    address, token = next(
        filter(None, (re.search(r'(http://127\.0\.0\.1:\d+)/(\S+)\.html', line) for line in server.stdout))
    ).groups()
    assert httpx.post(f'{address}/{token}/consent', json={'language': 'en'}).status_code == 200
    store = AnswerStore(study)
    assert httpx.post(f'{address}/{token}/answers', json=body_of(store.study, token, 0)).status_code == 200
    assert main(['survey', 'serve', str(study), '--port', '0']) == 1  # one server at a time
    server.send_signal(signal.SIGINT)
    rest = server.communicate(timeout=30)[0]
    assert server.returncode in (0, 130)
    assert 'Traceback' not in rest
    assert len(store.read()) == 1
    store.close()
