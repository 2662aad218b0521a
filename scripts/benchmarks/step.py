"""One training step of EDVR-M: pixel loss alone, ours, the plain way of ours, and adversarial training in two ways.

s  the framework's EDVRModel with a pixel loss and its own code, in a process that never imports the plugin
a  the same model with the plugin's repairs
b  ours: T and EDVR in alternation, the step of ``DiscriminativeSpaceModel``
c  the same losses as GAN code has them: T in 3-D, one pass for the step of EDVR, another one for that of T
d  adversarial training as GAN code has it: T as the discriminator of sequences, and the framework's perceptual loss
   (random VGG19)
e  the same losses by the plugin's ``AdversarialModel``

All but s run in one process, in turn, s in between; the memory of each is measured in a process of its own.
"""

import argparse
import contextlib
import inspect
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from arguments import add_measurement, positive
from stock_step import NETWORK_G, OPTIMIZER, hardware, options, peak_memory, random_batch
from torch import Tensor, nn

from dlvr_plugin import host  # makes the framework importable

# isort: split
from basicsr.archs import vgg_arch
from basicsr.losses import build_loss
from basicsr.models import build_model
from basicsr.models.edvr_model import EDVRModel

from dlvr_plugin.archs import LossNetT
from dlvr_plugin.archs.loss_net_arch import fake_windows
from dlvr_plugin.core.memory import keep_freed_memory
from dlvr_plugin.losses import FeatureMatching
from dlvr_plugin.training import step_features
from dlvr_plugin.training.precision import Precision
from dlvr_plugin.training.updates import GuardedUpdates

NAMES = ('s', 'a', 'b', 'c', 'd', 'e')
Step = Callable[[], dict[str, float]]


def our_options(network_g: dict[str, Any], *, device: str, **discriminative_opt: Any) -> dict[str, Any]:
    """Return the options of our model."""
    opt = options(network_g, device=device)
    opt |= {'model_type': 'DiscriminativeSpaceModel', 'host_model': 'EDVRModel', 'network_t': {'type': 'LossNetT'}}
    opt['train'] |= {'optim_t': dict(OPTIMIZER), 'discriminative_opt': discriminative_opt}
    return opt


