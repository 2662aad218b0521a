"""Losses in the space of a trained, frozen loss network, for any model's option file."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from basicsr.utils import get_root_logger
from basicsr.utils.registry import ARCH_REGISTRY, LOSS_REGISTRY
from torch import Tensor, nn

from dlvr_plugin.core.checkpoints import load_weights
from dlvr_plugin.core.declarations import NOT_NEGATIVE, FieldsOf, check_arguments
from dlvr_plugin.losses.feature_matching import FeatureMatching, total_loss
from dlvr_plugin.losses.random_shift import shift_at_random


@LOSS_REGISTRY.register()
class DiscriminativeSpaceLoss(nn.Module):
    """Content and relation matching for ``perceptual_opt`` of any model, with a frozen T from a file.

    T normalises by its running statistics and is never updated.

    Args:
        path: Checkpoint of T (``net_t_*.pth``).
        param_key: Key of the weights in the file; None where the file is the state dict itself.
        random_shift: Rows and columns cut off what T looks at, at a place drawn for each call; 0 for none, 16 for each
            phase of T's strides as often.
        network_t: Constructor arguments of T, ``type`` included, where it is not the default ``LossNetT``.
        matching: Weights, layers, delta, radius and relation distance, see ``FeatureMatching``.

    Raises:
        InvalidValueError: A value out of range. InvalidTypeError: of the wrong type. CheckpointError: a file that holds
            no such T.

    Source: Equation 6 of the paper, without the pixel term.
    """

    def __init__(
        self,
        *,
        path: str,
        param_key: str | None = 'params',
        random_shift: Annotated[int, NOT_NEGATIVE] = 0,
        network_t: Mapping[str, Any] | None = None,
        **matching: Annotated[Any, FieldsOf(FeatureMatching)],
    ) -> None:
        check_arguments(DiscriminativeSpaceLoss, {'random_shift': random_shift})
        super().__init__()
        arguments = dict(network_t or {'type': 'LossNetT'})
        self.net_t = ARCH_REGISTRY.get(arguments.pop('type'))(**arguments)
        load_weights(self.net_t, path, param_key=param_key)
        self.net_t.requires_grad_(False).eval()
        self.matching = FeatureMatching(**matching, num_layers=self.net_t.num_layers)
        self.random_shift = random_shift
        self.said_no_window = False

    def train(self, mode: bool = True) -> 'DiscriminativeSpaceLoss':
        """Keep T in evaluation mode."""
        return super().train(False)

    def forward(self, output: Tensor, gt: Tensor) -> tuple[Tensor, None]:
        """Compute the weighted losses, in the form of the framework's perceptual losses.

        Args:
            output: Generated frames (B, C, H, W), or clips (B, T, C, H, W), in [0, 1].
            gt: Their ground truth, the same shape. Single frames, and clips shorter than 2N + 1, have no window, and
                so no relation loss.

        Returns:
            The loss and None, for the style loss that there is not.
        """
        if gt.dim() == 4:  # (B, C, H, W) -> (B, 1, C, H, W)
            output, gt = output.unsqueeze(1), gt.unsqueeze(1)
        matching = self.matching
        if gt.shape[1] < 2 * matching.radius + 1:
            self._say_no_window(gt.shape[1])
            matching = replace(matching, radius=0)
        output, gt = shift_at_random((output, gt), self.random_shift)
        return total_loss(*matching(self.net_t.extract(output), self.net_t.extract(gt))), None

    def _say_no_window(self, num_frame: int) -> None:
        if not self.said_no_window:
            get_root_logger().info(
                f'DiscriminativeSpaceLoss: no relation loss, because the model compares {num_frame} frame(s) at once '
                f'and a window has {2 * self.matching.radius + 1}.'
            )
            self.said_no_window = True
