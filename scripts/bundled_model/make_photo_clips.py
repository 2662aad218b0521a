"""Make training clips out of the photographs of scikit-image that are in the public domain: the camera moves over them.

Each photograph is cut into views at full and at half size, and each view becomes a clip with a motion of its own.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from dlvr_plugin.core.command import exit_code_of
from dlvr_plugin.core.files import atomic_folder
from dlvr_plugin.data.demo_clips import Motion, load_photograph, render_clip
from dlvr_plugin.data.prepare import write_clip

# In the public domain, CC0, or with no known restrictions, as the docstrings of skimage.data say.
PHOTOGRAPHS = (
    'astronaut', 'brick', 'camera', 'chelsea', 'coffee', 'coins', 'grass', 'gravel', 'immunohistochemistry',
    'rocket', 'text',
)  # fmt: skip
REDUCTIONS = (1, 2)
SIZE = (160, 208)  # height, width of a frame
NUM_FRAMES = 10
MARGIN = 16  # pixels around a view, into which it moves


def main() -> None:
    """Write the clips."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('target', type=Path, help='folder to make')
    parser.add_argument('--seed', type=int, default=0, help='of the motions (default: 0)')
    args = parser.parse_args()
    sys.exit(exit_code_of(lambda: make_clips(args.target, seed=args.seed)))


def make_clips(target: Path, *, seed: int) -> None:
    """Write a folder of frames for each view of each photograph."""
    random = np.random.default_rng(seed)
    with atomic_folder(target) as partial:
        for name in tqdm(PHOTOGRAPHS, desc='Photographs', unit='photo', disable=None):
            photo = cv2.cvtColor(load_photograph(name), cv2.COLOR_RGB2BGR)
            for reduction in REDUCTIONS:
                smaller = cv2.resize(photo, None, fx=1 / reduction, fy=1 / reduction, interpolation=cv2.INTER_AREA)
                for number, view in enumerate(_views(smaller)):
                    frames = render_clip(view, _draw_motion(random), num_frames=NUM_FRAMES, size=SIZE)
                    write_clip(partial / f'{name}_{reduction}_{number}', frames)


def _views(photo: np.ndarray) -> Iterator[np.ndarray]:
    """Yield as many views side by side as fit, at least one; one that is too small is mirrored at its edges later."""
    rows, columns = (max(1, length // side) for length, side in zip(photo.shape[:2], SIZE, strict=True))
    for row in range(rows):
        for column in range(columns):
            top, left = row * photo.shape[0] // rows, column * photo.shape[1] // columns
            bottom, right = (row + 1) * photo.shape[0] // rows, (column + 1) * photo.shape[1] // columns
            yield photo[max(0, top - MARGIN) : bottom + MARGIN, max(0, left - MARGIN) : right + MARGIN]


def _draw_motion(random: np.random.Generator) -> Motion:
    pan_x, pan_y, disc_x, disc_y = random.uniform(-1.8, 1.8, 4)
    return Motion(
        pan=(pan_x, pan_y),
        zoom=1 + random.uniform(-0.003, 0.003),
        rotation=random.uniform(-0.25, 0.25),
        foreground=(disc_x, disc_y) if random.random() < 0.5 else None,
    )


if __name__ == '__main__':
    main()
