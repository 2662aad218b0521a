"""LPIPS as a loss, for any model's option file."""

from typing import Annotated, Any

from basicsr.utils import get_root_logger
from basicsr.utils.registry import LOSS_REGISTRY
from torch import Tensor, nn

from dlvr_plugin.core.choices import LpipsNet
from dlvr_plugin.core.declarations import NOT_NEGATIVE, check_arguments


@LOSS_REGISTRY.register()
class LPIPSLoss(nn.Module):
    """LPIPS version 0.1 for ``perceptual_opt`` of any model.

    Args:
        loss_weight: Factor of the loss.
        net: Trunk, whose features are compared. One that trains should not be the one that measures.
        weights: File of the trunk's weights, a state dict as torchvision publishes it; None takes torchvision's own,
            from its cache or by download.
        random_weights: Whether to take random weights, seeded; the result is not LPIPS.

    Raises:
        InvalidValueError: A value out of range. InvalidTypeError: of the wrong type. DataError: The weights cannot be
            downloaded. CheckpointError: They are damaged, or of another network.

    Source: Zhang et al., The unreasonable effectiveness of deep features as a perceptual metric; the package lpips.
    """

    def __init__(
        self,
        *,
        loss_weight: Annotated[float, NOT_NEGATIVE] = 1.0,
        net: LpipsNet = 'vgg',
        weights: str | None = None,
        random_weights: bool = False,
    ) -> None:
        given = {'loss_weight': loss_weight, 'net': net, 'weights': weights, 'random_weights': random_weights}
        check_arguments(LPIPSLoss, given)
        from dlvr_plugin.core.lpips_network import load_lpips_network  # the package takes a second to load

        super().__init__()
        network = load_lpips_network(net, weights=weights, random_weights=random_weights)
        if not network.is_published:
            get_root_logger().warning(f'LPIPSLoss has weights that are not the published ones: {network.origin}.')
        self.loss_weight, self.model = loss_weight, network.model

    def train(self, mode: bool = True) -> 'LPIPSLoss':
        """Keep the network in evaluation mode: it has layers that drop out."""
        return super().train(False)

    def forward(self, output: Tensor, gt: Tensor) -> tuple[Tensor, None]:
        """Compute the weighted loss, in the form of the framework's perceptual losses.

        Args:
            output: Generated frames (B, C, H, W), or clips (B, T, C, H, W), RGB in [0, 1].
            gt: Their ground truth, the same shape.

        Returns:
            The mean over frames, and None, for the style loss that there is not.
        """
        frames = [clip.reshape(-1, *clip.shape[-3:]) for clip in (output, gt)]  # (B, T, C, H, W) -> (B*T, C, H, W)
        distances: Any = self.model(*frames, normalize=True)
        return self.loss_weight * distances.mean(), None
