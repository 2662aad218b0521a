"""Training samples from clips of any length, size and image format.

Shape legend: T frames of a sample, H, W size of the ground-truth crop, h, w of the low-quality crop.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import cv2
import numpy as np
import torch
from basicsr.utils.registry import DATASET_REGISTRY
from torch import Tensor
from torch.utils.data import Dataset

from dlvr_plugin.clips.clip_store import Clip, ClipStore, check_pair, missing_frames, read_meta_info
from dlvr_plugin.core.declarations import NOT_EMPTY, POSITIVE, NoOption, Range, check_arguments
from dlvr_plugin.core.errors import DataError, InvalidValueError
from dlvr_plugin.core.lmdb_file import prefetch
from dlvr_plugin.data.augmentation import ColorJitter, draw_walk, flip_and_transpose, permute_channels
from dlvr_plugin.data.degradations import Degradation, DegradationType

GTFrames = Literal['all', 'middle']


@dataclass(frozen=True, kw_only=True)
class ClipDatasetOptions:
    """What the section of a ``ClipDataset`` says, beside what its loader reads.

    Attributes:
        dataroot_gt: Ground truth, a folder of clip folders or an LMDB of PNG or raw records.
        dataroot_lq: Low-quality frames, with the same clips and frame names, or a list of several versions of them, one
            of which is drawn for each sample; None makes them on the fly.
        degradation: How low-quality frames are made on the fly; by default BI, or motion_blur where the scale is 1.
        io_backend: How frames are read, disk or lmdb.
        meta_info_file: File of lines 'clip frames (h,w,c)', the clips to use; None takes all.
        exclude_clips: Clips to leave out, those kept for validation.
        num_frame: Frames of a sample.
        gt_frames: Ground truth of all frames, or of the middle one alone, as the framework's own sliding-window models
            take it; with a num_frame of 1, lq is a single image, too, as its models of images take it.
        gt_size: Side of the ground-truth crop in pixels, a multiple of the scale.
        scale: Factor between ground truth and low quality.
        interval_list: Steps in time to choose from.
        random_reverse: Whether to reverse time at random.
        use_hflip: Whether to flip left and right at random.
        use_rot: Whether to flip top and bottom, and swap height and width, at random.
        moving_first_frame: Share of samples that show their first frame alone, over which the crop wanders, so that
            motion is known. TecoGAN trains with 0.3. Not where frames are blurred on the fly.
        moving_first_frame_step: How far it moves at most from frame to frame, in pixels of the ground truth, along each
            axis. Of stored low-quality frames it moves by whole pixels.
        palindrome: Whether samples go there and back, 2 * num_frame - 1 frames, for a ping-pong loss.
        color_jitter: How much colours vary from sample to sample.
        permute_channels: Whether to exchange red, green and blue at random.
    """

    dataroot_gt: str | Path
    dataroot_lq: str | Path | Annotated[Sequence[str | Path], NOT_EMPTY] | None = None
    degradation: DegradationType | Degradation | None = None
    io_backend: Mapping[str, Any]
    meta_info_file: str | Path | None = None
    exclude_clips: Sequence[str | int] | None = None
    num_frame: Annotated[int, POSITIVE]
    gt_frames: GTFrames = 'all'
    gt_size: Annotated[int, POSITIVE]
    scale: Annotated[int, POSITIVE, NoOption()] = 1
    interval_list: Annotated[Sequence[Annotated[int, POSITIVE]], NOT_EMPTY] = (1,)
    random_reverse: bool = False
    use_hflip: bool = False
    use_rot: bool = False
    moving_first_frame: Annotated[float, Range(minimum=0, maximum=1)] = 0.0
    moving_first_frame_step: Annotated[int, POSITIVE] = 4
    palindrome: bool = False
    color_jitter: ColorJitter | None = None
    permute_channels: bool = False

    @property
    def lq_roots(self) -> list[Path]:
        """The versions of the low-quality frames; none where they are made on the fly."""
        return list_roots(self.dataroot_lq)

    @classmethod
    def from_options(cls, opt: Mapping[str, Any], name: str) -> 'ClipDatasetOptions':
        """Read the section of a data set.

        Args:
            opt: The section, with keys of others, too.
            name: What errors call it.

        Raises:
            InvalidValueError: A value out of range, or one that is missing. InvalidTypeError: of the wrong type.
        """
        for key in ('dataroot_gt', 'io_backend', 'num_frame', 'gt_size'):
            if opt.get(key) is None:
                raise InvalidValueError(f'{name}.{key} is missing.')
        given = {key: opt[key] for key in cls.__annotations__ if key in opt}
        # A degradation is checked where it is read, with the scale.
        plain = {key: value for key, value in given.items() if key not in ('degradation', 'color_jitter')}
        check_arguments(cls, plain, name)
        if given.get('color_jitter') is not None:
            given['color_jitter'] = ColorJitter.from_options(given['color_jitter'], f'{name}.color_jitter')
        options = cls(**given)
        for root in options.lq_roots:
            if options.lq_roots.count(root) > 1:
                raise InvalidValueError(f'{name}.dataroot_lq names {root} twice.')
        if options.gt_size % options.scale:
            below = options.gt_size // options.scale * options.scale
            raise InvalidValueError(
                f'{name}.gt_size must be a multiple of the scale {options.scale}, got {options.gt_size}. Use '
                f'{below or options.scale} or {below + options.scale}.'
            )
        if options.palindrome and options.gt_frames == 'middle':
            raise InvalidValueError(f'{name}.palindrome goes with gt_frames: all; a middle frame is that of one clip.')
        if options.gt_frames == 'middle' and options.num_frame % 2 == 0:
            raise InvalidValueError(f'{name}.num_frame must be odd with gt_frames: middle, got {options.num_frame}.')
        return options


def list_roots(dataroot_lq: Any) -> list[Path]:
    """Return the paths that an option names, one or several; none for nothing."""
    if not dataroot_lq:
        return []
    return [Path(root) for root in ([dataroot_lq] if isinstance(dataroot_lq, str | Path) else dataroot_lq)]


@DATASET_REGISTRY.register()
class ClipDataset(Dataset):
    """Samples ``lq`` (T, 3, h, w), ``gt`` (T, 3, H, W) and ``key``, RGB in [0, 1], for any training model.

    There is one sample a frame. It starts at that frame, or, where the clip ends too early, at a random one.

    With ``gt_frames: middle``, ``gt`` is (3, H, W), and with one frame ``lq`` (3, h, w). Of a raw record no more is
    read than the crop. Without ``dataroot_lq`` ground-truth frames count without the rows and columns at the bottom and
    right that exceed a multiple of the scale.

    Args:
        opt: Section of the data set, see ``ClipDatasetOptions``, with the ``scale`` of the whole file.

    Raises:
        DataError: A clip or a frame that is missing, too short, too small or damaged; the message names it.
        InvalidValueError: An option out of range. InvalidTypeError: of the wrong type.
    """

    Options: ClassVar = ClipDatasetOptions

    def __init__(self, opt: Mapping[str, Any]) -> None:
        self.opt = opt
        self.options = options = ClipDatasetOptions.from_options(opt, self._name)
        self.scale, self.gt_size = options.scale, options.gt_size
        self.num_frame, self.gt_frames = options.num_frame, options.gt_frames
        is_lmdb = options.io_backend.get('type') == 'lmdb'
        self.gt_store = ClipStore(options.dataroot_gt, is_lmdb=is_lmdb)
        self.lq_stores = [ClipStore(root, is_lmdb=is_lmdb) for root in options.lq_roots]
        self.degradation = self._read_degradation()
        self._check_motion()
        self.clips = self._choose_clips()
        self.samples = [(name, start) for name, clip in self.clips.items() for start in range(len(clip.frames))]

    @property
    def _name(self) -> str:
        return str(self.opt.get('name', type(self).__name__))

    def _read_degradation(self) -> Degradation | None:
        options: Any = self.options.degradation
        if not self.lq_stores:
            default = 'motion_blur' if self.scale == 1 else 'BI'
            return Degradation.from_options(options or default, scale=self.scale, name=f'{self._name}.degradation')
        if options:
            raise InvalidValueError(
                f'{self._name}.degradation makes the frames that dataroot_lq holds already. Set one of both.'
            )
        return None

    def _check_motion(self) -> None:
        if self.options.moving_first_frame and self.degradation is not None and self.degradation.radius:
            raise InvalidValueError(
                f'{self._name}.moving_first_frame: frames that stand still are not blurred by motion. Leave it out, or '
                'store blurred frames: dlvr data prepare --degradation motion_blur, and dataroot_lq.'
            )

    def _choose_clips(self) -> dict[str, Clip]:
        """Return the ground-truth clips to use, their lengths and sizes checked."""
        available, meta_info_file = self.gt_store.clips, self.options.meta_info_file
        info = read_meta_info(meta_info_file) if meta_info_file else None
        excluded = [str(name) for name in self.options.exclude_clips or ()]
        unknown = [name for name in excluded if name not in available]
        if unknown:
            raise DataError(f'{self._name}.exclude_clips: {unknown[0]} is no clip of {self.gt_store.root}.')
        clips = {}
        for name in info if info is not None else available:
            if name in excluded:
                continue
            if name not in available:
                raise DataError(f'{meta_info_file} names clip {name}, which {self.gt_store.root} does not hold.')
            clip = available[name]
            if info is not None:
                num_frames, size = info[name]
                if len(clip.frames) != num_frames:
                    names = ', '.join(missing_frames(clip)[:5])
                    raise DataError(
                        f'Clip {name} of {self.gt_store.root} has {len(clip.frames)} frames, but {meta_info_file} '
                        f'says {num_frames}.' + (f' Missing: {names}.' if names else '')
                    )
                clip = replace(clip, size=size)
            if missing := missing_frames(clip):
                raise DataError(f'Clip {name} of {self.gt_store.root} has a gap: {", ".join(missing[:5])} is missing.')
            self._check_length(clip)
            for lq_store in self.lq_stores:
                check_pair(self.gt_store, lq_store, name)
            clips[name] = clip
        if not clips:
            raise DataError(f'{self._name}: no clip is left of {self.gt_store.root}.')
        return clips

    def _check_length(self, clip: Clip) -> None:
        interval = max(self.options.interval_list)
        needed = (self.num_frame - 1) * interval + 1
        if len(clip.frames) < needed:
            raise DataError(
                f'Clip {clip.name} of {self.gt_store.root} has {len(clip.frames)} frames, but num_frame '
                f'{self.num_frame} at interval {interval} needs {needed}. Leave it out by exclude_clips, or lower '
                'num_frame or interval_list.'
            )

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> dict[str, Any]:
        name, start = self.samples[index]
        clip = self.clips[name]
        frames = self._choose_frames(clip, start)
        middle = self.num_frame // 2
        kept = slice(None) if self.gt_frames == 'all' else slice(middle, middle + 1)  # frames with ground truth
        windows = [self.degradation.window(frame, len(clip.frames)) for frame in frames] if self.degradation else []
        needed = sorted({*frames[kept], *(neighbour for window in windows for neighbour in window)})
        images = dict(zip(needed, self.gt_store.read_frames(clip, needed), strict=True))
        gt_images = [images[frame] for frame in frames[kept]]
        height, width = (side // self.scale for side in gt_images[0].shape[:2])  # of the low-quality frames
        lq_size = self.gt_size // self.scale
        if min(height, width) < lq_size:
            raise DataError(
                f'Clip {name} of {self.gt_store.root} has frames of {gt_images[0].shape[0]}x{gt_images[0].shape[1]} '
                f'pixels, smaller than gt_size {self.gt_size}.'
            )
        corners = self._choose_corners(frames, height - lq_size, width - lq_size)
        gt = self._crop_all(gt_images, corners[kept], self.gt_size)
        if self.lq_stores:
            lq_store = random.choice(self.lq_stores) if len(self.lq_stores) > 1 else self.lq_stores[0]
            lq_images = list(lq_store.read_frames(lq_store.clips[name], frames))
            self._check_sizes(name, gt_images[0], lq_images[0])
            lq = self._crop_all(
                lq_images, [(row // self.scale, column // self.scale) for row, column in corners], lq_size
            )
        elif len(set(corners)) == 1:
            rows = torch.tensor([[needed.index(neighbour) for neighbour in window] for window in windows])
            lq = self._degrade_crop(list(images.values()), rows, corners[0])
        else:
            only = torch.zeros(1, 1, dtype=torch.long)
            lq = torch.cat([self._degrade_crop(list(images.values()), only, corner) for corner in corners])
        lq, gt = self._augment(lq, gt)
        if self.options.palindrome:
            lq, gt = (torch.cat((clip, clip[:-1].flip(0))) for clip in (lq, gt))
        if self.gt_frames == 'middle':
            gt = gt[0]
            lq = lq[0] if self.num_frame == 1 else lq
        return {'lq': lq, 'gt': gt, 'key': f'{name}/{clip.frame_name(start)}'}

    def _choose_frames(self, clip: Clip, start: int) -> list[int]:
        interval = random.choice(self.options.interval_list)
        last_start = len(clip.frames) - 1 - (self.num_frame - 1) * interval
        if start > last_start:
            start = random.randint(0, last_start)
        frames = list(range(start, start + self.num_frame * interval, interval))
        if self.options.random_reverse and random.random() < 0.5:
            frames.reverse()
        share = self.options.moving_first_frame
        if share and random.random() < share:
            frames = frames[:1] * self.num_frame
        return frames

    def _choose_corners(self, frames: list[int], last_row: int, last_column: int) -> list[tuple[int, int]]:
        """Return the top left corner of the crop of each frame, in pixels of the ground truth.

        It moves over a frame that stands still. The last row and column that it may reach are of low-quality frames.
        """
        top, left = random.randint(0, last_row) * self.scale, random.randint(0, last_column) * self.scale
        if len(frames) == 1 or len(set(frames)) > 1:
            return [(top, left)] * len(frames)
        unit = self.scale if self.lq_stores else 1
        rows, columns = (
            draw_walk(
                len(frames) - 1,
                first,
                largest_step=self.options.moving_first_frame_step,
                last=last * self.scale,
                unit=unit,
            )
            for first, last in ((top, last_row), (left, last_column))
        )
        return list(zip(rows, columns, strict=True))

    def _check_sizes(self, name: str, gt_image: np.ndarray, lq_image: np.ndarray) -> None:
        gt_size, lq_size = gt_image.shape[:2], lq_image.shape[:2]
        if tuple(side // self.scale for side in gt_size) != lq_size:
            raise DataError(
                f'Clip {name}: LQ frames are {lq_size[0]}x{lq_size[1]} pixels (h x w), GT frames '
                f'{gt_size[0]}x{gt_size[1]}, which is not {self.scale} times as much.'
            )

    def _crop_all(self, images: list[np.ndarray], corners: list[tuple[int, int]], size: int) -> Tensor:
        """Crop each image at its corner to frames (T, 3, size, size), RGB, uint8."""
        if len(set(corners)) == 1:
            return self._crop(images, *corners[0], size, size)
        crops = [self._crop([image], *corner, size, size) for image, corner in zip(images, corners, strict=True)]
        return torch.cat(crops)

    @staticmethod
    def _crop(images: list[np.ndarray], top: int, left: int, height: int, width: int) -> Tensor:
        """Crop images (H, W, 3), BGR, uint8, to frames (T, 3, height, width), RGB, uint8."""
        crops = [image[top : top + height, left : left + width] for image in images]
        if not images[0].flags.owndata:  # raw frames that may still be on disk
            prefetch(crops)
        frames = np.empty((len(images), 3, height, width), np.uint8)
        for crop, (red, green, blue) in zip(crops, frames, strict=True):
            cv2.split(np.ascontiguousarray(crop), (blue, green, red))  # (H, W, 3) -> 3 x (H, W)
        return torch.from_numpy(frames)

    def _degrade_crop(self, images: list[np.ndarray], windows: Tensor, corner: tuple[int, int]) -> Tensor:
        """Degrade just what the low-quality crop depends on, as if from whole frames.

        Args:
            images: Whole images (H, W, 3), BGR, uint8.
            windows: Which of them each low-quality frame is made of, (T, N).
            corner: Top left pixel of the crop in the images. Where it is no multiple of the scale, the low-quality
                pixels lie between those of the whole frames.

        Returns:
            Frames (T, 3, h, w) in [0, 1], RGB.
        """
        assert self.degradation is not None
        scale, margin = self.scale, self.degradation.margin * self.scale
        spans = []
        for first, length in zip(corner, images[0].shape[:2], strict=True):
            start = max(first - margin, first % scale)
            stop = min(first + self.gt_size + margin, first + (length - first) // scale * scale)
            spans.append((start, stop - start, (first - start) // scale))
        (top, height, row), (left, width, column) = spans
        region = self._crop(images, top, left, height, width)
        lq = self.degradation(self._to_float(region)[windows])
        size = self.gt_size // scale
        return lq[..., row : row + size, column : column + size]

    def _augment(self, lq: Tensor, gt: Tensor) -> tuple[Tensor, Tensor]:
        """Vary both alike: (T, 3, h, w) and (T, 3, H, W), bytes or in [0, 1]; return them in [0, 1]."""
        options = self.options
        lq, gt = flip_and_transpose(lq, gt, use_hflip=options.use_hflip, use_rot=options.use_rot)
        lq, gt = self._to_float(lq), self._to_float(gt)
        if options.color_jitter is not None:
            lq, gt = options.color_jitter(lq, gt)
        return permute_channels(lq, gt) if options.permute_channels else (lq, gt)

    @staticmethod
    def _to_float(frames: Tensor) -> Tensor:
        return frames.float().div_(255) if frames.dtype == torch.uint8 else frames
