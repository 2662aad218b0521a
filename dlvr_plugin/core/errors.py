"""Errors that a person can mend, and the wish to stop.

Whatever is a ``UserError`` is told on one screen; any other error is a defect and keeps its traceback. The kinds are
also Python's own ``ValueError``, ``TypeError`` and the like, so that programs may catch them by these.
"""

import signal


class UserError(Exception):
    """Something that a person can mend; the message says what, where, and how."""


class InvalidValueError(UserError, ValueError):
    """An argument or an option out of range, or two that contradict one another."""


class InvalidTypeError(UserError, TypeError):
    """An argument or an option of the wrong type."""


class DataError(UserError, ValueError):
    """A file, a record or a clip that cannot be used as it is; the message names it."""


class CheckpointError(UserError, ValueError):
    """Weights or a training state that cannot be used: missing, damaged, or those of another network."""


class InUseError(UserError, RuntimeError):
    """A folder that another process is at work in; the message names the process."""


class DivergenceError(UserError, ArithmeticError):
    """The numbers of a training step cannot be used; no step was taken with them."""


class StopRequested(BaseException):
    """The run was asked to end by a signal, and has saved what it had.

    Attributes:
        exit_code: 128 and the signal's number, as shells have it.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal.Signals(signal_number).name)
        self.exit_code = 128 + signal_number
