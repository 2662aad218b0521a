import cv2
import numpy as np
import pytest

from dlvr_plugin.data import Degradation
from dlvr_plugin.data.alignment import align_frames
from dlvr_plugin.data.degradations import degrade_images
from dlvr_plugin.data.demo_clips import load_photograph
from dlvr_plugin.data.store_integrity import describe_misalignment

PHOTO = np.ascontiguousarray(load_photograph('coffee')[:384, :576])


def downscale(image, kind='BI', scale=4):
    return degrade_images([image], Degradation(type=kind, scale=scale))


@pytest.mark.parametrize('kind', ['BI', 'BD'])
@pytest.mark.parametrize('scale', [2, 3, 4])
def test_a_right_downscale_is_known(kind, scale):
    patches = align_frames(PHOTO, downscale(PHOTO, kind, scale), scale)
    assert len(patches) >= 3
    assert all((patch.offset, patch.degradation) == ((0, 0), kind) for patch in patches)
    assert all(patch.psnr > 45 for patch in patches)
    assert describe_misalignment(patches) is None


@pytest.mark.parametrize('shift', [(0, 1), (-2, 3), (4, 0), (0, -7)])
def test_a_shift_is_measured_in_ground_truth_pixels(shift):
    moved = np.roll(PHOTO, (-shift[0], -shift[1]), (0, 1))
    patches = align_frames(PHOTO, downscale(moved), 4)
    assert {patch.offset for patch in patches} == {shift}
    assert describe_misalignment(patches) == (f'LQ is shifted against GT by {shift} ground-truth pixels (down, right)')


@pytest.mark.parametrize('interpolation', [cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC])
def test_other_downscales_are_no_shift(interpolation):
    assert (
        describe_misalignment(align_frames(PHOTO, cv2.resize(PHOTO, (144, 96), interpolation=interpolation), 4)) is None
    )


def test_noise_and_compression_are_no_shift():
    lq = downscale(PHOTO)
    noisy = np.clip(lq + np.random.normal(0, 15, lq.shape), 0, 255).astype(np.uint8)
    jpeg = cv2.imdecode(cv2.imencode('.jpg', lq, [cv2.IMWRITE_JPEG_QUALITY, 30])[1], cv2.IMREAD_COLOR)
    assert describe_misalignment(align_frames(PHOTO, noisy, 4)) is None
    assert describe_misalignment(align_frames(PHOTO, jpeg, 4)) is None


def test_another_scale_is_found():
    zoomed = cv2.resize(PHOTO[6:378, 9:567], (576, 384), interpolation=cv2.INTER_CUBIC)
    assert 'parts of LQ are shifted differently' in describe_misalignment(align_frames(PHOTO, downscale(zoomed), 4))
    half_cropped = np.ascontiguousarray(downscale(PHOTO, 'BI', 2)[48:144, 72:216])
    assert 'shows something else' in describe_misalignment(align_frames(PHOTO, half_cropped, 4))


def test_other_content_is_found():
    other = np.ascontiguousarray(load_photograph('astronaut')[:384, :512])
    other = cv2.resize(other, (576, 384))
    assert 'shows something else' in describe_misalignment(align_frames(PHOTO, downscale(other), 4))


def test_blur_of_one_size_is_no_shift():
    blurred = cv2.blur(PHOTO, (5, 1))
    patches = align_frames(PHOTO, blurred, 1)
    assert describe_misalignment(patches) is None
    assert {patch.offset for patch in align_frames(PHOTO, np.roll(PHOTO, 1, 0), 1)} == {(-1, 0)}


def test_flat_and_tiny_frames_say_nothing():
    flat = np.full((96, 96, 3), 120, np.uint8)
    assert align_frames(flat, flat[:24, :24].copy(), 4) == []
    assert align_frames(PHOTO[:48, :48].copy(), PHOTO[:12, :12].copy(), 4) == []
