import pytest
import torch
from basicsr.losses import build_loss

from dlvr_plugin.archs import LossNetT
from dlvr_plugin.losses import FeatureMatching


@pytest.fixture
def trained_t(tmp_path):
    net = LossNetT()
    net.extract(torch.rand(2, 3, 3, 64, 64))  # running statistics of its own
    path = tmp_path / 'net_t.pth'
    torch.save({'params': net.state_dict()}, path)
    return net.eval(), path


def test_clips_have_both_terms(trained_t):
    net, path = trained_t
    loss = build_loss({'type': 'DiscriminativeSpaceLoss', 'path': str(path), 'relation_weight': 7.0}).train()
    output, gt = torch.rand(1, 4, 3, 64, 64, requires_grad=True), torch.rand(1, 4, 3, 64, 64)
    value, style = loss(output, gt)
    content, relation = FeatureMatching(relation_weight=7.0)(net.extract(output), net.extract(gt))
    torch.testing.assert_close(value, content + relation)
    assert style is None
    value.backward()
    assert output.grad.abs().sum() > 0


def test_t_is_frozen(trained_t):
    net, path = trained_t
    loss = build_loss({'type': 'DiscriminativeSpaceLoss', 'path': str(path)}).train()
    output = torch.rand(1, 3, 64, 64, requires_grad=True)
    loss(output, torch.rand(1, 3, 64, 64))[0].backward()
    assert not any(p.requires_grad or p.grad is not None for p in loss.parameters())
    for name, value in net.state_dict().items():
        assert torch.equal(value, loss.net_t.state_dict()[name]), name


def test_single_frames_have_no_relation_and_it_is_said_once(trained_t, host_log):
    net, path = trained_t
    loss = build_loss({'type': 'DiscriminativeSpaceLoss', 'path': str(path)})
    output, gt = torch.rand(2, 3, 64, 64), torch.rand(2, 3, 64, 64)
    value, _ = loss(output, gt)
    loss(output, gt)
    content, _ = FeatureMatching(radius=0)(net.extract(output[:, None]), net.extract(gt[:, None]))
    torch.testing.assert_close(value, content)
    assert sum('no relation loss' in message for message in host_log) == 1


def test_the_shift_cuts_output_and_ground_truth_at_one_place(trained_t):
    net, path = trained_t
    loss = build_loss({'type': 'DiscriminativeSpaceLoss', 'path': str(path), 'random_shift': 2})
    output, gt = torch.rand(2, 3, 64, 64), torch.rand(2, 3, 64, 64)
    value, _ = loss(output, gt)
    parts = [slice(start, start + 62) for start in (0, 1)]
    expected = []
    for rows in parts:
        for columns in parts:
            features = (net.extract(frames[:, None, :, rows, columns]) for frames in (output, gt))
            expected.append(FeatureMatching(radius=0)(*features)[0])
    assert any(torch.allclose(value, each) for each in expected)
    assert not all(torch.allclose(value, each) for each in expected)


def test_wrong_file_is_refused(tmp_path):
    torch.save({'params': {'weight': torch.zeros(2)}}, tmp_path / 'net_g.pth')
    with pytest.raises(ValueError, match='net_g.pth holds another network'):
        build_loss({'type': 'DiscriminativeSpaceLoss', 'path': str(tmp_path / 'net_g.pth')})
