"""Files of evaluations that were edited or damaged: named errors, never numbers of another shape."""

import copy
import json
import os
import random
import time

import cv2
import numpy as np
import pytest

from dlvr_plugin.cli.main import main
from dlvr_plugin.core.errors import DataError
from dlvr_plugin.evaluation.evaluation_check import find_evaluation_problem
from dlvr_plugin.evaluation.evaluation_file import read_evaluation
from dlvr_plugin.evaluation.journal import Journal

VALUES = (None, True, -1, 10**30, 1.5, float('nan'), '', 'x', [], [None], {}, {'a': 1})


@pytest.fixture(scope='module')
def evaluated(tmp_path_factory):
    """The folder of an evaluation of two methods on two clips of three frames."""
    root = tmp_path_factory.mktemp('evaluated')
    generator = np.random.default_rng(0)
    for side in ('gt', 'first', 'second'):
        for clip in ('a', 'b'):
            (root / side / clip).mkdir(parents=True)
            for index in range(3):
                image = generator.integers(0, 256, (24, 32, 3), dtype=np.uint8)
                cv2.imwrite(str(root / side / clip / f'{index:08d}.png'), image)
    results = [f'{name}={root / name}' for name in ('first', 'second')]
    words = ['evaluate', '--gt', str(root / 'gt'), '--results', *results, '--out', str(root / 'out'), '--jobs', '1']
    assert main([*words, '--metrics', 'psnr', 'tof', '--skip-frames', '0', '--crop-border', '0']) == 0
    return root / 'out'


