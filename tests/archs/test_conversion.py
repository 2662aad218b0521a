"""Files as other programs write them become networks that give what those give."""

import re

import numpy as np
import pytest
import torch
from basicsr.archs import build_network

from dlvr_plugin.archs import STFAN, FRNet
from dlvr_plugin.archs.conversion import convert
from dlvr_plugin.core.errors import CheckpointError
from tests.archs.fingerprints import assert_fingerprint, frames, with_formula_weights
from tests.core import tensorflow_writer


def loaded(converted):
    """The network that the section builds, with all of the weights."""
    net = build_network(dict(converted.network))
    net.load_state_dict(converted.weights)
    return net.eval()


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize(
    'arguments',
    [{}, {'degradation': 'BI', 'num_block': 2}, {'upscale': 2, 'num_feat': 8, 'num_block': 16}],
    ids=str,
)
def test_tecogan_pytorch(arguments, tmp_path):
    state = FRNet(**arguments).state_dict()
    torch.save(state, tmp_path / 'TecoGAN.pth')
    converted = convert('TecoGAN-PyTorch', tmp_path / 'TecoGAN.pth')
    defaults = {'num_feat': 64, 'num_block': 10, 'upscale': 4, 'degradation': 'BD'}
    assert converted.network == {'type': 'FRNet', **defaults, **arguments}
    assert_same(loaded(converted).state_dict(), state)


def as_tensorflow(net):
    """Variables of TecoGAN's TensorFlow program that give what an FRNet gives."""
    layers = {'generator/generator_unit/input_stage/conv/Conv': net.srnet.conv_in[0]}
    for index, block in enumerate(net.srnet.resblocks, 1):
        for number, layer in ((1, 0), (2, 2)):
            layers[f'generator/generator_unit/resblock_{index}/conv_{number}/Conv'] = block.conv[layer]
    for number, layer in ((1, 0), (2, 2)):
        name = f'generator/generator_unit/conv_tran2highres/conv_tran{number}/Conv2d_transpose'
        layers[name] = net.srnet.conv_up[layer]
        layers[f'fnet/autoencode_unit/output_stage/conv{number}/Conv'] = net.fnet.flow[layer]
        for part in ('encoder', 'decoder'):
            for level in (1, 2, 3):
                module = getattr(net.fnet, f'{part}{level}')[layer]
                layers[f'fnet/autoencode_unit/{part}_{level}/conv_{number}/Conv'] = module
    layers['generator/generator_unit/output_stage/conv/Conv'] = net.srnet.conv_out
    variables = {}
    for name, layer in layers.items():
        # Of convolutions (out, in, h, w) -> (h, w, in, out), of transposed ones (in, out, h, w) -> (h, w, out, in).
        variables[f'{name}/weights'] = np.ascontiguousarray(layer.weight.detach().numpy().transpose(2, 3, 1, 0))
        variables[f'{name}/biases'] = layer.bias.detach().numpy()
    first, last = (f'fnet/autoencode_unit/{name}/Conv' for name in ('encoder_1/conv_1', 'output_stage/conv2'))
    order = [3, 4, 5, 0, 1, 2]  # the frame before is first
    variables[f'{first}/weights'] = np.ascontiguousarray(variables[f'{first}/weights'][:, :, order])
    for kind in ('weights', 'biases'):  # the flow is (down, right), and taken off
        variables[f'{last}/{kind}'] = np.ascontiguousarray(-variables[f'{last}/{kind}'][..., ::-1])
    return variables


OTHER_VARIABLES = {
    'global_step': np.array(900000, np.int64),
    'generator/generator_unit/input_stage/conv/Conv/weights/Adam': np.ones((3, 3, 51, 64), np.float32),
    'generator_train/beta1_power': np.array(0.5, np.float32),
    'tdiscriminator/discriminator_unit/input_stage/conv/Conv/weights': np.ones((3, 3, 27, 64), np.float32),
}


@torch.no_grad()
def test_tecogan_tensorflow(tmp_path):
    """Fingerprint computed from the published tables of layers and of differences between the two programs."""
    net = with_formula_weights(FRNet(tf_semantics=True))
    index = tensorflow_writer.write(tmp_path / 'TecoGAN', {**as_tensorflow(net), **OTHER_VARIABLES})
    converted = convert('TecoGAN-TensorFlow', index)
    assert converted.network == {'type': 'FRNet', 'num_feat': 64, 'num_block': 10, 'tf_semantics': True}
    restored = loaded(converted)(frames(1, 3, 3, 16, 24), with_flow=True)
    expected = [0.527394, 0.253056, 0.410999, 0.458669, 0.561184]
    assert_fingerprint(restored.frames, (1, 3, 3, 64, 96), expected)
    assert_fingerprint(restored.lr_flow, (1, 2, 2, 16, 24), [1.041809, 0.783729, 2.224041, 0.247217, 0.678679])


