"""The sections of ``train``: schedule, optimizers, losses, and what each of the models reads there."""

from dataclasses import replace

from basicsr.models.lr_scheduler import CosineAnnealingRestartLR, MultiStepRestartLR

from dlvr_plugin.core.declarations import OnResume
from dlvr_plugin.losses import FeatureMatching
from dlvr_plugin.models.adversarial_options import AdversarialOptions
from dlvr_plugin.models.discriminative_space_options import DiscriminativeSpaceOptions
from dlvr_plugin.models.frvsr_model import FRVSROptions
from dlvr_plugin.models.loss_network_options import LossNetworkOptions
from dlvr_plugin.options.schema.registered import losses, once_a_registry
from dlvr_plugin.options.sections import Option, Section, Variants
from dlvr_plugin.options.signatures import section_of
from dlvr_plugin.options.value_types import Bool, Float, Integer, ListOf, Number, ValueType, nullable
from dlvr_plugin.training.run_options import RunOptions
from dlvr_plugin.training.step_features import OPTIMIZERS

_POSITIVE = Integer(minimum=1)
_RATE = Float(minimum=0)
_BETA = Float(minimum=0, below=1)
_OTHER_STATE = OnResume('refused', 'the state holds what another optimizer keeps of each weight')


@once_a_registry
def optimizer() -> Variants:
    """Return the sections ``optim_*``."""
    section = Section(
        {
            'lr': Option(_RATE, 'learning rate', is_required=True),
            'betas': Option(ListOf(_BETA, length=2), 'decay of the means of gradient and squared gradient'),
            'eps': Option(_RATE, 'added to the denominator'),
            'weight_decay': Option(_RATE, 'of AdamW decoupled from the gradient'),
            'amsgrad': Option(Bool(), 'whether to use the largest squared gradient so far', on_resume=_OTHER_STATE),
            'maximize': Option(Bool(), 'whether to climb'),
            'foreach': Option(nullable(Bool()), 'whether to update all tensors at once'),
            'fused': Option(nullable(Bool()), 'whether one kernel makes the update'),
            'capturable': Option(Bool(), 'whether the update can be part of a CUDA graph'),
            'differentiable': Option(Bool(), 'whether gradients flow through the update'),
        }
    )
    sections = {}
    for name, built in OPTIMIZERS.items():
        defaults = section_of(built, skip=('params', 'lr')).options
        declared = {
            key: replace(each, default=defaults[key].default)
            for key, each in section.options.items()
            if key in defaults
        }
        sections[name] = section.with_options(declared)
    return Variants('optimizer', sections, 'class of the optimizer', on_resume=_OTHER_STATE)


@once_a_registry
def scheduler() -> Variants:
    """Return the sections ``scheduler`` and ``scheduler_t``."""
    types: dict[str, ValueType] = {
        'milestones': ListOf(Integer(minimum=0)),
        'restarts': ListOf(Integer(minimum=0), minimum=1),
        'periods': ListOf(_POSITIVE, minimum=1),
        'restart_weights': ListOf(Number(above=0), minimum=1),
        'gamma': Number(minimum=0),
        'eta_min': Number(minimum=0),
    }
    skip = ('optimizer', 'last_epoch')
    steps = section_of(MultiStepRestartLR, skip=skip, types_of=types)
    cosine = section_of(CosineAnnealingRestartLR, skip=skip, types_of=types)
    sections = {'MultiStepLR': steps, 'MultiStepRestartLR': steps, 'CosineAnnealingRestartLR': cosine}
    return Variants('scheduler', sections, 'class of the schedule of the learning rate')


def loop() -> dict[str, Option]:
    """Return what the training loop reads, for models of any type."""
    return dict(section_of(RunOptions, skip=('grad_clip_t', 'keep_last')).options)


