"""A parser whose errors name what somebody may have meant."""

import argparse
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from dlvr_plugin.core.names import nearest


class CommandParser(argparse.ArgumentParser):
    """Parses commands and their subcommands, whose parsers are of this class, too."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._words: list[str] = []
        self.set_defaults(parser=self)  # in the result: that of the innermost command

    def parse_command(self, words: Sequence[str]) -> argparse.Namespace:
        """Parse all words; every command that does something must have set ``module``.

        Raises:
            SystemExit: With code 2 after arguments that are wrong or a missing command, with 0 after help.
        """
        args, unknown = self.parse_known_args(words)
        command: CommandParser = args.parser
        if unknown:
            command.error(f'unrecognized arguments: {" ".join(unknown)}')
        if not hasattr(args, 'module'):
            command.print_help(sys.stderr)
            sys.exit(2)
        return args

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse as the base class does, and remember the words for errors."""
        self._words = list(args)
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """End with a message, and with the flags that are nearest to those that do not exist."""
        flags = [word.split('=')[0] for word in self._words if word.startswith('--') and len(word) > 2]
        known = self._option_string_actions
        misspelt = [flag for flag in flags if not any(each.startswith(flag) for each in known)]
        hints = [f' {flag}:{hint}' for flag in misspelt if (hint := nearest(flag, known))]
        super().error(f'{message}.{"".join(hints)}' if hints else message)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            hint = nearest(value, action.choices or ())
            raise argparse.ArgumentError(action, f'{error.message}.{hint}' if hint else error.message) from None
