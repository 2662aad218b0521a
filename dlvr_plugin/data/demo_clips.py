"""Small clips with real texture and known motion, from photographs that come with scikit-image."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from skimage import data as photographs


@dataclass(frozen=True, kw_only=True)
class Motion:
    """Motion of the camera between two frames.

    Attributes:
        pan: Pixels (x, y) that the view moves over the photograph.
        zoom: Factor by which it grows, e.g. 1.002.
        rotation: Degrees that it turns, counter-clockwise.
        foreground: Pixels (x, y) that a disc cut from a second photograph moves, or None for no disc.
    """

    pan: tuple[float, float] = (0.0, 0.0)
    zoom: float = 1.0
    rotation: float = 0.0
    foreground: tuple[float, float] | None = None


# Clip 000 is one of the four that the REDS4 partition keeps for validation.
DEMO_CLIPS: dict[str, tuple[str, Motion]] = {
    '000': ('coffee', Motion(pan=(0.9, 0.4), rotation=0.05, foreground=(0.8, -0.5))),
    '001': ('astronaut', Motion(pan=(1.3, 0.6))),
    '002': ('chelsea', Motion(zoom=1.003)),
    '003': ('rocket', Motion(rotation=0.25)),
    '004': ('immunohistochemistry', Motion(pan=(-0.7, 1.1), foreground=(1.2, 0.5))),
    '005': ('hubble_deep_field', Motion(pan=(1.7, -0.8), rotation=-0.1)),
    '006': ('motorcycle', Motion(pan=(-1.1, 0.3), zoom=1.002)),
    '007': ('brick', Motion(pan=(0.5, 0.5), rotation=0.15, foreground=(-0.9, 0.7))),
}


def load_photograph(name: str) -> np.ndarray:
    """Return a photograph bundled with scikit-image, (h, w, 3), RGB, uint8."""
    if name == 'motorcycle':
        return photographs.stereo_motorcycle()[0]
    photo = getattr(photographs, name)()
    return photo if photo.ndim == 3 else np.repeat(photo[..., None], 3, axis=2)


def view_matrix(motion: Motion, frame: int, num_frames: int, size: tuple[int, int], photo: np.ndarray) -> np.ndarray:
    """Return the affine map (2, 3) from pixels (x, y) of a frame to pixels of the photograph.

    The view is centred on the photograph in the middle of the clip, and starts at a scale at which one pixel of the
    frame is one of the photograph, so that motion never aliases.
    """
    time = frame - (num_frames - 1) / 2
    scale = motion.zoom**-frame
    angle = np.deg2rad(motion.rotation * time)
    turn = scale * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    frame_centre = np.array([(size[1] - 1) / 2, (size[0] - 1) / 2])
    photo_centre = np.array([(photo.shape[1] - 1) / 2, (photo.shape[0] - 1) / 2])
    shift = photo_centre + time * np.array(motion.pan) - turn @ frame_centre
    return np.column_stack((turn, shift))


def render_clip(photo: np.ndarray, motion: Motion, *, num_frames: int, size: tuple[int, int]) -> Iterator[np.ndarray]:
    """Render the frames of a clip.

    Args:
        photo: Photograph (h, w, 3), uint8. Where the view leaves it, it is mirrored.
        motion: Motion between two frames.
        num_frames: Frames of the clip.
        size: Height and width of a frame.

    Yields:
        Frames (h, w, 3), uint8, in the channel order of the photograph.
    """
    for frame in range(num_frames):
        matrix = view_matrix(motion, frame, num_frames, size, photo)
        view = _sample(photo, matrix, size)
        if motion.foreground is not None:
            time = frame - (num_frames - 1) / 2
            centre = np.array([size[1] / 2, size[0] / 2]) + time * np.array(motion.foreground)
            view = _paste_disc(view, photo, centre, radius=min(size) / 6)
        yield view


def _sample(photo: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(photo, matrix, size[::-1], flags=flags, borderMode=cv2.BORDER_REFLECT_101)


def _paste_disc(view: np.ndarray, photo: np.ndarray, centre: np.ndarray, radius: float) -> np.ndarray:
    """Paste a disc of mirrored photograph, with a soft edge, that moves rigidly with its centre (x, y)."""
    height, width = view.shape[:2]
    flipped = np.ascontiguousarray(photo[::-1, ::-1])
    shift = np.array([photo.shape[1] / 3, photo.shape[0] / 3]) - centre
    texture = _sample(flipped, np.column_stack((np.eye(2), shift)), (height, width))
    rows, columns = np.mgrid[:height, :width]
    distance = np.hypot(columns - centre[0], rows - centre[1])
    alpha = np.clip(radius - distance + 0.5, 0, 1)[..., None]
    return np.rint(alpha * texture + (1 - alpha) * view).astype(np.uint8)
