"""Option files are read without running what they say, and every key keeps its line."""

import os
import time
import timeit

import pytest

from dlvr_plugin.options.problems import OptionsError
from dlvr_plugin.options.yaml_reader import force, read_file, read_text


def read(text):
    return read_text(text, 'x.yml')


def seconds_of(action):
    """Return the least processor time of three calls: one alone may wait for a cache, or clean up after other tests."""
    return min(timeit.repeat(action, timer=time.process_time, number=1, repeat=3))


def test_values_and_their_order():
    text = 'b: 1\na: {c: [1, 2.5, ~, yes], d: !!float 1e-4}\ne: 1e-4\nf: !!str 5\n'
    value = read(text).value
    assert value == {'b': 1, 'a': {'c': [1, 2.5, None, True], 'd': 1e-4}, 'e': '1e-4', 'f': '5'}
    assert list(value) == ['b', 'a', 'e', 'f']
    assert type(value) is dict


def test_lines():
    document = read('a: 1\n\nb:\n  c: 2\n  d:\n    - e: 3\n      f: 4\n')
    assert document.place(('a',)) == 'x.yml:1'
    assert document.place(('b', 'c')) == 'x.yml:4'
    assert document.place(('b', 'd', 0, 'f')) == 'x.yml:7'
    assert document.place(('b', 'missing')) == 'x.yml:3'
    assert document.place(('missing',)) == 'x.yml'


def test_anchors_and_merged_sections():
    document = read('base: &base {a: 1, b: [2]}\nx:\n  <<: *base\n  a: 3\ny: *base\nz: {<<: [{a: 4}, *base]}\n')
    value = document.value
    assert value['x'] == {'a': 3, 'b': [2]}
    assert value['y'] == {'a': 1, 'b': [2]}
    assert value['z'] == {'a': 4, 'b': [2]}
    assert value['x']['b'] is not value['y']['b']  # changing one leaves the other
    assert document.place(('x', 'a')) == 'x.yml:4'
    assert document.place(('x', 'b')) == 'x.yml:1'


