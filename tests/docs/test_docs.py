"""README and docs say what is true: their commands run, their options are accepted, their links lead somewhere."""

import glob
import importlib
import os
import re
import shlex
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from dlvr_plugin.evaluation.protocol import Protocol
from dlvr_plugin.metrics import METRICS
from dlvr_plugin.options.find_problems import find_problems
from dlvr_plugin.options.yaml_reader import read_file
from dlvr_plugin.sweep.cases import make_plan
from dlvr_plugin.sweep.sweep_file import read_sweep_file
from tests.docs.commands import COMMAND_FLAGS, PARSERS, accept, run
from tests.docs.pages import BLOCKS, LANGUAGES, PAGES, REPOSITORY, anchors_of, blocks_of, links_of, prose_of, spans_of
from tests.docs.workspace import CLIPS, make_workspace
from tests.helpers import read_options, write_options

# Recipes are run by test_recipes.py.
RUN_BLOCKS = [each for each in BLOCKS if each.language in ('bash', 'python') and not each.needs and not each.recipe]
RUN_PAGES = sorted({block.page for block in RUN_BLOCKS} - {'docs/own_classes.md'})  # it registers classes
NEEDS = {
    'network',  # downloads, or installs
    'minutes',
    'a trained model',
    'several processes',
    'REDS',
    'Vid4',
    'DVD',
    'ffmpeg',
    'VapourSynth',
    'LPIPS weights',
    'participants',
}


def _name(page: Path) -> str:
    return page.relative_to(REPOSITORY).as_posix()


def test_readme_is_short():
    assert len((REPOSITORY / 'README.md').read_text().splitlines()) <= 170


def test_readme_leads_to_every_page():
    index = REPOSITORY / 'docs/README.md'
    assert 'docs/README.md' in links_of(REPOSITORY / 'README.md')
    assert {page.name for page in index.parent.glob('*.md')} - {'README.md'} <= set(links_of(index))


def test_the_readme_names_all_commands():
    named = re.findall(r'^\| `(dlvr [a-z ]+)` \|', (REPOSITORY / 'README.md').read_text(), re.MULTILINE)
    assert len(named) == len(set(named))
    groups = {name for name in PARSERS if any(other.startswith(f'{name} ') for other in PARSERS)}
    assert set(named) == {name for name in PARSERS if name not in groups and 'figure ' not in name} | {'dlvr figure'}


def test_evaluate_names_all_metrics_and_defaults():
    text = (REPOSITORY / 'docs/evaluate.md').read_text()
    rows = re.findall(r'^\| (`.+?) \|.*\| (higher|lower) \|', text, re.MULTILINE)
    directions = {name: better for names, better in rows for name in spans_of(names)}
    assert directions == {name: spec.direction for name, spec in METRICS.items()}
    defaults = asdict(Protocol())
    del defaults['lpips_net']  # is with the metric
    rows = re.findall(r'^\| (`--.+?) \| `?(\w+)`? \|', text, re.MULTILINE)
    shown = {flag[2:].replace('-', '_'): value for flags, value in rows for flag in spans_of(flags)}
    assert shown == {name: str(value) for name, value in defaults.items()}


def test_every_fault_has_a_test():
    rows = [line for line in (REPOSITORY / 'docs/reliability.md').read_text().splitlines() if '::' in line]
    tests = [re.fullmatch(r'\| .* \| `(\S+)::(\S+)` \|', row) for row in rows]
    assert all(tests), rows
    for file, name in (test.groups() for test in tests):
        assert f'\ndef {name}(' in (REPOSITORY / 'tests' / file).read_text(), f'{file}::{name}'
    assert len(rows) > 50


def test_the_demo_ends_with_headings_of_the_readme():
    named = re.findall(r'README.md, "(.+?)"', (REPOSITORY / 'scripts/demo_summary.py').read_text())
    assert len(named) >= 3
    headings = (REPOSITORY / 'README.md').read_text().splitlines()
    assert {f'## {heading}' for heading in named} <= set(headings)


@pytest.mark.parametrize('page', PAGES, ids=_name)
def test_page(page):
    """What is checked by reading alone: marks, links, files, flags, option keys, machine paths."""
    text = page.read_text()
    assert text.count('```') == 2 * len(blocks_of(page)), 'a fence is not closed, or has text behind it'
    for block in blocks_of(page):
        assert block.language in LANGUAGES, f'{block}: a block is one of {LANGUAGES}'
        assert block.needs is None or set(block.needs.split(', ')) <= NEEDS, f'{block}: needs {block.needs}'
    for link in links_of(page):
        if re.match(r'https?:', link):
            continue
        path, _, anchor = link.partition('#')
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f'{_name(page)}: {link} leads nowhere'
        assert not anchor or anchor in anchors_of(target), f'{_name(page)}: {link} names no heading'
    assert not re.search(r'(?<![\w.])/(work|root|tmp|home)\b|\B#\d', text), 'a path of a machine, or a number'


