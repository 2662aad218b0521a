from copy import deepcopy

import pytest
import torch
import torch.nn.functional as F
from basicsr.models import build_model

from dlvr_plugin.models.host_models import find_generator_type, find_host_model
from tests.models.conftest import model_options, sample, train_on

T_KEYS = ['l_t_real', 'l_t_fake', 't_acc_real', 't_acc_fake']
G_KEYS = ['l_g_pix', 'l_g_content', 'l_g_relation']


def state_of(net):
    return {name: value.clone() for name, value in net.state_dict().items()}


def huber(a, b):
    return F.huber_loss(a, b, delta=0.01)


def plain_losses(gen_features, gt_features, radius):
    """Equation 6 for one restored frame, from its features and those of the frames of its window, by layer."""
    content = relation = 0.0
    for x, window in zip(gen_features, gt_features, strict=True):
        y = window[radius].detach()
        content = content + huber(x, y) / 4
        for n in (*range(-radius, 0), *range(1, radius + 1)):
            z = window[radius + n].detach()
            phi_gen = F.huber_loss(x, z, reduction='none', delta=0.01)
            phi_gt = F.huber_loss(y, z, reduction='none', delta=0.01)
            relation = relation + huber(phi_gen, phi_gt) / (2 * radius * 4)
    return content, relation


class TwoPasses:
    """The method as plain GAN code would have it: one pass of T for G's update, another for T's own."""

    def __init__(self, model):
        self.g, self.t = deepcopy(model.net_g), deepcopy(model.net_t)
        self.optimizer_g = torch.optim.Adam(self.g.parameters(), lr=1e-3)
        self.optimizer_t = torch.optim.Adam(self.t.parameters(), lr=2e-4)
        self.options = model.options

    def frames_and_sequences(self, gt, restored, num_gt):
        """Return F's features of every frame, by sequence, real and fake."""
        middle = num_gt // 2
        fake = torch.stack([restored if i == middle else gt[:, i] for i in range(num_gt)], dim=1)
        if self.options.bn_statistics == 'per_sequence':
            return self.t.extract(gt), self.t.extract(fake)
        features = self.t.extract(torch.cat((gt, restored.unsqueeze(1)), dim=1))
        order = [num_gt if i == middle else i for i in range(num_gt)]
        return tuple(f[:, :num_gt] for f in features), tuple(f[:, order] for f in features)

    def step(self, data):
        gt, middle = data['gt'], data['gt'].shape[1] // 2
        restored = self.g(data['lq'])
        real, fake = self.frames_and_sequences(gt, restored, gt.shape[1])
        content, relation = plain_losses([f[:, middle] for f in fake], [f.unbind(1) for f in real], middle)
        self.optimizer_g.zero_grad()
        (huber(restored, gt[:, middle]) + content + relation).backward()
        self.optimizer_g.step()

        real, fake = self.frames_and_sequences(gt, restored.detach(), gt.shape[1])
        real_logits, fake_logits = self.t.classify(real[-1]), self.t.classify(fake[-1])
        loss = F.binary_cross_entropy_with_logits(real_logits, torch.ones_like(real_logits))
        loss = loss + F.binary_cross_entropy_with_logits(fake_logits, torch.zeros_like(fake_logits))
        self.optimizer_t.zero_grad()  # and with it what G's loss left in T
        loss.backward()
        self.optimizer_t.step()


@pytest.mark.parametrize('bn_statistics', ['joint', 'per_sequence'])
def test_one_pass_equals_two_separate_passes(bn_statistics):
    model = build_model(model_options(bn_statistics=bn_statistics))
    model.net_g.double(), model.net_t.double()
    plain = TwoPasses(model)
    for iteration in range(1, 6):
        data = sample(dtype=torch.float64)
        model.feed_data(data)
        model.optimize_parameters(iteration)
        plain.step(data)
    for net, plain_net in ((model.net_g, plain.g), (model.net_t, plain.t)):
        for name, value in net.named_parameters():
            torch.testing.assert_close(value, dict(plain_net.named_parameters())[name], atol=1e-6, rtol=0)


