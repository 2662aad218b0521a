import json

import pytest

from dlvr_plugin.core.errors import DataError, InvalidValueError
from dlvr_plugin.sweep.combined import combine
from dlvr_plugin.sweep.results import different_versions, read_results
from tests.sweep.made_sweeps import PROTOCOL, add_measured, make_sweep

VALUES = {'psnr': [25.0, 26.0], 'lpips': [0.2, 0.3]}


@pytest.fixture
def sweep(tmp_path):
    sweep = make_sweep(tmp_path, ['x', 'y'])
    add_measured(sweep, 'x', 0, VALUES)
    return sweep


def test_values_of_a_sweep(sweep):
    add_measured(sweep, 'y', 1, VALUES)
    results = read_results(sweep)
    assert results.clips == ['clip0', 'clip1']
    assert list(results.metrics) == ['psnr', 'lpips']
    assert list(results.cases['x'].evaluations) == ['made_case0_seed0']
    assert results.cases['x'].of_seed(1) is None
    assert results.cases['y'].of_seed(1)['methods']['any']['mean']['psnr'] == 25.5
    assert not results.cases['y'].is_whole


def test_of_nothing_there_is_no_table(tmp_path):
    with pytest.raises(DataError, match='Nothing is measured yet of the sweep made'):
        read_results(make_sweep(tmp_path, ['x']))


@pytest.mark.parametrize(
    ('values', 'changes', 'message'),
    [
        (VALUES, {'protocol': PROTOCOL | {'skip_frames': 2}}, 'protocol, skip_frames is 0 and 2'),
        (VALUES, {'protocol': PROTOCOL | {'crop_border': 8}}, 'protocol, only the second has crop_border'),
        ({'psnr': [25.0, 26.0]}, {}, 'metrics, only the first has lpips'),
        ({'psnr': [25.0], 'lpips': [0.2]}, {}, 'ground truth, only the first has clip1'),
    ],
)
def test_runs_that_were_not_measured_alike_are_refused(sweep, values, changes, message):
    add_measured(sweep, 'y', 1, values, **changes)
    with pytest.raises(
        DataError, match='The runs made_case0_seed0 and made_case1_seed1 were not measured alike'
    ) as found:
        read_results(sweep)
    assert message in str(found.value)


def test_another_ground_truth_is_refused(sweep):
    path = add_measured(sweep, 'y', 0, VALUES)
    content = json.loads(path.read_text())
    content['clips']['clip1']['frame_rate'] = 25.0  # may be that of the results
    path.write_text(json.dumps(content))
    assert len(read_results(sweep).cases['y'].evaluations) == 1
    content['clips']['clip1']['sha256'] = {'0.png': 'cd'}
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match='ground truth, clip1'):
        read_results(sweep)


def test_a_damaged_file_is_named(sweep):
    path = add_measured(sweep, 'y', 0, VALUES)
    path.write_text(path.read_text()[:-100])
    with pytest.raises(DataError, match=f'{path} is damaged.*dlvr sweep run again'):
        read_results(sweep)


def test_a_file_of_several_methods_is_refused(sweep):
    path = add_measured(sweep, 'y', 0, VALUES)
    content = json.loads(path.read_text())
    content['methods']['other'] = content['methods']['any']
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match='made_case1_seed0 holds the evaluation of 2 methods; expected one'):
        read_results(sweep)


def test_the_runs_of_a_seed_become_one_evaluation(sweep):
    add_measured(sweep, 'y', 0, {'psnr': [20.0, 21.0], 'lpips': [0.1, 0.1]})
    add_measured(sweep, 'y', 1, {'psnr': [22.0, 23.0], 'lpips': [0.1, 0.1]})
    results = read_results(sweep)
    evaluation = combine(results, 0)
    assert {name: method['mean']['psnr'] for name, method in evaluation['methods'].items()} == {'x': 25.5, 'y': 20.5}
    assert evaluation['gt_root'] == '/gt'
    assert list(combine(results, 1)['methods']) == ['y']
    with pytest.raises(InvalidValueError, match='has no seed 7; expected one of 0, 1'):
        combine(results, 7)


def test_a_seed_that_is_not_measured_has_no_evaluation(sweep):
    with pytest.raises(DataError, match='No run of seed 1 of the sweep made is measured yet'):
        combine(read_results(sweep), 1)


def test_other_versions_are_told_and_refused_in_one_evaluation(sweep):
    add_measured(sweep, 'y', 0, VALUES, versions={'numpy': '2.1'})
    results = read_results(sweep)
    evaluations = [each for case in results.cases.values() for each in case.evaluations.values()]
    assert different_versions(evaluations) == ['numpy (2.0, 2.1)']
    with pytest.raises(DataError, match="versions, numpy is '2.0' and '2.1'"):
        combine(results, 0)


def test_no_case_stands_in_for_the_ground_truth(tmp_path):
    sweep = make_sweep(tmp_path, ['GT'])
    add_measured(sweep, 'GT', 0, VALUES)
    with pytest.raises(DataError, match='A case is called GT'):
        combine(read_results(sweep), 0)
