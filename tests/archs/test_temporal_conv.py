import pytest
import torch
import torch.nn.functional as F

from dlvr_plugin.archs.temporal_conv import TemporalConv


@pytest.mark.parametrize(('num_frames', 'size'), [(1, (4, 6)), (2, (5, 7)), (5, (8, 8))])
def test_is_the_convolution_of_torch(num_frames, size):
    torch.manual_seed(0)
    conv = TemporalConv(3, 4, kernel_size=3, stride=2, padding=1).double()
    clip = torch.randn(2, 3, num_frames, *size, dtype=torch.float64, requires_grad=True)
    result = conv(clip)
    expected = F.conv3d(clip, conv.weight, conv.bias, (1, 2, 2), 1)
    torch.testing.assert_close(result, expected)
    gradient = torch.randn_like(expected)
    inputs = (clip, conv.weight, conv.bias)
    torch.testing.assert_close(
        torch.autograd.grad(result, inputs, gradient), torch.autograd.grad(expected, inputs, gradient)
    )
