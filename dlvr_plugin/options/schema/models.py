"""What each model class reads: networks, keys of ``train`` and of ``val``."""

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

from dlvr_plugin.options.schema import training
from dlvr_plugin.options.schema.registered import once_a_registry
from dlvr_plugin.options.sections import Option
from dlvr_plugin.options.value_types import Bool


@dataclass(frozen=True)
class ModelOptions:
    """What a model class reads.

    Attributes:
        networks: Letters of its networks, ``g`` for ``network_g``.
        train: Keys of ``train``, beside those of the training loop.
        val: Keys of ``val``, beside those of every validation.
        is_known: Whether that is all.
    """

    networks: tuple[str, ...] = ('g',)
    train: Mapping[str, Option] = field(default_factory=dict)
    val: Mapping[str, Option] = field(default_factory=dict)
    is_known: bool = True


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
        SRGANModel: ModelOptions(('g', 'd'), gan),
        ESRGANModel: ModelOptions(('g', 'd'), gan),
        VideoGANModel: ModelOptions(('g', 'd'), gan),
        VideoRecurrentGANModel: ModelOptions(('g', 'd'), recurrent_gan, clips),
    }


def options_of(name: str) -> ModelOptions:
    """Return what a class of the model registry reads; nothing is known of one that is not described here."""
    return models().get(MODEL_REGISTRY.get(name), ModelOptions((), is_known=False))


def discriminative_space_over(host: ModelOptions) -> ModelOptions:
    """Return what ``DiscriminativeSpaceModel`` reads over a host model."""
    train = {**host.train, **training.discriminative_space()}
    return ModelOptions((*host.networks, 't'), train, host.val, host.is_known)
