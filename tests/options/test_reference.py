"""The tables of options say what the code declares."""

import re

from dlvr_plugin.cli.main import main
from dlvr_plugin.data import ClipDataset
from dlvr_plugin.options.find_problems import find_problems
from dlvr_plugin.options.reference import format_reference
from dlvr_plugin.options.yaml_reader import read_file
from tests.helpers import REPOSITORY

PAGE = REPOSITORY / 'docs/options.md'


def rows_of(title):
    section = PAGE.read_text().partition(f'## {title}\n')[2].partition('\n## ')[0]
    cells = [re.split(r' ?(?<!\\)\| ?', line) for line in section.split('\n') if line.startswith('| `')]
    return {row[1].strip('`'): row[2:5] for row in cells}


def test_the_page_is_what_the_command_prints(capsys):
    assert main(['options', 'table']) == 0
    assert capsys.readouterr().out == format_reference()
    assert PAGE.read_text() == format_reference(), 'Write it anew: dlvr options table --out docs/options.md'


def test_every_option_says_what_it_means():
    rows = [line.split(' | ') for line in PAGE.read_text().split('\n') if line.startswith('| `')]
    assert len(rows) > 55
    assert all(len(row) == 4 and len(row[3]) > 8 for row in rows)


def test_defaults_and_ranges_are_those_of_the_code():
    assert rows_of('`train.discriminative_opt`')['delta'] == [
        '`0.01`',
        'a number above 0',
        'Threshold of every Huber distance',
    ]
    rows = rows_of('`datasets.*`, `type: ClipDataset`')
    assert list(rows) == [name for name in ClipDataset.Options.__annotations__ if name != 'scale']
    assert rows['gt_size'][0] == 'required'
    assert rows['interval_list'][0] == '`[1]`'


def test_keys_of_the_tables_are_options():
    """Every key of the tables of ``train`` that has a default may be set to it."""
    for title, section in (('`train`, of every model', ()), ('`train.divergence`', ('divergence',))):
        opt = read_file(REPOSITORY / 'options/train/EDVR/train_EDVR_M_x4_SR_REDS_DiscriminativeSpace.yml').value
        target = opt['train']
        for name in section:
            target = target.setdefault(name, {})
        for key, (default, _, _) in rows_of(title).items():
            value = default.strip('`')
            if value and value != 'required':
                known = {'~': None, 'true': True, 'false': False, 'stop': 'stop'}
                target[key] = known[value] if value in known else float(value)
        assert find_problems(opt, is_train=True, with_files=False)[1] == []
