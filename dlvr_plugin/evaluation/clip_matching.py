"""Match the frames of results with those of a reference: all of them, or an error that names the rest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dlvr_plugin.clips.clip_reader import ClipReader
from dlvr_plugin.core.choices import Match
from dlvr_plugin.core.errors import DataError

_SHOWN = 5  # names in an error


@dataclass(frozen=True)
class Reference:
    """The clips that say which clips and frames there are.

    Attributes:
        clips: Their reader.
        noun: What an error calls such a clip: 'its NOUN has 8 frames'.
        is_result: Whether they are those of a method, whose frames may have a suffix themselves.
    """

    clips: ClipReader
    noun: str
    is_result: bool = False

    @classmethod
    def choose(cls, gt: ClipReader | None, lq: ClipReader | None, results: Mapping[str, ClipReader]) -> 'Reference':
        """Return the ground truth or, where there is none, the low-quality input or, without that, the first method."""
        if gt:
            return cls(gt, 'ground truth')
        if lq:
            return cls(lq, 'input')
        name, clips = next(iter(results.items()))
        return cls(clips, f'counterpart in {name}', is_result=True)

    def frame_names(self, clip: str) -> list[str] | None:
        """Return the names of a clip's frames without extension, and without a method's suffix; None for a video."""
        names = self.clips.frame_names(clip)
        if names is None or not self.is_result or len(names) < 2:
            return names
        suffix = _shared_suffix(names)
        return [name.removesuffix(suffix) for name in names]


def match_clips(
    reference: Reference,
    results: Mapping[str, ClipReader],
    clips: Sequence[str] | None = None,
    *,
    match: Match = 'name',
) -> list[str]:
    """Demand that every method has the clips of the reference, and the same frames.

    Frames are matched by name, where both are folders of frames; results may have one suffix after all names, as the
    test command writes it (``00000000_NAME.png``). With a video on one side, or where they are matched by their order,
    their numbers are compared.

    Args:
        reference: What all are matched with.
        results: Clips of each method.
        clips: Names of those to compare, None for all.
        match: By 'name', or by their 'order'.

    Returns:
        Names of the clips to compare.

    Raises:
        DataError: A clip or frame is missing, or there is one more; it is named.
    """
    known, root = reference.clips.names, reference.clips.root
    wanted = list(clips) if clips else known
    for clip in wanted:
        if clip not in known:
            raise DataError(f'Clip {clip} is missing in {root}, which holds {", ".join(known)}.')
    for method, result in results.items():
        missing = [clip for clip in wanted if clip not in result.names]
        if missing:
            raise DataError(
                f'{method}: clip {missing[0]} is missing in {result.root}, which holds {", ".join(result.names)}. '
                'Choose clips by --clips.'
            )
        extra = [clip for clip in result.names if clip not in known]
        if extra and not clips:
            raise DataError(
                f'{method}: clip {extra[0]} of {result.root} has no {reference.noun} in {root}. Choose clips by '
                '--clips.'
            )
        for clip in wanted:
            _match_frames(method, reference, result, clip, match)
    return wanted


def _match_frames(method: str, reference: Reference, result: ClipReader, clip: str, match: Match) -> None:
    place, noun = f'{method}: clip {clip} of {result.root}', reference.noun
    expected_names, names = reference.frame_names(clip), result.frame_names(clip)
    if expected_names is None or names is None or match == 'order':
        expected, found = reference.clips.num_frames(clip), result.num_frames(clip)
        if found != expected:
            raise DataError(f'{place} has {found} frames; its {noun} has {expected}.')
        return
    suffix = _common_suffix(expected_names, names)
    plain = [name.removesuffix(suffix) for name in names]
    for what, some, others in (
        ('lacks the frames', expected_names, set(plain)),
        (f'has frames without {noun}:', plain, set(expected_names)),
    ):
        odd = [name for name in some if name not in others]
        if odd:
            more = f' and {len(odd) - _SHOWN} more' if len(odd) > _SHOWN else ''
            hint = ''
            if len(names) == len(expected_names):
                hint = (
                    f' Both have {len(names)} frames: where they are the same in their order, {names[0]} with '
                    f'{expected_names[0]} and so on, say --match order.'
                )
            raise DataError(
                f'{place} {what} {", ".join(odd[:_SHOWN])}{more}. Its {noun} is {reference.clips.root}/{clip}.{hint}'
            )
    if plain != expected_names:
        raise DataError(f'{place} has two frames of one name, or another order than its {noun}.')


def _common_suffix(expected: Sequence[str], names: Sequence[str]) -> str:
    """Return what follows the name of the reference's frame in all results, from an underscore on."""
    known = set(expected)
    for name in names:
        parts = name.split('_')
        for end in range(len(parts), 0, -1):
            if '_'.join(parts[:end]) in known:
                suffix = name[len('_'.join(parts[:end])) :]
                return suffix if all(other.endswith(suffix) for other in names) else ''
    return ''


def _shared_suffix(names: Sequence[str]) -> str:
    """Return the longest ending of all names, from an underscore on, that leaves something of each.

    >>> _shared_suffix(['00000000_my_test', '00000001_my_test']), _shared_suffix(['a_1', 'a_2'])
    ('_my_test', '')
    """
    first = names[0]
    endings = [first[place:] for place, letter in enumerate(first) if letter == '_']
    return next((end for end in endings if all(name.endswith(end) and name != end for name in names)), '')
