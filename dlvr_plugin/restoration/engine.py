"""From a generator and the frames of a video to restored frames, in memory that does not grow with the video.

Shape legend: h, w size of the low-quality frames, H, W of the restored ones.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlvr_plugin.archs import NetworkSpec
from dlvr_plugin.archs.memory_format import in_fast_format
from dlvr_plugin.archs.spec import WindowParts
from dlvr_plugin.core.declarations import NOT_NEGATIVE, POSITIVE, check_arguments
from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.core.nested_tensors import for_each_tensor
from dlvr_plugin.restoration.fit_frames import crop_result, pad_frames
from dlvr_plugin.restoration.frame_by_frame import Padding, SlidingWindow
from dlvr_plugin.restoration.load_model import LoadedGenerator
from dlvr_plugin.restoration.overlapping_chunks import OverlappingChunks
from dlvr_plugin.restoration.scene_parts import ScenePart, SceneRestorer
from dlvr_plugin.restoration.step_by_step import StepByStep
from dlvr_plugin.restoration.tiles import ALIGNMENT, Tile, Tiled, tiles_of
from dlvr_plugin.restoration.window_cache import WindowCache

Way = Literal['frames', 'windows', 'steps', 'chunks']


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """How a network is run.

    Attributes:
        device: 'cpu', 'cuda' or 'cuda:N'.
        bf16: Compute in bfloat16 where autocast does.
        compiled: Compile the network.
        padding: What stands for frames beyond the ends of a scene, for networks of windows.
        chunk_frames: Frames that a network of whole clips gets at a time.
        chunk_overlap: Frames on each side that it gets with them.
        tile: Side of a tile in low-quality pixels, its overlap included; 0 for whole frames.
        tile_overlap: Pixels by which a tile reaches beyond the middle of a seam.

    Raises:
        InvalidValueError: A value out of range. InvalidTypeError: of the wrong type.
    """

    device: str = 'cpu'
    bf16: bool = False
    compiled: bool = False
    padding: Padding = 'replicate'
    chunk_frames: Annotated[int, POSITIVE] = 30
    chunk_overlap: Annotated[int, NOT_NEGATIVE] = 10
    tile: Annotated[int, NOT_NEGATIVE] = 0
    tile_overlap: Annotated[int, NOT_NEGATIVE] = 32

    def __post_init__(self) -> None:
        check_arguments(type(self), vars(self))


class Engine:
    """A generator that restores videos.

    Args:
        generator: It; it is moved to the device.
        options: How it is run.

    Attributes:
        way: How it goes through a video: by single frames, by windows, step by step, or in overlapping chunks.
        scale: Factor between the sizes.

    Raises:
        InvalidValueError: Nothing is known of the generator, or what it takes does not go with videos.
    """

    def __init__(self, generator: LoadedGenerator, options: EngineOptions | None = None) -> None:
        self.options = options or EngineOptions()
        self.spec = _known_spec(generator)
        self.scale: int = self.spec.scale or 1
        self._net = generator.net.to(self.options.device)
        self.way: Way = _way_of(self.spec)
        self._forward = self._prepared(_in_fast_format(self._net) if self.spec.channels_last else self._net)
        self._parts = parts = self.spec.parts
        if parts is not None and self.options.compiled:
            self._parts = WindowParts(extract=torch.compile(parts.extract), restore=torch.compile(parts.restore))

    def restorer(self, size: tuple[int, int]) -> SceneRestorer:
        """Return what restores a video of frames of size (h, w), in tiles where they are larger than one."""
        overlap = self.options.tile_overlap
        tiles = self.tiles(size, self.options.tile, overlap)
        if not tiles:
            return self._plain_restorer()
        size = self.spec.padded(size[0]), self.spec.padded(size[1])
        return Tiled(self._plain_restorer, tiles, size=size, overlap=overlap, scale=self.scale)

    def tiles(self, size: tuple[int, int], side: int, overlap: int) -> list[Tile]:
        """Return the tiles of frames of size (h, w); none where they are restored as a whole.

        Args:
            size: Of frames.
            side: As ``EngineOptions.tile``.
            overlap: As ``EngineOptions.tile_overlap``.

        Raises:
            InvalidValueError: The side leaves nothing beside the overlap.
        """
        size = self.spec.padded(size[0]), self.spec.padded(size[1])
        if side == 0 or max(size) <= side:
            return []
        alignment = math.lcm(ALIGNMENT, self.spec.multiple)
        side = max(-(-side // alignment) * alignment, self.spec.padded(1))
        return tiles_of(size, side, overlap, alignment)

    def restore(self, restorer: SceneRestorer, images: Iterable[np.ndarray], part: ScenePart) -> Iterator[Tensor]:
        """Restore a part of a scene.

        Args:
            restorer: That of the frames' size.
            images: The frames that the restorer needs for the part, (h, w, 3), RGB, uint8 or uint16.
            part: Where they are.

        Yields:
            Restored frames (1, 3, H, W), RGB, about [0, 1], on the device.
        """
        sizes: list[tuple[int, int]] = []

        def prepare(image: np.ndarray) -> Tensor:
            sizes[:] = [image.shape[:2]]
            return self.prepare(image)

        for restored in restorer.restore(map(prepare, images), part):
            (height, width), scale = sizes[0], self.scale
            padded = restored.shape[-2] // scale, restored.shape[-1] // scale
            yield crop_result(restored, padded=padded, original=(height, width))

    def prepare(self, image: np.ndarray) -> Tensor:
        """Return an image (h, w, 3), RGB, as the network takes it: (1, 3, h, w), on the device, padded."""
        return pad_frames(to_tensor(image, self.options.device), self.spec)

    def _plain_restorer(self) -> SceneRestorer:
        spec, options = self.spec, self.options
        if self.way == 'frames':
            return SlidingWindow(self._forward)
        if self.way == 'windows':
            run = self._forward
            if self._parts is not None:  # each restorer keeps features of its own frames or tiles
                run = self._guarded(WindowCache(self._net, self._parts, self._net.forward))
            return SlidingWindow(run, num_frame=spec.num_frame, padding=options.padding)
        if self.way == 'steps':
            assert spec.step is not None
            return StepByStep(self._prepared(getattr(self._net, spec.step)), num_frame=spec.step_frames)
        return self.chunks(options.chunk_frames, options.chunk_overlap)

    def chunks(self, length: int, overlap: int) -> OverlappingChunks:
        """Return what restores a video in chunks of a length."""
        return OverlappingChunks(self._forward, length=length, overlap=overlap, min_frames=self.spec.min_frames)

    def _prepared(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return self._guarded(torch.compile(function) if self.options.compiled else function)

    def _guarded(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return partial(_run, function, torch.device(self.options.device).type, self.options.bf16)


def _in_fast_format(net: nn.Module) -> Callable[[Tensor], Tensor]:
    return lambda frame: net(in_fast_format(frame))


def _run(function: Callable[..., Any], device_type: str, bf16: bool, *inputs: Any) -> Any:
    """Run a network without gradients; what it gives is float32."""
    with torch.no_grad(), torch.autocast(device_type, dtype=torch.bfloat16, enabled=bf16):
        output = function(*inputs)
    return for_each_tensor(output, lambda value: value.float() if value.dtype == torch.bfloat16 else value)


def _known_spec(generator: LoadedGenerator) -> NetworkSpec:
    spec = generator.spec
    name = type(generator.net).__name__
    if spec is None:
        raise InvalidValueError(
            f'{name} does not say what it takes: give it an ArchSpec, as docs/own_classes.md describes.'
        )
    if spec.takes == 'clip' and spec.gives != 'clip':
        raise InvalidValueError(f'{name} takes clips and gives single frames of them, which no video can be made of.')
    if spec.takes == 'window' and not spec.num_frame:
        raise InvalidValueError(f'{name} takes windows and does not say of how many frames.')
    return spec


def _way_of(spec: NetworkSpec) -> Way:
    if spec.takes == 'clip':
        return 'chunks' if spec.step is None else 'steps'
    return 'frames' if spec.takes == 'frame' else 'windows'


def to_tensor(image: np.ndarray, device: str | torch.device = 'cpu') -> Tensor:
    """Return a frame (1, 3, h, w), RGB in [0, 1], of an image (h, w, 3), RGB, uint8 or uint16."""
    values = torch.from_numpy(np.ascontiguousarray(image)).to(device)
    return values.permute(2, 0, 1)[None].float().contiguous().div_(np.iinfo(image.dtype).max)


def to_image(frame: Tensor, bits: Literal[8, 16] = 8) -> np.ndarray:
    """Return an image (H, W, 3), RGB, uint8 or uint16, of a frame (1, 3, H, W), RGB in [0, 1]."""
    values = (frame[0].clamp(0, 1) * (2**bits - 1)).round().permute(1, 2, 0).cpu().numpy()
    return np.ascontiguousarray(values, dtype=np.uint8 if bits == 8 else np.uint16)


def resize(frame: Tensor, size: tuple[int, int]) -> Tensor:
    """Return a frame (1, 3, H, W) in another size, by bicubic interpolation that does not alias."""
    if frame.shape[-2:] == size:
        return frame
    return F.interpolate(frame, size, mode='bicubic', antialias=True)
