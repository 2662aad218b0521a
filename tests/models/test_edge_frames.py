"""Content and relation loss on the first and last frames of what a recurrent generator restores."""

from copy import deepcopy

import pytest
import torch
import torch.nn.functional as F
from basicsr.models import build_model

from tests.models.conftest import model_options, sample, train_on

KEYS = {
    'l_g_pix': 'pixel',
    'l_g_content': 'content',
    'l_g_relation': 'relation',
    'l_t_real': 'real',
    'l_t_fake': 'fake',
}


def edge_options(*, radius=1, **discriminative_opt):
    """Return options with a small T, and relations of the weight of contents."""
    opt = model_options(
        'VideoRecurrentModel', edge_frames=True, radius=radius, relation_weight=100.0, **discriminative_opt
    )
    opt['network_t'].update(num_feat=[4, 4, 8, 8], num_feat_classifier=4)
    return opt


def huber(a, b, reduction='mean'):
    return F.huber_loss(a, b, delta=0.01, reduction=reduction)


def cross_entropy(logits, label):
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))


class WrittenOut:
    """The method frame by frame and pair by pair, with a pass of T for G's update and another for T's own."""

    def __init__(self, model, *, radius, fake, random_shift):
        self.g, self.t = deepcopy(model.net_g), deepcopy(model.net_t)
        self.optimizer_g = torch.optim.Adam(self.g.parameters(), lr=1e-3)
        self.optimizer_t = torch.optim.Adam(self.t.parameters(), lr=2e-4)
        self.radius, self.fake, self.random_shift = radius, fake, random_shift

    def features(self, gt, restored):
        """Return F's features of each frame, by layer, from one pass over all of them."""
        both = torch.cat((gt, restored), dim=1)[..., self.top : self.top + self.side, self.left : self.left + self.side]
        layers = [feature.unbind(1) for feature in self.t.extract(both)]
        return [layer[: gt.shape[1]] for layer in layers], [layer[gt.shape[1] :] for layer in layers]

    def losses_of_g(self, gt, restored):
        contents, relations = [], []
        for true, generated in zip(*self.features(gt, restored), strict=True):
            true = [frame.detach() for frame in true]
            for t, frame in enumerate(generated):
                contents.append(huber(frame, true[t]))
                for n in range(-self.radius, self.radius + 1):
                    if n != 0 and 0 <= t + n < len(true):
                        phi_gen, phi_gt = (huber(each, true[t + n], 'none') for each in (frame, true[t]))
                        relations.append(huber(phi_gen, phi_gt))
        num_frame, radius = gt.shape[1], self.radius
        assert len(relations) == 4 * (2 * radius * num_frame - radius * (radius + 1))
        return {
            'pixel': huber(restored, gt),
            'content': torch.stack(contents).mean(),
            'relation': 100 * torch.stack(relations).mean(),
        }

    def losses_of_t(self, gt, restored):
        true, generated = (layers[-1] for layers in self.features(gt, restored))
        real, fake = [], []
        for middle in range(self.radius, gt.shape[1] - self.radius):
            window = range(middle - self.radius, middle + self.radius + 1)
            real.append(torch.stack([true[t] for t in window], dim=1))
            is_fake = [self.fake == 'generated' or t == middle for t in window]
            frames = [(generated if faked else true)[t] for t, faked in zip(window, is_fake, strict=True)]
            fake.append(torch.stack(frames, dim=1))
        real_logits, fake_logits = (self.t.classify(torch.cat(sequences)) for sequences in (real, fake))
        return {'real': cross_entropy(real_logits, 1.0), 'fake': cross_entropy(fake_logits, 0.0)}

    def step(self, data, *, learns_g):
        self.side = data['gt'].shape[-1] - self.random_shift
        self.top, self.left = torch.randint(self.random_shift, (2,)).tolist() if self.random_shift else (0, 0)
        restored, losses = self.g(data['lq']), {}
        if learns_g:
            losses = self.losses_of_g(data['gt'], restored)
            self.optimizer_g.zero_grad()
            sum(losses.values()).backward()
            self.optimizer_g.step()
        losses_of_t = self.losses_of_t(data['gt'], restored.detach())
        self.optimizer_t.zero_grad()  # and with it what G's loss left in T
        sum(losses_of_t.values()).backward()
        self.optimizer_t.step()
        return losses | losses_of_t


