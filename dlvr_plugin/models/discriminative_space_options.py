"""Options of the discriminative-space model, read and checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, Literal

from basicsr.models.hifacegan_model import HiFaceGANModel
from basicsr.models.realesrgan_model import RealESRGANModel
from basicsr.models.realesrnet_model import RealESRNetModel
from basicsr.models.sr_model import SRModel
from basicsr.models.video_base_model import VideoBaseModel
from basicsr.models.video_recurrent_gan_model import VideoRecurrentGANModel
from basicsr.models.video_recurrent_model import VideoRecurrentModel
from basicsr.utils.registry import MODEL_REGISTRY

from dlvr_plugin.archs import spec_of
from dlvr_plugin.archs.loss_net_arch import BNStatistics
from dlvr_plugin.core.declarations import NOT_NEGATIVE, check_arguments, check_value
from dlvr_plugin.core.errors import InvalidTypeError, InvalidValueError
from dlvr_plugin.core.names import nearest
from dlvr_plugin.losses import FeatureMatching

Fake = Literal['mixed', 'generated']
GeneratorType = Literal['image', 'sliding_window', 'recurrent']
PLAIN_HOSTS: dict[GeneratorType, str] = {
    'image': 'SRModel',
    'sliding_window': 'VideoBaseModel',
    'recurrent': 'VideoRecurrentModel',
}
"""The simplest host model for each kind of generator."""

_IN_DISCRIMINATIVE_OPT = ('fake', 'bn_statistics', 'random_shift')  # beside those of FeatureMatching


@dataclass(frozen=True, kw_only=True)
class DiscriminativeSpaceOptions:
    """What ``train.discriminative_opt`` and its neighbours say.

    Attributes:
        matching: Weights, layers, delta, radius and relation distance of the generator's losses.
        fake: 'mixed' for a generated frame between true neighbours in T's fake sequences; 'generated' for generated
            neighbours, too, so that a sliding-window G needs 2N more frames in num_frame.
        bn_statistics: 'joint' for norms over real and fake sequences together; 'per_sequence' for each apart.
        random_shift: Rows and columns cut off what T looks at, at a place drawn for each batch; 0 as in the paper, 16
            for each phase of T's strides as often.
        init_t_iters: Iterations that train T alone, at the start; total_iter counts them.
    """

    matching: FeatureMatching = field(default_factory=FeatureMatching)
    fake: Fake = 'mixed'
    bn_statistics: BNStatistics = 'joint'
    random_shift: Annotated[int, NOT_NEGATIVE] = 0
    init_t_iters: Annotated[int, NOT_NEGATIVE] = 0

    def __post_init__(self) -> None:
        check_arguments(DiscriminativeSpaceOptions, {'init_t_iters': self.init_t_iters}, 'train')
        values = {name: getattr(self, name) for name in _IN_DISCRIMINATIVE_OPT}
        check_arguments(DiscriminativeSpaceOptions, values, 'train.discriminative_opt')

    @classmethod
    def from_options(cls, opt: Mapping[str, Any]) -> 'DiscriminativeSpaceOptions':
        """Read the options of a training run.

        Args:
            opt: All options.

        Raises:
            InvalidValueError: A key or a value that is not known, or a section that is missing.
            InvalidTypeError: Not a number.
        """
        train = opt['train']
        for section, key in (('the options', 'network_t'), ('train', 'optim_t')):
            if key not in (opt if section == 'the options' else train):
                raise InvalidValueError(
                    f'{key} is missing in {section}. The loss network T needs it: see docs/options.md.'
                )
        if train.get('perceptual_opt'):
            raise InvalidValueError(
                'train.perceptual_opt is taken: DiscriminativeSpaceModel fills it with its own losses. Remove it, or '
                'keep it and set model_type to the host model.'
            )
        given = dict(train.get('discriminative_opt') or {})
        own = {name: given.pop(name) for name in _IN_DISCRIMINATIVE_OPT if name in given}
        known = [item.name for item in fields(FeatureMatching) if item.name != 'num_layers']
        for name in given:
            if name not in known:
                hint = nearest(name, [*known, *_IN_DISCRIMINATIVE_OPT])
                raise InvalidValueError(f'train.discriminative_opt.{name} is not an option.{hint}')
        num_layers = len(opt['network_t'].get('num_feat', (64, 128, 256, 512)))
        given.setdefault('layers', tuple(range(1, num_layers + 1)))
        try:
            matching = FeatureMatching(**given, num_layers=num_layers)
        except (InvalidTypeError, InvalidValueError) as error:
            raise type(error)(f'train.discriminative_opt.{error}') from None
        return cls(matching=matching, **own, init_t_iters=train.get('init_t_iters', 0))


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
            refused[name] = f'{name} {reason}, which the discriminative space does not go with.'
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


def check_norm(norm: str | None, *, on_gpu: bool, where: str = 'network_t') -> None:
    """Refuse synchronised norms of the section ``where`` on a CPU.

    Raises:
        InvalidValueError: ``norm`` is 'sync' and there is no GPU.
    """
    if norm == 'sync' and not on_gpu:
        raise InvalidValueError(f'{where}.norm: sync works on GPUs only. On a CPU use batch or frozen.')
