"""Every key of every shipped option file, misspelt, with a wrong type, or left out, is refused by its name."""

import re
from copy import deepcopy

import pytest

from dlvr_plugin.data.clip_test_dataset import WHOLE_CLIPS
from dlvr_plugin.options.find_problems import find_problems
from dlvr_plugin.options.yaml_reader import read_file
from tests.helpers import OPTION_FILES

# Keys that training, tests and the classes that the files name read without a default, as the host's source has it.
REQUIRED = [
    r'name|model_type|host_model|num_gpu|datasets|path|network_g',
    r'(datasets\.(train|test)|network_t|train|logger)',
    r'datasets\.\w+\.(name|type|io_backend(\.type)?)',
    r'datasets\.train\.(dataroot_gt|num_frame|gt_size|num_worker_per_gpu|batch_size_per_gpu)',
    r'network_[gt]\.type',
    r'train\.(total_iter|scheduler|scheduler(_t)?\.(type|milestones|periods)|optim_[gt](\.(type|lr))?)',
    r'train\.(pixel|perceptual|warp)_opt\.type|train\.perceptual_opt\.(path|layer_weights)',
    r'val\.save_img|val\.metrics\.\w+\.type',
    r'logger\.(print_freq|save_checkpoint_freq|use_tb_logger)',
    r'datasets\.train\.degradation\.type',
]
REQUIRED_BY_DATASET = {
    'REDSDataset': r'scale|datasets\.train\.(dataroot_(lq|flow)|meta_info_file|val_partition|use_hflip|use_rot|'
    r'interval_list|random_reverse)',
    'REDSRecurrentDataset': r'scale|datasets\.train\.(dataroot_lq|meta_info_file|val_partition|use_hflip|use_rot|'
    r'test_mode)',
    'VideoTestDataset': r'datasets\.(val|test)\.(dataroot_gt|dataroot_lq|num_frame|padding|cache_data)',
    'VideoRecurrentTestDataset': r'datasets\.(val|test)\.(dataroot_gt|dataroot_lq|num_frame|cache_data)',
}
REQUIRED_BY_NETWORK = {'EDSR': r'network_g\.(num_in_ch|num_out_ch)'}


def small(opt):
    """Return options with few blocks in the networks, which the check builds."""
    for key in ('num_extract_block', 'num_reconstruct_block', 'num_block'):
        if key in opt['network_g']:
            opt['network_g'][key] = 1
    return opt


def keys_of(section, path=()):
    for name, value in section.items():
        yield (*path, name)
        if isinstance(value, dict):
            yield from keys_of(value, (*path, name))


def section_of(opt, key):
    for name in key[:-1]:
        opt = opt[name]
    return opt


def is_free(key):
    """Tell whether the user chooses the name."""
    return key[:2] == ('val', 'metrics') and len(key) == 3


def is_required(key, opt):
    patterns = list(REQUIRED)
    patterns.append(r'val\.val_freq' if 'train' in opt else 'val')
    patterns += [REQUIRED_BY_DATASET.get(dataset['type'], '-') for dataset in opt['datasets'].values()]
    held_out = opt['datasets'].get('val') or opt['datasets'].get('test') or {}
    if held_out.get('num_frame') != WHOLE_CLIPS:  # the default of ClipTestDataset
        patterns.append(r'datasets\.(val|test)\.num_frame')
    patterns.append(REQUIRED_BY_NETWORK.get(opt['network_g']['type'], '-'))
    if 'train' in opt:
        if 'network_t' not in opt and 'perceptual_opt' not in opt['train']:
            patterns.append(r'train\.pixel_opt')
        # The default is all, and these compare the middle frame.
        if opt['model_type'] in ('EDVRModel', 'VideoBaseModel'):
            patterns.append(r'datasets\.train\.gt_frames')
        if len(opt['train']['scheduler'].get('periods', [])) > 1:  # the default is for one
            patterns.append(r'train\.scheduler\.restart_weights')
    return any(re.fullmatch(pattern, '.'.join(map(str, key))) for pattern in patterns)


