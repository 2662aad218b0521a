"""Validation and test sets of own clips: any name, length, size and kind of file.

Shape legend: T frames of a clip or a window, H, W size of the ground truth, h, w of the low-quality frames.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from basicsr.data.data_util import generate_frame_indices
from basicsr.utils import get_root_logger
from basicsr.utils.registry import DATASET_REGISTRY
from torch import Tensor
from torch.utils.data import Dataset

from dlvr_plugin.clips.clip_reader import ClipReader
from dlvr_plugin.clips.recent_frames import RecentFrames
from dlvr_plugin.core.declarations import Range, check_arguments
from dlvr_plugin.core.errors import DataError, InvalidValueError
from dlvr_plugin.core.names import nearest
from dlvr_plugin.data.degradations import Degradation, DegradationType, degrade_images

Padding = Literal['replicate', 'reflection', 'reflection_circle', 'circle']

WHOLE_CLIPS = -1
"""The value of ``num_frame`` for networks that take clips of any length."""


@dataclass(frozen=True, kw_only=True)
class ClipTestOptions:
    """What a section of a test set says.

    Attributes:
        dataroot_gt: Ground truth: a folder of clip folders, an LMDB, a folder of videos or a video. None where there
            is none, and no metric that needs it.
        dataroot_lq: The same for the low-quality frames. None makes them of the ground truth.
        degradation: How they are made of it, see ``Degradation``; 'BI', or 'motion_blur' where the scale is 1.
        clips: Names of the clips to take; None takes all.
        exclude_clips: Names of clips to leave out.
        num_frame: Frames of the window that the network takes, odd; 1 for a network of single frames; -1 gives whole
            clips, for recurrent networks.
        padding: What stands for frames beyond the ends of a clip, as in the framework's own test sets.
        allow_cut_videos: Whether a video that ends before the frames that its file announces is taken as it is.

    Raises:
        InvalidValueError: A value out of range, or nothing to restore. InvalidTypeError: of the wrong type.
    """

    dataroot_gt: str | None = None
    dataroot_lq: str | None = None
    degradation: DegradationType | Degradation | None = None
    clips: Sequence[str | int] | None = None
    exclude_clips: Sequence[str | int] | None = None
    num_frame: Annotated[int, Range(minimum=WHOLE_CLIPS)] = WHOLE_CLIPS
    padding: Padding = 'replicate'
    allow_cut_videos: bool = False

    @classmethod
    def from_options(cls, opt: Mapping[str, Any], where: str) -> 'ClipTestOptions':
        """Read a section; what belongs to the framework's loader is not looked at."""
        names = [item.name for item in fields(cls)]
        given = {name: opt[name] for name in names if name in opt}
        for name in ('dataroot_gt', 'dataroot_lq'):  # a program may give a Path
            given[name] = None if given.get(name) is None else str(given[name])
        options = cls(**given)
        # A degradation is checked where it is read, with the scale.
        check_arguments(cls, {name: value for name, value in given.items() if name != 'degradation'}, where)
        if options.num_frame != WHOLE_CLIPS and options.num_frame % 2 == 0:
            raise InvalidValueError(
                f'{where}.num_frame must be odd, or {WHOLE_CLIPS} for whole clips, got {options.num_frame}.'
            )
        if options.dataroot_gt is None and options.dataroot_lq is None:
            raise InvalidValueError(f'{where} has no frames: set dataroot_lq, dataroot_gt or both.')
        if options.dataroot_lq is not None and options.degradation:
            raise InvalidValueError(
                f'{where}.degradation makes the frames that dataroot_lq holds already. Set one of both.'
            )
        return options


