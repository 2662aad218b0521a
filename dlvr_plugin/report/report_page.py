"""A page to look at an evaluation in a browser: its table, its frames, its curves."""

import base64
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, get_args
from urllib.parse import quote

import cv2
import numpy as np
from tqdm import tqdm

from dlvr_plugin.core.choices import ImageFormat
from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.core.files import make_partial_folder, naming, partial_path, remove, write_atomic
from dlvr_plugin.core.folder_lock import FolderLock, lock_inside
from dlvr_plugin.evaluation.evaluated_clips import EvaluatedClips, choose_clips, open_all
from dlvr_plugin.evaluation.evaluation_file import Evaluation, read_evaluation
from dlvr_plugin.report.page_template import MARK, build_page, collect_data, describe_frames
from dlvr_plugin.report.tradeoff import parse_pair

IMAGE_FORMATS: tuple[ImageFormat, ...] = get_args(ImageFormat)

_PAGE, _FRAMES = 'index.html', 'frames'
_LONGEST_SLUG = 100  # names of files have at most 255 bytes
_QUALITY_FLAGS = {'jpg': cv2.IMWRITE_JPEG_QUALITY, 'webp': cv2.IMWRITE_WEBP_QUALITY}
_MIME_TYPES = {'png': 'image/png', 'jpg': 'image/jpeg', 'webp': 'image/webp'}


@dataclass(frozen=True)
class ReportOptions:
    """How a report is made.

    Attributes:
        embed: Put the frames into the page itself.
        image_format: Of the frames; PNG keeps every pixel.
        quality: 1 to 100, of JPEG and WebP.
        frame_rate: Frames a second of clips that do not say it.
        clips: Those to show, None for all.
        title: Of the page, None for one made of the evaluation's name.
        pairs: ``METHOD:REFERENCE`` each: the page begins with what one gains on the other and gives up for it, and
            shows the first pair first.

    Raises:
        InvalidValueError: A value out of range.
    """

    embed: bool = False
    image_format: ImageFormat = 'png'
    quality: int = 95
    frame_rate: float = 24.0
    clips: Sequence[str] | None = None
    title: str | None = None
    pairs: Sequence[str] = ()

    def __post_init__(self) -> None:
        if self.image_format not in IMAGE_FORMATS:
            raise InvalidValueError(
                f'image_format must be one of {", ".join(IMAGE_FORMATS)}, got {self.image_format!r}.'
            )
        if not 1 <= self.quality <= 100:
            raise InvalidValueError(f'quality must be 1 to 100, got {self.quality}.')
        if not 0 < self.frame_rate <= 1000:
            raise InvalidValueError(f'frame_rate must be above 0 and at most 1000, got {self.frame_rate}.')


class _Picture(NamedTuple):
    method: int
    clip: str
    path: str  # below the folder of frames, without the extension
    image: np.ndarray


class Report(NamedTuple):
    """What was written.

    Attributes:
        page: The page.
        num_frames: How many pictures it shows.
        num_bytes: Size of the page and its pictures.
    """

    page: Path
    num_frames: int
    num_bytes: int


def write_report(source: Path | Evaluation, out: Path, options: ReportOptions | None = None) -> Report:
    """Write ``index.html``, and its frames beside it unless they are embedded.

    Args:
        source: Folder of an evaluation, its file, or what that says.
        out: Folder to write to. An earlier report in it is replaced.
        options: How.

    Raises:
        FileExistsError: The folder holds something else. DataError: The evaluation, or frames that it names, cannot be
        used. InvalidValueError: A clip or a method that the evaluation does not have. InUseError: Another process
        writes into the folder. OSError: The report cannot be written.
    """
    with FolderLock(lock_inside(out), out, 'Wait until it ends, or choose another folder with --out.'):
        return _write(source, out, options or ReportOptions())


