import cv2
import numpy as np
import pytest

from dlvr_plugin.data.demo_clips import DEMO_CLIPS, Motion, load_photograph, render_clip, view_matrix
from dlvr_plugin.data.prepare import make_demo_clips


@pytest.mark.parametrize('pan', [(1.5, 0.0), (-0.5, 2.0)])
def test_pan_is_what_phase_correlation_measures(pan):
    photo = load_photograph('coffee')
    first, second = render_clip(photo, Motion(pan=pan), num_frames=2, size=(128, 160))
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float64) for frame in (first, second)]
    (dx, dy), _ = cv2.phaseCorrelate(*grey, cv2.createHanningWindow((160, 128), cv2.CV_64F))
    # The view moves over the photograph, so the picture moves the other way.
    assert (-dx, -dy) == pytest.approx(pan, abs=0.15)


def test_zoom_and_rotation_by_hand():
    photo, size = np.zeros((101, 101, 3), np.uint8), (11, 11)
    turn = view_matrix(Motion(rotation=90.0), 1, 3, size, photo)  # the middle frame
    assert np.allclose(turn @ [5, 5, 1], [50, 50])
    assert np.allclose(turn[:, :2], np.eye(2))
    quarter = view_matrix(Motion(rotation=90.0), 2, 3, size, photo)
    assert np.allclose(quarter @ [6, 5, 1], [50, 49])
    zoomed = view_matrix(Motion(zoom=2.0), 1, 3, size, photo)
    assert np.allclose(zoomed @ [7, 5, 1], [51, 50])


def test_foreground_moves_apart_from_the_background():
    photo = load_photograph('coffee')
    still = list(render_clip(photo, Motion(), num_frames=3, size=(96, 96)))
    moved = list(render_clip(photo, Motion(foreground=(4.0, 0.0)), num_frames=3, size=(96, 96)))
    assert all(np.array_equal(frame, still[0]) for frame in still)
    changed = [np.argwhere((a != b).any(axis=-1)) for a, b in zip(still, moved, strict=True)]
    centres = [points.mean(axis=0) for points in changed]
    assert centres[2][1] - centres[0][1] == pytest.approx(8.0, abs=1.5)
    assert centres[2][0] == pytest.approx(centres[0][0], abs=1.0)


def test_layout_of_reds(tmp_path):
    make_demo_clips(tmp_path / 'demo', num_frames=3, size=(48, 64))
    names = list(DEMO_CLIPS)
    gt = cv2.imread(str(tmp_path / 'demo/train_sharp/007/00000002.png'))
    lq = cv2.imread(str(tmp_path / 'demo/train_sharp_bicubic/X4/007/00000002.png'))
    assert (gt.shape, lq.shape) == ((48, 64, 3), (12, 16, 3))
    meta = (tmp_path / 'demo/meta_info_demo_GT.txt').read_text().splitlines()
    assert meta == [f'{name} 3 (48,64,3)' for name in names]
    assert (tmp_path / 'demo/meta_info_demo_val_GT.txt').read_text() == '000 3 (48,64,3)\n'
    with pytest.raises(FileExistsError, match='exists already'):
        make_demo_clips(tmp_path / 'demo', num_frames=3, size=(48, 64))
    with pytest.raises(ValueError, match='multiples of 4, got 50x64'):
        make_demo_clips(tmp_path / 'odd', num_frames=3, size=(50, 64))


def test_clips_have_texture():
    for photograph, motion in DEMO_CLIPS.values():
        frame = next(render_clip(load_photograph(photograph), motion, num_frames=1, size=(192, 256)))
        assert frame.shape == (192, 256, 3)
        assert cv2.Laplacian(frame, cv2.CV_64F).std() > 5
