"""EnhanceNet has the layers of its paper's table, and what its authors' program does around them."""

import torch
from torch.nn import functional as F

from dlvr_plugin.archs import EnhanceNet


def test_number_of_parameters():
    """Of the first layer, ten blocks, three layers after enlarging, and the last one, by hand."""
    with torch.device('meta'):
        net = EnhanceNet()
    assert sum(each.numel() for each in net.parameters()) == 852_867
    assert 3 * 9 * 64 + 64 + 20 * (64 * 9 * 64 + 64) + 3 * (64 * 9 * 64 + 64) + 64 * 9 * 3 + 3 == 852_867


@torch.no_grad()
def test_the_residual_is_added_to_the_enlarged_image():
    image = torch.rand(2, 3, 5, 6)
    net = EnhanceNet(num_feat=2, num_block=1)
    torch.nn.init.zeros_(net.conv_last.weight)
    torch.nn.init.zeros_(net.conv_last.bias)
    torch.testing.assert_close(net(image), F.interpolate(image, scale_factor=4, mode='bicubic'))
    top_left = EnhanceNet(num_feat=2, num_block=1, tf_semantics=True)
    top_left.load_state_dict(net.state_dict())
    torch.testing.assert_close(top_left(image)[..., ::4, ::4], image)


@torch.no_grad()
def test_layers_one_by_one():
    """The same out of functions, with the means of the authors' program taken off."""
    net, image = EnhanceNet(num_feat=4, num_block=2), torch.rand(1, 3, 5, 6)
    weights = net.state_dict()

    def conv(features, name):
        return F.conv2d(features, weights[f'{name}.weight'], weights[f'{name}.bias'], padding=1)

    means = torch.tensor([0.47614917, 0.45001204, 0.40904046]).view(3, 1, 1)
    features = F.relu(conv(image - means, 'conv_first'))
    for index in (0, 1):
        features = features + conv(F.relu(conv(features, f'body.{index}.conv1')), f'body.{index}.conv2')
    for name in ('upconv1', 'upconv2'):
        features = F.relu(conv(features.repeat_interleave(2, 2).repeat_interleave(2, 3), name))
    expected = conv(F.relu(conv(features, 'conv_hr')), 'conv_last')
    torch.testing.assert_close(net(image), expected + F.interpolate(image, scale_factor=4, mode='bicubic'))
