"""``dlvr figure crops``, ``profile`` and ``flow``: figures of frames."""

import argparse
import difflib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from basicsr.utils import get_root_logger
from matplotlib.figure import Figure

from dlvr_plugin.cli.named_folders import parse_results
from dlvr_plugin.clips.clip_reader import ClipReader
from dlvr_plugin.core.errors import DataError, InvalidValueError
from dlvr_plugin.core.resampling import enlarge_image
from dlvr_plugin.evaluation.evaluation_file import (
    GROUND_TRUTH,
    Evaluation,
    check_method_names,
    input_label,
    read_evaluation,
)
from dlvr_plugin.metrics import METRICS
from dlvr_plugin.report.frame_figures import Box, Line, draw_crops, draw_flow_maps, draw_profiles, temporal_profile


class _ClipSet:
    """One clip of the input, of every method and of the ground truth, in this order; all of one size and length.

    Input and ground truth are there where they are known.
    """

    def __init__(self, args: argparse.Namespace, evaluation: Evaluation | None) -> None:
        self.clip: str = args.clip
        roots = _find_roots(args, evaluation)
        self.sources = {name: ClipReader(root, allow_cut_videos=True) for name, root in roots.items()}
        self.last = list(roots)[-1]
        self.input_scales = {}  # by the name of the input
        if evaluation and 'input' in evaluation:
            scale = evaluation['input']['scale']
            self.input_scales[input_label(scale)] = scale
        reference = self.sources[self.last]
        self._reference_name = 'the ground truth' if self.last == GROUND_TRUTH else self.last
        for source in (reference, *self.sources.values()):
            if self.clip not in source.names:
                similar = difflib.get_close_matches(self.clip, source.names, n=8) or source.names[:8]
                raise DataError(f'--clip: there is no clip {self.clip} in {source.root}, but {", ".join(similar)}.')
        self.num_frames = reference.num_frames(self.clip)
        for source in self.sources.values():
            if source.num_frames(self.clip) != self.num_frames:
                raise DataError(
                    f'{source.root} has {source.num_frames(self.clip)} frames of clip {self.clip}, '
                    f'{self._reference_name} {self.num_frames}. Frames are compared by their order, so both need the '
                    'same number.'
                )
            if problem := source.cut_videos.get(self.clip):
                get_root_logger().warning(f'{problem}. What can be read is shown.')
        self.size: tuple[int, int] = next(reference.read_frames(self.clip, 0, 1)).shape[:2]

    def read(self, name: str, start: int = 0, stop: int | None = None) -> Iterator[np.ndarray]:
        """Yield frames of a method, of the ground truth, or of the input, enlarged."""
        source, scale = self.sources[name], self.input_scales.get(name, 1)
        for index, frame in enumerate(source.read_frames(self.clip, start, stop), start):
            size = tuple(scale * side for side in frame.shape[:2])
            if size != self.size:
                how = f'{scale} times as large, ' if scale > 1 else ''
                raise DataError(
                    f'{source.where(self.clip, index)} is {how}{size} (h, w), {self._reference_name} {self.size}.'
                )
            yield enlarge_image(frame, scale)

    def read_frame(self, name: str, index: int) -> np.ndarray:
        """Return one frame."""
        return next(self.read(name, index, index + 1))

    def describe(self, what: str) -> str:
        """Return the caption of a frame of the last of the clips: whose it is stands there unless it is the truth."""
        return f'{self.clip}, {what}' + ('' if self.last == GROUND_TRUTH else f' of {self.last}')

    def check_frame(self, index: int, first: int = 0) -> None:
        """Raise ValueError where there is no such frame, or it is before ``first``."""
        if not first <= index < self.num_frames:
            raise InvalidValueError(
                f'--frame must be {first} to {self.num_frames - 1} in clip {self.clip}, got {index}.'
            )

    def check_position(self, argument: str, position: int, axis: int) -> None:
        """Raise ValueError where a row (axis 0) or a column (1) is not in the frames."""
        if not 0 <= position < self.size[axis]:
            raise InvalidValueError(
                f'{argument} must be 0 to {self.size[axis] - 1} in clip {self.clip}, got {position}.'
            )


def _find_roots(args: argparse.Namespace, evaluation: Evaluation | None) -> dict[str, Path]:
    """Return the folders of the input, of all methods and of the ground truth, as far as they are known, by name."""
    roots, gt_root = parse_results(args.results) if args.results else {}, args.gt
    if evaluation:
        roots = roots or {name: Path(method['root']) for name, method in evaluation['methods'].items()}
        if not gt_root and 'gt_root' in evaluation:
            gt_root = Path(evaluation['gt_root'])
        if 'input' in evaluation:
            label = input_label(evaluation['input']['scale'])
            check_method_names(roots)
            roots = {label: Path(evaluation['input']['root']), **roots}
    elif not roots or not gt_root:
        raise InvalidValueError('Give --gt DIR and --results NAME=DIR ..., or --evaluation DIR.')
    return {**roots, GROUND_TRUTH: gt_root} if gt_root else roots


def _read_evaluation(args: argparse.Namespace) -> Evaluation | None:
    return read_evaluation(args.evaluation) if args.evaluation else None


