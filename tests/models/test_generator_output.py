"""Generators that give something else than one tensor of restored frames, or are taken for another kind."""

import pytest
import torch
from basicsr.models import build_model

from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.models.generator_output import describe, find_frames
from dlvr_plugin.training.precision import Precision
from tests.models.conftest import sample
from tests.models.host_classes import options_over, own_hosts  # noqa: F401


def build(host_model, **options):
    torch.manual_seed(0)
    return build_model(options_over(host_model, **options))


def train(model, data, iterations=2):
    for iteration in range(1, iterations + 1):
        model.feed_data(data)
        model.optimize_parameters(iteration)


def weights(model):
    return [p.clone() for p in (*model.net_g.parameters(), *model.net_t.parameters())]


@pytest.mark.parametrize('fake', ['mixed', 'generated'])
@pytest.mark.parametrize('init_t_iters', [0, 1])
@pytest.mark.parametrize(
    ('host_model', 'network_g'), [('TakingTheFirst', 'NetWithInput'), ('TakingTheSecond', 'NetOfTwo')]
)
def test_of_several_tensors_the_restored_frames_count(host_model, network_g, init_t_iters, fake):
    """Bit for bit what a generator of the restored frames alone gives."""
    options = {'train': {'init_t_iters': init_t_iters}, 'fake': fake}
    several = build(host_model, network_g=network_g, **options)
    single = build('SRModel', **options)
    torch.manual_seed(1)
    data = sample()
    for model in (several, single):
        train(model, data, iterations=3)
    assert all(map(torch.equal, weights(several), weights(single)))
    assert several.get_current_log() == single.get_current_log()


def test_frames_in_the_batch_are_understood_while_t_trains_alone():
    models = [
        build('VideoRecurrentModel', network_g=name, train={'init_t_iters': 2})
        for name in ('FlatRecurrentNet', 'TinyRecurrentNet')
    ]
    torch.manual_seed(1)
    data = sample(num_frame=5)
    for model in models:
        train(model, data)
    assert all(map(torch.equal, *map(weights, models)))


@pytest.mark.parametrize('init_t_iters', [0, 1])
@pytest.mark.parametrize(
    ('host_model', 'network_g', 'generator_type', 'message'),
    [
        ('SRModel', 'NetOfTwo', None, r'gives a list of 2 \(a tensor \(2, 3, 32, 32\), a tensor .*pick_output'),
        ('VideoBaseModel', 'WrongSizeNet', None, r'gives a tensor \(2, 3, 16, 16\), but gt is \(2, 3, 32, 32'),
        ('SRModel', 'TinyImageNet', 'sliding_window', r'does not take its input: .*Set generator_type: image'),
        ('SRModel', 'TinyWindowNet', None, r'does not take its input: .*Set generator_type: sliding_window'),
        ('SRModel', 'TinyRecurrentNet', None, r'generator_type is image.* Set generator_type: recurrent, with a'),
        ('VideoBaseModel', 'TinyRecurrentNet', None, r'gives a tensor \(2, 3, 3, 32, 32\), .*Set .*: recurrent'),
        ('VideoRecurrentModel', 'TinyWindowNet', None, r'gives a tensor \(2, 3, 32, 32\), but .*Set .*: sliding'),
    ],
)
def test_generators_that_do_not_go_with_their_host_are_refused_before_a_step(
    host_model, network_g, generator_type, message, init_t_iters
):
    opt = options_over(host_model, network_g=network_g, train={'init_t_iters': init_t_iters})
    opt['generator_type'] = generator_type
    model = build_model(opt)
    before = weights(model)
    model.feed_data(sample())
    with pytest.raises(InvalidValueError, match=rf'network_g \({network_g}\) .*{message}'):
        model.optimize_parameters(1)
    assert all(map(torch.equal, before, weights(model)))


def test_frames_in_the_batch_without_a_host_that_takes_them_are_refused():
    model = build('VideoRecurrentModel', network_g='FlatRecurrentNet')
    model.feed_data(sample())
    with pytest.raises(
        InvalidValueError, match=r'\(FlatRecurrentNet\) gives a tensor \(6, 3, 32, 32\), but gt is \(2, 3, 3'
    ):
        model.optimize_parameters(1)


def test_a_defect_of_the_network_keeps_its_error():
    model = build('SRModel')

    def fail(x):
        raise RuntimeError('of its own')

    model.net_g.forward = fail
    model.feed_data(sample())
    with pytest.raises(RuntimeError, match='of its own'):
        model.optimize_parameters(1)


def test_several_outputs_in_sixteen_bits():
    model = build('TakingTheFirst', network_g='NetWithInput')
    Precision(model, amp='bf16')
    train(model, sample())
    net = torch.nn.Module()
    net.forward = lambda x: {'frames': [x, None], 'count': 3}
    model.net_g = net
    Precision(model, amp='bf16')
    output = model.net_g(torch.rand(1, 3, 4, 4))
    assert output['frames'][0].dtype == torch.float32
    assert output['frames'][1] is None
    assert output['count'] == 3


def test_where_restored_frames_are():
    frames, other = torch.rand(2, 3, 3, 8, 8), torch.rand(2, 3, 3, 4, 4)
    shape = frames.shape
    assert torch.equal(find_frames(frames.flatten(0, 1), shape)[0], frames)
    assert len(find_frames({'a': frames, 'b': (other, [frames])}, shape)) == 2
    assert find_frames(torch.rand(3, 2, 3, 8, 8), shape) == []  # (T, B, C, H, W)
    assert find_frames(frames[:, 0], shape) == []
    assert find_frames(None, shape) == []
    assert find_frames(frames[:, 0], torch.Size((2, 1, 3, 8, 8)))[0].shape == (2, 1, 3, 8, 8)
    assert describe((frames, {'b': None})) == 'a tuple of 2 (a tensor (2, 3, 3, 8, 8), a dict of 1 (a NoneType))'