@DATASET_REGISTRY.register()
class ClipTestDataset(Dataset):
    """Clips to restore and measure: a window around each frame in turn, or whole clips.

    Samples are those of the framework's ``VideoTestDataset`` (``lq`` (T, 3, h, w) and ``gt`` (3, H, W)) and, with
    ``num_frame: -1``, of its ``VideoRecurrentTestDataset`` (``lq`` (T, 3, h, w) and ``gt`` (T, 3, H, W)), RGB in
    [0, 1], with ``folder``, ``idx``, ``border`` and ``lq_path``. Where ``num_frame`` is 1, ``lq`` is (3, h, w).
    Ground-truth frames count without the rows and columns at the bottom and right that exceed a multiple of the scale.
    Only the frames of a sample are in memory.

    Args:
        opt: Options of the set, see ``ClipTestOptions``; ``name`` and, set by the framework, ``scale``.

    Attributes:
        folders: Names of the clips.
        data_info: Clip, number and file of each frame, in lists, as the framework has them.

    Raises:
        DataError: A clip or a frame that is missing, damaged, or of another size or length than its partner.
        InvalidValueError: An option out of range. InvalidTypeError: of the wrong type.
    """

    Options: ClassVar = ClipTestOptions

    def __init__(self, opt: Mapping[str, Any]) -> None:
        self.opt = opt
        self.name = str(opt.get('name', type(self).__name__))
        self.options = options = ClipTestOptions.from_options(opt, self.name)
        self.scale: int = opt.get('scale', 1)
        self.num_frame, self.is_windowed = options.num_frame, options.num_frame != WHOLE_CLIPS
        self.degradation: Degradation | None = None
        if options.dataroot_lq is None:
            default = 'motion_blur' if self.scale == 1 else 'BI'
            degradation: Any = options.degradation or default
            self.degradation = Degradation.from_options(degradation, scale=self.scale, name=f'{self.name}.degradation')
        radius = self.degradation.radius if self.degradation else 0
        num_kept = 2 * max(self.num_frame, 1) + 2 * radius + 1
        self._gt, self._lq = (
            None
            if root is None
            else RecentFrames(ClipReader(root, allow_cut_videos=options.allow_cut_videos), num_kept)
            for root in (options.dataroot_gt, options.dataroot_lq)
        )
        self._degraded: dict[tuple[str, int], np.ndarray] = {}
        self.folders = self._choose_clips()
        self._lengths = {clip: self._check_clip(clip) for clip in self.folders}
        for frames in (self._gt, self._lq):
            for problem in frames.reader.cut_videos.values() if frames is not None else ():
                get_root_logger().warning(f'{self.name}: {problem}.')
        self.data_info = self._list_frames()

    @property
    def _source(self) -> RecentFrames:
        """Where the low-quality frames come from."""
        source = self._lq or self._gt
        assert source is not None  # checked by the options
        return source

    def _choose_clips(self) -> list[str]:
        readers = [frames.reader for frames in (self._gt, self._lq) if frames is not None]
        available = list(dict.fromkeys(name for reader in readers for name in reader.names))
        chosen, excluded = (
            [str(name) for name in names or ()] for names in (self.options.clips, self.options.exclude_clips)
        )
        for key, names in (('clips', chosen), ('exclude_clips', excluded)):
            for name in names:
                if name not in available:
                    raise DataError(
                        f'{self.name}.{key}: {name} is no clip of {readers[0].root}.{nearest(name, available)}'
                    )
        found = [name for name in available if (not chosen or name in chosen) and name not in excluded]
        if not found:
            raise DataError(f'{self.name}: no clip is left of {readers[0].root}.')
        for name in found:
            for reader in readers:
                if name not in reader.names:
                    raise DataError(
                        f'{self.name}: clip {name} is missing in {reader.root}. Add it there, or leave it out by '
                        'exclude_clips.'
                    )
        return found

    def _check_clip(self, clip: str) -> int:
        """Return the length of a clip, after a look at what is needed of it."""
        length = self._source.reader.num_frames(clip)
        if self._gt is not None and self._gt.reader.num_frames(clip) != length:
            raise DataError(
                f'{self.name}: clip {clip} has {length} frames in {self._source.reader.root}, but '
                f'{self._gt.reader.num_frames(clip)} in {self._gt.reader.root}.{self._first_missing(clip)}'
            )
        if self.is_windowed and length < self.num_frame:
            reached = {index for frame in range(length) for index in self._window(frame, length)}
            if min(reached) < 0 or max(reached) >= length:
                raise DataError(
                    f'{self.name}: clip {clip} of {self._source.reader.root} has {length} frames, too few for '
                    f'num_frame {self.num_frame} with padding {self.options.padding}. Take padding: replicate, or '
                    'leave it out by exclude_clips.'
                )
        return length

    def _first_missing(self, clip: str) -> str:
        """Return which frame one of the two roots lacks; empty where frames have no names."""
        pair = [frames.reader for frames in (self._gt, self._lq) if frames is not None]
        names = [reader.frame_names(clip) for reader in pair]
        for reader, own, other in zip(pair, names, reversed(names), strict=True):
            for name in other or ():
                if own is not None and name not in own:
                    return f' {name} is missing in {reader.root}.'
        return ''

    def _list_frames(self) -> dict[str, list[Any]]:
        info: dict[str, list[Any]] = {'lq_path': [], 'folder': [], 'idx': [], 'border': []}
        reach = self.num_frame // 2 if self.is_windowed else 0
        for clip, length in self._lengths.items():
            names = self._source.reader.frame_names(clip) or [f'{index:08d}' for index in range(length)]
            info['lq_path'] += [f'{clip}/{name}.png' for name in names]
            info['folder'] += [clip] * length
            info['idx'] += [f'{index}/{length}' for index in range(length)]
            info['border'] += [int(min(index, length - 1 - index) < reach) for index in range(length)]
        return info

    def __len__(self) -> int:
        return len(self.data_info['idx'] if self.is_windowed else self.folders)

    def __getitem__(self, index: int) -> dict[str, Any]:
        if not self.is_windowed:
            clip = self.folders[index]
            first = self.data_info['folder'].index(clip)
            frames = list(range(self._lengths[clip]))
            paths = self.data_info['lq_path'][first : first + len(frames)]
            return {**self._read(clip, frames, frames), 'folder': clip, 'lq_path': paths}
        sample = {name: values[index] for name, values in self.data_info.items()}
        frame, length = (int(number) for number in sample['idx'].split('/'))
        tensors = self._read(sample['folder'], self._window(frame, length), [frame])
        if 'gt' in tensors:
            tensors['gt'] = tensors['gt'][0]
        if self.num_frame == 1:
            tensors['lq'] = tensors['lq'][0]
        return {**tensors, **sample}

    def _window(self, frame: int, length: int) -> list[int]:
        return generate_frame_indices(frame, length, self.num_frame, padding=self.options.padding)

    def _read(self, clip: str, lq_frames: list[int], gt_frames: list[int]) -> dict[str, Tensor]:
        """Read low-quality frames (T, 3, h, w) and, where there is any, ground truth (K, 3, H, W)."""
        lq: dict[int, np.ndarray] = {}
        gt: dict[int, np.ndarray] = {}
        for frame in sorted({*lq_frames, *gt_frames}):  # in the order of time, so that a video is decoded once
            if frame in lq_frames:
                lq[frame] = self._read_lq(clip, frame)
            if frame in gt_frames and self._gt is not None:
                gt[frame] = self._gt.read(clip, [frame])[frame]
        size = lq[lq_frames[0]].shape[:2]
        tensors = {'lq': _to_tensor([lq[frame] for frame in lq_frames], size)}
        if gt:
            self._check_sizes(clip, size, gt[gt_frames[0]].shape[:2])
            gt_size = (size[0] * self.scale, size[1] * self.scale)
            tensors['gt'] = _to_tensor([gt[frame] for frame in gt_frames], gt_size)
        return tensors

    def _read_lq(self, clip: str, frame: int) -> np.ndarray:
        """Read a low-quality frame (h, w, 3), or make it; those made last are kept."""
        if self.degradation is None:
            return self._source.read(clip, [frame])[frame]
        if (clip, frame) not in self._degraded:
            window = self.degradation.window(frame, self._lengths[clip])
            images = self._source.read(clip, window)
            try:
                self._degraded[clip, frame] = degrade_images([images[each] for each in window], self.degradation)
            except InvalidValueError as error:
                raise DataError(f'{self._source.reader.where(clip, frame)}: {error}') from error
            while len(self._degraded) > self._source.num_kept:
                del self._degraded[next(iter(self._degraded))]
        return self._degraded[clip, frame]

    def _check_sizes(self, clip: str, lq_size: tuple[int, ...], gt_size: tuple[int, ...]) -> None:
        if tuple(side // self.scale for side in gt_size) != lq_size:
            raise DataError(
                f'{self.name}, clip {clip}: LQ frames are {lq_size[0]}x{lq_size[1]} pixels (h x w), GT frames '
                f'{gt_size[0]}x{gt_size[1]}, which is not {self.scale} times as much. Set scale, or mend the clip.'
            )

    def __getstate__(self) -> dict[str, Any]:
        """Leave the frames that are kept here."""
        return {**self.__dict__, '_degraded': {}}


def _to_tensor(images: list[np.ndarray], size: tuple[int, ...]) -> Tensor:
    """Return frames (T, 3, H, W), RGB in [0, 1], of the upper left parts (H, W) of images, BGR, uint8."""
    height, width = size
    frames = torch.empty(len(images), 3, height, width)
    for frame, image in zip(frames, images, strict=True):
        rgb = np.ascontiguousarray(image[:height, :width, ::-1])
        frame.copy_(torch.from_numpy(rgb).permute(2, 0, 1))  # (H, W, 3) -> (3, H, W)
    return frames.div_(255)