@pytest.mark.parametrize('host_model', ['EDVRModel', 'VideoRecurrentModel', 'SRModel'])
@pytest.mark.parametrize('fake', ['mixed', 'generated'])
def test_generators_loss_adds_no_gradient_to_t(host_model, fake):
    model = build_model(model_options(host_model, fake=fake))
    model.feed_data(sample(num_frame=5 if (host_model, fake) == ('EDVRModel', 'generated') else 3))
    output = model.net_g(model.lq)
    loss, style = model.cri_perceptual(output, model.gt)
    of_own_loss = [p.grad.clone() for p in model.net_t.parameters()]
    loss.backward()
    assert style is None
    assert all(torch.equal(p.grad, own) for p, own in zip(model.net_t.parameters(), of_own_loss, strict=True))
    assert all(p.grad.abs().sum() > 0 for p in model.net_g.parameters())


@pytest.mark.parametrize('fake', ['mixed', 'generated'])
@pytest.mark.parametrize('host_model', ['EDVRModel', 'VideoRecurrentModel'])
def test_t_sees_a_part_of_the_frames_and_the_pixel_loss_all(host_model, fake):
    model = build_model(model_options(host_model, fake=fake, random_shift=8))
    seen = []
    model.net_t.register_forward_pre_hook(lambda net, clips: seen.append(clips))
    gradients = []
    criterion = model.cri_perceptual

    def keep_gradient(output, gt):
        loss = criterion(output, gt)
        gradients.append(torch.autograd.grad(loss[0], output, retain_graph=True)[0])
        return loss

    model.cri_perceptual = keep_gradient
    model.feed_data(sample(num_frame=5 if fake == 'generated' else 3))
    model.optimize_parameters(1)
    (gt, generated), (gradient,) = seen[0], gradients
    places = [
        (top, left)
        for top in range(8)
        for left in range(8)
        if torch.equal(gt, model.window.gt_window[..., top : top + 24, left : left + 24])
    ]
    ((top, left),) = places
    inside = torch.zeros(32, 32, dtype=torch.bool)
    inside[top : top + 24, left : left + 24] = True
    assert generated.shape[-2:] == (24, 24)
    assert torch.equal(gradient.flatten(0, -3).abs().sum(0) > 0, inside)
    assert model.log_dict['l_g_pix'] == pytest.approx(float(huber(model.output.detach(), model.gt)))


def test_init_phase_trains_t_alone():
    opt = model_options()
    opt['train']['init_t_iters'] = 2
    model = build_model(opt)
    g, t = state_of(model.net_g), state_of(model.net_t)
    for iteration in (1, 2):
        model.feed_data(sample())
        model.optimize_parameters(iteration)
        assert list(model.get_current_log()) == T_KEYS
    assert all(torch.equal(value, g[name]) for name, value in model.net_g.state_dict().items())
    assert not any(torch.equal(p, t[name]) for name, p in model.net_t.named_parameters())
    assert all(p.grad is None for p in model.net_g.parameters())

    model.feed_data(sample())
    model.optimize_parameters(3)
    assert list(model.get_current_log()) == G_KEYS + T_KEYS
    assert not any(torch.equal(value, g[name]) for name, value in model.net_g.state_dict().items())


@pytest.mark.parametrize('host_model', ['EDVRModel', 'VideoRecurrentModel', 'SRModel'])
@pytest.mark.parametrize('fake', ['mixed', 'generated'])
@pytest.mark.parametrize('bn_statistics', ['joint', 'per_sequence'])
def test_every_kind_of_generator_trains(host_model, fake, bn_statistics):
    model = build_model(model_options(host_model, fake=fake, bn_statistics=bn_statistics))
    before = state_of(model.net_g)
    for iteration in (1, 2):
        model.feed_data(sample(num_frame=5 if (host_model, fake) == ('EDVRModel', 'generated') else 3))
        model.optimize_parameters(iteration)
        log = model.get_current_log()
        assert list(log) == G_KEYS + T_KEYS
        assert all(value >= 0 for value in log.values())
    assert not any(torch.equal(value, before[name]) for name, value in model.net_g.state_dict().items())


