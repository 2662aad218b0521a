"""Hosts that call their perceptual loss sometimes, twice or never, and hosts with a discriminator."""

from copy import deepcopy

import pytest
import torch
from basicsr.models import build_model

from dlvr_plugin import host
from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.training.precision import Precision
from dlvr_plugin.training.updates import GuardedUpdates
from tests.models.conftest import sample, train_on
from tests.models.host_classes import options_over, own_hosts  # noqa: F401

T_KEYS = {'l_t_real', 'l_t_fake', 't_acc_real', 't_acc_fake'}
G_KEYS = {'l_g_content', 'l_g_relation'}


def build(host_model, *, seed=0, **options):
    torch.manual_seed(seed)
    return build_model(options_over(host_model, **options))


def state_of_t(model):
    """Return copies of T's weights, statistics, and Adam's state."""
    optimizer = deepcopy(model.optimizer_t.state_dict()['state'])
    return {name: value.clone() for name, value in model.net_t.state_dict().items()}, optimizer


def same(one, other):
    if torch.is_tensor(one):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return all(map(same, one, other)) if isinstance(one, tuple) else one == other


def moved(model, iteration):
    """Take a step, and tell whether anything of T has changed."""
    before = state_of_t(model)
    model.feed_data(sample())
    model.optimize_parameters(iteration)
    return not same(before, state_of_t(model))


@pytest.mark.parametrize(
    ('host_model', 'train', 'learns'),
    [
        ('SkippingEverySecond', {}, [1, 3, 5]),
        ('SRGANModel', {'net_d_iters': 2}, [2, 4, 6]),
        ('ESRGANModel', {'net_d_init_iters': 3}, [4, 5, 6]),
        ('VideoGANModel', {'net_d_iters': 3, 'net_d_init_iters': 2}, [3, 6]),
        ('BeginningLater', {}, [6]),
        ('SRGANModel', {'net_d_iters': 2, 'init_t_iters': 2}, [1, 2, 4, 6]),
    ],
)
def test_t_stays_as_it_is_where_the_host_skips_its_perceptual_loss(host_model, train, learns):
    model = build(host_model, train=train)
    for iteration in range(1, 7):
        assert moved(model, iteration) == (iteration in learns), iteration
        keys = set(model.get_current_log())
        if iteration <= train.get('init_t_iters', 0):
            assert keys == T_KEYS
        elif iteration in learns:
            assert keys >= T_KEYS | G_KEYS
        else:
            assert not keys & (T_KEYS | G_KEYS)
        assert all(p.grad is None for p in model.net_t.parameters()) == (iteration not in learns)


def test_skipped_iterations_leave_no_trace_in_later_ones():
    torch.manual_seed(1)
    batches = [sample() for _ in range(5)]
    skipping, plain = build('SkippingEverySecond'), build('SRModel')
    for iteration, batch in enumerate(batches, start=1):
        skipping.feed_data(batch)
        skipping.optimize_parameters(iteration)
        if iteration % 2:
            plain.feed_data(batch)
            plain.optimize_parameters(iteration)
    assert same(state_of_t(skipping), state_of_t(plain))
    assert same(skipping.net_g.state_dict(), plain.net_g.state_dict())


@pytest.mark.parametrize('init_t_iters', [0, 2])
def test_a_host_that_never_calls_its_perceptual_loss_is_an_error(init_t_iters):
    model = build('NeverCalling', train={'init_t_iters': init_t_iters})
    for iteration in range(1, init_t_iters + 3):
        assert moved(model, iteration) == (iteration <= init_t_iters)
    model.feed_data(sample())
    with pytest.raises(
        InvalidValueError,
        match='host_model: NeverCalling has not called its perceptual loss in the iterations 1, 2, 3 .*'
        'Set host_model: SRModel, or let optimize_parameters of NeverCalling call self.cri_perceptual',
    ):
        model.optimize_parameters(init_t_iters + 3)


def test_only_iterations_that_should_have_called_count():
    model = build('SRGANModel', train={'net_d_iters': 2, 'net_d_init_iters': 3})
    model.cri_perceptual = None  # as a host that lost it
    for iteration in range(1, 8):
        model.feed_data(sample())
        model.optimize_parameters(iteration)
    with pytest.raises(InvalidValueError, match='in the iterations 4, 6, 8 in which G learns'):
        model.optimize_parameters(8)
    resumed = build('SRGANModel', train={'net_d_iters': 2, 'net_d_init_iters': 3})
    resumed.cri_perceptual = None  # a host may stop calling, and be resumed after that
    for iteration in range(9, 16):
        resumed.feed_data(sample())
        resumed.optimize_parameters(iteration)
    assert not resumed.perceptual_calls.seen


def test_both_calls_of_an_iteration_count():
    model = build('CallingTwice')
    data = sample()
    model.feed_data(data)
    gradients, losses = [], []
    output = model.net_g(model.lq).detach()
    for darkness in (1.0, 0.5):
        alone = build('SRModel')
        alone.feed_data(data)
        alone.net_g = lambda lq, darkness=darkness: (darkness * output).requires_grad_()
        alone.optimizer_g.step = alone.optimizer_t.step = lambda: None
        alone.optimize_parameters(1)
        gradients.append([p.grad for p in alone.net_t.parameters()])
        losses.append(alone.get_current_log())
    model.optimizer_t.step = lambda: None
    model.optimize_parameters(1)
    for parameter, one, other in zip(model.net_t.parameters(), *gradients, strict=True):
        torch.testing.assert_close(parameter.grad, one + other)
    log = model.get_current_log()
    for name in ('l_g_content', 'l_g_relation', 'l_t_real', 'l_t_fake'):
        assert log[name] == pytest.approx(losses[0][name] + losses[1][name], rel=1e-5), name
    for name in ('t_acc_real', 't_acc_fake'):
        assert log[name] == pytest.approx((losses[0][name] + losses[1][name]) / 2), name


