"""TensorBoard starts in this environment, and shows what a run has logged."""

import json
import re
import subprocess
import sys
import time
from urllib.request import urlopen

import pytest
from torch.utils.tensorboard import SummaryWriter

SECONDS = 90  # that it may take


def wait_for(found, process, log):
    """Return what a function finds, at last."""
    deadline = time.monotonic() + SECONDS
    while not (result := found()):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)
    return result


def read(address):
    with urlopen(address, timeout=30) as answer:
        return answer.read().decode()


@pytest.mark.slow
def test_tensorboard_shows_a_run(tmp_path):
    with SummaryWriter(str(tmp_path / 'tb_logger' / 'my_run')) as writer:
        writer.add_scalar('losses/l_pix', 0.5, 1)
    log = tmp_path / 'log'
    arguments = ['--logdir', str(tmp_path / 'tb_logger'), '--host', '127.0.0.1', '--port', '0']
    with log.open('w') as file:
        process = subprocess.Popen(
            [sys.executable, '-m', 'tensorboard.main', *arguments], stdout=file, stderr=subprocess.STDOUT
        )
        try:
            address = wait_for(lambda: re.search(r'http://127\.0\.0\.1:\d+/', log.read_text()), process, log)[0]
            assert '<title>TensorBoard</title>' in read(address)
            tags = wait_for(lambda: json.loads(read(f'{address}data/plugin/scalars/tags')), process, log)
            assert list(tags['my_run']) == ['losses/l_pix']
        finally:
            process.terminate()
            process.wait(30)
