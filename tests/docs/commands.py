"""The commands that pages show: whether they would be accepted, and running them."""

import argparse
import contextlib
import glob
import io
import re
import shlex
from collections.abc import Iterator
from unittest import mock

from dlvr_plugin import test as test_command
from dlvr_plugin import train as train_command
from dlvr_plugin.cli import main as cli
from dlvr_plugin.cli.command_parser import CommandParser
from dlvr_plugin.options.arguments import add_run_arguments
from tests.helpers import REPOSITORY

# Programs of others that pages name; they are never run.
_OTHERS = ('pip', 'source', 'tensorboard', 'curl', 'playwright', 'vspipe')
_RUNS = {'dlvr_plugin.train': train_command, 'dlvr_plugin.test': test_command}


def _root_parser() -> argparse.ArgumentParser:
    """Return the parser of ``dlvr``."""
    with mock.patch.object(CommandParser, 'parse_command', lambda self, words: argparse.Namespace(root=self)):
        return cli.parse([]).root


def _walk(parser: argparse.ArgumentParser, name: str) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    yield name, parser
    for action in parser._actions:
        for word, child in (action.choices or {}).items() if isinstance(action, argparse._SubParsersAction) else ():
            yield from _walk(child, f'{name} {word}')


PARSERS = dict(_walk(_root_parser(), 'dlvr'))
"""The parsers of all commands, ``dlvr data prepare`` and so on."""

COMMAND_FLAGS = {
    flag
    for text in [
        *(parser.format_help() for parser in PARSERS.values()),
        *(path.read_text() for path in REPOSITORY.glob('scripts/*/*.py')),
    ]
    for flag in re.findall(r'--[a-z][\w-]*', text)
}


def accept(words: list[str]) -> str:
    """Return why a command cannot be right, empty where it can."""
    while words and re.fullmatch(r'[A-Z_]+=.*', words[0]):  # variables of the environment
        words = words[1:]
    program, *rest = words
    if program == 'dlvr':
        return _parse(lambda: cli.parse(rest))
    if program == 'python' and rest[:1] == ['-m']:
        if rest[1] in _RUNS:
            parser = argparse.ArgumentParser()
            add_run_arguments(parser)
            return _parse(lambda: parser.parse_args(rest[2:]))
        if rest[1] == 'tests.options.mutations':
            from tests.options.mutations.__main__ import parse  # which needs Linux

            return _parse(lambda: parse(rest[2:]))
        return '' if rest[1] == 'pytest' else f'no module {rest[1]}'
    if program in ('bash', 'python'):
        if rest[0].startswith('scripts/') and not (REPOSITORY / rest[0]).is_file():
            return f'{rest[0]} does not exist'
        unknown = [word for word in rest if word.startswith('--') and word not in COMMAND_FLAGS]
        missing = [word for word in rest if word.startswith('options/') and not (REPOSITORY / word).is_file()]
        return f'unknown: {[*unknown, *missing]}' if unknown or missing else ''
    return '' if program in _OTHERS else f'unknown program {program}'


def _parse(parse) -> str:
    """Return what a parser says about arguments that it does not accept, or which option file there is not."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            args = parse()
        except SystemExit as end:
            return said.getvalue() if end.code else ''
    opt = str(getattr(args, 'opt', None) or '')
    return f'{opt} does not exist' if opt.startswith('options/') and not (REPOSITORY / opt).is_file() else ''


def run(command: str) -> int:
    """Run a command in this process, in the current folder, and return its exit code."""
    program, *words = shlex.split(command)
    words = [found for word in words for found in (_matches(word) if '*' in word else [word])]
    if program == 'dlvr':
        return cli.main(words)
    if program == 'python' and words[0] == '-m' and words[1] in _RUNS:
        return _RUNS[words[1]].main(words[2:])
    raise AssertionError(f'{command}: no test runs {program}; say by <!-- needs: ... --> what it needs')


def _matches(pattern: str) -> list[str]:
    """Return what a pattern matches; of option files, each of which other tests take, the smallest."""
    found = sorted(glob.glob(pattern))
    return [each for each in found if '/small/' in each] if pattern.startswith('options/') else found