def _write(source: Path | Evaluation, out: Path, options: ReportOptions) -> Report:
    evaluation = read_evaluation(source) if isinstance(source, Path) else source
    clips = choose_clips(evaluation, options.clips)
    pairs = [parse_pair(pair, evaluation) for pair in options.pairs]
    methods = open_all(evaluation)
    _check_folder(out)
    frames, partial = out / _FRAMES, make_partial_folder(out / _FRAMES)
    urls: dict[str, list[list[str]]] = {clip: [[] for _ in methods] for clip in clips}
    num_frames = len(methods) * sum(len(evaluation['clips'][clip]['frames']) for clip in clips)
    num_bytes = 0
    pictures = _read_pictures(evaluation, clips, methods)
    for picture in tqdm(pictures, total=num_frames, desc='Report', unit='frame', disable=None):
        content = encode_image(picture.image, options.image_format, options.quality)
        path = f'{picture.path}.{options.image_format}'
        url = _embed(content, options) if options.embed else _save(partial, path, content)
        urls[picture.clip][picture.method].append(url)
        num_bytes += len(content)

    title = options.title or _title_of(source)
    data = collect_data(evaluation, [method.label for method in methods], urls, options.frame_rate, pairs)
    is_enlarged = any(method.scale > 1 for method in methods)
    footer = describe_frames(
        num_frames, num_bytes, options.image_format, options.quality, is_input_enlarged=is_enlarged
    )
    page = build_page(title, evaluation, data, footer, pairs).encode()
    remove(frames)  # of an earlier report
    if options.embed:
        remove(partial)
    else:
        partial.rename(frames)
    write_atomic(out / _PAGE, page)
    return Report(out / _PAGE, num_frames, len(page) + (0 if options.embed else num_bytes))


def _title_of(source: Path | Evaluation) -> str:
    if not isinstance(source, Path):
        return 'Evaluation'
    return f'Evaluation {(source if source.is_dir() else source.parent).resolve().name}'


def _check_folder(out: Path) -> None:
    """Demand that the folder holds nothing but a report, begun or finished."""
    names = {path.name for path in out.iterdir()}
    begun = {partial_path(out / _FRAMES).name, partial_path(out / _PAGE).name, lock_inside(out).name}
    if not names <= begun and not _is_report(out / _PAGE):
        raise FileExistsError(
            f'{out} holds something else than a report, and is not replaced. Choose another folder with --out.'
        )


def _is_report(page: Path) -> bool:
    if not page.is_file():
        return False
    with page.open('rb') as file:
        return MARK.encode() in file.read(1000)  # the mark is at the top; the rest may be large


def _read_pictures(
    evaluation: Evaluation, clips: Sequence[str], methods: Sequence[EvaluatedClips]
) -> Iterator[_Picture]:
    """Read all frames, method by method.

    Raises:
        DataError: A clip is missing, or is not what it was when it was evaluated.
    """
    method_slugs, clip_slugs = _slug_all([method.label for method in methods]), _slug_all(clips)
    for index, method in enumerate(methods):
        method.warn_of_mere_list(clips)
        for clip, clip_slug in zip(clips, clip_slugs, strict=True):
            method.check(clip)
            frames = _slug_all(evaluation['clips'][clip]['frames'])
            for slug, image in zip(frames, method.read_shown(clip), strict=True):
                yield _Picture(index, clip, f'{method_slugs[index]}/{clip_slug}/{slug}', image)


def _slug_all(names: Sequence[str]) -> list[str]:
    """Return a file name for each name, unique even where case is ignored."""
    slugs: list[str] = []
    taken: set[str] = set()
    for name in names:
        plain = re.sub(r'[^A-Za-z0-9._-]+', '-', name).strip('.-')[:_LONGEST_SLUG] or 'unnamed'
        slug, number = plain, 2
        while slug.lower() in taken:
            slug, number = f'{plain}-{number}', number + 1
        taken.add(slug.lower())
        slugs.append(slug)
    return slugs


def encode_image(image: np.ndarray, image_format: ImageFormat, quality: int) -> bytes:
    """Return an image (h, w, 3), BGR, uint8, as the content of a file.

    Raises:
        InvalidValueError: The format cannot hold frames of this size.
    """
    flag = _QUALITY_FLAGS.get(image_format)
    done, content = cv2.imencode(f'.{image_format}', image, [flag, quality] if flag else [])
    if not done:
        raise InvalidValueError(f'Frames {image.shape[:2]} (h, w) cannot be stored as {image_format}; take png.')
    return content.tobytes()


def _embed(content: bytes, options: ReportOptions) -> str:
    return f'data:{_MIME_TYPES[options.image_format]};base64,{base64.b64encode(content).decode()}'


def _save(folder: Path, path: str, content: bytes) -> str:
    """Write a frame and return its address as seen from the page."""
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    with naming(target):
        target.write_bytes(content)
    return quote(f'{_FRAMES}/{path}')
