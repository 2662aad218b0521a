"""EnhanceNet: super-resolution of single images by four.

Shape legend: B batch, C channels, h, w size of the low-quality images, H = 4 * h and W = 4 * w of the restored ones.
"""

from typing import Annotated

import torch
import torch.nn.functional as F
from basicsr.archs.arch_util import ResidualBlockNoBN
from basicsr.utils.registry import ARCH_REGISTRY
from torch import Tensor, nn

from dlvr_plugin.archs.frame_checks import check_frames
from dlvr_plugin.archs.memory_format import in_fast_format
from dlvr_plugin.archs.spec import ArchSpec
from dlvr_plugin.archs.upsampling import TopLeftBicubic
from dlvr_plugin.core.declarations import BLOCKS, CHANNELS, check_arguments

_MEANS = (0.47614917, 0.45001204, 0.40904046)  # of the three channels of RGB, in the authors' program


@ARCH_REGISTRY.register()
class EnhanceNet(nn.Module):
    """Feed-forward network of EnhanceNet, 852,867 parameters with its defaults.

    The layers are those of the paper, of the program that the authors published for testing, and of a public
    re-implementation. Uncertain is how training initialised them: here as PyTorch does. Names of weights are ours, in
    the manner of BasicSR, as no PyTorch weights are published.

    Args:
        num_in_ch: Channels of an image. With 3, the means of RGB are taken off in front of the first layer.
        num_feat: Channels of the features.
        num_block: Residual blocks.
        tf_semantics: Enlarge the image as TensorFlow 1 does, with pixels at the top left instead of in the middle, as
            the authors' program; for their weights.

    Raises:
        InvalidValueError: A value out of range. InvalidTypeError: of the wrong type.

    Source: Sajjadi, Schoelkopf, Hirsch, EnhanceNet: Single Image Super-Resolution Through Automated Texture Synthesis,
        Table 1.
    """

    spec = ArchSpec(takes='frame', gives='frame', scale=4)
    means: Tensor

    def __init__(
        self,
        *,
        num_in_ch: Annotated[int, CHANNELS] = 3,
        num_feat: Annotated[int, CHANNELS] = 64,
        num_block: Annotated[int, BLOCKS] = 10,
        tf_semantics: bool = False,
    ) -> None:
        check_arguments(EnhanceNet, locals())
        super().__init__()
        self.num_in_ch = num_in_ch
        means = torch.tensor(_MEANS) if num_in_ch == len(_MEANS) else torch.zeros(num_in_ch)
        self.register_buffer('means', means.view(-1, 1, 1), persistent=False)
        self.conv_first = nn.Conv2d(num_in_ch, num_feat, 3, 1, 1)
        self.body = nn.Sequential(*(ResidualBlockNoBN(num_feat, pytorch_init=True) for _ in range(num_block)))
        self.upconv1 = nn.Conv2d(num_feat, num_feat, 3, 1, 1)
        self.upconv2 = nn.Conv2d(num_feat, num_feat, 3, 1, 1)
        self.conv_hr = nn.Conv2d(num_feat, num_feat, 3, 1, 1)
        self.conv_last = nn.Conv2d(num_feat, num_in_ch, 3, 1, 1)
        self.enlarge = (
            TopLeftBicubic(4, is_saved=False)
            if tf_semantics
            else nn.Upsample(scale_factor=4, mode='bicubic', align_corners=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Restore images.

        Args:
            x: Images (B, C, h, w), RGB in [0, 1].

        Returns:
            Images (B, C, H, W), about [0, 1].

        Raises:
            InvalidValueError: Wrong rank or channels.
        """
        check_frames('EnhanceNet', x, dims=4, channels=self.num_in_ch)
        features = self.body(F.relu(self.conv_first(in_fast_format(x - self.means))))
        for conv in (self.upconv1, self.upconv2):
            features = F.relu(conv(F.interpolate(features, scale_factor=2, mode='nearest')))
        return self.conv_last(F.relu(self.conv_hr(features))) + self.enlarge(x)