@pytest.mark.parametrize(
    'value',
    [
        '!!python/object/apply:os.system ["touch {marker}"]',
        '!!python/object/new:os.system ["touch {marker}"]',
        '!!python/object/apply:subprocess.check_output [[touch, "{marker}"]]',
        '!!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path ["{marker}"]]',
        '!!python/name:os.system',
        '!!python/module:os',
        '!!python/tuple [1, 2]',
        '!!python/object:dlvr_plugin.errors.DataError {}',
        '!local {a: 1}',
        '!!binary aGVsbG8=',
        '!!set {a, b}',
    ],
)
def test_tags_are_refused(tmp_path, value):
    marker = tmp_path / 'marker'
    text = 'a: 1\nb:\n  c: ' + value.replace('{marker}', str(marker)) + '\n'
    with pytest.raises(OptionsError, match=r'x\.yml:3: the tag \S+ is not allowed.*Nothing was executed'):
        read(text)
    document = read('a: 1')
    with pytest.raises(OptionsError, match=r'--force_yml a=.*the tag \S+ is not allowed'):
        force(document, ['a=' + value.replace('{marker}', str(marker))])
    assert not marker.exists()


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('a: 1\nb: 2\na: 3\n', r'x\.yml:3: the key a stands here for the second time; the first is at x\.yml:1'),
        ('a:\n  b: 1\n  c: 2\n  b: 3\n', r'x\.yml:4: the key b .* the first is at x\.yml:2'),
        ('a: {b: 1, b: 1}\n', r'x\.yml:1: the key b'),
        ('a: [1, 2\nb: 3\n', r'x\.yml:2, column \d+: no YAML: .*flow sequence'),
        ('a:\n\tb: 1\n', r'x\.yml:2, column 1: no YAML: .*cannot start any token'),
        ('a: b: c\n', r'x\.yml:1, column 5: no YAML: mapping values are not allowed here'),
        ('a: *nowhere\n', r'x\.yml:1, column 4: no YAML: found undefined alias'),
        ('a: 1\n---\nb: 2\n', r'x\.yml:2, column 1: no YAML: .*document'),
        ('a: !!float one\n', r"x\.yml:1: 'one' cannot be read as !!float"),
        ('a: !!bool perhaps\n', r"x\.yml:1: 'perhaps' cannot be read as !!bool"),
        ('a: !!timestamp today\n', r"x\.yml:1: 'today' cannot be read as !!timestamp"),
        ('yes: 1\n', r'x\.yml:1: a key must be text or a whole number, got True. Quote it'),
        ('? {a: 1}\n: 2\n', r'x\.yml:1: a key must be text'),
        ('a: {<<: 1}\n', r'x\.yml:1: << takes a section'),
        ('a: \x07\n', r'x\.yml: no YAML: .*special characters'),
        ('&a [*a]', r'x\.yml:1: aliases make'),
        ('a: &a {<<: *a}', r'x\.yml:1: << takes another section'),
        ('a: 1\nb: ' + '[' * 5000, r'x\.yml:2: sections and lists are nested more than 50 deep'),
        ('a: 1\nb: ' + '{a: ' * 5000, r'x\.yml:2: sections and lists are nested more than 50 deep'),
        ('- ' * 120_000, r'x\.yml:1: sections and lists are nested more than 50 deep'),
        ('? ' * 120_000, r'x\.yml:1: sections and lists are nested more than 50 deep'),
        ('a: 1\nb: ' + '9' * 20_000, r"x\.yml:2: '999.* has 20000 characters, too many for a number"),
        ('a: 1\nb: 0x' + 'f' * 20_000, r"x\.yml:2: '0xff.* has 20002 characters, too many for a number"),
        ('a: 1\nb: -0b' + '1' * 40_000, r"x\.yml:2: '-0b11.* too many for a number"),
        ('a: 1\n' + '9' * 900 + ': 2', r"x\.yml:2: '999.* has 900 characters, too many for a number"),
        ('a: 1\nb: 1' + ':59' * 80_000, r"x\.yml:2: '1:59:59.* has 240001 characters, too many for a number"),
        ('a: 1\nb: 1' + ':59' * 80_000 + '.5', r"x\.yml:2: '1:59:59.* too many for a number"),
        ('a: 1\nb: 1.0e+99999', r"x\.yml:2: '1.0e\+99999' is larger than any number"),
        ('a: 1\nb: !!float 1e99999', r"x\.yml:2: '1e99999' is larger than any number"),
        ('a: 1\nb: !!int ' + 'x' * 90, r"x\.yml:2: 'xxx.* cannot be read as !!int"),
        ('a: [' + '1, ' * 80_000 + '1]', r'x\.yml:1: no option file says so much: more than 5000 keys and values'),
        ('\n'.join(f'k{i}: 1' for i in range(20_000)), r'x\.yml:2500: no option file says so much'),
    ],
)
def test_what_is_no_option_file(text, message):
    def refused():
        with pytest.raises(OptionsError, match=message) as caught:
            read(text)
        assert len(str(caught.value)) < 500

    assert seconds_of(refused) < 1


def test_infinity_is_written_as_such():
    assert read('a: .inf\nb: -.INF\n').value == {'a': float('inf'), 'b': -float('inf')}


