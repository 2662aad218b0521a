"""Errors that a person can mend, and the wish to stop."""

import signal


class DataError(ValueError):
    """A file, a record or a clip that cannot be used as it is; the message names it."""


class DivergenceError(ArithmeticError):
    """The numbers of a training step cannot be used; no step was taken with them."""


class StopRequested(BaseException):
    """The run was asked to end by a signal, and has saved what it had.

    Attributes:
        exit_code: 128 and the signal's number, as shells have it.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal.Signals(signal_number).name)
        self.exit_code = 128 + signal_number
