import resource
import signal

import pytest

from dlvr_plugin.core.files import atomic_folder, partial_path, remove, write_atomic


def test_partial_names_are_hidden_and_have_no_extension_of_their_own(tmp_path):
    assert partial_path(tmp_path / 'a.lmdb').name == '.a.lmdb.partial'
    assert partial_path(tmp_path / 'frames').name == '.frames.partial'


@pytest.mark.parametrize('sync', [True, False])
def test_a_file_is_whole_or_as_it_was(tmp_path, monkeypatch, sync):
    path = tmp_path / 'a.txt'
    write_atomic(path, b'first', sync=sync)
    assert path.read_bytes() == b'first'

    def interrupted(self, target):
        raise KeyboardInterrupt

    monkeypatch.setattr('pathlib.Path.replace', interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomic(path, b'second', sync=sync)
    assert path.read_bytes() == b'first'
    assert [each.name for each in tmp_path.iterdir()] == ['a.txt']


def test_a_folder_has_its_name_when_it_is_complete(tmp_path):
    target = tmp_path / 'clips'

    def begin():
        with atomic_folder(target) as partial:
            (partial / 'a').touch()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        begin()
    assert not target.exists()
    with atomic_folder(target) as partial:
        (partial / 'b').touch()  # what was begun before is gone
    assert [path.name for path in target.iterdir()] == ['b']
    with pytest.raises(FileExistsError, match='clips exists already'), atomic_folder(target):
        pass


@pytest.mark.parametrize('make_link', ['symlink_to', 'hardlink_to'])
def test_a_link_in_place_of_a_partial_file_is_not_written_through(tmp_path, make_link):
    precious, target = tmp_path / 'precious', tmp_path / 'a.txt'
    precious.write_bytes(b'precious')
    getattr(partial_path(target), make_link)(precious)
    write_atomic(target, b'content')
    assert precious.read_bytes() == b'precious'
    assert target.read_bytes() == b'content'
    assert not target.is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ['a.txt', 'precious']


def test_a_link_in_place_of_a_partial_folder_is_not_followed(tmp_path):
    (tmp_path / 'precious').mkdir()
    (tmp_path / 'precious/file').touch()
    partial_path(tmp_path / 'clips').symlink_to(tmp_path / 'precious')
    with atomic_folder(tmp_path / 'clips') as partial:
        (partial / 'a').touch()
    assert [path.name for path in (tmp_path / 'precious').iterdir()] == ['file']
    assert [path.name for path in (tmp_path / 'clips').iterdir()] == ['a']


def test_of_a_link_the_link_alone_is_removed(tmp_path):
    (tmp_path / 'folder').mkdir()
    (tmp_path / 'link').symlink_to(tmp_path / 'folder')
    (tmp_path / 'dangling').symlink_to(tmp_path / 'nothing')
    for name in ('link', 'dangling', 'missing'):
        remove(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ['folder']
    remove(tmp_path / 'folder')
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_told_with_the_name_of_the_file(tmp_path):
    """The limit stands for the disk."""
    path = tmp_path / 'a.txt'
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match='File too large') as caught:
            write_atomic(path, bytes(2000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert caught.value.filename == str(path)
    assert not list(tmp_path.iterdir())