@pytest.mark.parametrize('num_keys', [1000, 2400])
def test_wide_merges_take_a_moment(num_keys):
    sections = ['{' + ', '.join(f'{name}{index}: 1' for index in range(num_keys // 2)) + '}' for name in 'ab']
    text = f'a: &a {sections[0]}\nb: &b {sections[1]}\n' + ''.join(f'c{i}: {{<<: [*a, *b]}}\n' for i in range(40))

    def refused():
        with pytest.raises(OptionsError, match=r'x\.yml:\d+: (aliases make more|no option file says so much)'):
            read(text)

    assert seconds_of(refused) < 1


def test_many_narrow_merges_take_a_moment():
    lines = [f'a{index}: &a{index} {{k{index}: 1}}' for index in range(900)]
    text = '\n'.join([*lines, 'c: {<<: [' + ', '.join(f'*a{index}' for index in range(900)) + ']}'])
    assert len(read(text).value['c']) == 900
    assert seconds_of(lambda: read(text)) < 1


@pytest.mark.parametrize('kind', ['lists', 'merges'])
def test_aliases_that_multiply_are_refused(kind):
    lines = ['a0: &a0 {x: 1}' if kind == 'merges' else 'a0: &a0 [1, 1]']
    for index in range(1, 40):
        twice = f'[*a{index - 1}, *a{index - 1}]'
        lines.append(f'a{index}: &a{index} ' + (f'{{<<: {twice}}}' if kind == 'merges' else twice))
    with pytest.raises(OptionsError, match=r'x\.yml:\d+'):
        read('\n'.join(lines))


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'', 'is empty'),
        (b'# nothing but a comment\n', 'is empty'),
        (b'- a\n- b\n', 'expected lines "key: value"'),
        (b'text', "expected lines .* got 'text'"),
        (b'a: \xff\n', 'byte 3 is not UTF-8'),
        (b'# ' + b'x' * 2**18, r'more than .* \(262144\)'),
    ],
)
def test_what_is_no_file_of_options(tmp_path, content, message):
    path = tmp_path / 'x.yml'
    path.write_bytes(content)
    with pytest.raises(OptionsError, match=message):
        read_file(path)


def test_what_is_no_file_is_named(tmp_path):
    with pytest.raises(OptionsError, match=r'nowhere.yml does not exist. Relative paths count from the current folder'):
        read_file(tmp_path / 'nowhere.yml')
    with pytest.raises(OptionsError, match='is a folder. Give an option file'):
        read_file(tmp_path)


def test_a_fifo_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / 'x.yml')
    with pytest.raises(OptionsError, match='x.yml is a FIFO, not a file'):
        read_file(tmp_path / 'x.yml')
    with pytest.raises(OptionsError, match='/dev/zero is a device, not a file'):
        read_file('/dev/zero')


def test_a_byte_order_mark_is_fine(tmp_path):
    path = tmp_path / 'x.yml'
    path.write_bytes(b'\xef\xbb\xbfname: x\n')
    assert read_file(path).value == {'name': 'x'}


def test_force():
    document = read('train:\n  total_iter: 5\n  optim_g: {lr: 1.0, betas: [1, 2]}\n')
    force(document, ['train:total_iter=1000', 'datasets:train:interval_list=[1,2]', 'train:optim_g={lr: 2}', 'x=~'])
    assert document.value == {
        'train': {'total_iter': 1000, 'optim_g': {'lr': 2}},
        'datasets': {'train': {'interval_list': [1, 2]}},
        'x': None,
    }
    assert document.place(('train', 'total_iter')) == '--force_yml train:total_iter=1000'
    assert document.place(('train', 'optim_g', 'betas', 1)) == '--force_yml train:optim_g={lr: 2}'
    assert document.place(('datasets', 'train')) == '--force_yml datasets:train:interval_list=[1,2]'
    assert document.place(('train', 'other')) == 'x.yml:1'


@pytest.mark.parametrize(
    ('entry', 'message'),
    [
        ('train', 'expected SECTION:KEY=VALUE'),
        ('=5', 'expected SECTION:KEY=VALUE'),
        ('train::x=5', 'expected SECTION:KEY=VALUE'),
        ('name:x=5', "name is no section, it is 'run'"),
        ('train:x=[1', 'no YAML'),
    ],
)
def test_wrong_entries(entry, message):
    with pytest.raises(OptionsError, match=message) as caught:
        force(read('name: run\ntrain: {}'), [entry])
    assert str(caught.value).startswith(f'--force_yml {entry}')


def test_forced_values_are_never_executed(tmp_path):
    marker = tmp_path / 'marker'
    code = f"__import__('os').system('touch {marker}')"
    document = read('name: run')
    force(document, [f'name=[{code}]', f'x={code}', f'a:b"]={code};opt["c=5'])
    assert document.value['x'] == code
    assert not marker.exists()