class StockSteps:
    """Steps of the framework alone, in a process of their own."""

    def __init__(self, args: argparse.Namespace) -> None:
        script = Path(__file__).with_name('stock_step.py')
        sizes = {'device': args.device, 'batch': args.batch, 'lq-size': args.lq_size, 'threads': args.threads}
        flags = [f'--{name}={value}' for name, value in sizes.items()]
        self._process = subprocess.Popen(
            [sys.executable, str(script), *flags], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def take(self) -> float:
        """Take a step, and return its seconds."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write('\n')
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def finish(self) -> float:
        """End the process, and return its peak memory in MiB."""
        printed, _ = self._process.communicate()
        return float(printed)


class PlainLossNet(nn.Module):
    """T as the table of the paper has it, in 3-D, with the weights of a ``LossNetT``."""

    def __init__(self, net_t: LossNetT) -> None:
        super().__init__()
        self.extractor, self.classifier = net_t.extractor, net_t.classifier

    def forward(self, clip: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return J features and the logits of a clip (B, T, C, H, W)."""
        value, features = clip.transpose(1, 2), []
        for index, block in enumerate(self.extractor):
            value = block.norm(block.conv(F.leaky_relu(value, 0.1) if index else value))
            features.append(value.transpose(1, 2))
        conv = self.classifier[1]
        value = F.conv3d(F.leaky_relu(value, 0.1), conv.weight, conv.bias, conv.stride, conv.padding)
        return features, self.classifier[2:](value)


class TwoStepModel(EDVRModel):
    """What the two ways of training with T in separate passes share."""

    def __init__(self, opt: dict[str, Any], net_t: nn.Module) -> None:
        super().__init__(opt)
        self.net_t = net_t.to(self.device).train()
        self.optimizer_t = torch.optim.Adam(self.net_t.parameters(), lr=1e-5, betas=(0.9, 0.99))

    def feed_data(self, data: dict[str, Tensor]) -> None:
        """Keep the window of three frames, too."""
        self.window = data['gt'][:, 1:4].to(self.device)
        super().feed_data({'lq': data['lq'], 'gt': data['gt'][:, 2]})

    def optimize_parameters(self, current_iter: int) -> None:
        """Step G with T held fixed, then T."""
        self.net_t.requires_grad_(False)
        self.optimizer_g.zero_grad()
        self.output = self.net_g(self.lq)
        fake = fake_windows(self.window, self.output.unsqueeze(1), 1)
        self.log_dict = {'l_g_pix': self.cri_pix(self.output, self.gt), **self.losses_of_g(fake)}
        torch.stack(list(self.log_dict.values())).sum().backward()
        self.optimizer_g.step()
        self.net_t.requires_grad_(True)
        self.optimizer_t.zero_grad()
        self.log_dict |= self.step_t(fake.detach())
        self.optimizer_t.step()
        self.log_dict = {name: loss.detach() for name, loss in self.log_dict.items()}


class TwoPassModel(TwoStepModel):
    """The losses of the discriminative space, the plain way."""

    def losses_of_g(self, fake: Tensor) -> dict[str, Tensor]:
        """Match the features of the restored frame."""
        real_features, _ = self.net_t(self.window)
        fake_features, _ = self.net_t(fake)
        content, relation = FeatureMatching()([feature[:, 1:2] for feature in fake_features], real_features)
        return {'l_g_content': content, 'l_g_relation': relation}

    def step_t(self, fake: Tensor) -> dict[str, Tensor]:
        """Tell real from fake, both at once."""
        (_, real_logits), (_, fake_logits) = self.net_t(self.window), self.net_t(fake)
        losses = {
            'l_t_real': F.binary_cross_entropy_with_logits(real_logits, torch.ones_like(real_logits)),
            'l_t_fake': F.binary_cross_entropy_with_logits(fake_logits, torch.zeros_like(fake_logits)),
        }
        (losses['l_t_real'] + losses['l_t_fake']).backward()
        return losses


GAN_WEIGHT = 5e-3
PERCEPTUAL = {'type': 'PerceptualLoss', 'layer_weights': {'conv5_4': 1}, 'vgg_type': 'vgg19', 'criterion': 'l1'}


@contextlib.contextmanager
def random_vgg() -> Iterator[None]:
    """Let VGG19 have random weights: its own are a download."""
    original, repaired = vgg_arch.vgg.vgg19, vgg_arch.VGGFeatureExtractor.__init__
    vgg_arch.vgg.vgg19 = lambda pretrained: original(weights=None)
    vgg_arch.VGGFeatureExtractor.__init__ = inspect.unwrap(repaired)  # which would read them
    try:
        yield
    finally:
        vgg_arch.vgg.vgg19, vgg_arch.VGGFeatureExtractor.__init__ = original, repaired


class PlainAdversarialModel(TwoStepModel):
    """Adversarial and perceptual loss, by the framework's classes."""

    def __init__(self, opt: dict[str, Any], net_t: nn.Module) -> None:
        super().__init__(opt, net_t)
        self.cri_gan = build_loss(
            {'type': 'GANLoss', 'gan_type': 'vanilla', 'real_label_val': 1.0, 'fake_label_val': 0.0,
             'loss_weight': GAN_WEIGHT}
        ).to(self.device)  # fmt: skip
        with random_vgg():
            self.cri_perceptual = build_loss(dict(PERCEPTUAL)).to(self.device)

    def classify(self, clip: Tensor) -> Tensor:
        """Return the logits of a sequence."""
        return self.net_t.classify(self.net_t.extract(clip)[-1])

    def losses_of_g(self, fake: Tensor) -> dict[str, Tensor]:
        """Look like the truth to VGG19 and to T."""
        perceptual, _ = self.cri_perceptual(self.output, self.gt)
        return {'l_percep': perceptual, 'l_g_gan': self.cri_gan(self.classify(fake), True, is_disc=False)}

    def step_t(self, fake: Tensor) -> dict[str, Tensor]:
        """Tell real from fake, one after the other."""
        losses = {}
        for name, clip, is_real in (('l_d_real', self.window, True), ('l_d_fake', fake, False)):
            losses[name] = self.cri_gan(self.classify(clip), is_real, is_disc=True)
            losses[name].backward()
        return losses


def build(name: str, network_g: dict[str, Any], device: str, **discriminative_opt: Any) -> EDVRModel:
    """Build the model of one of the ways."""
    opt = options(network_g, device=device)
    if name == 'b':
        opt = our_options(network_g, device=device, **discriminative_opt)
    elif name == 'e':
        opt = our_options(network_g, device=device)
        del opt['train']['discriminative_opt']
        opt |= {'model_type': 'AdversarialModel'}
        opt['train'] |= {'adversarial_opt': {'weight': GAN_WEIGHT}, 'perceptual_opt': dict(PERCEPTUAL)}
    elif name != 'a':  # those who write such code have the framework's optimizer
        opt['train']['optim_g']['fused'] = False
    if name in 'abe':
        with random_vgg():
            return build_model(opt)
    return TwoPassModel(opt, PlainLossNet(LossNetT())) if name == 'c' else PlainAdversarialModel(opt, LossNetT())


def make_step(name: str, model: EDVRModel, data: dict[str, Tensor], **precision_options: Any) -> Step:
    """Return a function that takes a step, and returns its losses."""
    if name in 'be':  # as the training loop has it
        precision = Precision(model, **precision_options)
        GuardedUpdates(model, max_offset=100.0, scalers=precision.scalers)
    data = {key: value.to(model.device) for key, value in data.items()}  # a prefetcher has done this before
    sample = {**data, 'gt': data['gt'][:, 2]} if name == 'a' else data

    def step() -> dict[str, float]:
        model.feed_data(sample)
        model.optimize_parameters(1)
        if model.device.type == 'cuda':
            torch.cuda.synchronize()
        return {key: float(value) for key, value in model.log_dict.items()}

    return step


def largest_difference(network_g: dict[str, Any], data: dict[str, Tensor], device: str) -> float:
    """Return how far the plain way's losses are from ours of the same weights, relative to their size."""
    ours = build('b', network_g, device, bn_statistics='per_sequence')
    plain = build('c', network_g, device)
    plain.net_g.load_state_dict(ours.net_g.state_dict())
    plain.net_t.load_state_dict(ours.net_t.state_dict())
    losses = make_step('b', ours, data)()
    return max(abs(value - losses[name]) / abs(losses[name]) for name, value in make_step('c', plain, data)().items())


def measure_memory(args: argparse.Namespace) -> dict[str, float]:
    """Return the peak memory of each way, in MiB, over three steps: of its process, or of the GPU."""
    peaks = {}
    for name in NAMES:
        if name == 's':
            stock = StockSteps(args)
            for _ in range(3):
                stock.take()
            peaks[name] = stock.finish()
            continue
        flags = ['--device', args.device, '--batch', str(args.batch), '--lq-size', str(args.lq_size)]
        command = [sys.executable, __file__, '--memory-of', name, '--threads', str(args.threads), *flags]
        peaks[name] = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])
    return peaks