def test_window_and_input_of_each_kind_of_generator():
    data = sample(num_frame=5)
    for host_model, lq_shape, gt_shape, num_window in (
        ('SRModel', (2, 3, 16, 16), (2, 3, 32, 32), 3),
        ('EDVRModel', (2, 5, 3, 16, 16), (2, 3, 32, 32), 3),
        ('VideoRecurrentModel', (2, 5, 3, 16, 16), (2, 5, 3, 32, 32), 5),
    ):
        model = build_model(model_options(host_model))
        model.feed_data(data)
        assert (model.lq.shape, model.gt.shape, model.window.gt_window.shape[1]) == (lq_shape, gt_shape, num_window)
    assert torch.equal(model.window.gt_window, data['gt'])
    model = build_model(model_options('EDVRModel'))
    model.feed_data(data)
    assert torch.equal(model.window.gt_window, data['gt'][:, 1:4])
    assert torch.equal(model.gt, data['gt'][:, 2])


def test_all_generated_fakes_restore_the_neighbours_from_their_own_frames():
    model = build_model(model_options(fake='generated'))
    data = sample(num_frame=5)
    model.feed_data(data)
    assert torch.equal(model.lq, data['lq'][:, 1:4])
    before, after = model.window.lq_neighbours
    assert torch.equal(before, data['lq'][:, :3])
    assert torch.equal(after, data['lq'][:, 2:])
    assert all(each.is_contiguous() for each in (before, model.lq, after))


def test_single_images_train_without_relation_and_say_so_once(host_log):
    model = build_model(model_options('SRModel'))
    for iteration in (1, 2):
        model.feed_data({'lq': torch.rand(2, 3, 16, 16), 'gt': torch.rand(2, 3, 32, 32)})
        model.optimize_parameters(iteration)
    assert list(model.get_current_log()) == ['l_g_pix', 'l_g_content', *T_KEYS]
    assert sum('No relation loss' in message for message in host_log) == 1


def test_weights_reach_the_generator():
    gradients = []
    torch.manual_seed(1)
    data = sample()
    for weight in (1.0, 3.0):
        torch.manual_seed(2)
        model = build_model(model_options(content_weight=weight, relation_weight=weight))
        model.feed_data(data)
        model.cri_perceptual(model.net_g(model.lq), model.gt)[0].backward()
        gradients.append(model.net_g.conv.weight.grad)
    torch.testing.assert_close(3 * gradients[0], gradients[1])


def test_generators_clock_starts_with_the_alternation():
    opt = model_options()
    opt['train'].update(init_t_iters=3, scheduler={'type': 'MultiStepLR', 'milestones': [2], 'gamma': 0.1})
    opt['train']['scheduler_t'] = {'type': 'MultiStepLR', 'milestones': [1], 'gamma': 0.5}
    model = build_model(opt)
    rates = []
    for iteration in range(1, 8):
        model.update_learning_rate(iteration)
        model.feed_data(sample())
        model.optimize_parameters(iteration)
        rates.append((model.optimizer_g.param_groups[0]['lr'], model.optimizer_t.param_groups[0]['lr']))
    rate_g, rate_t = zip(*rates, strict=True)
    assert rate_g == pytest.approx([1e-3] * 5 + [1e-4] * 2)
    assert rate_t == pytest.approx([2e-4] + [1e-4] * 6)


def test_hosts_own_warm_up_counts_the_generators_iterations():
    opt = model_options()
    opt['train'].update(init_t_iters=2, tsa_iter=2)
    model = build_model(opt)
    moved = []
    for iteration in range(1, 6):
        before = model.net_g.conv.weight.clone()
        model.feed_data(sample())
        # The host freezes all but 'fusion' at G's first iteration, and releases it at the second.
        if iteration == 3:
            with pytest.raises(RuntimeError, match='does not require grad'):
                model.optimize_parameters(iteration)
        else:
            model.optimize_parameters(iteration)
        moved.append(not torch.equal(before, model.net_g.conv.weight))
    assert moved == [False, False, False, True, True]


def test_test_mode_needs_no_t():
    opt = model_options()
    opt['is_train'] = False
    del opt['network_t']
    model = build_model(opt)
    model.feed_data({'lq': torch.rand(1, 3, 3, 16, 16)})
    model.opt['val'] = {}
    model.test()
    assert model.output.shape == (1, 3, 32, 32)
    assert not hasattr(model, 'net_t')


