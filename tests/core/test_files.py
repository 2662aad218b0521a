import pytest

from dlvr_plugin.core.files import atomic_folder, partial_path, write_atomic


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
            partial.mkdir()
            (partial / 'a').touch()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        begin()
    assert not target.exists()
    with atomic_folder(target) as partial:
        partial.mkdir()  # what was begun before is gone
        (partial / 'b').touch()
    assert [path.name for path in target.iterdir()] == ['b']
    with pytest.raises(FileExistsError, match='clips exists already'), atomic_folder(target):
        pass