@pytest.mark.parametrize('random_shift', [0, 8])
@pytest.mark.parametrize('fake', ['mixed', 'generated'])
@pytest.mark.parametrize('radius', [1, 2])
def test_equals_the_method_written_out(radius, fake, random_shift):
    opt = edge_options(radius=radius, fake=fake, random_shift=random_shift)
    opt['train']['init_t_iters'] = 1
    model = build_model(opt)
    model.net_g.double(), model.net_t.double()
    plain = WrittenOut(model, radius=radius, fake=fake, random_shift=random_shift)
    for iteration in range(1, 5):
        data = sample(num_frame=2 * radius + 2, dtype=torch.float64)
        torch.manual_seed(iteration)  # the same shift in both
        model.feed_data(data)
        model.optimize_parameters(iteration)
        torch.manual_seed(iteration)
        expected = plain.step(data, learns_g=iteration > 1)
        log = model.get_current_log()
        assert {KEYS[key]: log[key] for key in KEYS if key in log} == {  # the log has 32 bits
            name: pytest.approx(float(value.detach()), rel=1e-6) for name, value in expected.items()
        }
    for net, plain_net in ((model.net_g, plain.g), (model.net_t, plain.t)):
        for value, other in zip(net.parameters(), plain_net.parameters(), strict=True):
            torch.testing.assert_close(value.grad, other.grad, atol=1e-12, rtol=1e-6)
            torch.testing.assert_close(value, other, atol=1e-7, rtol=0)


@pytest.mark.parametrize('edge_frames', [False, True])
@pytest.mark.parametrize('fake', ['mixed', 'generated'])
def test_which_frames_get_a_gradient_from_t(fake, edge_frames):
    opt = edge_options(radius=2, fake=fake)
    opt['train']['discriminative_opt']['edge_frames'] = edge_frames
    model = build_model(opt)
    passes = []
    model.net_t.extractor[0].register_forward_pre_hook(lambda block, clips: passes.append([c.shape[1] for c in clips]))
    model.feed_data(sample(num_frame=6))
    output = model.net_g(model.lq)
    loss, _ = model.cri_perceptual(output, model.gt)
    (gradient,) = torch.autograd.grad(loss, output)
    reached = gradient.abs().sum((0, 2, 3, 4)) > 0
    assert reached.tolist() == ([True] * 6 if edge_frames else [False, False, True, True, False, False])
    assert passes == [[6, 6 if edge_frames or fake == 'generated' else 2]]  # one, over true and restored frames


@pytest.mark.parametrize(
    ('host_model', 'options', 'message'),
    [
        ('SRModel', {}, 'edge_frames must be false, because G is image'),
        ('EDVRModel', {}, 'edge_frames must be false, because G is sliding_window'),
        ('VideoRecurrentModel', {'bn_statistics': 'per_sequence'}, 'must be false with bn_statistics: per_sequence'),
        ('VideoRecurrentModel', {'radius': 0}, 'must be false with radius: 0'),
    ],
)
def test_refused_where_there_are_no_such_frames_or_no_statistics_for_them(host_model, options, message):
    with pytest.raises(ValueError, match=f'train.discriminative_opt.*{message}'):
        build_model(model_options(host_model, edge_frames=True, **options))
    model = build_model(model_options(host_model, edge_frames=False, **options))
    train_on(model, [sample()], 1, 1)
    assert model.get_current_log()['l_g_content'] > 0


def test_other_values_than_true_and_false_are_refused():
    with pytest.raises(TypeError, match='train.discriminative_opt.edge_frames must be true or false'):
        build_model(model_options('VideoRecurrentModel', edge_frames='both'))
