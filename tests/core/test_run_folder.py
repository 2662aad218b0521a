"""The folder of a run: what was there is kept, or the folder used again, and a failure leaves all where it was."""

from pathlib import Path

import pytest

from dlvr_plugin.core import run_folder
from dlvr_plugin.core.run_folder import RunFolder


def options(root):
    run = root / 'experiments' / 'X'
    path = {'experiments_root': run, **{name: run / name for name in ('models', 'training_states', 'visualization')}}
    return {'is_train': True, 'rank': 0, 'dist': False, 'path': path}


def take(root, *, resumes=False):
    with RunFolder(options(root), root / 'tb_logger' / 'X') as folder:
        folder.take(resumes=resumes)
    return folder


def tree(root):
    """Return all paths, and what files hold."""
    return {str(path.relative_to(root)): path.read_bytes() if path.is_file() else None for path in root.rglob('*')}


@pytest.fixture
def finished(tmp_path):
    """The folders of a run that has a checkpoint."""
    take(tmp_path)
    (tmp_path / 'experiments/X/models/net_g_latest.pth').write_bytes(b'weights')
    (tmp_path / 'experiments/X/train.log').write_bytes(b'log')
    (tmp_path / 'tb_logger/X/events').write_bytes(b'curves')
    return tmp_path


def test_a_new_run_has_new_folders(tmp_path):
    assert not take(tmp_path).goes_on
    assert sorted(tree(tmp_path / 'experiments')) == ['X', 'X/models', 'X/training_states', 'X/visualization']
    assert (tmp_path / 'tb_logger/X').is_dir()


def test_a_run_with_checkpoints_is_kept_even_twice_in_one_second(finished, monkeypatch):
    monkeypatch.setattr(run_folder, 'get_time_str', lambda: 'NOW')
    for name in ('X_archived_NOW', 'X_archived_NOW_2'):
        assert not take(finished).goes_on
        assert (finished / 'experiments' / name / 'train.log').read_bytes() == b'log'
        assert (finished / 'tb_logger' / name / 'events').read_bytes() == b'curves'
        assert not list((finished / 'experiments/X').glob('*/*'))
        (finished / 'experiments/X/training_states/2.state').write_bytes(b'state')
        (finished / 'experiments/X/train.log').write_bytes(b'log')
        (finished / 'tb_logger/X/events').write_bytes(b'curves')


def test_a_run_without_checkpoints_is_used_again(finished):
    (finished / 'experiments/X/models/net_g_latest.pth').rename(
        finished / 'experiments/X/models/.net_g_latest.pth.partial'
    )
    before = tree(finished)
    assert take(finished).goes_on
    assert tree(finished) == before


def test_a_run_that_resumes_goes_on_in_its_folder(finished):
    before = tree(finished)
    assert take(finished, resumes=True).goes_on
    assert tree(finished) == before


def test_a_run_that_does_not_get_so_far_leaves_nothing(tmp_path):
    with RunFolder(options(tmp_path)):
        assert (tmp_path / 'experiments').is_dir()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('failure', range(1, 5))  # of four renames: two folders aside, two in their places
def test_a_failure_leaves_all_where_it_was(finished, monkeypatch, failure):
    rename, left = Path.rename, [failure]

    def fail_once(self, target):
        left[0] -= 1
        if left[0] == 0:
            raise OSError(5, 'Input/output error')
        return rename(self, target)

    before = tree(finished)
    monkeypatch.setattr(Path, 'rename', fail_once)
    with pytest.raises(OSError, match='Input/output error'):
        take(finished)
    assert left[0] < 1
    assert tree(finished) == before


def test_a_second_folder_that_cannot_be_made_leaves_the_first(finished):
    (finished / 'tb_logger/X/events').unlink()
    (finished / 'tb_logger/X').rmdir()
    (finished / 'tb_logger').rmdir()
    (finished / 'tb_logger').touch()  # a file
    before = tree(finished)
    with pytest.raises(FileExistsError, match='tb_logger'):
        take(finished)
    assert tree(finished) == before


def test_a_link_in_place_of_the_partial_folder_is_not_followed(finished):
    (finished / 'precious').mkdir()
    (finished / 'precious/file').touch()
    (finished / 'experiments/.X.partial').symlink_to(finished / 'precious')
    take(finished)
    assert (finished / 'precious/file').exists()
    assert not (finished / 'experiments/X').is_symlink()
