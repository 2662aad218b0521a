"""Host models that do with their ground truth and their perceptual loss what hosts of users do."""

from contextlib import contextmanager

import pytest
import torch
from basicsr.models.sr_model import SRModel
from basicsr.models.srgan_model import SRGANModel
from basicsr.models.video_base_model import VideoBaseModel
from basicsr.models.video_recurrent_gan_model import VideoRecurrentGANModel
from basicsr.models.video_recurrent_model import VideoRecurrentModel
from basicsr.utils.registry import ARCH_REGISTRY, MODEL_REGISTRY
from torch import nn

from tests.models.conftest import TinyImageNet, TinyRecurrentNet, TinyWindowNet, model_options

NETWORK_OF = {SRModel: 'TinyImageNet', VideoBaseModel: 'TinyWindowNet', VideoRecurrentModel: 'TinyRecurrentNet'}


@contextmanager
def registered():
    """Register everything of this file for a while."""
    maps = [dict(registry._obj_map) for registry in (ARCH_REGISTRY, MODEL_REGISTRY)]
    for model in MODELS:
        MODEL_REGISTRY.register(model)
    for arch in ARCHS:
        ARCH_REGISTRY.register(arch)
    try:
        yield
    finally:
        for registry, before in zip((ARCH_REGISTRY, MODEL_REGISTRY), maps, strict=True):
            registry._obj_map.clear()
            registry._obj_map.update(before)


@pytest.fixture(autouse=True)
def own_hosts():
    """What a module imports to have them in all of its tests."""
    with registered():
        yield


def options_over(host_model, *, network_g=None, train=None, **discriminative_opt):
    """Return options of a model over a class of this file, or of BasicSR."""
    opt = model_options('SRModel', **discriminative_opt)
    model = MODEL_REGISTRY.get(host_model)
    opt['host_model'] = host_model
    arch = next(arch for base, arch in reversed(NETWORK_OF.items()) if issubclass(model, base))
    opt['network_g'] = {'type': network_g or arch}
    opt['train'].update(train or {})
    if issubclass(model, (SRGANModel, VideoRecurrentGANModel)):
        opt['network_d'] = {'type': 'TinyDiscriminator'}
        opt['train'].setdefault('optim_d', {'type': 'Adam', 'lr': 1e-3})
        opt['train'].setdefault(
            'gan_opt',
            {
                'type': 'GANLoss',
                'gan_type': 'vanilla',
                'real_label_val': 1.0,
                'fake_label_val': 0.0,
                'loss_weight': 1e-2,
            },
        )
    return opt


class Changing:
    """Changes lq and gt after they were put where the framework expects them."""

    def feed_data(self, data):
        super().feed_data(data)
        if self.is_train:
            self.change()


class FlippingFrames(Changing, SRModel):
    def change(self):
        self.lq, self.gt = self.lq.flip(-1), self.gt.flip(-1)


class FlippingWindows(Changing, VideoBaseModel):
    def change(self):
        self.lq, self.gt = self.lq.flip(-2), self.gt.flip(-2)


class TurningClips(Changing, VideoRecurrentModel):
    def change(self):
        self.lq, self.gt = self.lq.transpose(-2, -1).flip(-1), self.gt.transpose(-2, -1).flip(-1)


class ReversingClips(Changing, VideoRecurrentModel):
    def change(self):
        self.lq, self.gt = self.lq.flip(1), self.gt.flip(1)


class MirroringClips(Changing, VideoRecurrentModel):
    def change(self):
        self.lq, self.gt = (torch.cat((clip, clip.flip(1)), dim=1) for clip in (self.lq, self.gt))


class CuttingClips(Changing, VideoRecurrentModel):
    def change(self):
        self.lq, self.gt = self.lq[:, 1:4], self.gt[:, 1:4]


class CroppingWindows(Changing, VideoBaseModel):
    def change(self):
        self.lq, self.gt = self.lq[..., 2:14, 0:12], self.gt[..., 4:28, 0:24]


class FlippingSamples(Changing, VideoBaseModel):
    """Each sample of a batch otherwise."""

    def change(self):
        self.lq, self.gt = (torch.stack((value[0], value[1].flip(-1))) for value in (self.lq, self.gt))


