import dataclasses
import hashlib
import random
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F

from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.data.realistic import Chain, RealisticDegradation
from dlvr_plugin.data.realistic.presets import PRESETS
from dlvr_plugin.data.realistic.stages import Noise, ResizeToResult, Video
from tests.helpers import REPOSITORY

ONLY_RESIZE = {'sinc': None, 'jpeg': None, 'video': None, 'modes': {'area': 1}}


def make(*, scale: int = 4, **section) -> RealisticDegradation:
    return RealisticDegradation.from_options({'type': 'realistic', **section}, scale=scale)


def clip(num_frames: int = 5, height: int = 96, width: int = 128) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return F.interpolate(torch.rand(num_frames, 3, height // 8, width // 8, generator=generator), scale_factor=8)


@pytest.mark.parametrize('preset', PRESETS)
def test_presets_run(preset):
    degradation, frames, rng = make(preset=preset), clip(), random.Random(1)
    kept = frames.clone()
    for _ in range(4):
        chain = degradation.draw(rng, num_frames=5)
        lq = chain(frames)
        assert lq.shape == (5, 3, 24, 32)
        assert lq.dtype == torch.float32
        assert lq.min() >= 0
        assert lq.max() <= 1
        torch.testing.assert_close(lq * 255, (lq * 255).round(), atol=1e-4, rtol=0)
        assert torch.equal(lq, chain(frames))  # a pure function
    assert torch.equal(frames, kept)


@pytest.mark.parametrize('preset', PRESETS)
def test_the_picture_is_still_there(preset):
    least = {'real_esrgan': 0.6, 'real_basicvsr': 0.4}.get(preset, 0.8)
    frames = F.interpolate(clip(1, 48, 64), scale_factor=2).expand(3, -1, -1, -1)  # squares of 16 x 16 pixels
    clean = F.avg_pool2d(frames, 4)
    rng = random.Random(7)
    for _ in range(6):
        lq = make(preset=preset).draw(rng, num_frames=3)(frames)
        assert torch.corrcoef(torch.stack((lq.flatten(), clean.flatten())))[0, 1] > least


@pytest.mark.parametrize('scale', [1, 2, 3])
@pytest.mark.parametrize('num_frames', [1, 3])
def test_other_scales_and_single_frames(scale, num_frames):
    frames = clip(num_frames, height=96, width=72)
    lq = make(scale=scale, preset='real_basicvsr').draw(random.Random(0), num_frames=num_frames)(frames)
    assert lq.shape == (num_frames, 3, 96 // scale, 72 // scale)


@pytest.mark.parametrize('side', [16, 20, 40])
def test_tiny_frames_pass_every_stage(side):
    rng = random.Random(0)
    for _ in range(5):
        assert make(preset='real_basicvsr').draw(rng, num_frames=2)(clip(2, 96, 96)[..., :side, :side]).shape[-1] == (
            side // 4
        )


def test_without_stages_it_is_the_resize_alone():
    frames = clip()
    lq = make(first=None, second=None, last=ONLY_RESIZE).draw(random.Random(0), num_frames=5)(frames)
    expected = F.avg_pool2d(frames, 4).mul(255).round().div(255)
    torch.testing.assert_close(lq, expected, atol=1.01 / 255, rtol=0)  # values half-way
    assert (lq - expected).abs().gt(1e-4).float().mean() < 0.01


def test_the_same_seed_is_the_same_chain_and_another_seed_is_not():
    degradation = make(preset='real_basicvsr')
    chains = [degradation.draw(random.Random(seed), num_frames=4) for seed in (3, 3, 4)]
    assert chains[0] == chains[1]
    assert chains[0] != chains[2]


def test_the_state_of_torch_and_numpy_does_not_matter():
    degradation, frames = make(), clip()
    random.seed(5)
    torch.manual_seed(1)
    one = degradation.draw(random, num_frames=5)(frames)
    random.seed(5)
    torch.manual_seed(2)
    before = torch.random.get_rng_state()
    two = degradation.draw(random, num_frames=5)(frames)
    assert torch.equal(one, two)
    assert torch.equal(before, torch.random.get_rng_state())


def digest() -> str:
    """Return a hash of what one chain of each preset makes."""
    digest, rng = hashlib.sha256(), random.Random(11)
    for preset in PRESETS:
        lq = make(preset=preset).draw(rng, num_frames=5)(clip())
        digest.update(lq.mul(255).round().byte().numpy().tobytes())
    return digest.hexdigest()


@pytest.mark.slow
def test_another_process_makes_the_same_bytes():
    code = 'from tests.data.realistic.test_degradation import digest; print(digest())'
    run = subprocess.run([sys.executable, '-c', code], check=True, capture_output=True, text=True, cwd=REPOSITORY)
    assert run.stdout.strip() == digest()


def per_frame(preset: str) -> list[Chain]:
    """Return chains of a preset without codecs, which see neighbours."""
    chains, rng = [], random.Random(2)
    for _ in range(4):
        chain = make(preset=preset).draw(rng, num_frames=8)
        stages = tuple(stage for stage in chain.stages if not isinstance(stage, Video))
        chains.append(dataclasses.replace(chain, stages=stages))
    return chains


@pytest.mark.parametrize('preset', PRESETS)
def test_runs_of_frames_join_without_a_seam(preset):
    frames = clip(8)
    for chain in per_frame(preset):
        whole = chain(frames)
        parts = torch.cat([chain(frames[:3]), chain(frames[3:4], first=3), chain(frames[4:], first=4)])
        assert torch.equal(whole, parts)


def test_noise_is_fresh_in_each_frame():
    noise = Noise(kind='gaussian', strength=(20.0,) * 6, is_grey=False, seed=9)
    chain = Chain(scale=1, num_frames=6, stages=(noise,))
    frames = torch.full((3, 3, 64, 64), 0.5)
    early, late = chain(frames), chain(frames, first=2)
    assert torch.equal(early[2], late[0])
    for a, b in ((early[0], early[1]), (early[0], late[0]), (late[1], late[2])):
        assert abs(torch.corrcoef(torch.stack((a.flatten(), b.flatten())))[0, 1]) < 0.05


def test_two_rounds_have_noise_of_their_own():
    chain = make(change=0, first={'blur': None, 'resize': None}, second={'blur': None, 'resize': None}).draw(
        random.Random(0), num_frames=1
    )
    seeds = {stage.seed for stage in chain.stages if isinstance(stage, Noise)}
    assert len(seeds) == 2


def test_frames_that_do_not_fit_are_refused():
    chain = Chain(scale=4, num_frames=5, stages=(ResizeToResult(mode='area'),))
    with pytest.raises(InvalidValueError, match='multiples of 4, got 98x128'):
        chain(torch.rand(5, 3, 98, 128))
    with pytest.raises(InvalidValueError, match='drawn for 5 frames, got frames 3 to 7'):
        chain(torch.rand(5, 3, 96, 128), first=3)
    with pytest.raises(InvalidValueError, match='drawn for 5 frames, got frames -1 to 1'):
        chain(torch.rand(3, 3, 96, 128), first=-1)


def test_errors_call_the_section_by_its_name():
    with pytest.raises(InvalidValueError, match='^Clips.degradation.first.blr is no option'):
        RealisticDegradation.from_options({'first': {'blr': {}}}, scale=4, name='Clips.degradation')
