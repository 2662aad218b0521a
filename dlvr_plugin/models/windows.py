"""What of a training sample goes to the generator G, and what the loss network T looks at.

Shape legend: B batch, T frames of a clip, N temporal radius, C channels, h, w and H, W sizes of both kinds of frames.
"""

from typing import NamedTuple

from torch import Tensor

from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.models.host_models import GeneratorType
from dlvr_plugin.models.loss_network_options import Fake


class Window(NamedTuple):
    """A sample, divided.

    Attributes:
        gt_window: Ground-truth frames that T looks at, (B, T, C, H, W), T = 2N + 1 but for recurrent generators and
            single images.
        lq: What G takes.
        gt: The ground truth of what G gives.
        lq_neighbours: Inputs to restore the other frames of the window from, where the fake needs them.
        has_neighbours: Whether there is more than the restored frame, and so a relation to match.
        version: How often ``gt`` was written to in place when the sample was divided.
    """

    gt_window: Tensor
    lq: Tensor
    gt: Tensor
    lq_neighbours: list[Tensor]
    has_neighbours: bool
    version: int

    @property
    def is_clip(self) -> bool:
        """Whether G restores all frames of the window, as recurrent generators do."""
        return self.gt.dim() == 5

    @property
    def restored(self) -> Tensor:
        """Ground truth of what G restores, (B, S, C, H, W), S = T or 1."""
        return self.gt if self.is_clip else self.gt.unsqueeze(1)


def take_window(
    lq: Tensor, gt: Tensor, *, generator_type: GeneratorType, radius: int, fake: Fake, section: str
) -> Window:
    """Divide a sample.

    Args:
        lq: Low-quality frames, (B, C, h, w) or (B, T, C, h, w).
        gt: Ground truth, (B, C, H, W) or (B, T, C, H, W).
        generator_type: What G takes and gives.
        radius: Temporal radius N.
        fake: 'mixed' or 'generated'; the latter needs N frames more at each end of a sliding window.
        section: Of ``train``, where the radius stands, for errors.

    Raises:
        InvalidValueError: Fewer frames than a window needs.
    """
    if gt.dim() == 4:  # (B, C, H, W) -> (B, 1, C, H, W)
        return Window(gt.unsqueeze(1), lq, gt, [], has_neighbours=False, version=gt._version)
    num_frame = gt.shape[1]
    if num_frame < 2 * radius + 1:
        raise InvalidValueError(
            f'radius {radius} needs windows of {2 * radius + 1} frames, but a sample has {num_frame}. Raise '
            f'datasets.train.num_frame or lower train.{section}.radius.'
        )
    if generator_type == 'recurrent':
        return Window(gt, lq, gt, [], has_neighbours=True, version=gt._version)
    middle = num_frame // 2
    gt_window = gt[:, middle - radius : middle + radius + 1]
    if fake == 'mixed':
        return Window(gt_window, lq, gt[:, middle], [], has_neighbours=True, version=gt._version)
    # A sample has the frames that G takes, and N more at each end to restore the neighbours from.
    length = 1 if generator_type == 'image' else num_frame - 2 * radius
    start = middle - length // 2
    # The framework's EDVR views its input as frames, which takes frames that lie one after the other.
    inputs = [lq[:, start + n : start + n + length].contiguous() for n in range(-radius, radius + 1)]
    return Window(gt_window, inputs.pop(radius), gt[:, middle], inputs, has_neighbours=True, version=gt._version)
