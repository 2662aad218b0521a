"""FRNet is the generator of TecoGAN-PyTorch, and with ``tf_semantics`` that of TecoGAN."""

import pytest
import torch
import torch.nn.functional as F

from dlvr_plugin.archs import FRNet
from dlvr_plugin.archs.upsampling import TopLeftBicubic, top_left_bilinear
from dlvr_plugin.core.errors import InvalidTypeError, InvalidValueError
from tests.archs.fingerprints import assert_fingerprint, frames, with_formula_weights

# Mean, standard deviation, first element, the one at a third, the last one; computed from the published layer tables.
FRAMES = {
    'BD': ({}, [0.527376, 0.253106, 0.412426, 0.456860, 0.561642]),
    'BI': ({'degradation': 'BI'}, [0.525993, 0.200138, 0.412426, 0.457111, 0.588284]),
    '16 blocks': ({'num_block': 16}, [0.526095, 0.253245, 0.408206, 0.455390, 0.562455]),
    'TensorFlow': ({'tf_semantics': True}, [0.527394, 0.253056, 0.410999, 0.458669, 0.561184]),
    'TensorFlow, 16 blocks': (
        {'tf_semantics': True, 'num_block': 16},
        [0.526050, 0.253216, 0.410432, 0.458048, 0.555690],
    ),
}
LR_FLOW = [1.041970, 0.785527, 2.220392, 0.250741, 0.681821]
HR_FLOW = {
    'BD': [4.183204, 3.076846, 8.881567, 1.003011, 2.774935],
    'BI': [4.167880, 3.133194, 8.881567, 1.000693, 2.727282],
}


@torch.no_grad()
@pytest.mark.parametrize('case', FRAMES)
def test_fingerprints(case):
    arguments, expected = FRAMES[case]
    found = with_formula_weights(FRNet(**arguments))(frames(1, 3, 3, 16, 24), with_flow=True)
    assert_fingerprint(found.frames, (1, 3, 3, 64, 96), expected)
    flow = [1.041809, 0.783729, 2.224041, 0.247217, 0.678679] if 'TensorFlow' in case else LR_FLOW
    assert_fingerprint(found.lr_flow, (1, 2, 2, 16, 24), flow)
    if case in HR_FLOW:
        assert_fingerprint(found.hr_flow, (1, 2, 2, 64, 96), HR_FLOW[case])


@torch.no_grad()
def test_fingerprint_of_sides_that_are_no_multiples_of_8():
    net, clip = with_formula_weights(FRNet()), frames(1, 2, 3, 36, 44)
    _, state = net.step(clip[:, 0])
    second, _ = net.step(clip[:, 1], state)
    assert_fingerprint(second, (1, 3, 144, 176), [0.529259, 0.256027, 0.261281, 0.122333, 0.241553])


@pytest.mark.parametrize(
    ('arguments', 'of_parameters', 'of_names'),
    [
        ({}, 2_589_093, 78),
        ({'degradation': 'BI'}, 2_589_093, 76),
        ({'num_block': 16}, 3_032_229, 102),
        ({'upscale': 2}, 2_531_429, 76),
        ({'tf_semantics': True}, 2_589_093, 77),
    ],
)
def test_numbers_of_parameters_and_names(arguments, of_parameters, of_names):
    with torch.device('meta'):
        net = FRNet(**arguments)
    assert sum(each.numel() for each in net.parameters()) == of_parameters
    assert len(net.state_dict()) == of_names


def test_published_names_and_shapes():
    """A state dict with the names of TecoGAN-PyTorch loads, and no other."""
    blocks = [
        f'fnet.{part}{level}.{layer}' for part in ('encoder', 'decoder') for level in (1, 2, 3) for layer in (0, 2)
    ]
    layers = [*blocks, 'fnet.flow.0', 'fnet.flow.2', 'srnet.conv_in.0', 'srnet.conv_up.0', 'srnet.conv_up.2']
    layers += ['srnet.conv_out', *(f'srnet.resblocks.{index}.conv.{layer}' for index in range(10) for layer in (0, 2))]
    kernels = ['upsample_func.kernels', 'srnet.upsample_func.kernels']
    state = FRNet().state_dict()
    assert set(state) == {f'{layer}.{kind}' for layer in layers for kind in ('weight', 'bias')} | set(kernels)
    for name, shape in {
        'fnet.encoder1.0.weight': (32, 6, 3, 3),
        'fnet.decoder1.0.weight': (256, 128, 3, 3),
        'srnet.conv_in.0.weight': (64, 51, 3, 3),
        'srnet.conv_out.weight': (3, 64, 3, 3),
        'upsample_func.kernels': (4, 4),
    }.items():
        assert state[name].shape == shape
    FRNet().load_state_dict({name: torch.zeros_like(value) for name, value in state.items()})
    with pytest.raises(RuntimeError, match='upsample_func.kernels'):  # weights of the one are not those of the other
        FRNet(tf_semantics=True).load_state_dict(state)


