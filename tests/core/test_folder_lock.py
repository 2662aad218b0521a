"""Locks of folders: one holder at a time, freed by whatever ends it, and nothing left over."""

import contextlib
import errno
import os
import re
import signal
import socket
import time

import pytest

from dlvr_plugin.core import folder_lock
from dlvr_plugin.core.errors import InUseError
from dlvr_plugin.core.folder_lock import FolderLock, lock_beside, lock_inside


def fork(action):
    """Let a process of its own do something, and return its number."""
    process = os.fork()
    if process == 0:
        code = 1
        try:
            action()
            code = 0
        finally:
            os._exit(code)
    return process


def end(process):
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)


def hold(file):
    """Let another process hold a lock, and return its number."""
    receiver, sender = os.pipe()

    def acquire_and_stay():
        FolderLock(file, 'it').acquire()
        os.write(sender, b'held')
        time.sleep(60)

    process = fork(acquire_and_stay)
    assert os.read(receiver, 4) == b'held'
    os.close(receiver)
    os.close(sender)
    return process


def test_the_second_is_told_who_holds_it_until_that_is_killed(tmp_path):
    file = lock_inside(tmp_path / 'out')
    process = hold(file)
    try:
        began = time.monotonic()
        with pytest.raises(InUseError) as caught, FolderLock(file, 'out', 'Choose another.'):
            pass
        assert time.monotonic() - began < 5
        name = rf'process {process} on {re.escape(socket.gethostname())}, since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d'
        assert re.fullmatch(rf'out is in use: {name}\. Choose another\.', str(caught.value))
    finally:
        end(process)
    assert file.exists()  # what a kill leaves locks nobody out
    with FolderLock(file, 'out'):
        assert f'process {os.getpid()} on' in file.read_text()
    assert not file.exists()


def test_a_worker_that_outlives_its_parent_does_not_keep_it(tmp_path):
    file = lock_beside(tmp_path / 'run')
    receiver, sender = os.pipe()

    def acquire_and_fork():
        FolderLock(file, 'run').acquire()
        worker = fork(lambda: time.sleep(60))
        os.write(sender, str(worker).encode())
        time.sleep(60)

    holder = fork(acquire_and_fork)
    worker = int(os.read(receiver, 20))
    try:
        with pytest.raises(InUseError, match=f'process {holder} on'), FolderLock(file, 'run'):
            pass
        end(holder)
        with FolderLock(file, 'run'):
            os.kill(worker, 0)  # it lives
    finally:
        os.kill(worker, signal.SIGKILL)
        os.close(receiver)
        os.close(sender)


def test_a_child_does_not_free_the_lock_of_its_parent(tmp_path):
    lock = FolderLock(lock_beside(tmp_path / 'run'), 'run')
    with lock:
        assert os.waitpid(fork(lock.release), 0)[1] == 0
        assert lock.file.exists()
        with pytest.raises(InUseError), FolderLock(lock.file, 'run'):
            pass


def test_never_two_at_once_although_file_and_folder_come_and_go(tmp_path, monkeypatch):
    """Each reads a number, waits, and writes it back, one more: two at once would lose a count."""
    monkeypatch.setattr(folder_lock, '_GRACE_SECONDS', 0.001)
    count = tmp_path / 'count'
    count.write_text('0')

    def count_to_forty():
        done = 0
        while done < 40:
            with contextlib.suppress(InUseError), FolderLock(tmp_path / 'made' / '.lock', 'it'):
                number = int(count.read_text())
                time.sleep(0.0005)
                count.write_text(str(number + 1))
                done += 1

    processes = [fork(count_to_forty) for _ in range(3)]
    assert [os.waitpid(process, 0)[1] for process in processes] == [0, 0, 0]
    assert count.read_text() == '120'
    assert not list(tmp_path.rglob('.lock'))


def test_folders_that_were_made_for_it_go_with_it_unless_they_are_used(tmp_path):
    with FolderLock(lock_inside(tmp_path / 'a' / 'b'), 'b'):
        assert (tmp_path / 'a' / 'b').is_dir()
    assert list(tmp_path.iterdir()) == []
    with FolderLock(lock_inside(tmp_path / 'a' / 'b'), 'b'):
        (tmp_path / 'a' / 'c').touch()
    assert [path.name for path in (tmp_path / 'a').iterdir()] == ['c']


@pytest.mark.parametrize('number', [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_disk_without_locks_is_a_warning(tmp_path, monkeypatch, host_log, number):
    def refuse(descriptor, operation):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(folder_lock.fcntl, 'flock', refuse)
    with FolderLock(lock_beside(tmp_path / 'run'), tmp_path / 'run'):
        pass
    assert any(f'{tmp_path}/run cannot be locked ({os.strerror(number)})' in message for message in host_log)


def test_a_link_in_place_of_the_file_is_not_followed(tmp_path):
    (tmp_path / 'precious').write_text('precious')
    lock_beside(tmp_path / 'run').symlink_to(tmp_path / 'precious')
    with pytest.raises(OSError, match=r'\.run\.lock'), FolderLock(lock_beside(tmp_path / 'run'), 'run'):
        pass
    assert (tmp_path / 'precious').read_text() == 'precious'
