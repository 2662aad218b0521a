"""Build and run what options name without memory and without values, as the run would, to see what refuses it.

Tensors are fake ones: they lie on the meta device, and know on which device they would be. What fails with these is
tried once more with real ones, within a budget, because not all code can be run without values; the real error counts.
Nothing is printed, logged or downloaded meanwhile.
"""

import contextlib
import io
import logging
import re
import socket
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
    UnsupportedOperatorException,
)
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from dlvr_plugin.core.errors import UserError
from dlvr_plugin.core.fake_tensors import is_fake
from dlvr_plugin.options.consistency.findings import Findings
from dlvr_plugin.options.problems import KeyPath

_FAKE = FakeTensorMode(allow_non_fake_inputs=True)  # one for all: tensors of several cannot be used together
_NEEDS_VALUES = (DataDependentOutputException, DynamicOutputShapeException, UnsupportedOperatorException)
MOST_CALLS = 50_000  # of torch; the largest of the framework's networks make a fifth of that
_MOST_SECONDS = 10.0  # of a processor, with fake tensors, some of whose calls take a thousand times those of real ones
_MOST_BYTES = 2**30  # of what is built with real tensors
_LONGEST_MESSAGE = 300


@dataclass(frozen=True)
class Outcome:
    """What became of an attempt.

    Attributes:
        value: What the action returned; None where it failed.
        error: Why it failed; None where it did not, or where that cannot be told without a run.
        is_endless: Whether it was ended because it went on and on, or was both slow and large.
    """

    value: Any = None
    error: Exception | None = None
    is_endless: bool = False


class _CannotTellError(Exception):
    """The attempt would take too much, or would download something."""


class _EndlessError(_CannotTellError):
    """The attempt goes on and on."""


class _SlowError(Exception):
    """The attempt takes long with fake tensors."""


def attempt(action: Callable[[], Any], *, is_known: bool = False, is_small: bool = False) -> Outcome:
    """Call something that builds networks or runs them, with fake tensors; where it fails, with real ones.

    Args:
        action: The call. It may be made twice.
        is_known: Whether what is called is known to need no values, so that what it says of fake tensors counts.
        is_small: Whether it takes so little that only real tensors are tried, which refuse more than fake ones.

    Returns:
        What it returned, with fake tensors in it if it can be done with these; or the error that a run would meet.
    """
    last: Exception | None = None
    is_slow = False
    with quiet(), offline() as tried:
        for mode in (_Budget(),) if is_small else (_FAKE, _Budget()):
            try:
                with torch.no_grad(), _Calls(), mode:
                    return Outcome(action())
            except _SlowError:
                is_slow = True
                continue
            except _CannotTellError as end:
                return Outcome(is_endless=is_slow or isinstance(end, _EndlessError))
            except Exception as error:  # of any class that a user may have written
                last = error
            if tried:
                return Outcome()
            if is_known and not isinstance(last, _NEEDS_VALUES):
                break
        return Outcome(error=last)


def are_fake() -> bool:
    """Tell whether an attempt is made with fake tensors at this moment."""
    return is_fake(torch.empty(0))


def explain(error: Exception, made: Any, *, may_be_ours: bool = True) -> str:
    """Return in one line what a class or function that options name says of them.

    Args:
        error: What it raised.
        made: The class or function.
        may_be_ours: Whether an error of the plugin's own code, when it is none that a person can mend, is a defect.

    Raises:
        Exception: The error, where it is a defect of the plugin.
    """
    if isinstance(error, UserError):
        return ' '.join(str(error).split())
    if may_be_ours and str(getattr(made, '__module__', '')).partition('.')[0] == 'dlvr_plugin':
        raise error
    text = ' '.join(re.split(r'\n\s*(?:Exception raised from|frame #)', str(error))[0].split())
    text = text if len(text) <= _LONGEST_MESSAGE else f'{text[: _LONGEST_MESSAGE - 3]}...'
    return f'{text.rstrip(".")} ({type(error).__name__} of {getattr(made, "__name__", made)}).'


def add_failure(
    findings: Findings,
    key: KeyPath,
    section: Mapping[str, Any],
    error: Exception,
    made: Any,
    *,
    what: str,
    may_be_ours: bool = True,
) -> None:
    """Add a problem of the argument that the message of an error begins with, or of the whole section.

    Args:
        findings: Where it goes.
        key: Of the section.
        section: What the class or function got.
        error: What it raised.
        made: The class or function.
        what: What it is that failed, in front of a message that is not for people.
        may_be_ours: As for ``explain``; no class of the plugin that stands in the wrong place is a defect of it.

    Raises:
        Exception: The error, where it is a defect of the plugin.
    """
    message = explain(error, made, may_be_ours=may_be_ours)
    argument, _, rest = message.partition(' ')
    if isinstance(error, UserError) and argument in section:
        findings.add((*key, argument), rest)
    else:
        findings.add(key, message if isinstance(error, UserError) else f'{what}: {message}')


def is_class_of_host(made: Any) -> bool:
    """Tell whether a class is one of the framework's own."""
    return str(getattr(made, '__module__', '')).partition('.')[0] == 'basicsr'


def build_network(made: type[nn.Module], section: Mapping[str, Any]) -> nn.Module:
    """Build a network of its section, in training mode, without the weights that it loads by itself (``*_path``)."""
    return made(
        **{name: None if name.endswith('_path') else value for name, value in section.items() if name != 'type'}
    )


def num_bytes(network: nn.Module) -> int:
    """Return what the weights of a network take."""
    return sum(each.numel() * each.element_size() for each in network.state_dict().values())


class _Calls(TorchFunctionMode):
    """Ends an attempt that goes on and on."""

    def __init__(self) -> None:
        super().__init__()
        self.left = MOST_CALLS
        self.end = time.thread_time() + _MOST_SECONDS

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.left -= 1
        if self.left < 0:
            raise _EndlessError
        if time.thread_time() > self.end and are_fake():
            raise _SlowError
        return func(*args, **(kwargs or {}))


class _Budget(TorchDispatchMode):
    """Ends an attempt that takes much memory, before it is filled."""

    def __init__(self) -> None:
        super().__init__()
        self.left = _MOST_BYTES

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor):
            is_new = not any(isinstance(each, Tensor) for each in args)
            self.left -= result.nbytes if is_new else 0
            if self.left < 0 or result.nbytes > _MOST_BYTES:
                raise _CannotTellError
        return result


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Let nothing be printed or logged."""
    disabled = logging.root.manager.disable
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter('ignore')
        logging.disable()
        try:
            yield
        finally:
            logging.disable(disabled)


@contextlib.contextmanager
def offline() -> Iterator[list[str]]:
    """Refuse connections; yields the names of what was tried."""
    tried: list[str] = []

    def refuse(*args: Any, **kwargs: Any) -> NoReturn:
        tried.append('a connection')
        raise ConnectionRefusedError('a check of options downloads nothing')

    originals = socket.getaddrinfo, socket.socket.connect
    socket.getaddrinfo, socket.socket.connect = refuse, refuse  # type: ignore[assignment, method-assign]
    try:
        yield tried
    finally:
        socket.getaddrinfo, socket.socket.connect = originals  # type: ignore[method-assign]
