import cv2
import numpy as np
import pytest


@pytest.fixture
def texture():
    """A smooth texture (144, 176, 3), uint8, larger than the frames that are cut from it."""
    noise = np.random.default_rng(0).integers(0, 256, (144, 176, 3)).astype(np.uint8)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2).astype(np.float32)
    return np.clip((smooth - 128) * 4 + 128, 0, 255).astype(np.uint8)


@pytest.fixture
def moving(texture):
    """Returns a clip of the texture, 96x128 pixels, that moves by (dx, dy) pixels a frame."""

    def make(dx, dy, num_frames=4):
        return [
            np.ascontiguousarray(texture[20 - dy * t : 116 - dy * t, 20 - dx * t : 148 - dx * t])
            for t in range(num_frames)
        ]

    return make
