import asyncio
import logging
import multiprocessing
import os
import random
import signal
import socket
import threading
import time

import httpx
import pytest
import uvicorn

from dlvr_plugin.survey.answers import AnswerStore
from dlvr_plugin.survey.server import SurveyServer
from tests.survey.conftest import MANY
from tests.survey.helpers import METHODS, body_of, write_study

pytestmark = pytest.mark.slow

NUM_KILLS = int(os.environ.get('DLVR_TEST_KILLS', 20))
PAIRS = [f'{METHODS[one]}:{METHODS[other]}' for one, other in ((0, 1), (0, 2), (1, 2))]


def serve(folder, listener):
    """Serve until the process is killed."""
    app = SurveyServer(folder, AnswerStore(folder), answers=MANY, failures=MANY).app
    asyncio.run(uvicorn.Server(uvicorn.Config(app, log_config=None, log_level='critical')).serve(sockets=[listener]))


class Load:
    """Participants who answer one turn after another, and send again what was not acknowledged."""

    def __init__(self, address, study):
        self.address, self.study = address, study
        self.acknowledged, self.num_lost = [], 0
        self.stopped = threading.Event()
        self.threads = [threading.Thread(target=self._answer_all, args=(index,)) for index in range(4)]
        for thread in self.threads:
            thread.start()

    def _answer_all(self, first):
        with httpx.Client(base_url=self.address, timeout=2) as session:
            self._answer_with(session, first)

    def _answer_with(self, session, first):
        for participant in self.study.participants[first::4]:
            token = participant.token
            if not self._send(session, f'/{token}/consent', {'language': 'en'}):
                return
            for turn in range(len(participant.turns)):
                choice = random.Random(f'{token}{turn}').choice('ab')
                if not self._send(session, f'/{token}/answers', body_of(self.study, token, turn, choice)):
                    return
                self.acknowledged.append((token, turn, choice))

    def _send(self, session, path, content):
        while not self.stopped.is_set():
            try:
                response = session.post(path, json=content)
            except httpx.HTTPError:
                self.num_lost += 1
            else:
                assert response.status_code == 200, response.text
                return True
        return False

    def stop(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join()


def test_every_acknowledged_answer_outlives_kills(tmp_path):
    folder, study = write_study(tmp_path, pairs=PAIRS, mode='both', frames=6, participants=200)
    context, rng = multiprocessing.get_context('forkserver'), random.Random(0)  # a fork of threads may never run
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        listener.listen(64)  # it stays open here: who calls between two servers waits
        load = None
        for kill in range(NUM_KILLS):
            server = context.Process(target=serve, args=(folder, listener), daemon=True)
            server.start()
            load = load or Load(f'http://127.0.0.1:{listener.getsockname()[1]}', study)
            before = len(load.acknowledged)
            deadline = time.monotonic() + 120
            while len(load.acknowledged) == before and server.is_alive():
                assert time.monotonic() < deadline, 'no answer was acknowledged'
                time.sleep(0.005)
            time.sleep(rng.uniform(0, 0.3))
            os.kill(server.pid, signal.SIGKILL)
            server.join()
            acknowledged = list(load.acknowledged)
            store = AnswerStore(folder)
            stored = {(each.participant, each.turn): each.choice for each in store.read()}
            store.close()
            assert [each for each in acknowledged if stored.get(each[:2]) != each[2]] == [], f'kill {kill}'
        load.stop()
    assert load.num_lost > 0
    assert len(load.acknowledged) >= NUM_KILLS
    figures = f'{NUM_KILLS} kills, {len(load.acknowledged)} acknowledged, {load.num_lost} requests lost'
    logging.getLogger(__name__).info(figures)
