"""Training samples from clips of any length, size and image format.

Shape legend: T frames of a sample, H, W size of the ground-truth crop, h, w of the low-quality crop.
"""

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import torch
from basicsr.utils.registry import DATASET_REGISTRY
from torch import Tensor
from torch.utils.data import Dataset

from dlvr_plugin.clips.clip_store import Clip, ClipStore, check_pair, missing_frames, read_meta_info
from dlvr_plugin.core.errors import DataError, InvalidValueError
from dlvr_plugin.data.any_degradation import AnyDegradation, read_degradation
from dlvr_plugin.data.augmentation import draw_walk, flip_and_transpose, permute_channels
from dlvr_plugin.data.clip_dataset_options import ClipDatasetOptions
from dlvr_plugin.data.crops import crop_frames, degrade_clip_crop, degrade_crop, to_float
from dlvr_plugin.data.degradations import Degradation
from dlvr_plugin.data.realistic import RealisticDegradation


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

    def _read_degradation(self) -> AnyDegradation | None:
        options: Any = self.options.degradation
        if not self.lq_stores:
            default = 'motion_blur' if self.scale == 1 else 'BI'
            return read_degradation(options or default, scale=self.scale, name=f'{self._name}.degradation')
        if options:
            raise InvalidValueError(
                f'{self._name}.degradation makes the frames that dataroot_lq holds already. Set one of both.'
            )
        return None

    def _check_motion(self) -> None:
        blurs = isinstance(self.degradation, Degradation) and self.degradation.radius
        if self.options.moving_first_frame and blurs:
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
        windows = self._windows(frames, len(clip.frames))
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
        else:
            lq = self._degrade(images, windows, corners)
        lq, gt = self._augment(lq, gt)
        if self.options.palindrome:
            lq, gt = (torch.cat((clip, clip[:-1].flip(0))) for clip in (lq, gt))
        if self.gt_frames == 'middle':
            gt = gt[0]
            lq = lq[0] if self.num_frame == 1 else lq
        return {'lq': lq, 'gt': gt, 'key': f'{name}/{clip.frame_name(start)}'}

    def _windows(self, frames: list[int], num_frames: int) -> list[list[int]]:
        """Return which frames of a clip each low-quality frame is made of; none where it is stored."""
        if isinstance(self.degradation, Degradation):
            return [self.degradation.window(frame, num_frames) for frame in frames]
        return [[frame] for frame in frames] if self.degradation else []

    def _degrade(
        self, images: Mapping[int, np.ndarray], windows: list[list[int]], corners: list[tuple[int, int]]
    ) -> Tensor:
        """Make the low-quality crops (T, 3, h, w) of whole images, by their place in the clip."""
        if isinstance(self.degradation, RealisticDegradation):
            clip = [images[frame] for (frame,) in windows]
            return degrade_clip_crop(self.degradation, clip, corners, self.gt_size)
        assert self.degradation is not None
        places = {frame: place for place, frame in enumerate(images)}
        rows = torch.tensor([[places[frame] for frame in window] for window in windows])
        found = list(images.values())
        if len(set(corners)) == 1:
            return degrade_crop(self.degradation, found, rows, corners[0], self.gt_size)
        pairs = zip(rows, corners, strict=True)
        return torch.cat([degrade_crop(self.degradation, found, row[None], each, self.gt_size) for row, each in pairs])

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
            return crop_frames(images, *corners[0], size, size)
        crops = [crop_frames([image], *corner, size, size) for image, corner in zip(images, corners, strict=True)]
        return torch.cat(crops)

    def _augment(self, lq: Tensor, gt: Tensor) -> tuple[Tensor, Tensor]:
        """Vary both alike: (T, 3, h, w) and (T, 3, H, W), bytes or in [0, 1]; return them in [0, 1]."""
        options = self.options
        lq, gt = flip_and_transpose(lq, gt, use_hflip=options.use_hflip, use_rot=options.use_rot)
        lq, gt = to_float(lq), to_float(gt)
        if options.color_jitter is not None:
            lq, gt = options.color_jitter(lq, gt)
        return permute_channels(lq, gt) if options.permute_channels else (lq, gt)