@pytest.mark.parametrize('page', [page for page in PAGES if page.name != 'glossary.md'], ids=_name)
def test_spans_name_what_exists(page):
    schema = (REPOSITORY / 'options/schema.json').read_text()
    for span in spans_of(prose_of(page)):
        if re.fullmatch(r'(dlvr_plugin|options|scripts|tests|docs|\.github)/[\w./*-]+', span):
            assert glob.glob(str(REPOSITORY / span)), f'{_name(page)}: {span} does not exist'
        if match := re.match(r'(--[a-z][\w-]*)', span):
            assert match[1] in COMMAND_FLAGS, f'{_name(page)}: no command has {span}'
        if span.startswith('dlvr '):
            words = span.split()
            command = next(name for n in (3, 2, 1) if (name := ' '.join(words[:n])) in PARSERS)
            assert command != 'dlvr' or words[1].startswith('--'), f'{_name(page)}: {span} is no command'
            for flag in re.findall(r'--[a-z][\w-]*', span):
                assert flag in PARSERS[command].format_help(), f'{_name(page)}: {command} has no {flag}'
        if match := re.fullmatch(r'(train|val|path|logger|datasets|network_[gt])((\.\w+)+)(:.*)?', span):
            for key in match[2].split('.')[1:]:
                assert f'"{key}"' in schema, f'{_name(page)}: {span} is no option'


def test_glossary_tells_old_names_from_new_ones():
    rows = re.findall(r'^\| `([^`]+)` \| (`.+`) \|$', (REPOSITORY / 'docs/glossary.md').read_text(), re.MULTILINE)
    files = [(old, spans_of(new)) for old, new in rows if '/' in new]
    names = [(old, spans_of(new)) for old, new in rows if re.fullmatch(r'`[\w.]+\.\w+`', new)]
    assert len(files) > 20
    assert len(names) > 5
    for old, new in files:
        assert not (REPOSITORY / 'dlvr_plugin' / old).exists(), f'{old} is still there'
        assert all((REPOSITORY / 'dlvr_plugin' / name).exists() for name in new), f'{new} is not there'
    for old, (new,) in names:
        assert _find(new) is not None, f'{new} is not there'
        assert _find(old) is None, f'{old} is still there'


def _find(name: str) -> object | None:
    """Return what a dotted name of the package stands for, None where it is not there."""
    module, _, attribute = f'dlvr_plugin.{name}'.rpartition('.')
    try:
        return getattr(importlib.import_module(module), attribute, None)
    except ModuleNotFoundError:
        return None


@pytest.mark.parametrize('block', [block for block in BLOCKS if block.language == 'bash'], ids=str)
def test_commands_are_accepted(block):
    """Commands that no test runs, too: programs, option files, scripts, subcommands and flags exist."""
    for command in block.commands:
        assert not (problem := accept(shlex.split(command))), f'{block}: {command}\n{problem}'


