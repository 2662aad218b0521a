"""T as a discriminator, against plain GAN code and against the host's own runs."""

import math
from copy import deepcopy

import pytest
import torch
import torch.nn.functional as F
from basicsr.models import build_model
from basicsr.utils.registry import LOSS_REGISTRY
from torch import nn

from dlvr_plugin.archs.loss_net_arch import windows
from dlvr_plugin.core.errors import DivergenceError
from dlvr_plugin.training.precision import Precision
from dlvr_plugin.training.updates import GuardedUpdates
from tests.helpers import as_adversarial, as_host_model
from tests.models.conftest import model_options, sample, train_on
from tests.models.host_classes import options_over, own_hosts  # noqa: F401

T_KEYS = ['l_t_real', 'l_t_fake', 't_acc_real', 't_acc_fake']
G_KEYS = ['l_g_pix', 'l_g_gan']
SMALL_T = {'type': 'LossNetT', 'num_feat': [8, 8, 8, 8], 'num_feat_classifier': 8}


class TinyPerceptualLoss(nn.Module):
    """A perceptual and a style loss of frames or clips."""

    def __init__(self, loss_weight: float = 1.0):
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, output, gt):
        slopes = [frames.diff(dim=-1) for frames in (output, gt)]
        style = self.loss_weight * (output.mean() - gt.mean()).square()
        return self.loss_weight * F.mse_loss(*slopes), style


@pytest.fixture(autouse=True)
def tiny_perceptual_loss():
    """A perceptual loss, registered for a while."""
    LOSS_REGISTRY.register(TinyPerceptualLoss)
    yield
    del LOSS_REGISTRY._obj_map['TinyPerceptualLoss']


def options(host_model='EDVRModel', *, train=None, **adversarial_opt):
    """Return options of a model over a tiny generator, with a small T and a weight that shows."""
    opt = as_adversarial(model_options(host_model), weight=0.5)
    opt['network_t'] = dict(SMALL_T)
    opt['train']['adversarial_opt'].update(adversarial_opt)
    opt['train'].update(train or {})
    return opt


def num_frame_of(host_model, fake):
    return 5 if (host_model, fake) != ('EDVRModel', 'mixed') else 3


