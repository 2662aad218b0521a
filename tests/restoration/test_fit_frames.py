"""Frames of any size go into networks that take few, and pixels stay the same where nothing has to be done."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from basicsr.models import build_model
from basicsr.utils import tensor2img
from torch.utils.data import Dataset

from dlvr_plugin.archs import spec_of
from dlvr_plugin.core.errors import DataError
from dlvr_plugin.restoration.fit_frames import crop_result, fit_frames, pad_frames
from dlvr_plugin.restoration.restored_frames import restore_frames
from tests.archs.test_spec import EDVR, ICON, IMAGE, SWINIR

HOSTS = {'frame': 'SRModel', 'window': 'EDVRModel', 'clip': 'VideoRecurrentModel'}


class Samples(Dataset):
    """One sample, as it is given."""

    def __init__(self, lq, gt):
        self.sample = {'lq': lq, 'gt': gt, 'lq_path': 'clips/a/f_07.png'}

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return self.sample


def model_of(network, host_model=None):
    spec = spec_of(network)
    opt = {'name': 'x', 'model_type': host_model or HOSTS[spec.takes], 'scale': spec.scale, 'num_gpu': 0, 'dist': False}
    return build_model({**opt, 'is_train': False, 'network_g': network, 'path': {}, 'val': {}})


def restore(model, lq, gt):
    return list(restore_frames(model, Samples(lq, gt), [0], with_previous=False))


@pytest.mark.parametrize('size', [(16, 20), (15, 20), (13, 18), (3, 2)])
def test_padding_is_a_reflection_and_nothing_where_sides_divide(size):
    spec = spec_of({'type': 'EDVR'})
    frames = torch.rand(2, 3, 5, *size)
    padded = pad_frames(frames, spec)
    height, width = (-(-side // 4) * 4 for side in size)
    if size == (16, 20):
        assert padded is frames
        assert crop_result(padded, padded=size, original=size) is padded
        return
    expected = F.pad(frames, (0, width - size[1], 0, height - size[0], 0, 0), 'reflect') if min(size) > 2 else None
    assert padded.shape[-2:] == (height, width)
    assert expected is None or torch.equal(padded, expected)
    assert torch.equal(padded[..., : size[0], : size[1]], frames)


def test_padding_may_be_larger_than_the_frame():
    line = torch.arange(3.0).view(1, 1, 1, 3)
    padded = pad_frames(line, spec_of({'type': 'TOFlow'}))
    assert padded.shape == (1, 1, 16, 16)
    assert padded[0, 0, 5].tolist() == [0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1]


@pytest.mark.parametrize('size', [(16, 24), (18, 23)])
@pytest.mark.parametrize('network', [EDVR, {**SWINIR, 'upscale': 2, 'upsampler': 'pixelshuffle'}])
def test_restored_frames_are_those_of_the_padded_input(network, size):
    spec = spec_of(network)
    model = model_of(network)
    lq = torch.rand(3, 3, *size)
    gt = torch.rand(3, spec.scale * size[0], spec.scale * size[1])
    (frame,) = restore(model, lq, gt)
    inputs = lq[None] if spec.takes == 'window' else lq[None, 1]
    height, width = spec.padded(size[0]) - size[0], spec.padded(size[1]) - size[1]
    flat = F.pad(inputs.flatten(0, -4), (0, width, 0, height), 'reflect').unflatten(0, inputs.shape[:-3])
    with torch.no_grad():
        output = model.net_g.eval()(flat)
    expected = tensor2img(output[..., : gt.shape[-2], : gt.shape[-1]])
    assert np.array_equal(frame.result, expected)
    assert frame.result.shape == frame.truth.shape
    assert np.array_equal(frame.lq, tensor2img(lq[1]))
    assert frame.name == 'f_07'


def test_the_padding_of_the_host_gives_the_same():
    network = {**SWINIR, 'upscale': 2, 'upsampler': 'pixelshuffle'}
    lq, gt = torch.rand(3, 18, 23), torch.rand(3, 36, 46)
    torch.manual_seed(1)
    own = model_of(network)
    torch.manual_seed(1)
    host = model_of(network, 'SwinIRModel')
    assert np.array_equal(restore(own, lq, gt)[0].result, restore(host, lq, gt)[0].result)
    host.feed_data({'lq': lq[None]})
    host.test()  # pads by itself
    assert np.array_equal(tensor2img(host.output), restore(own, lq, gt)[0].result)


def test_small_clips_of_recurrent_networks():
    model = model_of({'type': 'BasicVSR', 'num_feat': 4, 'num_block': 1})
    frames = restore(model, torch.rand(3, 3, 20, 34), torch.rand(3, 3, 80, 136))
    assert [frame.result.shape for frame in frames] == [(80, 136, 3)] * 3
    assert [frame.lq.shape for frame in frames] == [(20, 34, 3)] * 3
    assert [frame.name for frame in frames] == ['00000000', '00000001', '00000002']


def test_windows_for_a_network_of_single_frames():
    model = model_of({'type': 'EDSR', **IMAGE, 'upscale': 2})
    lq, gt = torch.rand(3, 3, 9, 11), torch.rand(3, 18, 22)
    (frame,) = restore(model, lq, gt)
    assert np.array_equal(frame.result, restore(model, lq[1], gt)[0].result)


@pytest.mark.parametrize(
    ('network', 'num_frame', 'message'),
    [
        (EDVR, 5, 'Clip a: EDVR takes windows of 3 frames, got 5'),
        (ICON, 4, 'Clip a has 4 frames; IconVSR takes clips of at least 5'),
    ],
)
def test_frames_that_do_not_fit_are_named(network, num_frame, message):
    with pytest.raises(DataError, match=message):
        fit_frames(torch.rand(1, num_frame, 3, 36, 36), spec_of(network), where='Clip a')
