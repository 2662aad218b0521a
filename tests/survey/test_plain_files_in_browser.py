import http.server
import re
import threading
from functools import partial

import pytest

from dlvr_plugin.survey.answers import AnswerStore
from dlvr_plugin.survey.static_pages import collect_files
from tests.survey.helpers import names_in

playwright = pytest.importorskip('playwright.sync_api', reason='Playwright is not installed')
expect = playwright.expect

pytestmark = pytest.mark.slow


@pytest.mark.parametrize('way', ['http', 'file'])
def test_plain_files(copy_study, visit, tmp_path, way):
    folder = copy_study('browser')
    store = AnswerStore(folder)
    server = None
    address = (folder / 'site').as_uri()
    if way == 'http':
        handler = partial(QuietHandler, directory=str(folder / 'site'))
        server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f'http://127.0.0.1:{server.server_port}'
    running = Plain(store.study)
    visitor = visit(running, address=f'{address}/{store.study.participants[0].token}.html')
    visitor.agree()
    visitor.go_on(0)
    visitor.wait_for(1)
    visitor.page.reload()
    other = visit(running, context=visitor.page.context, address=visitor.page.url)
    other.go_on(1, 'b')
    other.wait_for(2)
    visitor.wait_for(1)
    visitor.answer(1, 'a')
    expect(visitor.page.locator('#notice')).to_contain_text('another tab')
    for turn in range(2, visitor.num_turns):
        visitor.go_on(turn)
    visitor.expect_end()
    with visitor.page.expect_download() as download:
        visitor.page.locator('#save-file').click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    assert re.fullmatch(rf'answers-{visitor.participant.token}\.json', path.name)
    assert not names_in(path.read_bytes(), store.study)
    [found] = collect_files(store, [path])
    assert found[1:] == (visitor.num_turns, 0, '')
    assert [each.choice for each in store.read()] == ['a', 'b'] + ['a'] * (visitor.num_turns - 2)
    store.close()
    if server:
        server.shutdown()


class Plain:
    """Stands where a server does: it has the study alone."""

    def __init__(self, study):
        self.study = study


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder without a word."""

    def log_message(self, *_):
        """Say nothing."""
