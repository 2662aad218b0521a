import pytest
import torch
import torch.nn.functional as F

from dlvr_plugin.losses import FeatureMatching, content_matching, relation_matching, total_loss

DELTA = 0.01


def features(num_frame, channels=(2, 3, 4, 5), dtype=torch.float64):
    sizes = [8, 4, 2, 1]
    return [0.05 * torch.randn(2, num_frame, c, s, s, dtype=dtype) for c, s in zip(channels, sizes, strict=True)]


def test_content_by_hand():
    # One value inside the threshold, one outside: 0.5 * 0.004^2 and 0.01 * 0.1 - 0.5 * 0.01^2.
    gen, gt = torch.tensor([[[0.004]], [[0.1]]]), torch.zeros(2, 1, 1)
    assert float(content_matching(gen, gt)) == pytest.approx((8e-6 + 9.5e-4) / 2, rel=1e-5)


def test_relation_by_hand():
    # phi_Gen = H(0.1, 0) = 9.5e-4 and H(0.05, 0) = 4.5e-4; phi_GT = H(0.02, 0) = 1.5e-4 and H(0, 0) = 0.
    gen = torch.tensor([0.1, 0.05]).view(2, 1, 1)
    gt = torch.tensor([0.02, 0.0]).view(2, 1, 1)
    neighbour = torch.zeros(2, 1, 1)
    elementwise = 0.5 * ((9.5e-4 - 1.5e-4) ** 2 + 4.5e-4**2) / 2
    assert float(relation_matching(gen, gt, neighbour)) == pytest.approx(elementwise, rel=1e-4)
    mean = 0.5 * ((9.5e-4 + 4.5e-4) / 2 - 1.5e-4 / 2) ** 2
    assert float(relation_matching(gen, gt, neighbour, relation_distance='mean')) == pytest.approx(mean, rel=1e-4)


@pytest.mark.parametrize('distance', ['elementwise', 'mean'])
@pytest.mark.parametrize('radius', [1, 2])
@pytest.mark.parametrize('layers', [(1, 2, 3, 4), (2, 4)])
@pytest.mark.parametrize('all_generated', [False, True])
def test_equation_6_written_out(distance, radius, layers, all_generated):
    num_frame = 2 * radius + 3  # three restored frames
    gt, gen = features(num_frame), features(num_frame if all_generated else 3)

    def h(a, b):
        return F.huber_loss(a, b, reduction='none', delta=DELTA)

    contents, relations = [], []
    for layer in layers:
        for k in range(3):
            t = radius + k
            x = gen[layer - 1][:, t if all_generated else k]
            y = gt[layer - 1][:, t]
            contents.append(h(x, y).mean())
            for n in range(-radius, radius + 1):
                if n == 0:
                    continue
                phi_gen, phi_gt = h(x, gt[layer - 1][:, t + n]), h(y, gt[layer - 1][:, t + n])
                if distance == 'mean':
                    phi_gen, phi_gt = phi_gen.flatten(1).mean(1), phi_gt.flatten(1).mean(1)
                relations.append(h(phi_gen, phi_gt).mean())
    matching = FeatureMatching(
        radius=radius, relation_distance=distance, layers=layers, content_weight=2.0, relation_weight=5.0
    )
    content, relation = matching(gen, gt)
    torch.testing.assert_close(content, 2.0 * torch.stack(contents).mean(), rtol=1e-9, atol=0)
    torch.testing.assert_close(relation, 5.0 * torch.stack(relations).mean(), rtol=1e-9, atol=0)