def _draw_crops(args: argparse.Namespace) -> tuple[str, Figure]:
    evaluation = _read_evaluation(args)
    clips = _ClipSet(args, evaluation)
    clips.check_frame(args.frame)
    boxes = [Box(*numbers) for numbers in args.box]
    for box in boxes:
        if min(box.top, box.left) < 0 or min(box.height, box.width) < 1 or _exceeds(box, clips.size):
            raise InvalidValueError(
                f'--box {" ".join(map(str, box))} (top, left, height, width) does not lie in the frames of '
                f'{clips.clip}, which are {clips.size} (h, w).'
            )
    profiles = None
    if args.profile_row is not None:
        clips.check_position('--profile-row', args.profile_row, 0)
        if not any(box.top <= args.profile_row < box.top + box.height for box in boxes):
            raise InvalidValueError(f'--profile-row {args.profile_row} lies in none of the boxes. Choose a row of one.')
        line = Line('row', args.profile_row, 0, clips.size[1])
        profiles = {name: temporal_profile(clips.read(name), line) for name in clips.sources}
    figure = draw_crops(
        {name: clips.read_frame(name, args.frame) for name in clips.sources},
        boxes,
        caption=clips.describe(f'frame {args.frame}') + (f': {_label_metrics(evaluation)}' if evaluation else ''),
        notes=_format_metrics(evaluation, clips, args.frame) if evaluation else None,
        profiles=profiles,
        profile_row=args.profile_row or 0,
        zoom=args.zoom,
    )
    return f'crops_{clips.clip}_{args.frame}', figure


def _exceeds(box: Box, size: tuple[int, int]) -> bool:
    return box.top + box.height > size[0] or box.left + box.width > size[1]


def _noted_metrics(evaluation: Evaluation) -> list[str]:
    """Return the first metric of distortion and the first of perception that were measured.

    Without ground truth there is no distortion: the first two that were asked for stand instead.
    """
    if 'gt_root' not in evaluation:
        return list(evaluation['metrics'])[:2]
    found = []
    for aspect in ('distortion', 'perception'):
        of_aspect = [name for name, spec in METRICS.items() if spec.aspect == aspect and name in evaluation['metrics']]
        found += of_aspect[:1]
    if not found:
        known = ', '.join(evaluation['metrics'])
        raise DataError(f'--evaluation holds no metric of distortion or perception, but {known}.')
    return found


def _label_metrics(evaluation: Evaluation) -> str:
    entries = [evaluation['metrics'][metric] for metric in _noted_metrics(evaluation)]
    return ' / '.join(entry['label'] + ('↑' if entry['direction'] == 'higher' else '↓') for entry in entries)


def _format_metrics(evaluation: Evaluation, clips: _ClipSet, frame: int) -> dict[str, str]:
    """Return what stands below the names: metrics of the frame."""
    metrics = _noted_metrics(evaluation)
    entries = [evaluation['metrics'][metric] for metric in metrics]
    notes = {}
    for name in clips.sources:
        if name == GROUND_TRUTH or name in clips.input_scales:
            continue
        if name not in evaluation['methods']:
            raise DataError(f'--evaluation holds no method {name}, but {", ".join(evaluation["methods"])}.')
        results = evaluation['methods'][name]['clips']
        if clips.clip not in results:
            raise DataError(f'--evaluation holds no clip {clips.clip} of {name}, but {", ".join(results)}.')
        values = []
        for metric, entry in zip(metrics, entries, strict=True):
            of_frames = results[clips.clip]['frames'].get(metric, [])
            value = of_frames[frame] if frame < len(of_frames) else None
            values.append('–' if value is None else f'{value:.{entry["decimals"]}f}')
        notes[name] = ' / '.join(values)
    return notes


def _draw_profile(args: argparse.Namespace) -> tuple[str, Figure]:
    clips = _ClipSet(args, _read_evaluation(args))
    is_row = args.row is not None
    axis, position = ('row', args.row) if is_row else ('column', args.column)
    clips.check_position(f'--{axis}', position, 0 if is_row else 1)
    length = clips.size[1 if is_row else 0]
    start, stop = args.range or (0, length)
    if not 0 <= start < stop <= length:
        raise InvalidValueError(
            f'--range must be within 0 to {length}, the first number the smaller, got {start} {stop}.'
        )
    line = Line('row' if is_row else 'column', position, start, stop)
    figure = draw_profiles(
        clips.read_frame(clips.last, 0),
        line,
        {name: temporal_profile(clips.read(name), line) for name in clips.sources},
        caption=clips.describe(f'{axis} {position}'),
    )
    return f'profile_{clips.clip}_{axis}_{position}', figure


def _draw_flow(args: argparse.Namespace) -> tuple[str, Figure]:
    clips = _ClipSet(args, _read_evaluation(args))
    if clips.last != GROUND_TRUTH:
        raise InvalidValueError(
            'dlvr figure flow compares the flow of methods with that of the ground truth, and the evaluation has none. '
            'Give it by --gt.'
        )
    clips.check_frame(args.frame, first=1)
    if args.max_length is not None and not args.max_length > 0:
        raise InvalidValueError(f'--max-length must be above 0, got {args.max_length}.')
    pairs = {}
    for name in clips.sources:
        previous, current = clips.read(name, args.frame - 1, args.frame + 1)
        pairs[name] = (previous, current)
    figure = draw_flow_maps(pairs, caption=f'{clips.clip}, frame {args.frame}', max_length=args.max_length)
    return f'flow_{clips.clip}_{args.frame}', figure


KINDS = {'crops': _draw_crops, 'profile': _draw_profile, 'flow': _draw_flow}
