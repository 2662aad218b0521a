"""What the section of a ``ClipDataset`` says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from dlvr_plugin.core.choices import AnyDegradationType
from dlvr_plugin.core.declarations import NOT_EMPTY, POSITIVE, NoOption, Range, check_arguments
from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.data.augmentation import ColorJitter
from dlvr_plugin.data.degradations import Degradation
from dlvr_plugin.data.realistic.options import RealisticOptions

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
    degradation: AnyDegradationType | Degradation | RealisticOptions | None = None
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
