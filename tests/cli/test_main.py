"""The ``dlvr`` command as a whole: it answers before it loads anything, and starts what it names."""

import json
import os
import re
import subprocess
import sys

import pytest

from dlvr_plugin.cli.main import main, parse
from dlvr_plugin.core.version import __version__
from tests.helpers import REPOSITORY

# Ends as the command does, and says which of the slow packages it has loaded.
_PROBE = """
import atexit, json, sys
atexit.register(lambda: sys.stderr.write(json.dumps(sorted({'torch', 'basicsr', 'cv2', 'numpy'} & set(sys.modules)))))
"""


@pytest.fixture(params=['console script', 'module'])
def command(request, tmp_path):
    """Run the command in a process of its own: return its exit code, output, and the slow packages that it loaded."""
    script = tmp_path / 'dlvr'  # as pip writes it
    script.write_text('import sys\nfrom dlvr_plugin.cli.main import main\nsys.exit(main())\n')
    (tmp_path / 'sitecustomize.py').write_text(_PROBE)
    start = [str(script)] if request.param == 'console script' else ['-m', 'dlvr_plugin.cli']
    environment = {**os.environ, 'PYTHONPATH': f'{tmp_path}{os.pathsep}{REPOSITORY}'}

    def run(*words):
        done = subprocess.run([sys.executable, *start, *words], env=environment, capture_output=True, text=True)
        *lines, loaded = done.stderr.split('\n')
        return done.returncode, done.stdout + '\n'.join(lines), json.loads(loaded)

    return run


@pytest.mark.parametrize(
    ('words', 'code', 'expected'),
    [
        (['--help'], 0, ['train ', 'test ', 'start here:', 'dlvr train -opt FILE.yml']),
        ([], 2, ['usage: dlvr', 'start here:']),
        (['--version'], 0, [f'dlvr_plugin {__version__}']),
        (['data', '--help'], 0, ['prepare', 'check', 'show']),
        (['data'], 2, ['usage: dlvr data']),
        (['evalute'], 2, ["invalid choice: 'evalute'", 'Did you mean evaluate?']),
        (['data', 'chek'], 2, ["invalid choice: 'chek'", 'Did you mean check?']),
        (['data', 'check', 'x', '--jbos', '3'], 2, ['dlvr data check: error', '--jbos: Did you mean --jobs?']),
        (['evaluate', '--gt', 'x', '--reslts', 'a=b'], 2, ['required: --results', '--reslts: Did you mean --results?']),
        (['evaluate', '--gt', 'x', '--results', 'a=b', '--tof-norm', 'l2'], 2, ["'euclidean', 'absolute'"]),
        (['train', '--auto-resume'], 2, ['required: -opt', 'Did you mean --auto_resume?']),
        (['test', '--help'], 0, ['-opt FILE', '--force_yml']),
    ],
)
def test_help_and_errors_of_usage_load_nothing(command, words, code, expected):
    returned, output, loaded = command(*words)
    assert returned == code
    for text in expected:
        assert text in output
    assert loaded == []


def test_a_command_loads_what_it_needs(command, tmp_path):
    code, output, loaded = command('options', 'schema', '--out', str(tmp_path / 'schema.json'))
    assert code == 0, output
    assert 'DiscriminativeSpaceModel' in (tmp_path / 'schema.json').read_text()
    assert {'torch', 'basicsr'} <= set(loaded)


def test_the_plugin_alone_registers_everything():
    code = (
        'import dlvr_plugin\n'
        'from basicsr.utils.registry import ARCH_REGISTRY, DATASET_REGISTRY, LOSS_REGISTRY, MODEL_REGISTRY\n'
        'assert "LossNetT" in ARCH_REGISTRY and "ClipDataset" in DATASET_REGISTRY\n'
        'assert "HuberLoss" in LOSS_REGISTRY and "DiscriminativeSpaceModel" in MODEL_REGISTRY\n'
    )
    subprocess.run([sys.executable, '-c', code], cwd=REPOSITORY, check=True)


def test_help_of_evaluate_names_the_metrics(capsys):
    with pytest.raises(SystemExit, match='0'):
        parse(['evaluate', '--help'])
    page = capsys.readouterr().out
    assert re.search(r'^  psnr +higher is better', page, re.MULTILINE)
    assert re.search(r'^  tof +lower is better', page, re.MULTILINE)


def test_an_interrupt_while_modules_load_is_no_traceback(monkeypatch, capsys):
    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setattr('dlvr_plugin.registration.register', interrupt)
    assert main(['options', 'table']) == 130
    assert capsys.readouterr().err == 'Interrupted.\n'


@pytest.mark.parametrize('name', ['train', 'test'])
def test_train_and_test_take_the_flags_of_the_modules(name, tmp_path, host_log):
    args = parse([name, '-opt', 'x.yml', '--auto_resume', '--force_yml', 'name=a', 'scale=2'])
    assert args.module == f'dlvr_plugin.{name}'
    assert args.words == ['-opt', 'x.yml', '--auto_resume', '--force_yml', 'name=a', 'scale=2']
    assert main([name, '-opt', str(tmp_path / 'nowhere.yml')]) == 1
    assert 'nowhere.yml' in host_log[-1]