def test_options_are_not_changed():
    opt = model_options()
    from dlvr_plugin.models import DiscriminativeSpaceModel

    train = deepcopy(opt['train'])
    DiscriminativeSpaceModel(deepcopy(opt))
    assert opt['train'] == train


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'host_model': 'EDVRModle'}, "host_model must be one of .*got 'EDVRModle'. Did you mean EDVRModel?"),
        ({'host_model': None}, 'host_model must be one of'),
        (
            {'host_model': 'RealESRNetModel_basicsr'},
            'makes its low-quality images itself, of single images, which does not go with a loss network T',
        ),
        ({'host_model': 'HiFaceGANModel'}, 'HiFaceGANModel restores in training mode alone'),
        (
            {'network_g': {'type': 'BasicVSR'}, 'generator_type': 'image'},
            r'generator_type must be recurrent, because network_g \(BasicVSR\) takes a clip and gives a clip',
        ),
        ({'generator_type': 'video'}, 'generator_type must be one of image, sliding_window, recurrent'),
        ({'network_t': {'type': 'LossNetT', 'norm': 'sync'}}, 'works on GPUs only'),
        ({'train.discriminative_opt': {'layers': [0]}}, r'train.discriminative_opt.layers must be some of'),
        ({'train.discriminative_opt': {'deltas': 1}}, 'deltas is not an option. Did you mean delta?'),
        ({'train.discriminative_opt': {'fake': 'new'}}, 'fake must be one of mixed, generated'),
        ({'train.discriminative_opt': {'bn_statistics': 'own'}}, 'bn_statistics must be one of joint, per_sequence'),
        ({'train.init_t_iters': -1}, 'train.init_t_iters must be at least 0'),
        ({'train.perceptual_opt': {'type': 'PerceptualLoss'}}, 'train.perceptual_opt is taken'),
    ],
)
def test_unusable_options_are_refused(change, message):
    opt = model_options()
    for key, value in change.items():
        section = opt['train'] if key.startswith('train.') else opt
        section[key.removeprefix('train.')] = value
    with pytest.raises(ValueError, match=message):
        build_model(opt)


@pytest.mark.parametrize(
    ('host_model', 'network', 'expected'),
    [
        ('EDVRModel', {'type': 'SRVGGNetCompact'}, 'image'),  # by the spec, whatever the host model usually trains
        ('SRModel', {'type': 'EDVR'}, 'sliding_window'),
        ('EDVRModel', {'type': 'BasicVSR'}, 'recurrent'),
        ('EDVRModel', {'type': 'TinyImageNet'}, 'sliding_window'),  # no spec: by the host model
        ('VideoRecurrentModel', {'type': 'TinyRecurrentNet'}, 'recurrent'),
        ('SRModel', {'type': 'TinyImageNet'}, 'image'),
    ],
)
def test_generator_type_by_the_spec_then_by_the_host_model(host_model, network, expected):
    opt = {'host_model': host_model, 'network_g': network}
    assert find_generator_type(opt, find_host_model(opt)) == expected
    assert find_generator_type({**opt, 'generator_type': expected}, find_host_model(opt)) == expected


@pytest.mark.parametrize('key', ['network_t', 'optim_t'])
def test_missing_sections_are_named(key):
    opt = model_options()
    (opt if key == 'network_t' else opt['train']).pop(key)
    with pytest.raises(ValueError, match=f'{key} is missing'):
        build_model(opt)


def test_windows_larger_than_the_sample_are_refused():
    model = build_model(model_options(radius=2))
    with pytest.raises(ValueError, match='radius 2 needs windows of 5 frames, but a sample has 3'):
        model.feed_data(sample(num_frame=3))


@pytest.mark.parametrize('stop', [2, 4])
def test_saved_and_resumed_in_either_phase(tmp_path, stop):
    opt = model_options()
    opt['train']['init_t_iters'] = 3
    opt['path'] = {'models': str(tmp_path), 'training_states': str(tmp_path)}
    batches = [sample() for _ in range(6)]

    model = build_model(opt)
    train_on(model, batches, 1, stop)
    model.save(0, stop)
    train_on(model, batches, stop + 1, 6)
    for name in ('g', 't'):
        opt['path'][f'pretrain_network_{name}'] = str(tmp_path / f'net_{name}_{stop}.pth')
    resumed = build_model(opt)
    resumed.resume_training(torch.load(tmp_path / f'{stop}.state', weights_only=True))
    train_on(resumed, batches, stop + 1, 6)
    for net, other in ((model.net_g, resumed.net_g), (model.net_t, resumed.net_t)):
        for name, value in net.state_dict().items():
            assert torch.equal(value, other.state_dict()[name]), name