@pytest.mark.parametrize('page', RUN_PAGES)
def test_commands_and_examples_run(page, tmp_path, monkeypatch):
    """All of a page that needs nothing, in its order, in a folder with small clips, results and checkpoints."""
    make_workspace(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('DLVR_ROOT', str(tmp_path))
    names: dict[str, object] = {'__name__': 'docs'}
    for block in BLOCKS:
        if block.page == page and block.recipe and block.language == 'yaml':
            Path(block.recipe).write_text(block.code)
        if block.page != page or block not in RUN_BLOCKS:
            continue
        if block.language == 'python':
            exec(compile(block.code, str(block), 'exec'), names)
        for command in block.commands if block.language == 'bash' else ():
            assert run(command) == 0, f'{block}: {command}'


@pytest.mark.parametrize('block', [each for each in BLOCKS if each.language == 'yaml' and not each.recipe], ids=str)
def test_options_are_accepted(block, tmp_path, monkeypatch):
    """Whole files as they stand; fragments within the option file that they belong to."""
    path = tmp_path / 'block.yml'
    path.write_text(block.code)
    opt = read_file(path).value
    if 'measure' in opt or 'axes' in opt:  # a sweep
        if block.into:
            whole = read_options(REPOSITORY / block.into)
            del whole['cases'], whole['reference']  # axes name cases anew
            write_options(_merge(whole, opt), path)
        monkeypatch.chdir(REPOSITORY)
        assert make_plan(read_sweep_file(path), tmp_path).runs
        return
    if 'model_type' in opt and 'datasets' in opt:
        assert block.into is None
    else:
        assert block.into, f'{block}: say by <!-- into: options/... --> which file this is a part of'
        opt = _merge(read_options(REPOSITORY / block.into), opt)
    _, problems = find_problems(opt, is_train='train' in opt['datasets'], with_files=False)
    assert [f'{".".join(map(str, problem.key))}: {problem.message}' for problem in problems] == []


def _merge(opt: dict, part: dict) -> dict:
    """Put a fragment into options: sections are merged, but those of another type replaced."""
    for key, value in part.items():
        known = opt.get(key)
        same = isinstance(known, dict) and isinstance(value, dict) and value.get('type') in (None, known.get('type'))
        opt[key] = _merge(known, value) if same else value
    return opt


def test_what_is_wrong_is_found(tmp_path):
    """The checks of this file can fail."""
    page = REPOSITORY / 'docs/example.md'
    commands = 'dlvr data chek x  # a comment\ndlvr data prepare a b \\\n  --jobs 2\n'
    text = f'Text.\n\n<!-- needs: REDS -->\n```bash\n{commands}```\n'
    (block,) = blocks_of(page, text)
    assert (block.line, block.needs, block.language) == (4, 'REDS', 'bash')
    assert block.commands == ['dlvr data chek x', 'dlvr data prepare a b    --jobs 2']
    assert accept(['dlvr', 'data', 'chek', 'x'])
    assert accept(['dlvr', 'data', 'check', 'x', '--bogus'])
    assert not accept(['dlvr', 'data', 'prepare', 'a', 'b', '--jobs', '2'])
    assert accept(['python', '-m', 'dlvr_plugin.train', '-opt', 'options/train/none.yml'])
    assert accept(['python', '-m', 'dlvr_plugin.train', '-opt', 'options/demo/1_pretrain.yml', '--bogus'])
    assert not accept(['python', '-m', 'dlvr_plugin.train', '-opt', 'options/demo/1_pretrain.yml', '--auto_resume'])
    assert accept(['bash', 'scripts/none.sh'])
    assert accept(['rm', '-r', 'datasets'])


@pytest.mark.slow
def test_own_clips_from_data_to_restored_frames(tmp_path, monkeypatch):
    """The page's option files and commands as they stand, for two iterations."""
    make_workspace(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('DLVR_ROOT', str(tmp_path))
    blocks = [block for block in BLOCKS if block.page == 'docs/own_clips.md']
    for block in blocks:
        if block.language == 'yaml' and not block.into:
            name = re.match(r'# (my_\w+\.yml)\n', block.code)
            Path(name[1]).write_text(block.code)
    short = ' --force_yml num_gpu=0 train:total_iter=2'
    for block in blocks:
        for command in block.commands if block.language == 'bash' else ():
            flags = short if 'train' in command else ' --force_yml num_gpu=0' if '-opt' in command else ''
            if 'my_discriminative_space' in command:
                flags += ' train:init_t_iters=1'
            assert run(command + flags) == 0, f'{block}: {command}'
    assert len(list(Path('results/my_test').rglob('*.png'))) == CLIPS['holiday']

    (part,) = [block.code for block in blocks if 'name: my_restoration' in block.code]
    Path('part.yml').write_text(part)
    opt = {**read_options(Path('my_test.yml')), **read_file(Path('part.yml')).value, 'num_gpu': 0}
    path = write_options(opt, Path('my_restoration.yml'))
    assert run(f'dlvr test -opt {path}') == 0
    assert len(list(Path('results/my_restoration').rglob('*.png'))) == 2 * CLIPS['garden']  # there and back


@pytest.mark.slow
def test_own_classes_train(tmp_path):
    """The page's classes, option file and commands, in processes of their own, which may register classes."""
    make_workspace(tmp_path)
    blocks = [block for block in BLOCKS if block.page == 'docs/own_classes.md']
    for block in blocks:
        if block.recipe:
            (tmp_path / block.recipe).write_text(block.code)
    environment = {**os.environ, 'PYTHONPATH': str(REPOSITORY), 'DLVR_ROOT': str(tmp_path), 'OMP_NUM_THREADS': '1'}
    for block in blocks:
        for command in block.commands if block.language == 'bash' else ():
            words = [sys.executable, '-m', 'dlvr_plugin.cli', *shlex.split(command)[1:]]
            done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
            assert done.returncode == 0, f'{block}: {command}\n{done.stdout[-2000:]}{done.stderr[-2000:]}'
    assert (tmp_path / 'experiments/my_own/models/net_g_latest.pth').is_file()