def elsewhere(key, changed):
    """Return the keys of the problems that come of leaving out a key which has a default."""
    match key:
        case 'network_g', 'hr_in' if changed['scale'] == 1:  # without it EDVR enlarges frames four times
            return [('scale',)]
        case 'network_g', 'with_predeblur' if changed['network_g'].get('hr_in'):  # which EDVR reads with it alone
            return [('network_g',)]
        case 'datasets', 'val' | 'test', 'dataroot_gt':  # of a ClipTestDataset; its metrics need it
            return [('val', 'metrics', name) for name in changed['val']['metrics']]
        case 'datasets', 'train', 'gt_frames':  # the default is all, and a network of single images would get clips
            return [('network_g',)]
        case 'train', 'init_t_iters' if 'periods' in changed['train']['scheduler']:  # they cover G's own iterations
            return [('train', 'scheduler', 'periods')]
    return []


def misspellings(name):
    return {name + name[-1], name[:-1], name[:-2] + name[-1] + name[-2]} - {name}


def wrong_values(value):
    if isinstance(value, bool):
        return ['perhaps', 1, [value]]
    if isinstance(value, (int, float)):
        return ['1e-4', True, [value]]
    if isinstance(value, str):
        return [-1.5, True, {'wrong': value}]
    if isinstance(value, list):
        return ['text', 3, {'wrong': value}]
    return [-1.5, 'text', [1]] if isinstance(value, dict) else [-1.5, {'wrong': 1}, [{'wrong': 1}]]


@pytest.fixture(scope='module')
def figures():
    """How many cases of each kind were refused, and how many there were; printed by ``pytest -s``."""
    counted = {}
    yield counted
    print('\n' + '\n'.join(f'{kind}: {refused} of {number}' for kind, (refused, number) in counted.items()))  # noqa: T201


def check(opt, is_train):
    return find_problems(opt, is_train=is_train, with_files=False)[1]


def refused(cases, figures, kind):
    """Count, and return the cases that are not refused by the right key."""
    number, failed = 0, []
    for file, key, opt, is_train, expected in cases:
        number += 1
        if not any(expected(problem) for problem in check(opt, is_train)):
            failed.append((file.name, key))
    figures[kind] = (number - len(failed), number)
    assert number > 500 if kind != 'left out' else number > 300
    return failed


def cases_of(change, alike=repr):
    """Yield a case for each change of each key; ``change`` yields changed options and what is expected of a problem.

    A key that an earlier file has with an alike value, in the same kind of run and of section, is not changed again.
    """
    seen = set()
    for file in OPTION_FILES:
        opt = small(read_file(file).value)
        kind = 'train' in opt, opt['model_type'], opt.get('host_model')
        for key in keys_of(opt):
            section = section_of(opt, key)
            case = kind, key, section.get('type'), alike(section[key[-1]])
            if case in seen:
                continue
            seen.add(case)
            for changed, expected in change(opt, key):
                yield file, key, changed, 'train' in opt, expected


@pytest.mark.slow
def test_misspelt_keys(figures):
    def misspell(opt, key):
        for name in () if is_free(key) else misspellings(key[-1]):
            changed = deepcopy(opt)
            section = section_of(changed, key)
            assert name not in section
            section[name] = section.pop(key[-1])
            yield changed, lambda problem, name=name: problem.key == (*key[:-1], name) and key[-1] in problem.message

    assert refused(cases_of(misspell, alike=type), figures, 'misspelt') == []


@pytest.mark.slow
def test_wrong_types(figures):
    def mistype(opt, key):
        for value in () if is_free(key) else wrong_values(section_of(opt, key)[key[-1]]):
            if key[-1] == 'dataroot_lq' and value == 'text':  # in place of a list of several
                continue
            changed = deepcopy(opt)
            section_of(changed, key)[key[-1]] = value
            yield changed, lambda problem: problem.key[: len(key)] == key

    assert refused(cases_of(mistype, alike=type), figures, 'wrong type') == []


@pytest.mark.slow
def test_left_out_keys(figures):
    def leave_out(opt, key):
        if is_required(key, opt):
            changed = deepcopy(opt)
            del section_of(changed, key)[key[-1]]
            yield changed, lambda problem: problem.key == key

    assert refused(cases_of(leave_out), figures, 'left out') == []


@pytest.mark.slow
def test_other_keys_can_be_left_out():
    def leave_out(opt, key):
        if not is_required(key, opt):
            changed = deepcopy(opt)
            del section_of(changed, key)[key[-1]]
            yield changed, None

    for file, key, opt, is_train, _ in cases_of(leave_out):
        expected = elsewhere(key, opt)
        assert [problem.key for problem in check(opt, is_train)] == expected, (file.name, key)
