from urllib.error import URLError

import numpy as np
import pytest
import torch
from torchvision.models.optical_flow import Raft_Large_Weights, raft_large

from dlvr_plugin.core.errors import CheckpointError, DataError, InvalidValueError
from dlvr_plugin.metrics import warping_error
from dlvr_plugin.metrics.flow_estimators import RAFT_WEIGHTS, RaftFlow, dis_flow


def test_dis_finds_the_motion_of_a_clip(moving):
    flow = dis_flow(*moving(3, -2, 2))
    assert flow.shape == (96, 128, 2)
    np.testing.assert_allclose(np.median(flow, axis=(0, 1)), (3, -2), atol=0.1)
    np.testing.assert_array_equal(flow, dis_flow(*moving(3, -2, 2)))  # nothing is left of the call before


@pytest.mark.slow
def test_raft_is_that_of_torchvision(texture, tmp_path):
    """On the same weights, seeded, with torchvision's own preparation of images."""
    model = raft_large(weights=None).eval()
    torch.save(model.state_dict(), tmp_path / 'raft.pth')
    estimate = RaftFlow(weights=tmp_path / 'raft.pth')
    assert estimate.origin.endswith('not the published raft_large_C_T_SKHT_V2-ff5fadd5.pth')
    first, second = texture[:128, :136], texture[5:133, 3:139]
    tensors = [torch.from_numpy(each[..., ::-1].copy()).permute(2, 0, 1)[None] for each in (first, second)]
    with torch.no_grad():
        expected = model(*Raft_Large_Weights.C_T_SKHT_V2.transforms()(*tensors))[-1][0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(estimate(first, second), expected, atol=1e-4)
    # Sizes that are no multiples of 8 grow by copies of their borders, 3 and 4 at the top, 2 and 2 at the left.
    grown = [np.pad(each[:129, :132], ((3, 4), (2, 2), (0, 0)), mode='edge') for each in (texture, texture[5:, 3:])]
    found = estimate(texture[:129, :132], texture[5:134, 3:135])
    np.testing.assert_allclose(found, estimate(*grown)[3:-4, 2:-2], atol=1e-4)


def test_without_a_network_the_error_says_what_to_do(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise URLError('no network')

    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    monkeypatch.setattr('torch.hub.urlopen', refuse)
    assert 'raft_large_C_T_SKHT_V2-ff5fadd5.pth, which is not in' in RAFT_WEIGHTS.check()
    with pytest.raises(DataError, match=r'RAFT: .*raft_large_C_T_SKHT_V2-ff5fadd5.pth.*no network.*--raft-weights'):
        RaftFlow()
    torch.save({'feature_encoder.convnormrelu.0.weight': torch.zeros(1)}, tmp_path / 'other.pth')
    with pytest.raises(CheckpointError, match='weights of RAFT, .*other.pth .* lack feature_encoder'):
        RaftFlow(weights=tmp_path / 'other.pth')


def test_random_weights_and_small_frames(texture):
    before = torch.random.get_rng_state()
    estimate = RaftFlow(random_weights=True)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert (estimate.is_random, estimate.is_published, 'not RAFT' in estimate.origin) == (True, False, True)
    with pytest.raises(InvalidValueError, match=r'RAFT needs at least 128x128 pixels, got \(96, 176\)'):
        warping_error(texture[:96], texture[:96], flow='raft', frames='result', random_weights=True)
