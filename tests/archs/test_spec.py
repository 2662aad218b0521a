"""What specs say is what the archs do: each runs, tiny, on an input of its kind."""

import inspect

import pytest
import torch
from basicsr.archs import build_network
from basicsr.utils.registry import ARCH_REGISTRY
from torch import nn

from dlvr_plugin.archs.framework_specs import _SPECS
from dlvr_plugin.archs.spec import ArchSpec, find_arch, find_num_frame, register_spec, spec_of
from dlvr_plugin.core.errors import InvalidTypeError, InvalidValueError

EDVR = {'type': 'EDVR', 'num_feat': 8, 'num_frame': 3, 'deformable_groups': 2, 'num_extract_block': 1}
EDVR['num_reconstruct_block'] = 1
IMAGE = {'num_in_ch': 3, 'num_out_ch': 3, 'num_feat': 16, 'num_block': 1}
RRDB = {'type': 'RRDBNet', **IMAGE, 'num_grow_ch': 2}
SWINIR = {'type': 'SwinIR', 'img_size': 16, 'embed_dim': 6, 'depths': (2,), 'num_heads': (1,), 'window_size': 4}
ICON = {'type': 'IconVSR', 'num_feat': 16, 'num_block': 1}
PLUS_PLUS = {'type': 'BasicVSRPlusPlus', 'mid_channels': 4, 'num_blocks': 1}

# Network; scale, multiple, smallest side.
NETWORKS = [
    ({'type': 'BasicVSR', 'num_feat': 4, 'num_block': 1}, 4, 1, 33),
    (ICON, 4, 1, 33),
    ({**ICON, 'temporal_padding': 3}, 4, 1, 33),
    (PLUS_PLUS, 4, 1, 64),
    ({**PLUS_PLUS, 'is_low_res_input': False}, 1, 4, 256),
    (EDVR, 4, 4, 1),
    ({**EDVR, 'num_frame': 5, 'with_predeblur': True}, 4, 4, 1),
    ({**EDVR, 'with_predeblur': True, 'hr_in': True}, 1, 16, 1),
    ({'type': 'DUF', 'num_layer': 16}, 4, 1, 1),
    ({'type': 'DUF', 'num_layer': 16, 'scale': 2}, 2, 1, 1),
    ({'type': 'TOFlow'}, 1, 16, 1),
    ({'type': 'EDSR', **IMAGE}, 4, 1, 1),
    ({'type': 'EDSR', **IMAGE, 'upscale': 3}, 3, 1, 1),
    ({'type': 'RCAN', **IMAGE, 'num_group': 1, 'upscale': 2}, 2, 1, 1),
    ({'type': 'MSRResNet', 'num_feat': 4, 'num_block': 1, 'upscale': 2}, 2, 1, 1),
    ({'type': 'SRVGGNetCompact', 'num_feat': 4, 'num_conv': 1}, 4, 1, 1),
    (
        {'type': 'ECBSR', 'num_in_ch': 3, 'num_out_ch': 3, 'num_block': 1, 'num_channel': 4}
        | {'with_idt': True, 'act_type': 'prelu', 'scale': 2},
        2,
        1,
        1,
    ),
    ({'type': 'RIDNet', 'in_channels': 3, 'mid_channels': 16, 'out_channels': 3, 'num_block': 1}, 1, 1, 1),
    (RRDB, 4, 1, 1),
    ({**RRDB, 'scale': 3}, 4, 1, 1),
    ({**RRDB, 'scale': 2}, 2, 2, 1),
    ({**RRDB, 'scale': 1}, 1, 4, 1),
    ({**SWINIR, 'upscale': 2, 'upsampler': 'pixelshuffle'}, 2, 4, 1),
    ({**SWINIR, 'upscale': 3, 'upsampler': 'pixelshuffledirect'}, 3, 4, 1),
    ({**SWINIR, 'upscale': 4, 'upsampler': 'nearest+conv'}, 4, 4, 1),
    ({**SWINIR, 'upscale': 2}, 1, 4, 1),  # without an upsampler it keeps the size
    ({**SWINIR, 'img_size': 2, 'upscale': 2, 'upsampler': 'pixelshuffle'}, 2, 2, 1),
]


@torch.no_grad()
def run(net, spec, height, width, num_frame=None):
    frames = torch.rand(1, num_frame or spec.num_frame or spec.min_frames, 3, height, width)
    return net(frames[:, 0] if spec.takes == 'frame' else frames)