def places_in(value, keys=()):
    """Yield the keys that lead to every value in JSON's content."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in items:
        yield (*keys, key)
        yield from places_in(each, (*keys, key))


def edit(content, generator):
    """Remove, replace, add or double something in a copy of the content."""
    content = copy.deepcopy(content)
    *parents, last = generator.choice(list(places_in(content)))
    section = content
    for key in parents:
        section = section[key]
    kind = generator.choice(['remove', 'replace', 'add'])
    if kind == 'remove':
        del section[last]
    elif kind == 'replace':
        section[last] = generator.choice(VALUES)
    elif isinstance(section, list):
        section.append(generator.choice(VALUES))
    else:
        section[f'{last}x'] = generator.choice(VALUES)
    return content


def test_what_an_evaluation_writes_is_one(evaluated):
    assert set(read_evaluation(evaluated)['methods']) == {'first', 'second'}


@pytest.mark.parametrize('seed', range(3))
def test_edited_evaluations_are_refused_by_name_or_shown(evaluated, tmp_path, seed, capsys, host_log):
    generator = random.Random(seed)
    content = json.loads((evaluated / 'metrics.json').read_text())
    for number in range(8):
        (tmp_path / 'metrics.json').write_text(json.dumps(edit(content, generator)))
        code = main(['report', str(tmp_path), '--out', str(tmp_path / f'report{number}')])
        if code:
            assert 'This is a defect' not in host_log[-1]
            assert 'DataError' in host_log[-1]


@pytest.mark.parametrize(
    ('keys', 'value', 'message'),
    [
        (('metrics', 'psnr', 'decimals'), 10**9, 'metrics.psnr.decimals: expected a whole number from 0 to 20'),
        (('metrics', 'psnr', 'direction'), 'up', "metrics.psnr.direction: expected one of .*got the text 'up'"),
        (('methods', 'first'), [], 'methods.first: expected an object, got a list of 0'),
        (('methods', 'first', 'mean'), {'psnr': 1}, 'methods.first.mean: expected an object with psnr, tof'),
        (('methods', 'first', 'mean', 'psnr'), 'high', 'methods.first.mean.psnr: expected a number'),
        (('methods', 'first', 'clips'), {}, 'methods.first.clips: expected an object with a, b'),
        (('methods', 'first', 'clips', 'a', 'frames', 'psnr'), [1, 2], 'frames.psnr: expected a list of 3, got a list'),
        (('methods', 'first', 'clips', 'a', 'frames', 'psnr', 1), '2', 'expected each to be a number or null'),
        (('clips', 'a', 'size'), [24, 0], 'clips.a.size: expected each to be a whole number above 0'),
        (('clips', 'a', 'frames', 0), 7, 'clips.a.frames: expected each to be text'),
        (('clips', 'a', 'sha256'), None, 'clips.a.sha256: expected an object, got null'),
        (('gt_root',), 5, 'gt_root: expected text, got a whole number'),
    ],
)
def test_the_keys_of_what_is_wrong_are_named(evaluated, tmp_path, keys, value, message):
    content = json.loads((evaluated / 'metrics.json').read_text())
    section = content
    for key in keys[:-1]:
        section = section[key]
    section[keys[-1]] = value
    (tmp_path / 'metrics.json').write_text(json.dumps(content))
    with pytest.raises(DataError, match=rf'metrics.json is damaged, or was edited: .*{message}.*Run dlvr evaluate'):
        read_evaluation(tmp_path)


def test_what_is_missing_is_named(evaluated):
    content = json.loads((evaluated / 'metrics.json').read_text())
    for keys in places_in(content):
        if (
            isinstance(keys[-1], str)
            and 'sha256' not in keys[:-1]
            and keys[0] not in ('protocol', 'versions', 'format')
        ):
            edited = copy.deepcopy(content)
            section = edited
            for key in keys[:-1]:
                section = section[key]
            del section[keys[-1]]
            problem = find_evaluation_problem(edited)
            is_optional = keys[0] == 'methods' and (len(keys) == 2 or keys[-1] == 'intervals')
            assert (problem is None) == is_optional, keys


@pytest.mark.parametrize('content', ['[' * 100_000, '{"format": 1' + '9' * 20_000 + '}', '\xff', ''])
def test_damaged_files_are_named_at_once(tmp_path, content):
    (tmp_path / 'metrics.json').write_bytes(content.encode('latin-1'))
    start = time.process_time()
    with pytest.raises(DataError, match='metrics.json is damaged: .* Run dlvr evaluate again'):
        read_evaluation(tmp_path)
    assert time.process_time() - start < 1


def test_what_is_no_file_is_named_at_once(tmp_path, evaluated, host_log):
    os.mkfifo(tmp_path / 'metrics.json')
    with pytest.raises(DataError, match='metrics.json is a FIFO, not a file'):
        read_evaluation(tmp_path)
    os.mkfifo(tmp_path / '.measured.jsonl')
    root = evaluated.parent
    words = ['evaluate', '--gt', str(root / 'gt'), '--results', f'first={root / "first"}', '--out', str(tmp_path)]
    assert main([*words, '--jobs', '1', '--metrics', 'psnr', '--skip-frames', '0', '--crop-border', '0']) == 1
    assert '.measured.jsonl is a FIFO, not a file' in host_log[-1]


def test_an_edited_journal_is_as_good_as_none(evaluated, tmp_path):
    lines = (evaluated / '.measured.jsonl').read_bytes().splitlines()
    known = {key: values for line in lines if line for key, values in json.loads(line).items()}
    odd = [{next(iter(known)): value} for value in ('x', 5, None, ['a'], {'a': 1})]
    content = [*map(json.dumps, odd), '[1]', '5', '{"a": ', '[' * 100_000, '\xff']
    (tmp_path / 'journal').write_bytes('\n'.join(content).encode('latin-1'))
    assert Journal(tmp_path / 'journal').find(next(iter(known))) is None
    assert Journal(evaluated / '.measured.jsonl').find(next(iter(known))) is not None


def test_values_of_another_length_are_measured_anew(evaluated, tmp_path):
    root = evaluated.parent
    lines = (evaluated / '.measured.jsonl').read_text().splitlines()
    cut = [json.dumps({key: values[:-1] for key, values in json.loads(line).items()}) for line in lines if line]
    (tmp_path / '.measured.jsonl').write_text('\n'.join(cut))
    results = [f'{name}={root / name}' for name in ('first', 'second')]
    words = ['evaluate', '--gt', str(root / 'gt'), '--results', *results, '--out', str(tmp_path), '--jobs', '1']
    assert main([*words, '--metrics', 'psnr', 'tof', '--skip-frames', '0', '--crop-border', '0']) == 0
    for name, entry in read_evaluation(evaluated)['methods'].items():
        found = read_evaluation(tmp_path)['methods'][name]
        assert found['mean'] == pytest.approx(entry['mean'], rel=1e-9)
        assert found['clips']['a']['frames']['psnr'] == entry['clips']['a']['frames']['psnr']
