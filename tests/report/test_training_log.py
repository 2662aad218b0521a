import math

import numpy as np
import pytest
from torch.utils.tensorboard import SummaryWriter

from dlvr_plugin.core.errors import DataError
from dlvr_plugin.report.training_log import find_tags, read_scalars, smooth


def write_events(folder, steps, value, suffix, start_time, tag='losses/l_g_pix'):
    with SummaryWriter(str(folder), filename_suffix=suffix) as writer:
        for index, step in enumerate(steps):
            writer.add_scalar(tag, value, step, walltime=start_time + index)


def test_a_resumed_run_is_one_run(tmp_path):
    write_events(tmp_path, [10, 20, 30, 40], 1.0, '.a', 1000)
    write_events(tmp_path, [30, 40, 50], 2.0, '.b', 2000)
    series = read_scalars(tmp_path)['losses/l_g_pix']
    assert series.steps.tolist() == [10, 20, 30, 40, 50]
    assert series.values.tolist() == [1, 1, 2, 2, 2]


def test_the_time_of_writing_decides_and_not_the_name(tmp_path):
    write_events(tmp_path, [10, 20], 2.0, '.a', 2000)
    write_events(tmp_path, [10, 20, 30], 1.0, '.b', 1000)
    series = read_scalars(tmp_path)['losses/l_g_pix']
    # What was logged behind the point of resumption belongs to a branch that was given up.
    assert series.steps.tolist() == [10, 20]
    assert series.values.tolist() == [2, 2]


def test_long_runs_are_read_as_a_whole(tmp_path):
    write_events(tmp_path, range(10_500), 0.5, '', 0)
    assert len(read_scalars(tmp_path)['losses/l_g_pix'].steps) == 10_500


def test_values_that_are_not_finite_are_kept(tmp_path):
    write_events(tmp_path, [1], math.nan, '', 0)
    write_events(tmp_path, [2], math.inf, '.b', 10)
    values = read_scalars(tmp_path)['losses/l_g_pix'].values
    assert math.isnan(values[0])
    assert math.isinf(values[1])


def test_folders_without_scalars(tmp_path):
    with pytest.raises(DataError, match='missing does not exist'):
        read_scalars(tmp_path / 'missing')
    with pytest.raises(DataError, match='holds no event files'):
        read_scalars(tmp_path)
    SummaryWriter(str(tmp_path)).close()
    with pytest.raises(DataError, match='hold no scalars'):
        read_scalars(tmp_path)


def test_averages_by_hand():
    averages = smooth(np.array([1.0, 3.0, np.nan, 5.0]), 0.5)
    # 0.5 / 0.5; (0.25 + 1.5) / 0.75; (0.125 + 0.75 + 2.5) / 0.875
    assert averages[[0, 1, 3]] == pytest.approx([1, 7 / 3, 27 / 7])
    assert np.isnan(averages[2])
    assert smooth(np.array([4.0, 2.0]), 0).tolist() == [4, 2]
    assert smooth(np.full(50, 3.0), 0.99) == pytest.approx(np.full(50, 3.0))  # no pull of the beginning
    for weight in (-0.1, 1, math.nan):
        with pytest.raises(ValueError, match='weight'):
            smooth(np.ones(2), weight)


def test_tags_are_found_by_their_last_part():
    tags = ['losses/l_g_pix', 'losses/l_t_real', 'metrics/reds/psnr', 't_acc_real', 't_norm']
    assert find_tags(tags, None) == ['losses/l_g_pix', 'losses/l_t_real', 't_acc_real']
    assert find_tags(tags, ['psnr', 'losses/l_g_pix', 'l_g_pix']) == ['metrics/reds/psnr', 'losses/l_g_pix']
    with pytest.raises(ValueError, match=r'no tag l_x .*losses/l_g_pix, losses/l_t_real'):
        find_tags(tags, ['l_x'])
    with pytest.raises(ValueError, match='no losses or accuracies'):
        find_tags(['lr'], None)
