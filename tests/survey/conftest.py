"""Studies that are made once and copied, a server of one, and a browser."""

import asyncio
import contextlib
import shutil
import socket
import threading

import pytest
import uvicorn

from dlvr_plugin.survey.answers import AnswerStore
from dlvr_plugin.survey.rate_limit import RateLimit
from dlvr_plugin.survey.server import SurveyServer
from dlvr_plugin.survey.study import Rules
from tests.report.conftest import browser  # noqa: F401  (a fixture)
from tests.survey.helpers import write_study

MANY = RateLimit(per_second=1e6, burst=1e6)
PARTICIPANTS = 40  # of a study in a browser
KINDS = {
    'frames': {},
    'both': {'mode': 'both', 'whole_clips': True},
    'browser': {
        'mode': 'both',
        'participants': PARTICIPANTS,
        'trials': 6,
        'texts': ['en', 'de'],
        'rules': Rules(min_seconds=0, min_switches=1),
    },
    'clips': {'mode': 'side-by-side', 'whole_clips': True, 'practice': 0, 'checks': 0, 'frame_rate': 24},
}


@pytest.fixture(scope='session')
def make_once(tmp_path_factory):
    """Function that returns the folder of a study of a kind, made the first time."""
    made = {}

    def make(kind):
        if kind not in made:
            made[kind] = write_study(tmp_path_factory.mktemp(kind), **KINDS[kind])[0]
        return made[kind]

    return make


@pytest.fixture
def copy_study(make_once, tmp_path):
    """Function that returns the folder of a study of a kind, to do with as one likes."""

    def copy(kind):
        return shutil.copytree(make_once(kind), tmp_path / f'study-{kind}')

    return copy


class RunningServer:
    """A server in a thread, which can be stopped and started again at the same address."""

    def __init__(self, folder):
        self.folder = folder
        with socket.socket() as free:
            free.bind(('127.0.0.1', 0))
            self.port = free.getsockname()[1]
        self.address = f'http://127.0.0.1:{self.port}'
        self.start()

    def start(self):
        self.store = AnswerStore(self.folder)
        app = SurveyServer(self.folder, self.store, answers=MANY, pictures=MANY, failures=MANY).app
        self.server = uvicorn.Server(
            uvicorn.Config(app, port=self.port, log_config=None, log_level='error', timeout_graceful_shutdown=1)
        )
        self.thread = threading.Thread(target=lambda: asyncio.run(self.server.serve()), daemon=True)
        self.thread.start()
        while not self.server.started:
            self.thread.join(0.02)

    def stop(self):
        self.server.should_exit = True
        self.thread.join(10)
        self.store.close()

    @property
    def study(self):
        return self.store.study

    def page(self, participant):
        return f'{self.address}/{self.study.participants[participant].token}.html'


@pytest.fixture
def serve(copy_study):
    """Function that serves a study of a kind."""
    with contextlib.ExitStack() as stack:

        def start(kind):
            running = RunningServer(copy_study(kind))
            stack.callback(running.stop)
            return running

        yield start


@pytest.fixture
def visit(browser):  # noqa: F811  (the fixture)
    """Function that opens a page of a server in a context of its own; at the end no page may have complained."""
    contexts, visitors = [], []

    def visit(running, participant=0, *, context=None, address=None, width=1000, height=800, **settings):
        if context is None:
            context = browser.new_context(viewport={'width': width, 'height': height}, **settings)
            contexts.append(context)
        address = address or running.page(participant)
        from tests.survey.visitor import Visitor  # which needs Playwright

        visitors.append(Visitor(context, address, study=running.study, participant=participant))
        return visitors[-1]

    yield visit
    for context in contexts:
        context.close()
    assert [complaint for each in visitors for complaint in each.complaints] == []
