from copy import deepcopy

import pytest
import torch
import torch.nn.functional as F
from basicsr.models import build_model

from dlvr_plugin.core.errors import InvalidValueError
from tests.models.conftest import OPTIONS

HUBER = {'type': 'HuberLoss', 'delta': 1.0}


def frvsr_options(*, over_space=False, network=None, **train):
    opt = deepcopy(OPTIONS)
    opt.update(
        model_type='DiscriminativeSpaceModel' if over_space else 'FRVSRModel',
        host_model='FRVSRModel',
        scale=4,
        network_g=network or {'type': 'FRNet', 'num_feat': 4, 'num_block': 1},
        val={},
    )
    if not over_space:
        opt['train'].pop('discriminative_opt', None)
    opt['train'].update(pixel_opt={'type': 'HuberLoss', 'delta': 1.0}, **train)
    return opt


def sample(*, num_frame=4, palindrome=False):
    torch.manual_seed(7)
    data = {'lq': torch.rand(2, num_frame, 3, 8, 8), 'gt': torch.rand(2, num_frame, 3, 32, 32)}
    if palindrome:
        data = {name: torch.cat((clip, clip[:, :-1].flip(1)), dim=1) for name, clip in data.items()}
    return {**data, 'key': ['000/00000000'] * 2}


def warped(frame, flow):
    """Sample a frame where its flow points to, pixel by pixel."""
    height, width = frame.shape[-2:]
    out = torch.empty_like(frame)
    for y in range(height):
        for x in range(width):
            right = (x + flow[0, y, x]).clamp(0, width - 1)
            down = (y + flow[1, y, x]).clamp(0, height - 1)
            left, top = int(right.detach().floor()), int(down.detach().floor())
            a, b = right - left, down - top
            x2, y2 = min(left + 1, width - 1), min(top + 1, height - 1)
            above = (1 - a) * frame[:, top, left] + a * frame[:, top, x2]
            below = (1 - a) * frame[:, y2, left] + a * frame[:, y2, x2]
            out[:, y, x] = (1 - b) * above + b * below
    return out


def test_gradients_are_those_of_the_written_out_losses():
    model = build_model(
        frvsr_options(warp_opt={**HUBER, 'loss_weight': 2.0}, pingpong_opt={**HUBER, 'loss_weight': 0.5})
    )
    plain = deepcopy(model.net_g)
    data = sample(palindrome=True)
    model.feed_data(data)
    model.optimize_parameters(1)

    output = plain(data['lq'], with_flow=True)
    pixel = F.huber_loss(output.frames, data['gt'])
    moved = [torch.stack([warped(data['lq'][b, t], output.lr_flow[b, t]) for t in range(6)]) for b in range(2)]
    warp = 2.0 * F.huber_loss(torch.stack(moved), data['lq'][:, 1:])
    pairs = [(t, 6 - t) for t in range(3)]
    pingpong = 0.5 * sum(F.huber_loss(output.frames[:, a], output.frames[:, b]) for a, b in pairs) / 3
    (pixel + warp + pingpong).backward()
    for (name, found), expected in zip(model.net_g.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(found.grad, expected.grad, atol=1e-6, rtol=1e-4, msg=name)
    log = model.get_current_log()
    assert log['l_pix'] == pytest.approx(pixel.item(), rel=1e-4)
    assert log['l_warp'] == pytest.approx(warp.item(), rel=1e-4)
    assert log['l_pingpong'] == pytest.approx(pingpong.item(), rel=1e-4)


def test_without_its_losses_it_is_the_framework_s_model():
    opt = frvsr_options()
    found, expected = build_model(deepcopy(opt)), build_model({**deepcopy(opt), 'model_type': 'VideoRecurrentModel'})
    expected.net_g.load_state_dict(found.net_g.state_dict())
    for model in (found, expected):
        model.feed_data(sample())
        model.optimize_parameters(1)
    for one, two in zip(found.net_g.parameters(), expected.net_g.parameters(), strict=True):
        assert torch.equal(one, two)


def test_it_is_a_host_model():
    model = build_model(frvsr_options(over_space=True, warp_opt=HUBER))
    before = deepcopy(model.net_g.fnet.state_dict())
    model.feed_data(sample())
    model.optimize_parameters(1)
    log = model.get_current_log()
    assert {'l_g_pix', 'l_warp', 'l_g_content', 'l_g_relation', 'l_t_real', 'l_t_fake'} <= set(log)
    assert any(not torch.equal(value, before[name]) for name, value in model.net_g.fnet.state_dict().items())
    model.test()
    assert model.output.shape == (2, 4, 3, 32, 32)


def test_a_sample_that_does_not_come_back_is_refused():
    model = build_model(frvsr_options(pingpong_opt=HUBER))
    model.feed_data(sample())
    with pytest.raises(InvalidValueError, match='Set datasets.train.palindrome: true'):
        model.optimize_parameters(1)


def test_a_generator_without_flow_is_refused():
    with pytest.raises(InvalidValueError, match='such as FRNet; STFAN takes no with_flow'):
        build_model(frvsr_options(network={'type': 'STFAN', 'num_feat': 4}, warp_opt=HUBER))


def test_its_losses_need_a_pixel_loss():
    opt = frvsr_options(over_space=True, warp_opt=HUBER)
    opt['train']['pixel_opt'] = None
    model = build_model(opt)
    model.feed_data(sample())
    with pytest.raises(InvalidValueError, match='belong to a pixel loss. Set train.pixel_opt'):
        model.optimize_parameters(1)
