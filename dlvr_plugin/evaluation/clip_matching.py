"""Match the frames of results with those of the ground truth: all of them, or an error that names the rest."""

from collections.abc import Mapping, Sequence

from dlvr_plugin.clips.clip_reader import ClipReader
from dlvr_plugin.core.choices import Match
from dlvr_plugin.core.errors import DataError

_SHOWN = 5  # names in an error


def match_clips(
    gt: ClipReader, results: Mapping[str, ClipReader], clips: Sequence[str] | None = None, *, match: Match = 'name'
) -> list[str]:
    """Demand that every method has the clips of the ground truth, and the same frames.

    Frames are matched by name, where both are folders of frames; results may have one suffix after all names, as the
    test command writes it (``00000000_NAME.png``). With a video on one side, or where they are matched by their order,
    their numbers are compared.

    Args:
        gt: Ground truth.
        results: Clips of each method.
        clips: Names of those to compare, None for all.
        match: By 'name', or by their 'order'.

    Returns:
        Names of the clips to compare.

    Raises:
        DataError: A clip or frame is missing, or there is one more; it is named.
    """
    wanted = list(clips) if clips else gt.names
    for clip in wanted:
        if clip not in gt.names:
            raise DataError(f'Clip {clip} is missing in {gt.root}, which holds {", ".join(gt.names)}.')
    for method, result in results.items():
        missing = [clip for clip in wanted if clip not in result.names]
        if missing:
            raise DataError(
                f'{method}: clip {missing[0]} is missing in {result.root}, which holds {", ".join(result.names)}. '
                'Choose clips by --clips.'
            )
        extra = [clip for clip in result.names if clip not in gt.names]
        if extra and not clips:
            raise DataError(
                f'{method}: clip {extra[0]} of {result.root} has no ground truth in {gt.root}. Choose clips by --clips.'
            )
        for clip in wanted:
            _match_frames(method, gt, result, clip, match)
    return wanted


def _match_frames(method: str, gt: ClipReader, result: ClipReader, clip: str, match: Match) -> None:
    place = f'{method}: clip {clip} of {result.root}'
    gt_names, names = gt.frame_names(clip), result.frame_names(clip)
    if gt_names is None or names is None or match == 'order':
        expected, found = gt.num_frames(clip), result.num_frames(clip)
        if found != expected:
            raise DataError(f'{place} has {found} frames; its ground truth has {expected}.')
        return
    suffix = _common_suffix(gt_names, names)
    plain = [name.removesuffix(suffix) for name in names]
    for what, some, others in (
        ('lacks the frames', gt_names, set(plain)),
        ('has frames without ground truth:', plain, set(gt_names)),
    ):
        odd = [name for name in some if name not in others]
        if odd:
            more = f' and {len(odd) - _SHOWN} more' if len(odd) > _SHOWN else ''
            hint = ''
            if len(names) == len(gt_names):
                hint = (
                    f' Both have {len(names)} frames: where they are the same in their order, {names[0]} with '
                    f'{gt_names[0]} and so on, say --match order.'
                )
            raise DataError(
                f'{place} {what} {", ".join(odd[:_SHOWN])}{more}. Its ground truth is {gt.root}/{clip}.{hint}'
            )
    if plain != gt_names:
        raise DataError(f'{place} has two frames of one name, or another order than its ground truth.')


def _common_suffix(gt_names: Sequence[str], names: Sequence[str]) -> str:
    """Return what follows the name of the true frame in all results, from an underscore on."""
    known = set(gt_names)
    for name in names:
        parts = name.split('_')
        for end in range(len(parts), 0, -1):
            if '_'.join(parts[:end]) in known:
                suffix = name[len('_'.join(parts[:end])) :]
                return suffix if all(other.endswith(suffix) for other in names) else ''
    return ''