def test_tecogan_tensorflow_has_all_weights(tmp_path):
    net = FRNet(num_feat=4, num_block=16, tf_semantics=True)
    variables = as_tensorflow(net)
    index = tensorflow_writer.write(tmp_path / 'TecoGAN', variables)
    converted = convert('TecoGAN-TensorFlow', index)
    assert converted.network['num_block'] == 16
    assert_same(converted.weights, net.state_dict())
    name = 'generator/generator_unit/resblock_2/conv_1/Conv/weights'
    for change, message in (
        ({name: np.zeros((3, 3, 4, 5), np.float32)}, rf'{name} is \(3, 3, 4, 5\) in the file and \(3, 3, 4, 4\)'),
        ({name: None}, rf'{name} is missing in the file and \(3, 3, 4, 4\) in the network'),
        ({'fnet/more/weights': np.zeros(3, np.float32)}, r'fnet/more/weights is \(3,\) in the file and missing'),
    ):
        changed = {key: value for key, value in {**variables, **change}.items() if value is not None}
        tensorflow_writer.write(tmp_path / 'TecoGAN', changed)
        with pytest.raises(CheckpointError, match=message):
            convert('TecoGAN-TensorFlow', index)


@torch.no_grad()
def test_stfan(tmp_path):
    """Its network takes and gives BGR; ours, of the same file, RGB."""
    net = with_formula_weights(STFAN(num_feat=4))
    content = {'epoch_idx': 3, 'Best_Img_PSNR': 31.24, 'Best_Epoch': 2, 'deblurnet_solver_state_dict': {'state': {}}}
    content['deblurnet_state_dict'] = {f'module.{name}': value for name, value in net.state_dict().items()}
    torch.save(content, tmp_path / 'STFAN.pth')
    converted = convert('STFAN', tmp_path / 'STFAN.pth')
    assert converted.network == {'type': 'STFAN', 'num_feat': 4}
    clip = torch.rand(1, 3, 3, 12, 16)
    torch.testing.assert_close(loaded(converted)(clip), net(clip.flip(2)).flip(2))
    assert (loaded(converted)(clip) - net(clip)).abs().max() > 1e-3


EDVR = {'type': 'EDVR', 'num_feat': 8, 'num_frame': 5, 'deformable_groups': 2, 'num_extract_block': 1}
EDVR['num_reconstruct_block'] = 2


@pytest.mark.parametrize(
    'arguments',
    [
        {},
        {'with_tsa': False, 'num_frame': 3},
        {'with_predeblur': True, 'num_frame': 7},
        {'with_predeblur': True, 'hr_in': True, 'with_tsa': False},
    ],
    ids=str,
)
def test_edvr(arguments, tmp_path):
    state = build_network({**EDVR, **arguments}).state_dict()
    torch.save({'params': state}, tmp_path / 'EDVR.pth')
    converted = convert('EDVR', tmp_path / 'EDVR.pth')
    defaults = {'num_in_ch': 3, 'hr_in': False, 'with_predeblur': False, 'with_tsa': True}
    assert converted.network == {**defaults, **EDVR, **arguments}
    assert_same(loaded(converted).state_dict(), state)


@pytest.mark.parametrize(
    ('original', 'content', 'message'),
    [
        ('TecoGAN-PyTorch', {'a': torch.ones(2)}, 'fnet.encoder1.0.weight is missing in the file and (32, 6, 3, 3)'),
        ('STFAN', {'a': torch.ones(2)}, "has no key 'deblurnet_state_dict', in which STFAN keeps its weights"),
        (
            'STFAN',
            {'deblurnet_state_dict': {'a': torch.ones(2)}},
            'kconv1_1.0.weight is missing in the file and (32, 9',
        ),
        ('STFAN', {'deblurnet_state_dict': 3}, 'no tensors by name'),
        ('EDVR', {'params': {'a': torch.ones(2)}}, 'conv_first.weight is missing in the file and (64, 3, 3, 3)'),
        ('EDVR', {'a': torch.ones(2)}, "has no key 'params'"),
        ('TecoGAN-TensorFlow', {'a': torch.ones(2)}, 'weights.pth.index does not exist'),
    ],
)
def test_other_files_are_refused(original, content, message, tmp_path):
    torch.save(content, tmp_path / 'weights.pth')
    with pytest.raises(CheckpointError, match=re.escape(message)):
        convert(original, tmp_path / 'weights.pth')


def test_the_first_weight_that_differs_is_named_with_both_shapes(tmp_path):
    state = FRNet(num_block=1).state_dict()
    state['srnet.resblocks.0.conv.0.weight'] = torch.zeros(64, 32, 3, 3)
    torch.save(state, tmp_path / 'weights.pth')
    message = r'1 of 42 tensors .* srnet.resblocks.0.conv.0.weight is \(64, 32, 3, 3\) in the file and \(64, 64, 3, 3\)'
    with pytest.raises(CheckpointError, match=message):
        convert('TecoGAN-PyTorch', tmp_path / 'weights.pth')
