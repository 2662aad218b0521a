import math

import numpy as np
import pytest
from torch.utils.tensorboard import SummaryWriter

from dlvr_plugin.core.errors import DataError
from dlvr_plugin.report.curve_figures import draw_curves
from dlvr_plugin.report.training_log import Series, smooth
from dlvr_plugin.sweep.curves import add_up, points_of, read_checkpoints, read_curves, stack
from tests.sweep.made_sweeps import PROTOCOL, add_measured, make_sweep


def write_scalars(sweep, case, seed, scalars):
    """Write TensorBoard's files of a run, of values by iteration and tag."""
    (run,) = (each.runs[seed] for each in sweep.cases if each.name == case)
    with SummaryWriter(str(sweep.tb_folder(run))) as writer:
        for tag, values in scalars.items():
            for step, value in values.items():
                writer.add_scalar(tag, value, step)


def series(values):
    return Series(np.array(list(values)), np.array(list(values.values()), float))


def test_seeds_of_a_case_are_rows_of_one_series(tmp_path):
    sweep = make_sweep(tmp_path, ['x', 'y'])
    write_scalars(sweep, 'x', 0, {'losses/l_g_pix': {10: 4, 20: 2}, 'lr': {10: 1}})
    write_scalars(sweep, 'x', 1, {'losses/l_g_pix': {10: 6, 20: 1}})
    curves = read_curves(sweep, sweep.cases[:1])
    found = curves['x']['losses/l_g_pix']
    assert found.steps.tolist() == [10, 20]
    assert found.values.tolist() == [[4, 2], [6, 1]]


def test_a_seed_that_is_behind_ends_the_line(host_log):
    stacked = stack({'a': {'l': series({10: 1, 20: 2, 30: 3})}, 'b': {'l': series({10: 5, 20: 6})}})
    assert stacked['l'].steps.tolist() == [10, 20]
    assert stacked['l'].values.tolist() == [[1, 2], [5, 6]]
    assert 'b has not come as far as other seeds' in ' '.join(host_log)


def test_a_shared_run_is_drawn_once_and_cases_without_losses_are_told(tmp_path, host_log):
    sweep = make_sweep(tmp_path, ['x', 'y'], shared=['x'])
    with pytest.raises(DataError, match='No run of the sweep made has logged losses below .*use_tb_logger: false'):
        read_curves(sweep, sweep.cases)
    write_scalars(sweep, 'x', 0, {'losses/l_g_pix': {10: 4}})
    curves = read_curves(sweep, sweep.cases)
    assert list(curves) == ['x']
    assert curves['x']['losses/l_g_pix'].values.shape == (1, 1)
    assert 'made_case1_seed1 has logged no losses yet' in ' '.join(host_log)


def test_totals_are_the_sums_of_what_a_network_minimises():
    totals = add_up(
        {
            'losses/l_g_pix': series({10: 1, 20: 2}),
            'losses/l_g_content': series({10: 0.5, 20: 0.25}),
            'losses/l_t_real': series({5: 9, 10: 3, 20: 4}),
            'losses/l_t_fake': series({5: 9, 10: 5, 20: 6}),
            't_acc_real': series({10: 1}),
        }
    )
    assert list(totals) == ['losses/l_g', 'losses/l_t']
    assert totals['losses/l_g'].values.tolist() == [1.5, 2.25]
    assert totals['losses/l_t'].values.tolist() == [18, 8, 10]


def test_the_band_goes_from_the_lowest_to_the_highest_seed():
    steps, values = np.array([10, 20, 30]), np.array([[1.0, 2.0, 4.0], [3.0, 2.0, 0.0]])
    axes = draw_curves({'x': {'l': Series(steps, values)}}, ['l'], smoothing=0.5).axes[0]
    averages = np.array([smooth(row, 0.5) for row in values])
    assert axes.lines[0].get_ydata() == pytest.approx(averages.mean(axis=0))
    (band,) = axes.collections
    corners = {tuple(point) for point in np.round(band.get_paths()[0].vertices, 6)}
    for step, low, high in zip(steps, averages.min(axis=0), averages.max(axis=0), strict=True):
        assert {(step, round(low, 6)), (step, round(high, 6))} <= corners


def test_a_value_that_is_lost_in_one_seed_is_marked():
    values = np.array([[1.0, 2.0, 4.0], [3.0, math.nan, 0.0]])
    axes = draw_curves({'x': {'l': Series(np.array([10, 20, 30]), values)}}, ['l']).axes[0]
    assert axes.lines[-1].get_xdata().tolist() == [20]


def test_checkpoints_of_all_seeds_become_points(tmp_path):
    sweep = make_sweep(tmp_path, ['x', 'y', 'late'], all_checkpoints=True)
    assert read_checkpoints(sweep, sweep.cases) == {}
    add_measured(sweep, 'y', 0, {'psnr': [30], 'lpips': [0.5]})
    assert points_of(read_checkpoints(sweep, sweep.cases), 'psnr', 'lpips') == {'y': (30, 0.5)}
    for seed in (0, 1):
        for iteration in (20, 100) if seed == 0 else (20, 100, 200):
            add_measured(sweep, 'x', seed, {'psnr': [20 + seed, 22], 'lpips': [0.2, 0.4]}, iteration=iteration)
    with pytest.raises(DataError, match='seed0/20 and made_case1_seed0 were not measured alike: ground truth'):
        read_checkpoints(sweep, sweep.cases)
    add_measured(sweep, 'y', 0, {'psnr': [30, math.inf], 'lpips': [0.5, 0.5]})
    checkpoints = read_checkpoints(sweep, sweep.cases)
    assert list(checkpoints) == ['x@20', 'x@100', 'y']
    assert points_of(checkpoints, 'psnr', 'lpips') == {name: pytest.approx((21.25, 0.3)) for name in ('x@20', 'x@100')}
    add_measured(sweep, 'y', 0, {'psnr': [30, 30], 'lpips': [0.5, 0.5]}, protocol=PROTOCOL | {'skip_frames': 2})
    with pytest.raises(DataError, match='not measured alike: protocol'):
        read_checkpoints(sweep, sweep.cases)