def peak_of_three_steps(args: argparse.Namespace) -> float:
    """Take three steps, and return the peak memory in MiB."""
    model = build(args.memory_of, NETWORK_G, args.device)
    step = make_step(args.memory_of, model, random_batch(args.batch, args.lq_size))
    for _ in range(3):
        step()
    return peak_memory(args.device)


def timed(step: Step) -> Callable[[], float]:
    """Return a function that takes a step, and returns its seconds."""

    def take() -> float:
        began = time.perf_counter()
        step()
        return time.perf_counter() - began

    return take


def measure_seconds(args: argparse.Namespace, data: dict[str, Tensor]) -> dict[str, list[float]]:
    """Return the seconds of a step in each round, of each way, interleaved in an order that rotates."""
    ways: dict[str, dict[str, Any]] = {name: {} for name in NAMES if name != 's'}
    if args.channels_last:
        ways['b channels_last'] = {'channels_last': True}
    if args.amp:
        ways[f'b {args.amp}'] = {'amp': args.amp}
    if args.amp and args.channels_last:
        ways[f'b {args.amp} channels_last'] = {'amp': args.amp, 'channels_last': True}
    if args.compile:
        ways['b compiled'] = {'amp': args.amp, 'compiled': ('net_g', 'net_t')}
    stock = StockSteps(args)
    steps = {'s': stock.take} | {
        way: timed(make_step(way[0], build(way[0], NETWORK_G, args.device), data, **options))
        for way, options in ways.items()
    }
    names = list(steps)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for index in range(args.rounds + 2):
        for name in names[index % len(names) :] + names[: index % len(names)]:
            taken = steps[name]()
            if index >= 2:  # the first rounds warm up
                seconds[name].append(taken)
    stock.finish()
    return seconds


