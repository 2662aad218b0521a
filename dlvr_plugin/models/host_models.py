"""Which models of the host may train G, and what kind of a generator G is."""

from collections.abc import Mapping
from typing import Any, Literal

from basicsr.models.hifacegan_model import HiFaceGANModel
from basicsr.models.realesrgan_model import RealESRGANModel
from basicsr.models.realesrnet_model import RealESRNetModel
from basicsr.models.sr_model import SRModel
from basicsr.models.video_base_model import VideoBaseModel
from basicsr.models.video_recurrent_gan_model import VideoRecurrentGANModel
from basicsr.models.video_recurrent_model import VideoRecurrentModel
from basicsr.utils.registry import MODEL_REGISTRY

from dlvr_plugin.archs import spec_of
from dlvr_plugin.core.declarations import check_value
from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.core.names import nearest

GeneratorType = Literal['image', 'sliding_window', 'recurrent']
PLAIN_HOSTS: dict[GeneratorType, str] = {
    'image': 'SRModel',
    'sliding_window': 'VideoBaseModel',
    'recurrent': 'VideoRecurrentModel',
}
"""The simplest host model for each kind of generator."""

_NO_HOSTS: tuple[tuple[type[SRModel], str], ...] = (
    (HiFaceGANModel, 'restores in training mode alone, in validation, too'),
    (RealESRGANModel, 'makes its low-quality images itself, of single images'),
    (RealESRNetModel, 'makes its low-quality images itself, of single images'),
)


def host_models() -> tuple[dict[str, type[SRModel]], dict[str, str]]:
    """Return which registered models may be the host model.

    Returns:
        Those that train one generator with a perceptual loss, by name; and why others of these cannot, by name.
    """
    hosts, refused = {}, {}
    for name, model in sorted(MODEL_REGISTRY):
        if not isinstance(model, type) or not issubclass(model, SRModel):
            continue
        reason = next((why for base, why in _NO_HOSTS if issubclass(model, base)), None)
        if reason is None:
            hosts[name] = model
        else:
            refused[name] = f'{name} {reason}, which does not go with a loss network T.'
    return hosts, refused


def find_host_model(opt: Mapping[str, Any]) -> type[SRModel]:
    """Return the class of the host's model registry that ``host_model`` names.

    Raises:
        InvalidValueError: No or an unknown name, or a class that does not train one generator with a perceptual loss.
    """
    name = opt.get('host_model')
    hosts, refused = host_models()
    if name not in hosts:
        hint = f' {refused[name]}' if name in refused else nearest(name, hosts)
        raise InvalidValueError(f'host_model must be one of {", ".join(hosts)}, got {name!r}.{hint}')
    return hosts[name]


def find_generator_type(opt: Mapping[str, Any], host_model: type[SRModel]) -> GeneratorType:
    """Tell what the generator takes and gives: frame to frame, clip to middle frame, or clip to clip.

    The spec of its arch says so. Of an arch without a spec, the option ``generator_type`` does, and last the class of
    the host model.

    Raises:
        InvalidValueError: Unknown ``generator_type``, or one that contradicts the spec or the host model.
    """
    given = opt.get('generator_type')
    if given is not None:
        check_value('generator_type', given, GeneratorType)
    spec = spec_of(opt.get('network_g'))
    found: GeneratorType
    if spec is not None:
        found = 'image' if spec.takes == 'frame' else 'sliding_window'
        found = 'recurrent' if spec.gives == 'clip' else found
        if given not in (None, found):
            raise InvalidValueError(
                f'generator_type must be {found}, because network_g ({spec.arch}) takes a {spec.takes} and gives a '
                f'{spec.gives}; got {given}. Remove generator_type.'
            )
    elif given is not None:
        found = given
    elif issubclass(host_model, VideoRecurrentModel):
        found = 'recurrent'
    else:
        found = 'sliding_window' if issubclass(host_model, VideoBaseModel) else 'image'
    if found != 'recurrent' and issubclass(host_model, VideoRecurrentGANModel):
        raise InvalidValueError(
            f'generator_type must be recurrent, because {host_model.__name__} takes clips apart for its discriminator; '
            f'network_g is {found}. Use VideoGANModel or SRGANModel.'
        )
    return found
