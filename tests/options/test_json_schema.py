"""The JSON Schema that editors read says the same as the checks."""

import json
import subprocess
import sys
from copy import deepcopy

import jsonschema
import pytest

from dlvr_plugin.options.find_problems import find_problems
from dlvr_plugin.options.yaml_reader import read_file
from tests.helpers import OPTION_FILES, REPOSITORY

OPTIONS = REPOSITORY / 'options'


@pytest.fixture(scope='module')
def validator():
    schema = json.loads((OPTIONS / 'schema.json').read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_file_is_what_the_command_prints():
    """In a process of its own: tests register networks that others do not have."""
    command = [sys.executable, '-m', 'dlvr_plugin.cli', 'options', 'schema', '--out', '-']
    printed = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True).stdout
    assert printed == (OPTIONS / 'schema.json').read_text(), (
        'Write it anew: dlvr options schema --out options/schema.json'
    )


@pytest.mark.parametrize('path', OPTION_FILES, ids=lambda path: path.stem)
def test_files_are_valid_and_name_the_schema(validator, path):
    assert [error.message for error in validator.iter_errors(read_file(path).value)] == []
    first = path.read_text().split('\n')[0]
    assert first.startswith('# yaml-language-server: $schema=')
    assert (path.parent / first.partition('=')[2]).resolve() == OPTIONS / 'schema.json'


def sections_of(opt):
    """Yield every section, but that of metrics, whose names the user chooses."""
    yield opt
    for name, value in opt.items():
        if isinstance(value, dict):
            yield from value.values() if name == 'metrics' else sections_of(value)


def test_misspelt_keys_are_invalid(validator):
    number = 0
    for path in (OPTIONS / 'demo/2_discriminative_space.yml', OPTION_FILES[-1], OPTION_FILES[3]):
        original = read_file(path).value
        for index, section in enumerate(sections_of(original)):
            for key in section:
                changed = deepcopy(original)
                section = list(sections_of(changed))[index]
                section[key + key[-1]] = section.pop(key)
                assert not validator.is_valid(changed), (path.name, key)
                number += 1
    assert number > 150


VALUES = [
    ('train.optim_g.lr', '1e-4', False),
    ('train.optim_g.type', 'SGD', False),
    ('train.optim_g.type', 'AdamW', True),
    ('train.optim_g.betas', [0.9], False),
    ('train.total_iter', 5e2, True),
    ('train.total_iter', 0, False),
    ('train.pixel_opt.type', 'L1Loss', False),  # which has no delta
    ('train.compile', ['net_g'], True),
    ('train.amp', None, True),
    ('train.amp', 'fp8', False),
    ('train.tsa_iter', 5, True),
    ('train.flow_lr_mul', 0.5, False),
    ('datasets.train.type', 'REDSDataset', False),
    ('datasets.train.degradation', {'type': 'BD', 'sigma': 1.2}, True),
    ('datasets.train.degradation', {'type': 'BD', 'sgima': 1.2}, False),
    ('datasets.train.io_backend.type', 'disc', False),
    ('network_g.num_feat', 'many', False),
    ('network_g.type', 'EDSR', False),
    ('num_gpu', 'all', False),
    ('host_model', 'SRModell', False),
    ('model_type', 'EDVRModel', False),  # which reads neither network_t nor host_model
    ('logger.keep_last', 3, True),
]


@pytest.mark.parametrize(('key', 'value', 'is_valid'), VALUES)
def test_the_schema_and_the_checks_agree(validator, key, value, is_valid):
    opt = read_file(OPTIONS / 'demo/2_discriminative_space.yml').value
    section = opt
    *sections, name = key.split('.')
    for each in sections:
        section = section[each]
    section[name] = value
    if 'degradation' in key:
        del section['dataroot_lq']
    assert validator.is_valid(opt) == is_valid
    assert (find_problems(opt, is_train=True, with_files=False)[1] == []) == is_valid


@pytest.mark.parametrize('key', ['name', 'train', 'logger', 'network_t'])
def test_what_is_missing_is_invalid(validator, key):
    opt = read_file(OPTIONS / 'demo/2_discriminative_space.yml').value
    del opt[key]
    assert not validator.is_valid(opt)
