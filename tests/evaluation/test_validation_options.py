"""Options of validation: refused before the run, and checked without a network."""

import re

import pytest

from dlvr_plugin.core.errors import CheckpointError, InvalidValueError
from dlvr_plugin.evaluation.validation_metrics import check_metric
from dlvr_plugin.options.find_problems import find_problems
from dlvr_plugin.options.problems import dotted
from tests.evaluation.validated_models import METRICS, make_options


@pytest.mark.parametrize('name', ['calculate_lpips', 'calculate_tlp'])
def test_a_check_of_options_downloads_nothing(tmp_path, monkeypatch, host_log, name):
    def refuse(*args, **kwargs):
        raise AssertionError('a check has gone to the network')

    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    monkeypatch.setattr('torch.hub.urlopen', refuse)
    opt = make_options(tmp_path, metrics={'x': {'type': name}}, val_freq=5, save_img=False)
    _, problems = find_problems(opt, is_train=True)
    assert not [problem for problem in problems if problem.key[0] == 'val']
    assert any(
        'alexnet-owt-7be5be79.pth, which is not in ' in message and 'it is downloaded' in message
        for message in host_log
    )
    (tmp_path / 'damaged.pth').write_bytes(b'no weights')
    with pytest.raises(CheckpointError, match='damaged.pth cannot be read as a checkpoint'):
        check_metric('x', {'type': name, 'weights': str(tmp_path / 'damaged.pth')})
    with pytest.raises(InvalidValueError, match='not both'):
        check_metric('x', {'type': name, 'weights': 'none.pth', 'random_weights': True})


@pytest.mark.parametrize(
    ('val', 'message'),
    [
        ({'metrics': {'x': {'type': 'calculate_mse'}}}, "val.metrics.x.type: expected one of .*, got 'calculate_mse'"),
        (
            {'metrics': {'x': {'type': 'calculate_tof', 'nrom': 'euclidean'}}},
            'val.metrics.x.nrom: is no option here. Did you mean norm',
        ),
        (
            {'metrics': {'x': {'type': 'calculate_psnr', 'crop_border': 8, 'better': 'more'}}},
            'better: expected one of higher, lower',
        ),
        ({'metrics': METRICS, 'keep_best': 'lpips'}, "val.keep_best: must be one of .*tof.*, got 'lpips'"),
        ({'metrics': METRICS, 'keep_best': 'REDS/tof'}, "SET/METRIC with a set of Vid4, REDS4, got 'REDS/tof'"),
        ({'metrics': METRICS, 'skip_frames': -1}, 'val.skip_frames: expected a whole number of at least 0, got -1'),
        ({'metrics': {'x': {'type': 'calculate_lpips', 'weights': 'none.pth'}}}, 'none.pth does not exist'),
    ],
)
def test_wrong_options_are_refused_before_the_run(tmp_path, val, message):
    opt = make_options(tmp_path)
    opt['datasets'] = {'val': {'name': 'Vid4'}, 'val_2': {'name': 'REDS4'}}
    _, problems = find_problems({**opt, 'val': {'val_freq': 5, 'save_img': False, **val}}, is_train=True)
    (problem,) = (problem for problem in problems if problem.key[0] == 'val')
    assert re.search(message, f'{dotted(problem.key)}: {problem.message}')