@pytest.mark.parametrize('distance', ['elementwise', 'mean'])
@pytest.mark.parametrize('radius', [0, 1, 2])
def test_edge_frames_count_every_pair_that_there_is(distance, radius):
    num_frame = 5
    gt, gen = features(num_frame), features(num_frame)

    def phi(a, b):
        value = F.huber_loss(a, b, reduction='none', delta=DELTA)
        return value if distance == 'elementwise' else value.flatten(1).mean(1)

    contents, relations = [], []
    for x, y in zip(gen, gt, strict=True):
        for t in range(num_frame):
            contents.append(F.huber_loss(x[:, t], y[:, t], delta=DELTA))
            for other in range(num_frame):
                if 0 < abs(other - t) <= radius:
                    of_gen, of_gt = phi(x[:, t], y[:, other]), phi(y[:, t], y[:, other])
                    relations.append(F.huber_loss(of_gen, of_gt, delta=DELTA))
    matching = FeatureMatching(radius=radius, relation_distance=distance, content_weight=2.0, relation_weight=5.0)
    content, relation = matching(gen, gt, edge_frames=True)
    assert len(relations) == 4 * {0: 0, 1: 8, 2: 14}[radius]
    torch.testing.assert_close(content, 2.0 * torch.stack(contents).mean(), rtol=1e-9, atol=0)
    if radius == 0:
        assert relation is None
    else:
        torch.testing.assert_close(relation, 5.0 * torch.stack(relations).mean(), rtol=1e-9, atol=0)


def test_full_windows_alone_have_the_plain_mean_to_the_bit():
    gt, gen = features(6, dtype=torch.float32), [f.requires_grad_() for f in features(6, dtype=torch.float32)]
    ours = FeatureMatching(radius=1)(gen, gt)[1]
    relations = [
        relation_matching(x[:, 1:5], y[:, 1:5], y[:, 1 + n : 5 + n])
        for x, y in zip(gen, gt, strict=True)
        for n in (-1, 1)
    ]
    plain = torch.stack(relations).mean()
    assert torch.equal(ours, plain)
    for one, other in zip(torch.autograd.grad(ours, gen), torch.autograd.grad(plain, gen), strict=True):
        assert torch.equal(one, other)


def test_fewer_generated_frames_than_count_are_refused():
    with pytest.raises(ValueError, match='edge_frames True, 5 generated frames count, got 3'):
        FeatureMatching()(features(3), features(5), edge_frames=True)
    with pytest.raises(ValueError, match='edge_frames False, 3 generated frames count, got 2'):
        FeatureMatching()(features(2), features(5))


def test_total_is_the_sum_of_the_terms_there_are():
    content, relation = torch.tensor(1.0), torch.tensor(2.0)
    assert float(total_loss(content, relation)) == 3
    assert float(total_loss(content)) == 1


def test_gradcheck():
    matching = FeatureMatching(layers=[1], num_layers=1)
    gt = 0.05 * torch.randn(1, 3, 2, 3, 3, dtype=torch.float64)
    gen = (0.05 * torch.randn(1, 1, 2, 3, 3, dtype=torch.float64)).requires_grad_()

    def total(x):
        content, relation = matching([x], [gt])
        return total_loss(content, 1e4 * relation)  # relations are tiny squares; brought to the scale of the content

    assert torch.autograd.gradcheck(total, gen, eps=1e-7, atol=1e-8, rtol=1e-4)


def test_ground_truth_is_a_constant():
    gt = [f.requires_grad_() for f in features(3)]
    gen = [f.requires_grad_() for f in features(1)]
    content, relation = FeatureMatching()(gen, gt)
    (content + relation).backward()
    assert all(f.grad is None for f in gt)
    assert all(f.grad.abs().sum() > 0 for f in gen)


def test_without_a_window_there_is_no_relation():
    content, relation = FeatureMatching(radius=0)(features(2), features(2))
    assert relation is None
    assert float(content) > 0


@pytest.mark.parametrize(
    ('options', 'error', 'message'),
    [
        ({'layers': [1, 5]}, ValueError, r'layers must be some of the layers \[1, 2, 3, 4\].*got \[1, 5\]'),
        ({'layers': []}, ValueError, 'layers'),
        ({'layers': [2, 2]}, ValueError, 'each once'),
        ({'radius': 1.0}, TypeError, 'radius must be a whole number'),
        ({'content_weight': '1e-1'}, TypeError, 'content_weight must be a number'),
        ({'relation_distance': 'max'}, ValueError, 'elementwise, mean'),
    ],
)
def test_unusable_options_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        FeatureMatching(**options)