@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize(('network', 'scale', 'multiple', 'smallest'), NETWORKS, ids=lambda value: str(value)[:60])
def test_specs_of_the_framework(network, scale, multiple, smallest):
    spec = spec_of(network)
    assert spec.arch == network['type']
    assert (spec.scale, spec.multiple, spec.smallest) == (scale, multiple, smallest)
    net = build_network(network).eval()
    height, width = spec.padded(1), spec.padded(1) + multiple
    output = run(net, spec, height, width)
    clip = (spec.min_frames,) if spec.gives == 'clip' else ()
    assert output.shape == (1, *clip, 3, scale * height, scale * width)
    refused = []
    if multiple > 1:
        refused.append((height + 1, width, None))
    if smallest > 1:
        refused.append((smallest - multiple, width, None))
    if spec.takes == 'window':
        refused.append((height, width, spec.num_frame - 2))
    if spec.min_frames > 1:
        refused.append((height, width, spec.min_frames - 1))
    for case in refused:
        with pytest.raises((AssertionError, RuntimeError, IndexError)):
            run(net, spec, *case)


def test_every_arch_of_the_framework_that_restores_frames_has_a_spec():
    tested = {find_arch(network['type']) for network, *_ in NETWORKS}
    assert tested == set(_SPECS)
    others = {arch.__name__ for _, arch in ARCH_REGISTRY if arch.__module__.startswith('basicsr')}
    # Discriminators, features, flow, and networks of faces that give pictures of one size.
    assert others - {arch.__name__ for arch in _SPECS} == {
        'DFDNet', 'VGGStyleDiscriminator', 'UNetDiscriminatorSN', 'HiFaceGAN', 'HiFaceGANDiscriminator', 'SpyNet',
        'StyleGAN2Generator', 'StyleGAN2Discriminator', 'VGGFeatureExtractor',
    }  # fmt: skip


def test_methods_that_specs_name_are_there():
    for arch, spec in _SPECS.items():
        assert spec.step is None or inspect.isfunction(getattr(arch, spec.step))
        assert spec.is_recurrent == (spec.takes == 'clip')


def test_sides_to_pad_to():
    spec = spec_of({**PLUS_PLUS, 'is_low_res_input': False})
    assert [spec.padded(side) for side in (1, 255, 256, 257, 260)] == [256, 256, 256, 260, 260]


@pytest.fixture
def own_arch():
    """An arch of a user, which is registered for one test."""

    class OwnNet(nn.Module):
        spec = ArchSpec(
            takes='window', gives='frame', scale='factor', num_frame=lambda arguments: 2 * arguments['radius'] + 1
        )

        def __init__(self, factor: int, radius: int = 1) -> None:
            super().__init__()

    ARCH_REGISTRY.register(OwnNet)
    yield OwnNet
    ARCH_REGISTRY._obj_map.pop('OwnNet')


def test_own_arch_says_what_it_is(own_arch):
    spec = spec_of({'type': 'OwnNet', 'factor': 3, 'radius': 2})
    assert (spec.arch, spec.scale, spec.num_frame, spec.multiple) == ('OwnNet', 3, 5, 1)
    assert spec_of({'type': 'OwnNet'}).scale is None  # not said, and reported by the check of the section
    assert spec_of({'type': 'OwnNet', 'factor': 2.5, 'radius': 'x'}).num_frame is None
    own_arch.spec = {'takes': 'window'}
    with pytest.raises(InvalidTypeError, match='OwnNet.spec must be an ArchSpec'):
        spec_of({'type': 'OwnNet'})


def test_archs_that_say_nothing():
    from tests.models import conftest

    assert spec_of({'type': 'TinyWindowNet'}) is None
    assert spec_of({'type': 'NoSuchNet'}) is None
    assert spec_of(None) is None
    assert spec_of({'type': 'LossNetT'}) is None
    assert find_num_frame({'type': conftest.TinyWindowNet.__name__}) == 3
    assert find_num_frame({'type': 'TinyWindowNet', 'num_frame': 5}) == 5
    assert find_num_frame({'type': 'TinyImageNet'}) is None
    assert find_num_frame({'type': 'TOFlow'}) == 7
    assert find_num_frame({'type': 'BasicVSR'}) is None


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'takes': 'frame', 'gives': 'clip'}, "takes a frame gives 'frame', got 'clip'"),
        ({'takes': 'window', 'gives': 'frame'}, "num_frame belongs to takes='window'"),
        ({'takes': 'clip', 'gives': 'clip', 'num_frame': 3}, "num_frame belongs to takes='window'"),
        ({'takes': 'frame', 'gives': 'frame', 'step': 'step'}, "step 'step' belongs to a recurrent arch"),
        ({'takes': 'clip', 'gives': 'clip', 'step_frames': 5}, 'step_frames belongs to step, got 5 without it'),
        (
            {'takes': 'clip', 'gives': 'clip', 'channels_last': True},
            "channels_last belongs to takes='frame', got takes='clip'",
        ),
    ],
)
def test_specs_that_contradict_themselves(arguments, message):
    with pytest.raises(InvalidValueError, match=message):
        ArchSpec(**arguments)


def test_a_class_has_one_spec():
    with pytest.raises(InvalidValueError, match='EDVR has an ArchSpec already'):
        register_spec(ArchSpec(takes='frame', gives='frame'))(ARCH_REGISTRY.get('EDVR'))
