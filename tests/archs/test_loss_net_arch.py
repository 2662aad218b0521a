import pytest
import torch
from torch import nn

from dlvr_plugin.archs import LossNetT
from dlvr_plugin.archs.loss_net_arch import fake_windows, windows

# Table 1 of the paper: kernel (space), filters.
TABLE = ((7, 64), (3, 128), (3, 256), (3, 512))


class PlainT(nn.Module):
    """Table 1 in plain 3-D layers, with the weights of a LossNetT."""

    def __init__(self, net: LossNetT) -> None:
        super().__init__()
        blocks, num_in_ch = [], 3
        for index, (kernel, filters) in enumerate(TABLE):
            activation = [nn.LeakyReLU(0.1)] if index else []
            padding = (0, kernel // 2, kernel // 2)
            conv = nn.Conv3d(num_in_ch, filters, (1, kernel, kernel), (1, 2, 2), padding, bias=False)
            blocks.append(nn.Sequential(*activation, conv, nn.BatchNorm3d(filters)))
            conv.weight.data.copy_(net.state_dict()[f'extractor.{index}.conv.weight'])
            num_in_ch = filters
        self.blocks = nn.ModuleList(blocks)
        self.classifier = nn.Sequential(
            nn.LeakyReLU(0.1),
            nn.Conv3d(512, 256, (3, 3, 3), (1, 2, 2), (1, 1, 1)),
            nn.LeakyReLU(0.1),
            nn.Conv3d(256, 1, (1, 1, 1), (1, 1, 1)),
        )
        self.classifier.load_state_dict(net.classifier.state_dict())

    def forward(self, clip):
        """(B, T, C, H, W) -> features (B, C, T, h, w) and logits."""
        features, x = [], clip.transpose(1, 2)
        for block in self.blocks:
            x = block(x)
            features.append(x)
        return features, self.classifier(x)

    def norms(self):
        return [block[-1] for block in self.blocks]


@pytest.mark.parametrize('num_frame', [1, 3, 5])
@pytest.mark.parametrize('training', [True, False])
def test_equals_plain_3d_layers(num_frame, training):
    net = LossNetT()
    plain = PlainT(net)
    for module in (net, plain):  # running statistics that differ from the start, the same in both
        module.train()
    warm_up = torch.rand(2, num_frame, 3, 64, 64)
    net.extract(warm_up)
    plain(warm_up)
    net.train(training)
    plain.train(training)

    clip = torch.rand(2, num_frame, 3, 64, 96)
    ours, theirs = clip.clone().requires_grad_(), clip.clone().requires_grad_()
    features = net.extract(ours)
    logits = net.classify(features[-1])
    plain_features, plain_logits = plain(theirs)
    assert len(features) == 4
    for feature, plain_feature in zip(features, plain_features, strict=True):
        torch.testing.assert_close(feature, plain_feature.transpose(1, 2), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(logits, plain_logits, atol=1e-5, rtol=1e-5)

    (logits.square().mean() + sum(f.square().mean() for f in features)).backward()
    (plain_logits.square().mean() + sum(f.square().mean() for f in plain_features)).backward()
    torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-5, rtol=1e-4)
    for block, plain_block in zip(net.extractor, plain.blocks, strict=True):
        torch.testing.assert_close(block.conv.weight.grad, plain_block[-2].weight.grad, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(block.norm.weight.grad, plain_block[-1].weight.grad, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(block.norm.running_mean, plain_block[-1].running_mean, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(block.norm.running_var, plain_block[-1].running_var, atol=1e-5, rtol=1e-5)
    for ours_p, theirs_p in zip(net.classifier.parameters(), plain.classifier.parameters(), strict=True):
        torch.testing.assert_close(ours_p.grad, theirs_p.grad, atol=1e-5, rtol=1e-4)


def test_parameter_count_by_layer():
    count = {name: p.numel() for name, p in LossNetT().named_parameters()}
    assert count == {
        'extractor.0.conv.weight': 3 * 64 * 7 * 7,
        'extractor.0.norm.weight': 64,
        'extractor.0.norm.bias': 64,
        'extractor.1.conv.weight': 64 * 128 * 9,
        'extractor.1.norm.weight': 128,
        'extractor.1.norm.bias': 128,
        'extractor.2.conv.weight': 128 * 256 * 9,
        'extractor.2.norm.weight': 256,
        'extractor.2.norm.bias': 256,
        'extractor.3.conv.weight': 256 * 512 * 9,
        'extractor.3.norm.weight': 512,
        'extractor.3.norm.bias': 512,
        'classifier.1.weight': 512 * 256 * 27,
        'classifier.1.bias': 256,
        'classifier.3.weight': 256,
        'classifier.3.bias': 1,
    }
    assert sum(count.values()) == 5_099_073


def test_state_dict_has_the_shapes_of_the_table():
    shapes = {name: tuple(value.shape) for name, value in LossNetT().state_dict().items()}
    assert shapes['extractor.0.conv.weight'] == (64, 3, 1, 7, 7)
    assert shapes['extractor.3.conv.weight'] == (512, 256, 1, 3, 3)
    assert shapes['classifier.1.weight'] == (256, 512, 3, 3, 3)
    assert shapes['classifier.3.weight'] == (1, 256, 1, 1, 1)


def test_feature_and_logit_shapes():
    net = LossNetT()
    joint = net(torch.rand(2, 5, 3, 64, 80), torch.rand(2, 3, 3, 64, 80))
    assert [tuple(f.shape) for f in joint.gt_features] == [
        (2, 5, 64, 32, 40),
        (2, 5, 128, 16, 20),
        (2, 5, 256, 8, 10),
        (2, 5, 512, 4, 5),
    ]
    assert [f.shape[1] for f in joint.gen_features] == [3] * 4
    assert joint.real_logits.shape == joint.fake_logits.shape == (2 * 3, 1, 3, 2, 3)


def test_windows_by_hand():
    clip = torch.arange(5.0).view(1, 5, 1)
    generated = torch.tensor([[[10.0], [20.0], [30.0]]])
    assert windows(clip, 1).squeeze(-1).tolist() == [[0, 1, 2], [1, 2, 3], [2, 3, 4]]
    assert fake_windows(clip, generated, 1).squeeze(-1).tolist() == [[0, 10, 2], [1, 20, 3], [2, 30, 4]]
    assert fake_windows(clip, clip + 50, 1).squeeze(-1).tolist() == [[50, 51, 52], [51, 52, 53], [52, 53, 54]]
    assert windows(clip, 0).shape == (5, 1, 1)


@pytest.mark.parametrize('all_generated', [False, True])
def test_joint_pass_classifies_the_windows_of_its_features(all_generated):
    net = LossNetT()
    gt, gen = torch.rand(2, 3, 3, 64, 64), torch.rand(2, 3 if all_generated else 1, 3, 64, 64)
    joint = net(gt, gen)
    f = net.extract(torch.cat((gt, gen), dim=1))[-1]  # the same batch statistics
    fake = f[:, 3:] if all_generated else torch.stack((f[:, 0], f[:, 3], f[:, 2]), dim=1)
    torch.testing.assert_close(joint.real_logits, net.classify(f[:, :3]))
    torch.testing.assert_close(joint.fake_logits, net.classify(fake))


def test_generated_frames_of_no_sequence_have_features_and_a_part_in_the_statistics():
    net = LossNetT()
    gt, gen = torch.rand(2, 4, 3, 64, 64), torch.rand(2, 4, 3, 64, 64)
    joint = net(gt, gen, fake='mixed')
    f = net.extract(torch.cat((gt, gen), dim=1))
    torch.testing.assert_close(joint.gen_features, tuple(layer[:, 4:] for layer in f))
    true, generated = f[-1][:, :4], f[-1][:, 4:]
    windows_of_t = [torch.stack((true[:, t - 1], generated[:, t], true[:, t + 1]), dim=1) for t in (1, 2)]
    fake = torch.stack(windows_of_t, dim=1).flatten(0, 1)  # (B, S, ...) -> (B*S, ...)
    torch.testing.assert_close(joint.fake_logits, net.classify(fake))
    with pytest.raises(ValueError, match='per_sequence normalises sequences, and 2 of the 4 generated frames'):
        net(gt, gen, fake='mixed', bn_statistics='per_sequence')


def test_per_sequence_statistics_are_those_of_separate_passes():
    net = LossNetT()
    gt, gen = torch.rand(2, 3, 3, 64, 64), torch.rand(2, 1, 3, 64, 64)
    apart = net(gt, gen, bn_statistics='per_sequence')
    fake = net.extract(torch.stack((gt[:, 0], gen[:, 0], gt[:, 2]), dim=1))
    torch.testing.assert_close(apart.real_logits, net.classify(net.extract(gt)[-1]))
    torch.testing.assert_close(apart.fake_logits, net.classify(fake[-1]))
    torch.testing.assert_close(apart.gen_features[1], fake[1][:, 1:2])
    joint = net(gt, gen)
    assert not torch.allclose(joint.real_logits, apart.real_logits, atol=1e-4)


def test_joint_and_per_sequence_agree_with_frozen_norms():
    net = LossNetT(norm='frozen').train()
    gt, gen = torch.rand(1, 5, 3, 64, 64), torch.rand(1, 3, 3, 64, 64)
    joint, apart = net(gt, gen), net(gt, gen, bn_statistics='per_sequence')
    torch.testing.assert_close(joint.real_logits, apart.real_logits)
    torch.testing.assert_close(joint.fake_logits, apart.fake_logits)
    assert int(net.state_dict()['extractor.0.norm.num_batches_tracked']) == 0


@pytest.mark.parametrize(
    ('clip', 'message'),
    [
        (torch.rand(2, 3, 64, 64), r'clips \(B, T, C, H, W\), got 4 dimensions'),
        (torch.rand(2, 3, 1, 64, 64), 'frames of 3 channels, got 1'),
        (torch.rand(2, 3, 3, 15, 64), 'at least 16x16 pixels, got 15x64'),
    ],
)
def test_unusable_clips_are_refused(clip, message):
    with pytest.raises(ValueError, match=message):
        LossNetT().extract(clip)


def test_features_too_small_to_classify_are_refused():
    net = LossNetT()
    with pytest.raises(ValueError, match='at least 2x2 of them, got 1x1'):
        net.classify(net.extract(torch.rand(2, 3, 3, 16, 16))[-1])


def test_frame_numbers_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match='got 2 generated frames'):
        LossNetT()(torch.rand(1, 3, 3, 64, 64), torch.rand(1, 2, 3, 64, 64))
    with pytest.raises(ValueError, match=r'got 1 generated frames \(fake: generated\)'):
        LossNetT()(torch.rand(1, 3, 3, 64, 64), torch.rand(1, 1, 3, 64, 64), fake='generated')
    with pytest.raises(ValueError, match="fake must be mixed or generated, got 'new'"):
        LossNetT()(torch.rand(1, 3, 3, 64, 64), torch.rand(1, 3, 3, 64, 64), fake='new')


def test_unknown_norm_and_sync_on_a_cpu_are_refused():
    with pytest.raises(ValueError, match="batch, frozen, sync, got 'instance'"):
        LossNetT(norm='instance')
    with pytest.raises(ValueError, match='GPUs only'):
        LossNetT(norm='sync').extract(torch.rand(1, 1, 3, 64, 64))