@pytest.mark.parametrize('amp', [None, 'fp16'])
def test_t_steps_with_the_mean_of_the_batches_that_were_looked_at(amp):
    """Of two batches one is skipped, the last one; the step is that of a run that has the other alone."""
    torch.manual_seed(1)
    batches = [sample() for _ in range(3)]
    skipping, plain = build('SkippingBatches'), build('SRModel')
    updates = [
        GuardedUpdates(model, accum_iter=accum_iter, scalers=Precision(model, amp=amp).scalers)
        for model, accum_iter in ((skipping, 2), (plain, 1))
    ]
    for iteration, batch in enumerate(batches, start=1):
        for index, each in enumerate((batch, sample())):
            with updates[0].batch(index):
                skipping.feed_data(each)
                skipping.optimize_parameters(iteration)
        with updates[1].batch(0):
            plain.feed_data(batch)
            plain.optimize_parameters(iteration)
        assert updates[0].grad_norms.keys() == updates[1].grad_norms.keys() == {'g', 't'}
        assert torch.equal(updates[0].grad_norms['t'], updates[1].grad_norms['t'])
    assert same(state_of_t(skipping), state_of_t(plain))
    assert same(skipping.net_g.state_dict(), plain.net_g.state_dict())


def test_no_stale_gradient_is_scaled_clipped_or_logged():
    model = build('SkippingEverySecond')
    updates = GuardedUpdates(model, accum_iter=2, max_norms={'t': 1e-3}, scalers=Precision(model, amp='fp16').scalers)
    scale = updates.scalers['t'].state_dict()
    for iteration in (1, 2):
        before = state_of_t(model)
        for index in range(2):
            with updates.batch(index):
                model.feed_data(sample())
                model.optimize_parameters(iteration)
        assert same(before, state_of_t(model)) == (iteration == 2)
        assert set(updates.grad_norms) == ({'g', 't'} if iteration == 1 else set())
        assert updates.scalers['t'].state_dict()['_growth_tracker'] == scale['_growth_tracker'] + 1


@pytest.mark.parametrize('fake', ['mixed', 'generated'])
def test_recurrent_model_with_a_discriminator_learns_as_one_without(fake):
    """Without weight of its adversarial loss, G and T learn what they do over VideoRecurrentModel, bit for bit."""
    gan_opt = {'type': 'GANLoss', 'gan_type': 'vanilla', 'loss_weight': 0.0}
    train = {'gan_opt': gan_opt, 'fix_flow': None, 'init_t_iters': 1}
    models = [build('VideoRecurrentGANModel', train=train, fake=fake)]
    models.append(build('VideoRecurrentModel', train={'init_t_iters': 1}, fake=fake))
    models[1].net_g.load_state_dict(models[0].net_g.state_dict())
    models[1].net_t.load_state_dict(models[0].net_t.state_dict())
    logs = []
    for iteration in range(1, 4):
        data = sample(num_frame=5)
        for model in models:
            model.feed_data(data)
            model.optimize_parameters(iteration)
            logs.append(model.get_current_log())
    assert same(models[0].net_g.state_dict(), models[1].net_g.state_dict())
    assert same(state_of_t(models[0]), state_of_t(models[1]))
    assert logs[-1].items() <= logs[-2].items()
    assert set(logs[-2]) - set(logs[-1]) == {'l_g_gan', 'l_d_real', 'l_d_fake', 'out_d_real', 'out_d_fake'}


@pytest.mark.parametrize('model_type', ['VideoRecurrentGANModel', 'DiscriminativeSpaceModel'])
def test_resumed_while_the_flow_network_is_frozen(tmp_path, model_type):
    host.apply()
    train = {'fix_flow': 4, 'lr_flow': 1e-3}
    opt = options_over('VideoRecurrentGANModel', network_g='FlowNet', train=train)
    opt['train']['pixel_opt'] = {'type': 'HuberLoss'}
    opt['path'] = {'models': str(tmp_path), 'training_states': str(tmp_path)}
    if model_type != 'DiscriminativeSpaceModel':
        opt['model_type'] = opt.pop('host_model')
    torch.manual_seed(1)
    batches = [sample() for _ in range(6)]

    whole = build_model(deepcopy(opt))
    train_on(whole, batches, 1, 2)
    whole.save(0, 2)
    flow = whole.net_g.spynet.weight.clone()
    train_on(whole, batches, 3, 3)
    assert torch.equal(flow, whole.net_g.spynet.weight)
    train_on(whole, batches, 4, 6)
    assert not torch.equal(flow, whole.net_g.spynet.weight)
    for name in ('g', 'd', 't'):
        opt['path'][f'pretrain_network_{name}'] = str(tmp_path / f'net_{name}_2.pth')
    resumed = build_model(deepcopy(opt))
    resumed.resume_training(torch.load(tmp_path / '2.state', weights_only=True))
    train_on(resumed, batches, 3, 6)
    for net in ('net_g', 'net_d', 'net_t'):
        if hasattr(whole, net):
            assert same(getattr(whole, net).state_dict(), getattr(resumed, net).state_dict()), net