def test_bicubic_taps():
    taps = TopLeftBicubic(4).kernels
    assert taps[0].tolist() == [0, 1, 0, 0]
    assert taps[1].tolist() == [-0.10546875, 0.87890625, 0.26171875, -0.03515625]
    assert taps[2].tolist() == [-0.09375, 0.59375, 0.59375, -0.09375]
    assert torch.equal(taps[3], taps[1].flip(0))
    assert torch.equal(TopLeftBicubic(2).kernels, taps[::2])


@pytest.mark.parametrize('factor', [2, 4])
@pytest.mark.parametrize('mode', ['bicubic', 'bilinear'])
def test_enlarging_with_pixels_at_the_top_left(mode, factor):
    """Between the first and the last pixel it is what PyTorch does between corners that are aligned."""
    image = torch.rand(2, 3, 5, 7)
    larger = TopLeftBicubic(factor)(image) if mode == 'bicubic' else top_left_bilinear(image, factor)
    assert larger.shape == (2, 3, 5 * factor, 7 * factor)
    inside = 4 * factor + 1, 6 * factor + 1
    expected = F.interpolate(image, size=inside, mode=mode, align_corners=True)
    torch.testing.assert_close(larger[..., : inside[0], : inside[1]], expected)
    if mode == 'bilinear':  # beyond the last one it is constant
        torch.testing.assert_close(larger[..., -1], larger[..., -factor])


@pytest.mark.parametrize(('sides', 'expected'), [((9, 8), [7, 6]), ((15, 8), [7, 6, 5, 4, 3, 2, 1, 0])])
def test_flow_beyond_multiples_of_8_is_mirrored(monkeypatch, sides, expected):
    """As in TecoGAN-PyTorch without the border, as in TecoGAN with it."""
    down = torch.arange(8.0).view(1, 1, 8, 1).expand(1, 2, 8, 8)
    below = sides[0] - 8
    for tf_semantics, first in ((False, 1), (True, 0)):
        net = FRNet(num_block=0, tf_semantics=tf_semantics)
        monkeypatch.setattr(net.fnet, 'forward', lambda *_: down)
        rows = net._flow(torch.zeros(1, 3, *sides), torch.zeros(1, 3, *sides))[0, 0, 8:, 0]
        assert rows.tolist() == expected[first : first + below]


def test_warping_loss_has_its_flow():
    net = FRNet(num_block=1)
    found = net(torch.rand(2, 3, 3, 9, 10), with_flow=True)
    assert found.lr_flow.shape == (2, 2, 2, 9, 10)
    assert found.hr_flow.shape == (2, 2, 2, 36, 40)
    found.lr_flow.sum().backward()
    assert net.fnet.flow[2].weight.grad.abs().max() > 0
    single = net(torch.rand(2, 1, 3, 9, 10), with_flow=True)
    assert (single.lr_flow.shape, single.hr_flow.shape) == ((2, 0, 2, 9, 10), (2, 0, 2, 36, 40))


@pytest.mark.parametrize(
    ('arguments', 'error', 'message'),
    [
        ({'upscale': 3}, InvalidValueError, 'upscale must be one of 2, 4, got 3'),
        ({'degradation': 'bicubic'}, InvalidValueError, 'degradation must be one of BD, BI'),
        ({'degradation': 'BI', 'tf_semantics': True}, InvalidValueError, "degradation 'BD' alone"),
        ({'num_block': -1}, InvalidValueError, 'num_block must be at least 0'),
        ({'num_feat': '64'}, InvalidTypeError, 'num_feat must be a whole number'),
    ],
)
def test_wrong_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        FRNet(**arguments)