@once_a_registry
def generator() -> dict[str, Option]:
    """Return what a model of one generator reads."""
    loss = losses()
    return {
        'ema_decay': Option(Number(minimum=0, below=1), 'decay of the moving average of G; 0 for none', default=0),
        'optim_g': Option(optimizer(), 'optimizer of G', is_required=True),
        'scheduler': Option(scheduler(), 'schedule of the learning rate', is_required=True),
        'pixel_opt': Option(nullable(loss), 'pixel loss'),
        'perceptual_opt': Option(nullable(loss), 'loss in a feature space'),
    }


def edvr() -> dict[str, Option]:
    """Return what ``EDVRModel`` reads beside that."""
    return {
        'tsa_iter': Option(nullable(_POSITIVE), 'iterations that train the TSA module alone'),
        'dcn_lr_mul': Option(Number(minimum=0), 'factor of the learning rate of deformable convolutions', default=1),
    }


def recurrent() -> dict[str, Option]:
    """Return what ``VideoRecurrentModel`` reads beside that of a generator."""
    return {
        'fix_flow': Option(nullable(_POSITIVE), 'iterations that keep the flow network as it is'),
        'flow_lr_mul': Option(Number(minimum=0), 'factor of the learning rate of the flow network', default=1),
    }


def frvsr() -> dict[str, Option]:
    """Return what ``FRVSRModel`` reads beside that of a recurrent model."""
    loss = nullable(losses())
    return dict(section_of(FRVSROptions, types_of={'warp_opt': loss, 'pingpong_opt': loss}).options)


def discriminator(*, with_ldl: bool) -> dict[str, Option]:
    """Return what models with a discriminator read beside that of a generator."""
    loss = losses()
    return {
        'optim_d': Option(optimizer(), 'optimizer of the discriminator', is_required=True),
        'gan_opt': Option(loss, 'adversarial loss', is_required=True),
        **({'ldl_opt': Option(nullable(loss), 'loss on artifacts')} if with_ldl else {}),
        'net_d_iters': Option(_POSITIVE, 'iterations of the discriminator for one of G', default=1),
        'net_d_init_iters': Option(Integer(minimum=0), 'iterations that train the discriminator alone', default=0),
    }


def recurrent_discriminator() -> dict[str, Option]:
    """Return what ``VideoRecurrentGANModel`` reads beside that of a discriminator."""
    return {
        'fix_flow': Option(nullable(_POSITIVE), 'iterations that keep the flow network as it is', is_required=True),
        'lr_flow': Option(Number(minimum=0), 'learning rate of the flow network, where fix_flow is set'),
    }


@once_a_registry
def discriminative_space() -> dict[str, Option]:
    """Return what ``DiscriminativeSpaceModel`` reads beside that of its host model."""
    own = section_of(DiscriminativeSpaceOptions, skip=('matching', 'init_t_iters')).options
    losses_of_g = section_of(FeatureMatching).with_options(own)
    return {
        **_loss_network(),
        'discriminative_opt': Option(nullable(losses_of_g), 'losses in the discriminative space'),
    }


@once_a_registry
def adversarial() -> dict[str, Option]:
    """Return what ``AdversarialModel`` reads beside that of its host model."""
    of_all = section_of(LossNetworkOptions).options
    own = section_of(AdversarialOptions, skip=('init_t_iters',)).options
    loss_of_g = Section({name: each for name, each in own.items() if name not in of_all}).with_options(own)
    return {**_loss_network(), 'adversarial_opt': Option(nullable(loss_of_g), 'adversarial loss of sequences')}


def _loss_network() -> dict[str, Option]:
    """Return what every model with a loss network T reads, but for the section of its losses."""
    return {
        'optim_t': Option(optimizer(), 'optimizer of the loss network T', is_required=True),
        'scheduler_t': Option(nullable(scheduler()), 'schedule of T; that of G unless it is given'),
        'init_t_iters': section_of(LossNetworkOptions).options['init_t_iters'],
        'grad_clip_t': section_of(RunOptions).options['grad_clip_t'],
    }