class PlainGAN:
    """GAN code as it is usually written: a pass of T for the step of G, and another one for T's own."""

    def __init__(self, model):
        self.g, self.t = deepcopy(model.net_g), deepcopy(model.net_t)
        self.optimizer_g = torch.optim.Adam(self.g.parameters(), lr=1e-3)
        self.optimizer_t = torch.optim.Adam(self.t.parameters(), lr=2e-4)
        self.options, self.is_recurrent = model.options, model.generator_type == 'recurrent'

    def restore(self, lq):
        """Return the restored frame and its neighbours, (B, 3, ...), the middle one with a graph; or a clip."""
        if self.is_recurrent:
            return self.g(lq)
        if self.options.fake == 'mixed':
            return self.g(lq).unsqueeze(1)
        with torch.no_grad():
            before, after = self.g(lq[:, :3]), self.g(lq[:, 2:])
        return torch.stack((before, self.g(lq[:, 1:4]), after), dim=1)

    def logits(self, gt, restored):
        real = windows(gt, 1)
        fake = windows(restored, 1) if restored.shape[1] == gt.shape[1] else real.clone()
        if self.options.fake == 'mixed':
            fake = real.clone()
            fake[:, 1] = (restored[:, 1:-1] if self.is_recurrent else restored).flatten(0, 1)
        if self.options.bn_statistics == 'per_sequence':
            return [self.t.classify(self.t.extract(each)[-1]) for each in (real, fake)]
        # Joint statistics are those of each frame once.
        generated = restored[:, 1:-1] if self.is_recurrent and self.options.fake == 'mixed' else restored
        deepest = self.t.extract(torch.cat((gt, generated), dim=1))[-1]
        gt_deepest, gen_deepest = deepest[:, : gt.shape[1]], deepest[:, gt.shape[1] :]
        real = windows(gt_deepest, 1)
        if self.options.fake == 'generated':
            fake = windows(gen_deepest, 1)
        else:
            fake = torch.stack((real[:, 0], gen_deepest.flatten(0, 1), real[:, 2]), dim=1)
        return self.t.classify(real), self.t.classify(fake)

    def compare(self, logits, is_real):
        target = torch.full_like(logits, float(is_real))
        distance = F.mse_loss if self.options.gan_type == 'lsgan' else F.binary_cross_entropy_with_logits
        return distance(logits, target)

    def adversarial(self, real, fake):
        if self.options.gan_type != 'relativistic':
            return self.compare(fake, True)
        real = real.detach()
        return (self.compare(real - fake.mean(), False) + self.compare(fake - real.mean(), True)) / 2

    def own(self, real, fake):
        if self.options.gan_type != 'relativistic':
            return self.compare(real, True) + self.compare(fake, False)
        return (self.compare(real - fake.mean(), True) + self.compare(fake - real.mean(), False)) / 2

    def step(self, data):
        gt, middle = data['gt'], data['gt'].shape[1] // 2
        restored = self.restore(data['lq'])
        window = gt if self.is_recurrent else gt[:, middle - 1 : middle + 2]
        compared = (restored, gt) if self.is_recurrent else (restored[:, restored.shape[1] // 2], gt[:, middle])
        self.t.requires_grad_(False)
        loss = F.huber_loss(*compared, delta=0.01) + 0.5 * self.adversarial(*self.logits(window, restored))
        self.optimizer_g.zero_grad()
        loss.backward()
        self.optimizer_g.step()

        self.t.requires_grad_(True)
        self.optimizer_t.zero_grad()
        self.own(*self.logits(window, restored.detach())).backward()
        self.optimizer_t.step()


@pytest.mark.parametrize('host_model', ['EDVRModel', 'VideoRecurrentModel'])
@pytest.mark.parametrize('bn_statistics', ['joint', 'per_sequence'])
@pytest.mark.parametrize('fake', ['mixed', 'generated'])
@pytest.mark.parametrize('gan_type', ['vanilla', 'lsgan', 'relativistic'])
def test_one_pass_equals_a_plain_gan_step(host_model, bn_statistics, fake, gan_type):
    torch.manual_seed(0)
    model = build_model(options(host_model, bn_statistics=bn_statistics, fake=fake, gan_type=gan_type))
    model.net_g.double(), model.net_t.double()
    plain, before = PlainGAN(model), deepcopy([model.net_g, model.net_t])
    for iteration in range(1, 6):
        data = sample(num_frame_of(host_model, fake), dtype=torch.float64)
        model.feed_data(data)
        model.optimize_parameters(iteration)
        plain.step(data)
    for net, plain_net, net_before in zip((model.net_g, model.net_t), (plain.g, plain.t), before, strict=True):
        for (name, one), other, first in zip(
            net.named_parameters(), plain_net.parameters(), net_before.parameters(), strict=True
        ):
            torch.testing.assert_close(one, other, atol=1e-10, rtol=0)
            # A number that is added to all logits says nothing to the relativistic loss.
            assert not torch.equal(one, first) or (gan_type, name) == ('relativistic', 'classifier.3.bias'), name


@pytest.mark.parametrize('host_model', ['EDVRModel', 'VideoRecurrentModel', 'SRModel'])
@pytest.mark.parametrize('loss_weight', [0.0, 2.0])
def test_without_adversarial_weight_g_learns_as_in_the_hosts_own_run(host_model, loss_weight):
    """Bit for bit; with a perceptual loss of weight 0 that is the run with a pixel loss alone."""
    pixel_opt, perceptual_opt = {'type': 'HuberLoss'}, {'type': 'TinyPerceptualLoss', 'loss_weight': loss_weight}
    losses = {'pixel_opt': pixel_opt, 'perceptual_opt': perceptual_opt, 'ema_decay': 0.9}
    opt = options(host_model, weight=0.0, train=losses)
    plain = as_host_model(deepcopy(opt))
    if loss_weight == 0:
        del plain['train']['perceptual_opt']
    torch.manual_seed(0)
    model = build_model(opt)
    host = build_model(plain)
    for net, other in ((host.net_g, model.net_g), (host.net_g_ema, model.net_g_ema)):
        net.load_state_dict(other.state_dict())
    before = deepcopy(model.net_t.state_dict())
    for iteration in range(1, 4):
        data = sample()
        if host_model != 'VideoRecurrentModel':
            middle = data['gt'][:, 1]
            host.feed_data({'lq': data['lq'] if host_model == 'EDVRModel' else data['lq'][:, 1], 'gt': middle})
        else:
            host.feed_data(data)
        host.optimize_parameters(iteration)
        model.feed_data(data)
        model.optimize_parameters(iteration)
    for net, other in ((host.net_g, model.net_g), (host.net_g_ema, model.net_g_ema)):
        assert all(map(torch.equal, net.state_dict().values(), other.state_dict().values()))
    assert not any(torch.equal(before[name], value) for name, value in model.net_t.named_parameters())  # it goes on
    log, of_host = model.get_current_log(), host.get_current_log()
    assert set(log) == {*G_KEYS, 'l_g_percep', 'l_g_style', *T_KEYS}
    assert log['l_g_pix'] == of_host['l_pix']
    assert log['l_g_gan'] == 0
    assert (log['l_g_percep'], log['l_g_style']) == (of_host.get('l_percep', 0), of_host.get('l_style', 0))


@pytest.mark.parametrize('host_model', ['EDVRModel', 'VideoRecurrentModel', 'SRModel'])
@pytest.mark.parametrize('fake', ['mixed', 'generated'])
def test_t_and_g_get_no_gradient_of_one_another(host_model, fake):
    model = build_model(options(host_model, fake=fake))
    model.feed_data(sample(num_frame_of(host_model, fake)))
    model.generator_iter = 1
    output = model.net_g(model.lq)
    loss, style = model.cri_perceptual(output, model.gt)
    of_own_loss = [p.grad.clone() for p in model.net_t.parameters()]
    (gradient,) = torch.autograd.grad(loss, output)
    assert style is None
    assert all(torch.equal(p.grad, own) for p, own in zip(model.net_t.parameters(), of_own_loss, strict=True))
    by_frame = gradient.abs().sum((0, -3, -2, -1)) > 0
    if host_model == 'VideoRecurrentModel':  # with true neighbours those at the ends are in no fake
        assert by_frame.tolist() == [fake == 'generated', True, True, True, fake == 'generated']
    else:
        assert by_frame


def test_phases_and_log(host_log):
    model = build_model(options(train={'init_t_iters': 2, 'perceptual_opt': {'type': 'TinyPerceptualLoss'}}))
    g = deepcopy(model.net_g.state_dict())
    for iteration in range(1, 4):
        assert all(map(torch.equal, g.values(), model.net_g.state_dict().values()))
        t = deepcopy([*model.net_t.parameters()])
        model.feed_data(sample())
        model.optimize_parameters(iteration)
        assert not any(map(torch.equal, t, model.net_t.parameters()))
        of_g = ['l_g_pix', 'l_g_style', 'l_g_gan', 'l_g_percep'] if iteration == 3 else []
        assert list(model.get_current_log()) == of_g + T_KEYS
    assert not any(map(torch.equal, g.values(), model.net_g.state_dict().values()))


def test_no_step_is_taken_with_a_perceptual_loss_that_is_not_finite():
    train = {'perceptual_opt': {'type': 'TinyPerceptualLoss', 'loss_weight': math.inf}}
    model = build_model(options(train=train))
    updates, before = GuardedUpdates(model), deepcopy([*model.net_g.parameters(), *model.net_t.parameters()])
    model.feed_data(sample())
    with updates.batch(0), pytest.raises(DivergenceError, match='a loss is not finite before the step of net_g'):
        model.optimize_parameters(1)
    assert all(map(torch.equal, before, [*model.net_g.parameters(), *model.net_t.parameters()]))


def updates_of(model, num_iters):
    """Return in which iterations T moves, Adam's moments included."""
    moved = []
    for iteration in range(1, num_iters + 1):
        before = deepcopy([[*model.net_t.parameters()], model.optimizer_t.state_dict()['state']])
        model.feed_data(sample())
        model.optimize_parameters(iteration)
        if not all(map(torch.equal, before[0], model.net_t.parameters())):
            moved.append(iteration)
        else:
            assert all(p.grad is None for p in model.net_t.parameters())
            after = model.optimizer_t.state_dict()['state']
            assert all(torch.equal(before[1][i][name], value) for i in after for name, value in after[i].items())
        assert set(model.get_current_log()) >= {'l_t_real', 't_acc_fake'}
    return moved


def test_t_learns_alone_then_every_third_iteration_of_g():
    model = build_model(options(update_interval=3, train={'init_t_iters': 2}))
    assert updates_of(model, 9) == [1, 2, 5, 8]
    assert 't_lead' not in model.get_current_log()


@pytest.mark.parametrize('gan_type', ['vanilla', 'relativistic'])
def test_t_waits_while_it_is_ahead(gan_type):
    torch.manual_seed(0)
    model = build_model(options(update_threshold=1e3, gan_type=gan_type, train={'init_t_iters': 1}))
    logits = []
    model.net_t.register_forward_hook(lambda net, inputs, joint: logits.append((joint.real_logits, joint.fake_logits)))
    assert updates_of(model, 3) == [1, 2, 3]
    real, fake = logits[-1]
    if gan_type == 'relativistic':
        real, fake = real - fake.mean(), fake - real.mean()
    lead = torch.log(torch.sigmoid(real)).mean() - torch.log(torch.sigmoid(fake)).mean()
    assert model.get_current_log()['t_lead'] == pytest.approx(lead.item(), abs=1e-6)

    for margin in (0.3, 0.5):  # behind, then ahead
        model = build_model(options(update_threshold=0.4, gan_type=gan_type))
        _tell_apart(model.net_t, margin if gan_type == 'relativistic' else 3 * margin)
        assert updates_of(model, 2) == ([1, 2] if margin < 0.4 else [])


def _tell_apart(net_t, margin):
    """Let T give real sequences logits that are higher by a number, and learn next to nothing."""
    plain = net_t.forward

    def forward(*clips, **settings):
        joint = plain(*clips, **settings)
        return joint._replace(real_logits=joint.real_logits * 1e-6 + margin, fake_logits=joint.fake_logits * 1e-6)

    net_t.forward = forward


def test_accumulated_batches_in_which_t_waits():
    """T steps with the mean of the batches that it learns from, as if they had been alone."""
    torch.manual_seed(1)
    batches = [sample(), sample()]
    models = []
    for accum_iter in (1, 2):
        torch.manual_seed(0)
        model = build_model(options())
        updates = GuardedUpdates(model, accum_iter=accum_iter, scalers=Precision(model).scalers)
        models.append(model)
        model.is_t_trained_by = lambda joint, model=model: torch.equal(model.sample_window.gt, batches[0]['gt'][:, 1])
        for index in range(accum_iter):
            with updates.batch(index):
                model.feed_data(batches[index])
                model.optimize_parameters(1)
        assert set(updates.grad_norms) == {'g', 't'}
    assert all(map(torch.equal, models[0].net_t.parameters(), models[1].net_t.parameters()))
    assert not any(map(torch.equal, models[0].net_g.parameters(), models[1].net_g.parameters()))


def test_a_host_with_a_discriminator_has_two_adversarial_losses():
    opt = as_adversarial(options_over('SRGANModel'))
    opt['network_t'] = dict(SMALL_T)
    model = build_model(opt)
    model.feed_data(sample())
    model.optimize_parameters(1)
    assert list(model.get_current_log())[:2] == ['l_g_pix', 'l_g_gan']
    assert {'l_g_gan_t', 'l_d_real', *T_KEYS} <= set(model.get_current_log())


def test_single_images_are_judged_as_they_are_and_the_log_says_so_once(host_log):
    model = build_model(options('SRModel'))
    for iteration in (1, 2):
        model.feed_data({'lq': torch.rand(2, 3, 16, 16), 'gt': torch.rand(2, 3, 32, 32)})
        model.optimize_parameters(iteration)
    assert list(model.get_current_log()) == G_KEYS + T_KEYS
    assert sum('T judges single frames: ' in message for message in host_log) == 1


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'weight': -1.0}, 'train.adversarial_opt.weight must be at least 0, got -1.0'),
        ({'gan_type': 'hinge'}, 'train.adversarial_opt.gan_type must be one of vanilla, lsgan, relativistic'),
        ({'gan_typ': 'lsgan'}, 'train.adversarial_opt.gan_typ is not an option. Did you mean gan_type?'),
        ({'content_weight': 1.0}, 'train.adversarial_opt.content_weight is not an option'),
        ({'radius': -1}, 'train.adversarial_opt.radius must be at least 0'),
        ({'update_interval': 0}, 'train.adversarial_opt.update_interval must be at least 1'),
        ({'update_threshold': 0.0}, 'train.adversarial_opt.update_threshold must be above 0'),
        (
            {'update_threshold': 0.4, 'gan_type': 'lsgan'},
            'train.adversarial_opt.update_threshold must be ~ with gan_type: lsgan',
        ),
        ({'fake': 'new'}, 'train.adversarial_opt.fake must be one of mixed, generated'),
    ],
)
def test_unusable_options_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        build_model(options(**change))


