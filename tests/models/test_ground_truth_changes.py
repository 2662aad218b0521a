"""Hosts that change the ground truth in feed_data: T's window follows, or they are refused by name."""

import pytest
import torch
from basicsr.models import build_model

from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.models.ground_truth_changes import follow
from dlvr_plugin.models.windows import take_window
from tests.models.conftest import sample
from tests.models.host_classes import options_over, own_hosts  # noqa: F401


def flipped(data, change):
    """Return a sample changed by hand."""
    return {**data, 'lq': change(data['lq'], 1), 'gt': change(data['gt'], 2)}


CHANGES = {
    'FlippingFrames': ('SRModel', lambda clip, scale: clip.flip(-1)),
    'FlippingWindows': ('VideoBaseModel', lambda clip, scale: clip.flip(-2)),
    'TurningClips': ('VideoRecurrentModel', lambda clip, scale: clip.transpose(-2, -1).flip(-1)),
    'ReversingClips': ('VideoRecurrentModel', lambda clip, scale: clip.flip(1)),
    'MirroringClips': ('VideoRecurrentModel', lambda clip, scale: torch.cat((clip, clip.flip(1)), dim=1)),
    'CuttingClips': ('VideoRecurrentModel', lambda clip, scale: clip[:, 1:4]),
    'CroppingWindows': (
        'VideoBaseModel',
        lambda clip, scale: clip[..., 2 * scale : 14 * scale, : 12 * scale],
    ),
    'FlippingSamples': ('VideoBaseModel', lambda clip, scale: torch.stack((clip[0], clip[1].flip(-1)))),
    'CopyingClips': ('VideoRecurrentModel', lambda clip, scale: clip),
}


@pytest.mark.parametrize('fake', ['mixed', 'generated'])
@pytest.mark.parametrize('host_model', CHANGES)
def test_a_host_that_changes_samples_learns_as_one_that_gets_them_so(host_model, fake):
    """Bit for bit the same as with the framework's model on samples that were changed before, in both phases."""
    plain_host, change = CHANGES[host_model]
    num_frame = 5 if plain_host == 'VideoRecurrentModel' or fake == 'generated' else 3
    models = []
    for name in (host_model, plain_host):
        torch.manual_seed(0)
        models.append(build_model(options_over(name, train={'init_t_iters': 1}, fake=fake)))
    torch.manual_seed(1)
    for iteration in range(1, 4):
        data = sample(num_frame)
        for model, given in zip(models, (data, flipped(data, change)), strict=True):
            model.feed_data(given)
            model.optimize_parameters(iteration)
        changing, plain = models
        assert torch.equal(changing.window.gt_window, plain.window.gt_window)
        assert changing.get_current_log() == plain.get_current_log()
    for net, other in ((changing.net_g, plain.net_g), (changing.net_t, plain.net_t)):
        for name, value in net.state_dict().items():
            assert torch.equal(value, other.state_dict()[name]), name


@pytest.mark.parametrize('init_t_iters', [0, 1])
@pytest.mark.parametrize(
    ('host_model', 'message'),
    [
        ('Sharpening', r'hands gt \(2, 3, 32, 32\) to its losses, .*: its values differ from those of the sample by'),
        ('Halving', r'hands gt \(2, 3, 16, 16\) to its losses, which is not that of the sample, \(2, 3, 32, 32\)'),
        ('WritingInPlace', 'changes gt in place'),
    ],
)
def test_other_changes_are_refused_with_the_name_of_the_host(host_model, message, init_t_iters):
    model = build_model(options_over(host_model, train={'init_t_iters': init_t_iters, 'pixel_opt': None}))
    before = [p.clone() for p in (*model.net_g.parameters(), *model.net_t.parameters())]
    if host_model == 'Halving':
        model.net_g.shuffle = torch.nn.Sequential(model.net_g.shuffle, torch.nn.AvgPool2d(2))
    model.feed_data(sample())
    with pytest.raises(InvalidValueError, match=f'host_model: {host_model} {message}'):
        model.optimize_parameters(1)
    assert all(map(torch.equal, before, (*model.net_g.parameters(), *model.net_t.parameters())))


def windows_of(gt, lq, generator_type='sliding_window', fake='mixed'):
    return take_window(lq, gt, generator_type=generator_type, radius=1, fake=fake, section='discriminative_opt')


def test_the_input_tells_where_the_ground_truth_does_not():
    """The frame in the middle is black, its neighbours are not: only the input shows the flip."""
    torch.manual_seed(0)
    gt, lq = torch.rand(2, 3, 3, 8, 8), torch.rand(2, 3, 3, 4, 4)
    gt[:, 1] = 0
    window = windows_of(gt, lq)
    followed = follow(window, window.gt.flip(-1), lq.flip(-1))
    assert torch.equal(followed.gt_window, gt.flip(-1))
    assert torch.equal(follow(window, window.gt.clone(), lq).gt_window, gt)
    noisy = lq + 0.1  # says nothing
    assert torch.equal(follow(window, window.gt.clone(), noisy).gt_window, gt)
    crop = window.gt[..., 2:6, 0:4]
    assert torch.equal(follow(window, crop, lq[..., 1:3, 0:2]).gt_window, gt[..., 2:6, 0:4])
    with pytest.raises(InvalidValueError, match='several places look the same'):
        follow(window, crop.clone(), noisy[..., 1:3, 0:2])


def test_frames_in_the_batch_are_those_of_the_clip():
    gt, lq = torch.rand(2, 5, 3, 8, 8), torch.rand(2, 5, 3, 4, 4)
    window = windows_of(gt, lq, generator_type='recurrent')
    assert follow(window, gt.view(-1, 3, 8, 8), lq) is window
    assert torch.equal(follow(window, gt.flip(1).view(-1, 3, 8, 8), lq.flip(1)).gt_window, gt.flip(1))
    with pytest.raises(InvalidValueError, match=r'hands gt \(10, 3, 8, 8\) .* its values differ'):
        follow(window, gt.transpose(0, 1).reshape(-1, 3, 8, 8), lq)  # (T*B, C, H, W)
    with pytest.raises(InvalidValueError, match='other numbers of samples or frames'):
        follow(window, gt[:1], lq)


def test_a_crop_that_is_no_crop_of_the_input():
    gt, lq = torch.rand(2, 5, 3, 16, 16), torch.rand(2, 5, 3, 8, 8)
    window = windows_of(gt, lq, fake='generated')
    with pytest.raises(InvalidValueError, match=r'cropped at \(3, 0, 8, 8\), which are no whole pixels of lq'):
        follow(window, window.gt[..., 3:11, 0:8], lq[:, 1:4, :, 1:5, 0:4])
    mixed = windows_of(gt, lq)
    assert torch.equal(follow(mixed, mixed.gt[..., 3:11, 0:8], lq).gt_window, gt[:, 1:4, :, 3:11, 0:8])


def test_a_sample_without_what_the_host_needs_is_named():
    model = build_model(options_over('SRModel'))
    with pytest.raises(InvalidValueError, match='has no lq, but gt, kernel1.*DiscriminativeSpaceModel over SRModel'):
        model.feed_data({'gt': torch.rand(2, 3, 32, 32), 'kernel1': torch.rand(2, 21, 21)})
    with pytest.raises(InvalidValueError, match='has no gt, but lq'):
        model.feed_data({'lq': torch.rand(2, 3, 16, 16)})
