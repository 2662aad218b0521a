"""What each model class reads: networks, keys of ``train`` and of ``val``.

A class of a user, or of another plugin, reads what the nearest of its base classes does that is described here, and
what it declares in attributes of its own:

``TrainOptions``
    A dataclass, whose fields are keys of ``train``, beside those of base classes. It is declared as
    ``core.declarations`` has it: the annotation says type and range, the default what counts where the key is not
    there, the docstring what it means.
``network_letters``
    Letters of networks beside those of the base class: ``('d',)`` for ``network_d`` and ``path.pretrain_network_d``.

Of a class that has no such base class, every key is taken.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from basicsr.models.edvr_model import EDVRModel
from basicsr.models.esrgan_model import ESRGANModel
from basicsr.models.sr_model import SRModel
from basicsr.models.srgan_model import SRGANModel
from basicsr.models.swinir_model import SwinIRModel
from basicsr.models.video_base_model import VideoBaseModel
from basicsr.models.video_gan_model import VideoGANModel
from basicsr.models.video_recurrent_gan_model import VideoRecurrentGANModel
from basicsr.models.video_recurrent_model import VideoRecurrentModel
from basicsr.utils.registry import MODEL_REGISTRY

from dlvr_plugin.models import AdversarialModel, DiscriminativeSpaceModel, FRVSRModel, LossNetworkModel
from dlvr_plugin.options.schema import training
from dlvr_plugin.options.schema.registered import once_a_registry
from dlvr_plugin.options.sections import Option
from dlvr_plugin.options.signatures import declared_by, section_of
from dlvr_plugin.options.value_types import Bool


@dataclass(frozen=True)
class ModelOptions:
    """What a model class reads.

    Attributes:
        networks: Letters of its networks, ``g`` for ``network_g``.
        train: Keys of ``train``, beside those of the training loop.
        val: Keys of ``val``, beside those of every validation.
        is_known: Whether that is all.
        note: What to say of other keys of ``train``.
    """

    networks: tuple[str, ...] = ('g',)
    train: Mapping[str, Option] = field(default_factory=dict)
    val: Mapping[str, Option] = field(default_factory=dict)
    is_known: bool = True
    note: str = ''


@once_a_registry
def models() -> dict[type[Any], ModelOptions]:
    """Return what the model classes read that are described here."""
    generator = training.generator()
    gan = {**generator, **training.discriminator(with_ldl=True)}
    recurrent_gan = {
        **generator,
        **training.discriminator(with_ldl=False),
        **training.recurrent_discriminator(),
    }
    clips = {
        'flip_seq': Option(Bool(), 'whether to restore the clip backwards, too, and take the mean'),
        'center_frame_only': Option(Bool(), 'whether the middle frame alone counts'),
    }
    return {
        SRModel: ModelOptions(train=generator),
        SwinIRModel: ModelOptions(train=generator),
        VideoBaseModel: ModelOptions(train=generator),
        EDVRModel: ModelOptions(train={**generator, **training.edvr()}),
        VideoRecurrentModel: ModelOptions(train={**generator, **training.recurrent()}, val=clips),
        FRVSRModel: ModelOptions(train={**generator, **training.recurrent(), **training.frvsr()}, val=clips),
        SRGANModel: ModelOptions(('g', 'd'), gan),
        ESRGANModel: ModelOptions(('g', 'd'), gan),
        VideoGANModel: ModelOptions(('g', 'd'), gan),
        VideoRecurrentGANModel: ModelOptions(('g', 'd'), recurrent_gan, clips),
    }


def options_of(name: str) -> ModelOptions:
    """Return what a class of the model registry reads; see the top of this file."""
    model = MODEL_REGISTRY.get(name)
    described = models()
    if model in described:
        return described[model]
    base = _nearest_described(model)
    lineage = list(getattr(model, '__mro__', ()))
    own: dict[str, Option] = {}
    for each in reversed(lineage[: lineage.index(base)] if base is not None else lineage):
        if (declared := declared_by(each, 'TrainOptions')) is not None:
            own.update(section_of(declared).options)
    letters = tuple(getattr(model, 'network_letters', ()))
    if base is None:
        return ModelOptions(letters, own, is_known=False)
    known = described[base]
    return dataclasses.replace(
        known,
        networks=tuple(dict.fromkeys((*known.networks, *letters))),
        train={**known.train, **own},
        note=f'(Keys that {name} reads itself are declared in its TrainOptions.)',
    )


def _nearest_described(model: Any) -> type[Any] | None:
    """Return the nearest base class that is described; None where one of the host's that is not comes first."""
    for base in model.__mro__ if isinstance(model, type) else ():
        if base in models():
            return base
        if base.__module__.partition('.')[0] == 'basicsr':
            return None
    return None


def over_host(model: type[LossNetworkModel], host: ModelOptions) -> ModelOptions:
    """Return what a model with a loss network T reads over a host model."""
    train = {**host.train, **loss_networks()[model]}
    return dataclasses.replace(host, networks=(*host.networks, 't'), train=train)


def loss_networks() -> dict[type[LossNetworkModel], dict[str, Option]]:
    """Return the keys of ``train`` that models with a loss network T read, beside those of their host model."""
    return {
        AdversarialModel: training.adversarial(),
        DiscriminativeSpaceModel: training.discriminative_space(),
    }