class CopyingClips(Changing, VideoRecurrentModel):
    def change(self):
        self.gt = self.gt.clone()


class Sharpening(Changing, SRModel):
    def change(self):
        self.gt = self.gt * 1.1


class Halving(Changing, SRModel):
    def change(self):
        self.gt = nn.functional.avg_pool2d(self.gt, 2)


class WritingInPlace(Changing, SRModel):
    def change(self):
        self.gt.mul_(2).sub_(1)


class SkippingEverySecond(SRModel):
    """Does nothing at all in even iterations, the log included."""

    def optimize_parameters(self, current_iter):
        if current_iter % 2:
            super().optimize_parameters(current_iter)


class NeverCalling(SRModel):
    def optimize_parameters(self, current_iter):
        criterion, self.cri_perceptual = self.cri_perceptual, None
        super().optimize_parameters(current_iter)
        self.cri_perceptual = criterion


class BeginningLater(NeverCalling):
    first_perceptual_iter = 6

    def optimize_parameters(self, current_iter):
        if current_iter < self.first_perceptual_iter:
            super().optimize_parameters(current_iter)
        else:
            SRModel.optimize_parameters(self, current_iter)


class CallingTwice(SRModel):
    """Compares the restored frames, and darker ones."""

    def optimize_parameters(self, current_iter):
        criterion = self.cri_perceptual

        def twice(output, gt):
            return criterion(output, gt)[0] + criterion(0.5 * output, gt)[0], None

        self.cri_perceptual = twice
        super().optimize_parameters(current_iter)
        self.cri_perceptual = criterion


class SkippingBatches(SRModel):
    """Calls its perceptual loss for every second batch alone."""

    num_batches = 0

    def optimize_parameters(self, current_iter):
        self.num_batches += 1
        if self.num_batches % 2:
            super().optimize_parameters(current_iter)


class TakingTheSecond(SRModel):
    """Of a generator that gives two tensors of the size of gt."""

    def pick_output(self, output):
        return output[1]

    def init_training_settings(self):
        super().init_training_settings()
        criterion = self.cri_pix
        self.cri_pix = lambda output, gt: criterion(output[1], gt)


class TakingTheFirst(SRModel):
    """Of a generator that gives restored frames and what it got."""

    def init_training_settings(self):
        super().init_training_settings()
        criterion = self.cri_pix
        self.cri_pix = lambda output, gt: criterion(output[0], gt)


MODELS = [
    FlippingFrames, FlippingWindows, TurningClips, ReversingClips, MirroringClips, CuttingClips, CroppingWindows,
    FlippingSamples, CopyingClips, Sharpening, Halving, WritingInPlace, SkippingEverySecond, NeverCalling,
    BeginningLater, CallingTwice, SkippingBatches, TakingTheSecond, TakingTheFirst,
]  # fmt: skip


class TinyDiscriminator(nn.Module):
    """(B, 3, H, W) -> (B, 1, H, W)."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 1, 3, padding=1)

    def forward(self, x):
        return self.conv(x)


class NetWithInput(TinyImageNet):
    """Restored frames, and what they were made of."""

    def forward(self, x):
        return super().forward(x), x


class NetOfTwo(TinyImageNet):
    """Two stages of restored frames."""

    def forward(self, x):
        coarse = super().forward(x)
        return [0.5 * coarse, coarse]


class FlatRecurrentNet(TinyRecurrentNet):
    """(B, T, 3, h, w) -> (B*T, 3, 2h, 2w)."""

    def forward(self, x):
        return super().forward(x).flatten(0, 1)


class WrongSizeNet(TinyWindowNet):
    """Frames that are too small."""

    def forward(self, x):
        return super().forward(x)[..., ::2, ::2]


class FlowNet(TinyRecurrentNet):
    """A recurrent generator with weights that ``fix_flow`` freezes."""

    def __init__(self):
        super().__init__()
        self.spynet = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x):
        return super().forward(x + self.spynet(x.flatten(0, 1)).unflatten(0, x.shape[:2]))


ARCHS = [TinyDiscriminator, NetWithInput, NetOfTwo, FlatRecurrentNet, WrongSizeNet, FlowNet]
