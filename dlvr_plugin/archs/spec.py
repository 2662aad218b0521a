"""What a network takes and gives, said once, beside its class.

An arch of one's own says it by a class attribute::

    class MyNet(nn.Module):
        spec = ArchSpec(takes='window', gives='frame', scale='upscale', num_frame='num_frame', multiple=4)

For a class that belongs to somebody else, ``register_spec`` says it from outside. Checks, models and restoration ask
``spec_of``; of an arch that says nothing, nothing is known, and nothing is checked.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeVar

from basicsr.utils.registry import ARCH_REGISTRY
from torch import Tensor, nn

from dlvr_plugin.core.errors import InvalidTypeError, InvalidValueError

Takes = Literal['frame', 'window', 'clip']
Gives = Literal['frame', 'clip']
Number = int | str | Callable[[Mapping[str, Any]], int]
"""A number, the name of the constructor's argument that holds it, or a function of all arguments."""

_Arch = TypeVar('_Arch', bound=type[nn.Module])


class WindowParts(NamedTuple):
    """A network of windows in two parts, so that a frame's features are computed once for all of its windows.

    Attributes:
        extract: Takes the network and frames (N, C, h, w), and returns their features, tensors (N, ...).
        restore: Takes the network, the features of the frames of windows, tensors (B * T, ...), and the windows
            (B, T, C, h, w), and returns what the network gives for them, (B, C, H, W).
    """

    extract: Callable[[Any, Tensor], tuple[Tensor, ...]]
    restore: Callable[[Any, tuple[Tensor, ...], Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class ArchSpec:
    """What an arch takes and gives, for any arguments of its constructor.

    Attributes:
        takes: 'frame' (B, C, h, w); 'window' (B, num_frame, C, h, w) of neighbours of the frame to restore; 'clip'
            (B, T, C, h, w) of any length.
        gives: 'frame' (B, C, H, W), or 'clip' (B, T, C, H, W).
        scale: Factor between the sizes, H / h.
        num_frame: Frames of a window; None for frames and clips.
        multiple: What h and w must be multiples of.
        smallest: The smallest h and w.
        min_frames: The shortest clip, for an arch that takes clips.
        is_recurrent: Whether what it gives depends on frames beyond those of a window, by a hidden state.
        step: Name of the method that restores the next frame of a clip, ``step(frame, state) -> (restored, state)``,
            the first one with the state None; None where there is no such method, and a clip goes in as a whole.
        first_state: Name of the method that makes, out of the first frame, the state that stands for None; None where
            that is zeros.
        step_frames: Frames that a step takes: 1, the frame to restore (B, C, h, w), or a window (B, step_frames, C, h,
            w) with that in its middle, in which the first and last frame of a clip are repeated beyond its ends.
        parts: A network of windows in two parts; None where it has to see each window as a whole.
        channels_last: Whether an arch that takes frames may get those whose channels lie side by side in memory, of
            which a CPU convolves faster. Code that makes a ``view`` of its features may need them as they were.

    Raises:
        InvalidValueError: The parts contradict one another.
    """

    takes: Takes
    gives: Gives
    scale: Number = 1
    num_frame: Number | None = None
    multiple: Number = 1
    smallest: Number = 1
    min_frames: Number = 1
    is_recurrent: bool = False
    step: str | None = None
    first_state: str | None = None
    step_frames: int = 1
    parts: WindowParts | None = None
    channels_last: bool = False

    def __post_init__(self) -> None:
        if self.takes != 'clip' and self.gives == 'clip':
            raise InvalidValueError(f"ArchSpec: an arch that takes a {self.takes} gives 'frame', got {self.gives!r}.")
        if (self.takes == 'window') != (self.num_frame is not None):
            raise InvalidValueError(
                f"ArchSpec: num_frame belongs to takes='window' and to nothing else, got {self.num_frame!r} with "
                f'{self.takes!r}.'
            )
        if self.parts is not None and self.takes != 'window':
            raise InvalidValueError(f"ArchSpec: parts belong to takes='window', got takes={self.takes!r}.")
        if self.channels_last and self.takes != 'frame':
            raise InvalidValueError(f"ArchSpec: channels_last belongs to takes='frame', got takes={self.takes!r}.")
        if self.step is not None and not self.is_recurrent:
            raise InvalidValueError(f'ArchSpec: step {self.step!r} belongs to a recurrent arch; set is_recurrent=True.')
        if self.step is None and self.first_state is not None:
            raise InvalidValueError(f'ArchSpec: first_state belongs to step, got {self.first_state!r} without it.')
        if self.step is None and self.step_frames != 1:
            raise InvalidValueError(f'ArchSpec: step_frames belongs to step, got {self.step_frames} without it.')

    def resolve(self, name: str, arguments: Mapping[str, Any]) -> 'NetworkSpec':
        """Return the facts of one network.

        Args:
            name: Name of the arch.
            arguments: All arguments of the constructor, defaults included.
        """
        return NetworkSpec(
            arch=name,
            takes=self.takes,
            gives=self.gives,
            scale=_resolve(self.scale, arguments),
            num_frame=_resolve(self.num_frame, arguments),
            multiple=_resolve(self.multiple, arguments) or 1,
            smallest=_resolve(self.smallest, arguments) or 1,
            min_frames=_resolve(self.min_frames, arguments) or 1,
            is_recurrent=self.is_recurrent,
            step=self.step,
            first_state=self.first_state,
            step_frames=self.step_frames,
            parts=self.parts,
            channels_last=self.channels_last,
        )


@dataclass(frozen=True, kw_only=True)
class NetworkSpec:
    """What one network, an arch with its arguments, takes and gives; see ``ArchSpec``.

    Attributes:
        arch: Name of the arch.
        takes: 'frame', 'window' or 'clip'.
        gives: 'frame' or 'clip'.
        scale: Factor between the sizes; None where the arguments do not say.
        num_frame: Frames of a window; None for frames and clips, or where the arguments do not say.
        multiple: What the low-quality height and width must be multiples of.
        smallest: The smallest low-quality height and width.
        min_frames: The shortest clip.
        is_recurrent: Whether it has a hidden state.
        step: Method that restores the next frame; None where there is none.
        first_state: Method that makes the state before the first frame; None where that is zeros.
        step_frames: Frames that a step takes.
        parts: The network in two parts; None where it has none.
        channels_last: Whether it may get frames whose channels lie side by side in memory.
    """

    arch: str
    takes: Takes
    gives: Gives
    scale: int | None
    num_frame: int | None
    multiple: int
    smallest: int
    min_frames: int
    is_recurrent: bool
    step: str | None
    first_state: str | None
    step_frames: int
    parts: WindowParts | None
    channels_last: bool

    def padded(self, side: int) -> int:
        """Return the smallest side that the network takes and that is no smaller than this one."""
        return -(-max(side, self.smallest) // self.multiple) * self.multiple


_SPECS: dict[type[nn.Module], ArchSpec] = {}


def register_spec(spec: ArchSpec) -> Callable[[_Arch], _Arch]:
    """Return a decorator that says what a class is; ``register_spec(spec)(Class)`` serves for classes of others.

    Raises:
        InvalidValueError: The class has a spec already.
    """

    def register(arch: _Arch) -> _Arch:
        if arch in _SPECS:
            raise InvalidValueError(f'{arch.__name__} has an ArchSpec already.')
        _SPECS[arch] = spec
        return arch

    return register


def spec_of(network: Mapping[str, Any] | None) -> NetworkSpec | None:
    """Return what a network takes and gives.

    Args:
        network: Section of the options, ``type`` and the arguments of the constructor.

    Returns:
        None where there is no section, the arch is not registered, or it has no spec.

    Raises:
        InvalidTypeError: The attribute ``spec`` of the arch is no ``ArchSpec``.

    >>> edvr = spec_of({'type': 'EDVR', 'num_frame': 7})
    >>> edvr.takes, edvr.num_frame, edvr.scale, edvr.multiple
    ('window', 7, 4, 4)
    """
    arch = find_arch((network or {}).get('type'))
    if network is None or arch is None:
        return None
    spec = _SPECS.get(arch, getattr(arch, 'spec', None))
    if spec is None:
        return None
    if not isinstance(spec, ArchSpec):
        raise InvalidTypeError(f'{arch.__name__}.spec must be an ArchSpec, got {spec!r}.')
    return spec.resolve(arch.__name__, _arguments(arch, network))


def find_num_frame(network: Mapping[str, Any] | None) -> int | None:
    """Return the frames of a network's window: by its spec, or, where it has none, by its argument ``num_frame``.

    Returns:
        None where it takes no window, or does not say so.
    """
    spec = spec_of(network)
    if spec is not None:
        return spec.num_frame
    arch = find_arch((network or {}).get('type'))
    return None if network is None or arch is None else _resolve('num_frame', _arguments(arch, network))


def find_arch(name: Any) -> type[nn.Module] | None:
    """Return the registered class of a name, None for an unknown one."""
    for known in (name, f'{name}_basicsr'):  # the framework's registry finds these by the short name, too
        if known in ARCH_REGISTRY:
            return ARCH_REGISTRY.get(known)
    return None


def _arguments(arch: type[nn.Module], network: Mapping[str, Any]) -> dict[str, Any]:
    """Return the given arguments, and the defaults of the others."""
    parameters = inspect.signature(arch).parameters.values()
    defaults = {each.name: each.default for each in parameters if each.default is not each.empty}
    return {**defaults, **{name: value for name, value in network.items() if name != 'type'}}


def _resolve(number: Number | None, arguments: Mapping[str, Any]) -> int | None:
    """Return a number, None where an argument that it depends on is missing or no whole number."""
    if isinstance(number, str):
        number = arguments.get(number)
    elif callable(number):
        try:
            number = number(arguments)
        except (KeyError, TypeError):  # an argument that is missing or of the wrong type, which the schema reports
            return None
    return number if isinstance(number, int) and not isinstance(number, bool) else None
