"""One repair of one defect of BasicSR."""

import functools
import hashlib
import inspect
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Function = Callable[..., Any]

_MARK = '_repair_of_dlvr_plugin'


@dataclass(frozen=True)
class Repair:
    """One repair of one function of BasicSR.

    Attributes:
        defect: What the function does wrong, in one line.
        owner: Class or module that has the function.
        name: Name of the function there.
        source: Hash of its source in BasicSR 1.4.2, where it has the defect; see ``hash_source``.
        build: Makes the repaired function of the broken one.
        install: Puts it in place; by default as an attribute of the owner.
    """

    defect: str
    owner: Any
    name: str
    source: str
    build: Callable[[Function], Function]
    install: Callable[[Function, Function], None] | None = None

    def apply(self) -> bool:
        """Repair the function if it is the broken one, and tell whether it was.

        Warns where it is another one: then nobody knows whether it has the defect.
        """
        function = getattr(self.owner, self.name)
        if self.defect in getattr(function, _MARK, ()):
            return False
        if hash_source(function) != self.source:
            warnings.warn(
                f'{self.place} is not that of BasicSR 1.4.2, and is left as it is. It may have this defect: '
                f'{self.defect}. Install basicsr==1.4.2.',
                RuntimeWarning,
                stacklevel=2,
            )
            return False
        repaired = functools.wraps(function)(self.build(function))
        setattr(repaired, _MARK, (*getattr(function, _MARK, ()), self.defect))
        if self.install is None:
            setattr(self.owner, self.name, repaired)
        else:
            self.install(function, repaired)
        return True

    @property
    def place(self) -> str:
        """Full name of the function."""
        if inspect.ismodule(self.owner):
            return f'{self.owner.__name__}.{self.name}'
        return f'{self.owner.__module__}.{self.owner.__qualname__}.{self.name}'


def hash_source(function: Function) -> str:
    """Return the first 16 digits of the SHA-256 of a function's source, empty where it has none.

    Of a function that is wrapped, the source is that of the innermost one.
    """
    try:
        source = inspect.getsource(function)
    except (OSError, TypeError):
        return ''
    return hashlib.sha256(source.encode()).hexdigest()[:16]
