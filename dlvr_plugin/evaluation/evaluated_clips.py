"""The frames that an evaluation measured: opened again, and known to be the same."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from basicsr.utils import get_root_logger

from dlvr_plugin.clips.clip_reader import ClipReader
from dlvr_plugin.core.errors import DataError, InvalidValueError
from dlvr_plugin.core.resampling import enlarge_image
from dlvr_plugin.evaluation.evaluation_file import GROUND_TRUTH, INPUT, Evaluation, input_label


class EvaluatedClips:
    """Clips of a method of an evaluation, of its ground truth, or of the low-quality input.

    Args:
        evaluation: What was measured.
        name: The method, ``GROUND_TRUTH`` or ``INPUT``; see ``open_all``.

    Attributes:
        name: As given.
        clips: Their reader.

    Raises:
        DataError: Its frames cannot be read any more.
    """

    def __init__(self, evaluation: Evaluation, name: str) -> None:
        self.name, self._evaluation = name, evaluation
        root = self._root_of(name)
        try:
            self.clips = ClipReader(root, allow_cut_videos=True)  # what was evaluated, its hashes say
        except DataError as error:
            raise DataError(
                f'The frames of {name} cannot be read from {root} any more: {error} Move them back, or run dlvr '
                'evaluate again.'
            ) from error

    def check(self, clip: str) -> None:
        """Demand the clip as it was measured: pictures of others would stand beside wrong numbers.

        Raises:
            DataError: It is missing, or is not what it was when it was evaluated.
        """
        frames = self._evaluation['clips'][clip]['frames']
        num_found = self.clips.num_frames(clip) if clip in self.clips.names else 0
        if num_found != len(frames):
            raise DataError(
                f'{self.name}: clip {clip} in {self.clips.root} has {num_found} frames; expected {len(frames)}, as it '
                'had when it was evaluated. Put back what is missing, or run dlvr evaluate again.'
            )
        recorded, listed = self._recorded(clip), self.clips.hash_list()
        found = listed if listed and recorded.keys() == listed.keys() else self.clips.hash_files(clip)
        for name, digest in found.items():
            if recorded.get(name) != digest:
                raise DataError(
                    f'{self.name}: {name} of clip {clip} in {self.clips.root} has changed since it was evaluated. Run '
                    'dlvr evaluate again.'
                )

    def warn_of_mere_list(self, clips: Sequence[str]) -> None:
        """Say where it cannot be told whether the frames of an LMDB are those that were evaluated."""
        listed = self.clips.hash_list()
        is_mere = listed and any(self._recorded(clip).keys() == listed.keys() for clip in clips)
        if is_mere and not self.clips.list_has_checksums():
            get_root_logger().warning(
                f'{self.name}: whether the frames of {self.clips.root} have changed since they were evaluated cannot '
                'be told, because an older version kept no more than their list. Run dlvr evaluate again to be sure.'
            )

    @property
    def scale(self) -> int:
        """How many times as large frames are shown."""
        return self._evaluation['input']['scale'] if self.name == INPUT else 1

    @property
    def label(self) -> str:
        """What the clips are called where they are shown."""
        return input_label(self.scale) if self.name == INPUT else self.name

    def read_shown(self, clip: str) -> Iterator[np.ndarray]:
        """Yield the frames of a clip as they are shown, all of the size of the results: (h, w, 3), BGR, uint8.

        Raises:
            DataError: A frame cannot be read, or the input has one of another size.
        """
        size = tuple(self._evaluation['clips'][clip]['size'])
        for index, image in enumerate(self.clips.read_frames(clip)):
            found = tuple(self.scale * side for side in image.shape[:2])
            if self.name == INPUT and found != size:
                raise DataError(
                    f'{self.clips.where(clip, index)} of the input is {image.shape[:2]} (h, w), {self.scale} times as '
                    f'large {found}; expected {size}, as the results have it.'
                )
            yield enlarge_image(image, self.scale)

    def _root_of(self, name: str) -> str:
        if name == GROUND_TRUTH:
            return self._evaluation['gt_root']
        if name == INPUT:
            return self._evaluation['input']['root']
        return self._evaluation['methods'][name]['root']

    def _recorded(self, clip: str) -> Mapping[str, str]:
        if self.name == GROUND_TRUTH:
            return self._evaluation['clips'][clip]['sha256']
        if self.name == INPUT:
            return self._evaluation['input']['clips'][clip]['sha256']
        return self._evaluation['methods'][self.name]['clips'][clip]['sha256']


def open_all(evaluation: Evaluation) -> list[EvaluatedClips]:
    """Return the clips of all methods, then those of the low-quality input and of the ground truth as far as known.

    Raises:
        DataError: Frames cannot be read any more.
    """
    references = [name for name, key in ((INPUT, 'input'), (GROUND_TRUTH, 'gt_root')) if key in evaluation]
    return [EvaluatedClips(evaluation, name) for name in (*evaluation['methods'], *references)]


def choose_clips(evaluation: Evaluation, wanted: Sequence[str] | None) -> list[str]:
    """Return the clips that are wanted, in the order of the evaluation; None stands for all.

    Raises:
        InvalidValueError: The evaluation does not have one of them.
    """
    clips = list(evaluation['clips'])
    if unknown := [clip for clip in wanted or [] if clip not in clips]:
        raise InvalidValueError(
            f'The evaluation has no clip {", ".join(unknown)}; expected some of {", ".join(clips)}.'
        )
    return [clip for clip in clips if not wanted or clip in wanted]
