"""Videos made, and read, by ffmpeg: what the package's own reader and writer are compared with."""

import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

FLAGS = 'flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp+bitexact:sws_dither=none'
SIZE = (54, 96)
MATRICES = {'bt601': 'smpte170m', 'bt709': 'bt709', 'bt2020': 'bt2020nc'}


def ffmpeg(*arguments: str, content: bytes | None = None) -> bytes:
    """Run ffmpeg, and return what it writes to a pipe."""
    exe = pytest.importorskip('imageio_ffmpeg').get_ffmpeg_exe()
    command = [exe, '-y', '-loglevel', 'error', *arguments]
    return subprocess.run(command, input=content, check=True, capture_output=True).stdout


def pictures(number: int = 8, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Return smooth noise of all colours that moves (T, h, w, 3), RGB, uint8."""
    noise = np.random.default_rng(0).integers(0, 256, (size[0] + 16, size[1] + 16, 3)).astype(np.uint8)
    smooth = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX)
    return np.stack([smooth[index : index + size[0], index : index + size[1]] for index in range(number)])


def make_video(
    path: Path,
    frames: np.ndarray,
    *,
    pixel_format: str = 'yuv420p',
    matrix: str = 'bt709',
    color_range: str = 'tv',
    tagged: bool = True,
    codec: tuple[str, ...] = ('-c:v', 'libx264', '-qp', '0', '-bf', '2'),
    more: tuple[str, ...] = (),
    inputs: tuple[str, ...] = (),
) -> Path:
    """Write RGB frames as a video whose colours are converted, and tagged, by ffmpeg."""
    height, width = frames.shape[1:3]
    tags = f'colorspace={matrix}:range={color_range}:color_primaries=bt709:color_trc=bt709'
    chain = [
        f'scale=out_color_matrix={matrix}:out_range={color_range}:out_chroma_loc=left:{FLAGS}',
        f'format={pixel_format}',
        f'setparams={tags}:chroma_location=left' if tagged else 'setparams=colorspace=unknown:range=unknown',
    ]
    source = ['-f', 'rawvideo', '-pix_fmt', 'rgb24', '-s', f'{width}x{height}', '-r', '25', '-i', '-', *inputs]
    ffmpeg(*source, '-vf', ','.join(chain), *codec, *more, str(path), content=frames.tobytes())
    return path


def read_by_ffmpeg(
    path: Path, size: tuple[int, int], *, matrix: str, color_range: str = 'tv', turn: bool = False
) -> np.ndarray:
    """Return the frames of a video (T, h, w, 3), RGB, uint8, as ffmpeg converts them."""
    scale = f'scale=in_color_matrix={matrix}:in_range={color_range}:in_chroma_loc=left:out_range=pc:{FLAGS}'
    raw = ffmpeg(
        *(() if turn else ('-noautorotate',)), '-i', str(path), '-fps_mode', 'passthrough', '-vf',
        f'{scale},format=rgb24', '-f', 'rawvideo', '-',
    )  # fmt: skip
    return np.frombuffer(raw, np.uint8).reshape(-1, *size, 3)


def planes_by_ffmpeg(path: Path) -> bytes:
    """Return the codes of a video as they were coded."""
    return ffmpeg('-noautorotate', '-i', str(path), '-fps_mode', 'passthrough', '-f', 'rawvideo', '-')
