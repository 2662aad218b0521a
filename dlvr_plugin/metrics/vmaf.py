"""VMAF of clips, by an ffmpeg that has libvmaf."""

import functools
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from dlvr_plugin.core.errors import DataError, InvalidValueError
from dlvr_plugin.metrics.spec import How, MetricSpec, for_framework, register


def vmaf(restored: Iterable[np.ndarray], ground_truth: Iterable[np.ndarray], *, num_threads: int = 1) -> list[float]:
    """Return VMAF of every frame of a clip, 0 to 100; higher is better.

    Args:
        restored: Frames (h, w, 3), BGR, uint8, at least two.
        ground_truth: As many, of the same size.
        num_threads: Threads that libvmaf takes.

    Raises:
        DataError: No ffmpeg with libvmaf is there, or it fails.
        InvalidValueError: Fewer than two frames, different numbers or sizes.

    Source: Netflix's libvmaf with its default model, over ffmpeg; RGB is turned into YUV 4:2:0 of BT.709 by ffmpeg.
    """
    ffmpeg = find_ffmpeg()
    with tempfile.TemporaryDirectory(prefix='dlvr_vmaf_') as folder:
        sides = []
        for name, frames in (('restored', restored), ('ground_truth', ground_truth)):
            path = Path(folder) / f'{name}.bgr'
            sides.append((path, *_write_raw(path, frames)))
        (path, count, size), (path2, count2, size2) = sides
        if (count, size) != (count2, size2) or count < 2:
            raise InvalidValueError(
                'VMAF compares two clips of one length and size and of at least two frames, got '
                f'{count} frames of {size} and {count2} of {size2} (h, w).'
            )
        log = Path(folder) / 'vmaf.json'
        raw = ['-f', 'rawvideo', '-pix_fmt', 'bgr24', '-video_size', f'{size[1]}x{size[0]}', '-i']
        to_yuv = 'scale=out_color_matrix=bt709,format=yuv420p'
        graph = (
            f'[0:v]{to_yuv}[restored];[1:v]{to_yuv}[truth];'
            f'[restored][truth]libvmaf=log_fmt=json:log_path={log.name}:n_threads={num_threads}'
        )
        command = [ffmpeg, '-hide_banner', '-loglevel', 'error', '-nostdin']
        command += [*raw, path.name, *raw, path2.name, '-lavfi', graph, '-f', 'null', '-']
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if result.returncode or not log.is_file():
            raise DataError(f'{ffmpeg} could not compute VMAF: {result.stderr.strip()[-500:]}')
        return [float(frame['metrics']['vmaf']) for frame in json.loads(log.read_text())['frames']]


def _write_raw(path: Path, frames: Iterable[np.ndarray]) -> tuple[int, tuple[int, ...]]:
    """Write frames one after the other; return their number and size (h, w)."""
    count, size = 0, (0, 0)
    with path.open('wb') as file:
        for frame in frames:
            if count and frame.shape[:2] != size:
                raise InvalidValueError(f'VMAF compares frames of one size, got {size} and {frame.shape[:2]} (h, w).')
            count, size = count + 1, frame.shape[:2]
            file.write(np.ascontiguousarray(frame).tobytes())
    return count, size


def ffmpeg_version() -> str:
    """Return the version of the ffmpeg that is used."""
    printed = subprocess.run([find_ffmpeg(), '-version'], capture_output=True, text=True, check=False).stdout
    return printed.split('version ')[-1].split(' ')[0]


@functools.cache
def find_ffmpeg() -> str:
    """Return an ffmpeg that has libvmaf: that of the system, or that of the package imageio-ffmpeg.

    Raises:
        DataError: There is none.
    """
    candidates = [shutil.which('ffmpeg')]
    try:
        import imageio_ffmpeg

        candidates.append(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        pass  # an optional package, which may come without its binary
    for candidate in filter(None, candidates):
        filters = subprocess.run([candidate, '-hide_banner', '-filters'], capture_output=True, text=True, check=False)
        if 'libvmaf' in filters.stdout:
            return candidate
    raise DataError('VMAF needs an ffmpeg with libvmaf; none was found. pip install imageio-ffmpeg brings one.')


@for_framework
def calculate_vmaf(img: Sequence[np.ndarray], img2: Sequence[np.ndarray]) -> list[float]:
    """Return the VMAF of each frame of two clips of images (h, w, 3), BGR, uint8; higher is better."""
    return vmaf(img, img2)


calculate_vmaf.takes_clip = True  # type: ignore[attr-defined]


def _measure(restored: Iterable[np.ndarray], truth: Iterable[np.ndarray], how: How) -> list[float]:
    return vmaf(restored, truth)


register(
    MetricSpec(
        name='vmaf',
        label='VMAF',
        summary="Netflix's, 0 to 100; needs an ffmpeg with libvmaf: pip install imageio-ffmpeg",
        direction='higher',
        decimals=2,
        aspect='perception',
        looks_at='clip',
        measure=_measure,
        tool_versions={'ffmpeg': ffmpeg_version},
        check_tools=find_ffmpeg,
        function=calculate_vmaf,
    )
)
