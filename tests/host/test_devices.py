"""BasicSR on a CPU: process groups, and its own validation."""

import pytest
import torch
from basicsr.models import build_model

from dlvr_plugin.host.devices import init_dist_pytorch
from tests.helpers import as_host_model, make_test_set
from tests.models.conftest import model_options


def test_launcher_without_torchrun_says_how_to_start(monkeypatch):
    for name in ('RANK', 'LOCAL_RANK', 'WORLD_SIZE', 'MASTER_ADDR'):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValueError, match='RANK, LOCAL_RANK, WORLD_SIZE, MASTER_ADDR is not set.*dist_train.sh'):
        init_dist_pytorch()


@pytest.mark.skipif(torch.cuda.is_available(), reason='the refusal needs more processes than GPUs')
def test_more_processes_than_gpus_are_refused(monkeypatch):
    for name, value in {'RANK': '5', 'LOCAL_RANK': '1', 'WORLD_SIZE': '6', 'MASTER_ADDR': 'localhost'}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 1)
    with pytest.raises(ValueError, match='Process 1 of this node has no GPU: it has 1'):
        init_dist_pytorch()


@pytest.mark.parametrize('host_model', ['EDVRModel', 'VideoRecurrentModel'])
def test_the_frameworks_own_validation_runs_on_a_cpu(tmp_path, host_model):
    """Its numbers are those of ours, for sets of different clips, one after the other."""
    from dlvr_plugin.evaluation.validation import validate

    opt = model_options(host_model)
    opt['val'] = {'metrics': {'psnr': {'type': 'calculate_psnr', 'crop_border': 0}}}
    as_host_model(opt)
    opt['train']['pixel_opt'] = {'type': 'HuberLoss'}
    model = build_model(opt)
    dataset_type = 'VideoRecurrentTestDataset' if host_model == 'VideoRecurrentModel' else 'VideoTestDataset'
    for name, clips in (('a', (('000', 3), ('001', 4))), ('b', (('other', 3),))):
        loader = make_test_set(tmp_path / name, dataset_type=dataset_type, clips=clips)
        model.validation(loader, 1, None)
        own = {clip: values.double() for clip, values in model.metric_results.items()}
        validate(model, loader, 1, None)
        assert own.keys() == model.metric_results.keys() == {clip for clip, _ in clips}
        for clip, values in own.items():
            torch.testing.assert_close(values, model.metric_results[clip], rtol=0, atol=1e-4)
