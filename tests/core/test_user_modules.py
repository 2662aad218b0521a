"""Modules of users are found by name and by path, loaded once, and what is wrong with one is told with its place."""

import argparse
import os
import subprocess
import sys

import pytest
from basicsr.utils.registry import ARCH_REGISTRY

from dlvr_plugin.core.user_modules import ENTRY_POINT_GROUP, UserModuleError, add_import_flag, load_user_classes
from tests.own_classes import own_classes  # noqa: F401

pytestmark = pytest.mark.usefixtures('own_classes')


def test_the_flag_can_be_repeated():
    parser = argparse.ArgumentParser()
    add_import_flag(parser)
    assert parser.parse_args([]).imports == []
    assert parser.parse_args(['--import', 'a', '--import', 'b.py']).imports == ['a', 'b.py']


def test_by_path_and_twice_is_harmless(own_classes, monkeypatch):  # noqa: F811
    load_user_classes([str(own_classes)])
    first = ARCH_REGISTRY.get('MyNet')
    monkeypatch.chdir(own_classes.parent)
    load_user_classes([str(own_classes), 'my_classes.py', './my_classes.py', 'my_classes'])
    assert ARCH_REGISTRY.get('MyNet') is first


def test_by_name_on_the_path_and_in_the_current_folder(own_classes, monkeypatch):  # noqa: F811
    with pytest.raises(UserModuleError, match='There is no module my_classes: .*For a file elsewhere give its path'):
        load_user_classes(['my_classes'])
    monkeypatch.syspath_prepend(str(own_classes.parent))
    load_user_classes(['my_classes'])
    assert 'MyNet' in ARCH_REGISTRY


def test_of_a_package(own_classes):  # noqa: F811
    package = own_classes.parent / 'my_package'
    package.mkdir()
    (package / '__init__.py').write_text('from my_package import inner\n')
    own_classes.rename(package / 'inner.py')
    load_user_classes([str(package) + os.sep])
    load_user_classes([str(package / 'inner.py'), 'my_package.inner'])
    assert ARCH_REGISTRY.get('MyNet').__module__ == 'my_package.inner'


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('nowhere/x.py', r'nowhere/x.py does not exist. Relative paths count from the current folder'),
        ('my_clases', 'There is no module my_clases: .*Did you mean my_classes'),
        ('my-classes', "'my-classes' is no name of a module"),
        ('./json.py', r'json.py: Python has another module json, .*Rename your file'),
        ('./my-net.py', 'my-net is no name of a module. Rename it'),
        ('./notes.txt', 'notes.txt is no Python file'),
    ],
)
def test_what_cannot_be_found_is_told_on_one_screen(own_classes, monkeypatch, name, message):  # noqa: F811
    monkeypatch.chdir(own_classes.parent)
    for file in ('json.py', 'my-net.py', 'notes.txt'):
        (own_classes.parent / file).write_text('')
    with pytest.raises(UserModuleError, match=message) as caught:
        load_user_classes([name])
    assert str(caught.value).count('\n') < 20


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('def f():\n    return 1 / 0\n\n\nx = f()\n', ['line 5, in <module>', 'line 2, in f', 'ZeroDivisionError']),
        ('import torch\nimport not_installed\n', ['line 2, in <module>', "No module named 'not_installed'"]),
        ('x = (\n', ['line 1', 'SyntaxError']),
    ],
)  # fmt: skip
@pytest.mark.parametrize('by_name', [False, True])
def test_an_error_inside_keeps_its_traceback(own_classes, monkeypatch, text, expected, by_name):  # noqa: F811
    own_classes.write_text(text)
    monkeypatch.chdir(own_classes.parent)
    with pytest.raises(UserModuleError) as caught:
        load_user_classes(['my_classes' if by_name else str(own_classes)])
    message = str(caught.value)
    assert 'cannot be imported' in message
    assert all(part in message for part in [*expected, str(own_classes)])
    assert 'importlib' not in message
    assert 'user_modules' not in message


def test_a_name_that_is_taken_is_told_with_both_places(own_classes):  # noqa: F811
    load_user_classes([str(own_classes)])
    line = 1 + own_classes.read_text().split('\n').index('@ARCH_REGISTRY.register()')
    other = own_classes.with_name('other.py')
    other.write_text(own_classes.read_text())
    with pytest.raises(UserModuleError) as caught:
        load_user_classes([str(other)])
    later = 0 if sys.version_info >= (3, 11) else 1  # 3.10 calls a decorator from the line of the class
    assert f'the name MyNet is registered already, by {own_classes}:{line}; {other}:{line + later}' in str(caught.value)
    other.write_text(
        'from basicsr.utils.registry import ARCH_REGISTRY\n\n\n@ARCH_REGISTRY.register()\nclass EDVR: ...\n'
    )
    place = rf'name EDVR is registered already, by .*edvr_arch.py:\d+; .*other.py:{4 + later} '
    with pytest.raises(UserModuleError, match=place):
        load_user_classes([str(other)])


def test_an_installed_package_is_found_without_a_flag(own_classes, monkeypatch):  # noqa: F811
    folder = own_classes.parent
    (folder / 'mine-1.0.dist-info').mkdir()
    (folder / 'mine-1.0.dist-info' / 'METADATA').write_text('Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n')
    (folder / 'mine-1.0.dist-info' / 'entry_points.txt').write_text(f'[{ENTRY_POINT_GROUP}]\nmine = my_classes\n')
    monkeypatch.syspath_prepend(str(folder))
    load_user_classes()
    assert 'MyNet' in ARCH_REGISTRY
    (folder / 'broken.py').write_text('1 / 0\n')
    (folder / 'mine-1.0.dist-info' / 'entry_points.txt').write_text(f'[{ENTRY_POINT_GROUP}]\nmine = broken\n')
    with pytest.raises(
        UserModuleError, match='(?s)broken, which mine offers as dlvr_plugin.classes, cannot.*ZeroDivision'
    ):
        load_user_classes()


SPAWN = """
import sys

from torch.utils.data import DataLoader

import dlvr_plugin
from basicsr.data import build_dataset
from dlvr_plugin.core.user_modules import load_user_classes

if __name__ == '__main__':
    load_user_classes([sys.argv[1]])
    dataset = build_dataset({'name': 'mine', 'type': 'MyData', 'length': 4})
    for context in ('spawn', 'forkserver'):
        loader = DataLoader(dataset, batch_size=2, num_workers=1, multiprocessing_context=context)
        print([tuple(batch['lq'].shape) for batch in loader])
"""


@pytest.mark.slow
def test_workers_that_are_spawned_find_the_classes(own_classes, tmp_path):  # noqa: F811
    script = tmp_path / 'spawn.py'
    script.write_text(SPAWN)
    command = [sys.executable, str(script), str(own_classes)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, cwd=tmp_path)
    assert done.stdout.count('[(2, 3, 3, 8, 8), (2, 3, 3, 8, 8)]') == 2, done.stderr[-2000:]
