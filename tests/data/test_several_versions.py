"""Several versions of the low-quality frames, one of which each sample takes."""

import random
import shutil

import cv2
import numpy as np
import pytest
import torch
import yaml

from dlvr_plugin.cli.main import main
from dlvr_plugin.core.errors import DataError, InvalidTypeError, InvalidValueError
from dlvr_plugin.data import ClipDataset
from tests.data.conftest import options


@pytest.fixture
def versions(clip_root):
    """Paths of the bicubic frames, and of black ones in their place."""
    shutil.copytree(clip_root / 'X4', clip_root / 'black')
    for path in (clip_root / 'black').rglob('*.png'):
        cv2.imwrite(str(path), 0 * cv2.imread(str(path)))
    return [str(clip_root / 'X4'), str(clip_root / 'black')]


def test_each_sample_takes_one_of_them(clip_root, versions):
    dataset, bicubic = (ClipDataset(options(clip_root, dataroot_lq=roots)) for roots in (versions, versions[0]))
    black = []
    for seed in range(60):
        random.seed(seed)
        sample = dataset[seed % len(dataset)]
        black.append(bool((sample['lq'] == 0).all()))
        random.seed(seed)
        again = dataset[seed % len(dataset)]
        assert torch.equal(sample['lq'], again['lq'])
        assert torch.equal(sample['gt'], again['gt'])
    assert 15 <= sum(black) <= 45
    random.seed(0)
    whole = bicubic[3]
    random.seed(0)
    assert torch.equal(ClipDataset(options(clip_root, dataroot_lq=versions[:1]))[3]['lq'], whole['lq'])


def test_versions_that_cannot_be_used(clip_root, versions):
    with pytest.raises(InvalidValueError, match='clips.dataroot_lq names .*black twice'):
        ClipDataset(options(clip_root, dataroot_lq=[versions[1]] * 2))
    with pytest.raises(InvalidTypeError, match='clips.dataroot_lq must be text, got'):
        ClipDataset(options(clip_root, dataroot_lq=[]))
    next((clip_root / 'black' / '001').glob('*.png')).unlink()
    with pytest.raises(DataError, match='black.*001|001.*black'):
        ClipDataset(options(clip_root, dataroot_lq=versions))


def test_commands_look_at_all_of_them(clip_root, versions, tmp_path, capsys):
    file = tmp_path / 'train.yml'
    dataset = {**options(clip_root, dataroot_lq=versions), 'num_worker_per_gpu': 0, 'batch_size_per_gpu': 1}
    dataset = {key: value for key, value in dataset.items() if key not in ('phase', 'scale')}
    file.write_text(yaml.safe_dump({'name': 'run', 'scale': 4, 'datasets': {'train': dataset}}))
    assert main(['data', 'check', str(file), '--jobs', '1']) == 0
    assert main(['data', 'show', str(file), '--out', str(tmp_path / 'sheet.png')]) == 0
    assert (tmp_path / 'sheet.png').is_file()
    cv2.imwrite(str(clip_root / 'black' / '002' / '00000003.png'), np.zeros((5, 5, 3), np.uint8))
    capsys.readouterr()
    assert main(['data', 'check', str(file), '--jobs', '1']) == 1
    assert '002' in capsys.readouterr().out
