"""Warping against bilinear sampling written out."""

import pytest
import torch

from dlvr_plugin.core.warping import warp


def sampled(frame, flow):
    """Frame (h, w) at positions that are moved by flow (2, h, w), pixel by pixel."""
    height, width = frame.shape
    out = torch.empty_like(frame)
    for y in range(height):
        for x in range(width):
            across = min(max(x + float(flow[0, y, x]), 0), width - 1)
            down = min(max(y + float(flow[1, y, x]), 0), height - 1)
            left, top = int(across), int(down)
            right, bottom = min(left + 1, width - 1), min(top + 1, height - 1)
            above = frame[top, left] * (1 - across + left) + frame[top, right] * (across - left)
            below = frame[bottom, left] * (1 - across + left) + frame[bottom, right] * (across - left)
            out[y, x] = above * (1 - down + top) + below * (down - top)
    return out


@pytest.mark.parametrize('size', [(5, 7), (1, 6), (6, 1), (1, 1)], ids=str)
def test_samples_bilinearly_and_repeats_the_border(size):
    frames = torch.rand(2, 3, *size)
    flow = torch.randn(2, 2, *size) * 3
    expected = torch.stack(
        [torch.stack([sampled(each, one) for each in frame]) for frame, one in zip(frames, flow, strict=True)]
    )
    torch.testing.assert_close(warp(frames, flow), expected, rtol=0, atol=1e-5)


def test_gradients_against_finite_differences():
    frames = torch.rand(1, 2, 4, 5, dtype=torch.float64, requires_grad=True)
    flow = torch.rand(1, 2, 4, 5, dtype=torch.float64) * 0.8 + 0.1
    flow[:, 0, :, -1] = flow[:, 1, -1] = -0.5  # away from the border and from whole pixels, where the gradient jumps
    assert torch.autograd.gradcheck(warp, (frames, flow.requires_grad_()))


def test_types():
    frames, flow = torch.rand(1, 1, 3, 300), torch.full((1, 2, 3, 300), 0.25)
    assert warp(frames.bfloat16(), flow).dtype == torch.bfloat16
    torch.testing.assert_close(warp(frames, flow.bfloat16()), warp(frames, flow))  # positions stay exact
