"""The commands that pages show: whether they would be accepted, and running them."""

import contextlib
import glob
import io
import re
import shlex
from unittest import mock

from dlvr_plugin import test as test_command
from dlvr_plugin import train as train_command
from dlvr_plugin.cli import main as cli
from dlvr_plugin.options import parse
from tests.helpers import REPOSITORY

# Programs of others that pages name; they are never run.
_OTHERS = ('pip', 'source', 'tensorboard', 'torchrun', 'git', 'cd', 'export', 'curl')
_SUBCOMMANDS = {
    'data': ('prepare', 'check', 'show'),
    'options': ('check', 'schema'),
    'figure': ('crops', 'profile', 'flow', 'curves', 'tradeoff'),
    'evaluate': (),
    'report': (),
    'export': (),
}


def _parse(argv: list[str]) -> str:
    """Return what the ``dlvr`` command says about arguments that it does not accept, empty where it accepts them."""
    said = io.StringIO()
    with (
        contextlib.redirect_stderr(said),
        contextlib.redirect_stdout(io.StringIO()),
        mock.patch.object(cli, 'exit_code_of', lambda action: 0),  # parse, and leave the work
    ):
        try:
            cli.main(argv)
        except SystemExit as end:
            return said.getvalue() if end.code else ''
    return ''


def _help_of(argv: list[str]) -> str:
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        cli.main([*argv, '--help'])
    return text.getvalue()


def _all_flags() -> set[str]:
    helps = [parse._parser().format_help(), *(path.read_text() for path in REPOSITORY.glob('scripts/*/*.py'))]
    for group, commands in _SUBCOMMANDS.items():
        helps += [_help_of([group, command]) for command in commands] or [_help_of([group])]
    return {flag for text in helps for flag in re.findall(r'--[a-z][\w-]*', text)}


COMMAND_FLAGS = _all_flags()


def accept(words: list[str]) -> str:
    """Return why a command cannot be right, empty where it can."""
    while words and re.fullmatch(r'[A-Z_]+=.*', words[0]):  # variables of the environment
        words = words[1:]
    program, *rest = words
    if program == 'dlvr':
        return _parse(rest)
    if program == 'python' and rest[:1] == ['-m']:
        if rest[1] in ('dlvr_plugin.train', 'dlvr_plugin.test'):
            return _accept_run(rest[2:])
        return '' if rest[1] == 'pytest' else f'no module {rest[1]}'
    if program in ('bash', 'python'):
        if rest and rest[0].startswith('scripts/') and not (REPOSITORY / rest[0]).is_file():
            return f'{rest[0]} does not exist'
        flags = [word for word in rest if word.startswith('--')]
        unknown = [flag for flag in flags if flag not in COMMAND_FLAGS]
        return f'unknown: {unknown}' if unknown else ''
    return '' if program in _OTHERS else f'unknown program {program}'


def _accept_run(arguments: list[str]) -> str:
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        try:
            args = parse._parser().parse_args(arguments)
        except SystemExit:
            return said.getvalue()
    if args.opt.startswith('options/') and not (REPOSITORY / args.opt).is_file():
        return f'{args.opt} does not exist'
    return ''


def run(command: str) -> int:
    """Run a command in this process, in the current folder, and return its exit code."""
    program, *words = shlex.split(command)
    words = [found for word in words for found in (sorted(glob.glob(word)) if '*' in word else [word])]
    if program == 'dlvr':
        return cli.main(words)
    if program == 'python' and words[0] == '-m':
        return {'dlvr_plugin.train': train_command, 'dlvr_plugin.test': test_command}[words[1]].main(words[2:])
    raise AssertionError(f'{command}: no test runs {program}; say by <!-- needs: ... --> what it needs')
