import cv2
import numpy as np
import pytest

from dlvr_plugin.evaluation.protocol import Protocol
from dlvr_plugin.metrics import METRICS, flicker, warping_error
from tests.metrics.test_warping_error import reference


@pytest.mark.parametrize('ruder', [False, True])
def test_it_is_the_warping_error_along_the_own_motion_written_out(moving, ruder):
    previous, current = moving(3, 2, 2)
    noise = np.random.default_rng(1).normal(0, 6, (2, *current.shape))
    previous, current = np.clip(np.stack((previous, current)) + noise, 0, 255).astype(np.uint8)
    mask = 'ruder' if ruder else 'consistency'
    expected = reference(previous, current, previous, current, ruder=ruder)
    assert flicker(previous, current, mask=mask) == pytest.approx(expected, rel=1e-6)
    assert flicker(previous, current, mask=mask) == warping_error(previous, current, frames='result', mask=mask)


def test_brightness_that_jumps_is_found_beside_motion(moving):
    previous, current = moving(3, 1, 2)
    steady = flicker(previous, current, crop='border')
    jump = np.clip(current.astype(int) + 10, 0, 255).astype(np.uint8)
    assert flicker(previous, jump, crop='border') > 20 * steady
    assert flicker(previous, jump, crop='border') == pytest.approx(1000 * (10 / 255) ** 2, rel=0.2)


def test_standstill_and_blur_win(moving):
    previous, current = moving(3, 1, 2)
    noise = np.random.default_rng(0).normal(0, 8, (2, *current.shape))
    noisy = np.clip(np.stack((previous, current)) + noise, 0, 255).astype(np.uint8)
    blurred = [cv2.GaussianBlur(each, (0, 0), 3) for each in noisy]
    assert flicker(previous, previous) == pytest.approx(0, abs=1e-12)
    assert flicker(*blurred) < flicker(*noisy) / 10


def test_the_protocol_names_what_it_depends_on():
    protocol = Protocol(warping_frames='gt', warping_mask='ruder')
    described = protocol.describe([protocol.specify(METRICS['flicker'])])
    assert described == {
        'skip_frames': 2,
        'average': 'clip',
        'warping_flow': 'dis',
        'warping_mask': 'ruder',
        'warping_crop': 'none',
    }
    assert protocol.specify(METRICS['flicker']).weights is None
    assert Protocol(warping_flow='raft').specify(METRICS['flicker']).weights.name == 'raft'
