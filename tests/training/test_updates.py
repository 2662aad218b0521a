"""Accumulated, clipped and 16-bit steps, against plain ones."""

from copy import deepcopy

import pytest
import torch
from basicsr.models import build_model

from dlvr_plugin.core.errors import DivergenceError
from dlvr_plugin.training.precision import Precision
from dlvr_plugin.training.updates import GuardedUpdates
from tests.helpers import as_adversarial
from tests.models.conftest import model_options, sample
from tests.models.host_classes import options_over, registered
from tests.training.two_processes import train_in_two


def build(host_model='EDVRModel', precision=None, *, is_adversarial=False, **guards):
    torch.manual_seed(0)
    opt = model_options(host_model)
    if is_adversarial:
        as_adversarial(opt, weight=1.0)
    opt['network_t']['norm'] = 'frozen'  # statistics of a batch would tell one of two from two of one
    model = build_model(opt)
    used = Precision(model, **(precision or {}))
    return model, GuardedUpdates(model, scalers=used.scalers, **guards), used


def parameters(model):
    return [*model.net_g.parameters(), *model.net_t.parameters()]


def step(model, updates, batches, iteration=1):
    for index, batch in enumerate(batches):
        with updates.batch(index):
            model.feed_data(deepcopy(batch))
            model.optimize_parameters(iteration)


@pytest.mark.parametrize(
    ('host_model', 'is_adversarial'),
    [('EDVRModel', False), ('SRModel', False), ('VideoRecurrentModel', False), ('VideoRecurrentModel', True)],
)
def test_two_batches_make_the_step_of_one_of_both(host_model, is_adversarial):
    torch.manual_seed(1)
    batches = [sample(5 if host_model == 'VideoRecurrentModel' else 3) for _ in range(2)]
    both = {name: torch.cat([batch[name] for batch in batches]) for name in ('lq', 'gt')}
    whole, accumulated = (build(host_model, is_adversarial=is_adversarial, accum_iter=each) for each in (1, 2))
    for iteration in range(1, 4):
        step(*whole[:2], [both], iteration)
        step(*accumulated[:2], batches, iteration)
        for letter in ('g', 't'):
            torch.testing.assert_close(
                whole[1].grad_norms[letter], accumulated[1].grad_norms[letter], rtol=1e-4, atol=0
            )
    for one, other in zip(parameters(whole[0]), parameters(accumulated[0]), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=2e-4)  # Adam turns rounding of small gradients into steps


def test_gradient_norm_is_torch_s_and_is_clipped():
    model, updates, _ = build(max_norms={'t': 1e-3})
    seen = []

    def look(optimizer, args, kwargs):
        seen.append(torch.cat([p.grad.flatten() for group in optimizer.param_groups for p in group['params']]).norm())

    model.optimizer_t.register_step_pre_hook(look)
    step(model, updates, [sample()])
    assert updates.grad_norms['t'] > 1e-2
    assert [float(norm) for norm in seen] == [pytest.approx(1e-3, rel=1e-3)]


@pytest.mark.parametrize(('amp', 'is_adversarial'), [('bf16', False), ('fp16', False), ('fp16', True)])
def test_sixteen_bits_come_close_to_float32(amp, is_adversarial):
    torch.manual_seed(1)
    batch = sample()
    plain, half = (build(precision=each, is_adversarial=is_adversarial) for each in ({}, {'amp': amp}))
    for model, updates, _ in (plain, half):
        step(model, updates, [batch])
    assert half[0].output.dtype == torch.float32
    assert not torch.equal(plain[0].output, half[0].output)
    torch.testing.assert_close(plain[0].output, half[0].output, rtol=0, atol=0.02)
    for letter in ('g', 't'):
        torch.testing.assert_close(plain[1].grad_norms[letter], half[1].grad_norms[letter], rtol=0.1, atol=0)
    log = [model.get_current_log() for model, _, _ in (plain, half)]
    assert log[0].keys() == log[1].keys()
    assert log[0]['l_t_real'] == pytest.approx(log[1]['l_t_real'], rel=0.05)
    with half[2].suspended():
        assert torch.equal(half[0].net_g(batch['lq']), type(half[0].net_g).forward(half[0].net_g, batch['lq']))


def test_overflow_of_sixteen_bits_skips_a_step_and_lowers_the_scale():
    model, updates, precision = build(precision={'amp': 'fp16'})
    before = [p.detach().clone() for p in model.net_t.parameters()]
    precision.scalers['t'].load_state_dict({**precision.scalers['t'].state_dict(), 'scale': 2.0**60})
    step(model, updates, [sample()])
    assert all(torch.equal(p, q) for p, q in zip(before, model.net_t.parameters(), strict=True))
    assert precision.scalers['t'].get_scale() == 2.0**59
    assert precision.scalers['g'].get_scale() in (2.0**16, 2.0**15)  # the same gradient reaches G


@pytest.mark.parametrize('is_adversarial', [False, True])
def test_no_step_is_taken_with_bad_numbers(is_adversarial):
    model, updates, _ = build(is_adversarial=is_adversarial)
    before = [p.detach().clone() for p in parameters(model)]
    batch = sample()
    batch['gt'][0, 1, 0, 3, 3] = torch.nan
    with pytest.raises(DivergenceError, match='a loss is not finite before the step of net_g'):
        step(model, updates, [batch])
    assert all(torch.equal(p, q) for p, q in zip(before, parameters(model), strict=True))


@pytest.mark.parametrize('set_to_none', [True, False])
def test_a_model_may_say_how_gradients_are_cleared(set_to_none):
    model, updates, _ = build(accum_iter=2)
    parameter = next(model.net_t.parameters())
    for index in range(2):
        with updates.batch(index):
            parameter.grad = parameter.detach().clone()
            model.optimizer_t.zero_grad(set_to_none=set_to_none)
            cleared = parameter.grad is None if set_to_none else not parameter.grad.any()
            assert cleared if index == 0 else parameter.grad is not None and parameter.grad.any()


@pytest.mark.slow
def test_compiled_networks_compute_the_same():
    torch.manual_seed(1)
    batches = [sample() for _ in range(2)]
    plain, compiled = build(), build(precision={'compiled': ('net_g', 'net_t')})
    for batch in batches:
        for model, updates, _ in (plain, compiled):
            step(model, updates, [batch])
    torch.testing.assert_close(plain[0].output, compiled[0].output, rtol=1e-4, atol=1e-5)
    assert [*plain[0].net_g.state_dict()] == [*compiled[0].net_g.state_dict()]
    for letter in ('g', 't'):
        torch.testing.assert_close(plain[1].grad_norms[letter], compiled[1].grad_norms[letter], rtol=1e-3, atol=0)


@pytest.mark.slow
def test_processes_agree_on_a_step_that_the_last_batch_did_not_ask_for(tmp_path):
    torch.multiprocessing.spawn(train_in_two, (str(tmp_path),), nprocs=2)
    one, other = (torch.load(tmp_path / f'{rank}.pth') for rank in range(2))
    assert all(map(torch.equal, one, other))
    torch.manual_seed(0)
    with registered():
        assert not any(map(torch.equal, one, parameters(build_model(options_over('SkippingBatches')))))
