"""The data of a training are open as long as it lasts."""

import gc
import weakref

import pytest

from dlvr_plugin import train as train_command
from dlvr_plugin.training import loaders
from tests.helpers import tiny_options, video_test_set, write_options


@pytest.mark.slow
def test_the_data_set_is_released_with_the_training(clip_root, tmp_path, monkeypatch, host_log):
    """Without waiting for the garbage collector, so that a second training may open its LMDBs."""
    opt = tiny_options(clip_root, init_t_iters=1, total_iter=2)
    opt['datasets']['val'] = video_test_set(clip_root, num_frame=3)
    opt['val'] = {'val_freq': 2, 'save_img': False, 'metrics': {'psnr': {'type': 'calculate_psnr_fast'}}}
    monkeypatch.setenv('DLVR_ROOT', str(tmp_path / 'root'))
    build, built = loaders.build_dataset, []

    def remember(options):
        dataset = build(options)
        if options['phase'] == 'train':
            built.append(weakref.ref(dataset))
        return dataset

    monkeypatch.setattr(loaders, 'build_dataset', remember)
    gc.disable()
    try:
        assert train_command.main(['-opt', str(write_options(opt, tmp_path / 'x.yml'))]) == 0
        (dataset,) = (known() for known in built)
    finally:
        gc.enable()  # and collects at once
    assert dataset is None