def test_windows_larger_than_the_sample_are_refused_by_the_key():
    model = build_model(options(radius=2))
    with pytest.raises(ValueError, match='but a sample has 3. .* or lower train.adversarial_opt.radius'):
        model.feed_data(sample(num_frame=3))


@pytest.mark.parametrize('stop', [2, 4])
def test_saved_and_resumed_in_either_phase(tmp_path, stop):
    opt = options(update_interval=2, update_threshold=0.4, train={'init_t_iters': 3})
    opt['path'] = {'models': str(tmp_path), 'training_states': str(tmp_path)}
    batches = [sample() for _ in range(7)]
    model = build_model(deepcopy(opt))
    train_on(model, batches, 1, stop)
    model.save(0, stop)
    train_on(model, batches, stop + 1, 7)
    for name in ('g', 't'):
        opt['path'][f'pretrain_network_{name}'] = str(tmp_path / f'net_{name}_{stop}.pth')
    resumed = build_model(opt)
    resumed.resume_training(torch.load(tmp_path / f'{stop}.state', weights_only=True))
    train_on(resumed, batches, stop + 1, 7)
    for net, other in ((model.net_g, resumed.net_g), (model.net_t, resumed.net_t)):
        assert all(map(torch.equal, net.state_dict().values(), other.state_dict().values()))