def median_ratio(values: list[float], reference: list[float]) -> float:
    """Return the median over rounds of the ratio within a round, which changes of the machine's speed leave alone."""
    return statistics.median(value / other for value, other in zip(values, reference, strict=True))


def main() -> None:
    """Measure in turn, print a table, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_measurement(parser, rounds=15)
    parser.add_argument('--batch', type=positive, help='samples (default: 2, on a GPU 32)')
    parser.add_argument('--lq-size', type=positive, default=32)
    parser.add_argument('--amp', choices=('bf16', 'fp16'), help='measure b in 16 bits, too')
    parser.add_argument('--channels-last', action='store_true', help='measure b in this memory format, too')
    parser.add_argument('--compile', action='store_true', help='measure b compiled, too')
    parser.add_argument('--memory-of', choices=NAMES[1:], help=argparse.SUPPRESS)
    args = parser.parse_args()
    host.apply()
    step_features.install()
    keep_freed_memory()
    args.batch = args.batch or (32 if args.device == 'cuda' else 2)
    torch.set_num_threads(args.threads)
    torch.backends.cudnn.benchmark = True  # as both training loops have it
    if args.memory_of:
        print(peak_of_three_steps(args))
        return
    data = random_batch(args.batch, args.lq_size)
    difference = largest_difference(NETWORK_G, data, args.device)
    if difference > 1e-3:
        raise SystemExit(f'c does not compute the losses of b: they differ by {difference:.1e} of their size.')
    memory = measure_memory(args)
    seconds = measure_seconds(args, data)
    print(f'{"":22}{"seconds":>10}{"to s":>8}{"to a":>8}{"MiB":>9}')
    for name, values in seconds.items():
        peak = f'{memory[name]:9.0f}' if name in memory else ''
        ratios = ''.join(f'{median_ratio(values, seconds[reference]):8.3f}' for reference in 'sa')
        print(f'{name:22}{statistics.median(values):10.4f}{ratios}{peak}')
    figures = {
        'ratio_b_s': median_ratio(seconds['b'], seconds['s']),
        'ratio_b_a': median_ratio(seconds['b'], seconds['a']),
        'ratio_c_a': median_ratio(seconds['c'], seconds['a']),
        'ratio_b_d': median_ratio(seconds['b'], seconds['d']),
        'ratio_e_d': median_ratio(seconds['e'], seconds['d']),
        'memory_b_s': memory['b'] / memory['s'],
        'memory_b_d': memory['b'] / memory['d'],
    }
    print(', '.join(f'{name} {value:.3f}' for name, value in figures.items()))
    machine = f'{hardware(args.device)}, {args.threads} threads, torch {torch.__version__}'
    print(f'{machine}; batch {args.batch}, {args.rounds} rounds; random VGG19; c = b to {difference:.0e}')
    if args.json:
        content = {**figures, 'seconds': seconds, 'peak_memory_mib': memory, 'hardware': machine, 'batch': args.batch}
        args.json.write_text(json.dumps(content, indent=2) + '\n')


if __name__ == '__main__':
    main()
