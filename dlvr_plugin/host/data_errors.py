"""Errors of the host's datasets that name the file or the LMDB key, and that end the run."""

import functools
import sys
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import torch
from basicsr.data import data_util, reds_dataset
from basicsr.data.prefetch_dataloader import PrefetchGenerator
from basicsr.utils import FileClient, img_util

from dlvr_plugin.errors import DataError
from dlvr_plugin.host.adaptation import Adaptation, source_has
from dlvr_plugin.host.lmdb_reader import prefetch
from dlvr_plugin.host.raw_records import RawRecord, is_raw

_JPEG_START, _JPEG_END = b'\xff\xd8', b'\xff\xd9'


class SourcedBytes(bytes):
    """Bytes that know the file or the LMDB key they were read from."""

    source: str = ''


def _repair_get() -> None:
    host_get = FileClient.get

    @functools.wraps(host_get)
    def get(self: FileClient, filepath: Any, client_key: str = 'default') -> SourcedBytes | RawRecord:
        source = str(filepath)
        if self.backend == 'lmdb':
            folder = dict(zip(self.client._client, self.client.db_paths, strict=True))[client_key]
            source = f'key {filepath} of {folder}'
        try:
            content = host_get(self, filepath, client_key)
        except OSError as error:
            raise DataError(f'{source} cannot be read: {error.strerror}.') from error
        if not content:
            raise DataError(f'{source} is {"missing" if content is None else "empty"}.')
        if is_raw(content):
            return RawRecord(content, source)
        if isinstance(content, memoryview):  # in the map of an LMDB, and soon read whole
            prefetch([np.frombuffer(content, np.uint8)])
        sourced = SourcedBytes(content)
        sourced.source = source
        return sourced

    FileClient.get = get


def _replace_everywhere(name: str, old: Callable[..., Any], new: Callable[..., Any]) -> None:
    """Replace a host function in every host module that imported it by name."""
    for module_name, module in list(sys.modules.items()):
        if module_name.startswith('basicsr') and getattr(module, name, None) is old:
            setattr(module, name, new)


def _repair_imfrombytes() -> None:
    host_imfrombytes = img_util.imfrombytes

    @functools.wraps(host_imfrombytes)
    def imfrombytes(content: bytes | RawRecord, flag: str = 'color', float32: bool = False) -> np.ndarray:
        source = getattr(content, 'source', 'the image')
        if isinstance(content, RawRecord):
            if flag == 'grayscale':
                raise DataError(f'{source} is a raw record, a frame in colour; expected one in {flag}.')
            image = content.decode()
        else:
            if content[:2] == _JPEG_START and content.rfind(_JPEG_END, -4096) < 0:
                raise DataError(f'{source} is cut off: a JPEG without its end ({len(content)} bytes).')
            image = host_imfrombytes(content, flag=flag, float32=False)
        if image is None:
            raise DataError(f'{source} cannot be decoded: it is cut off or damaged ({len(content)} bytes).')
        return image.astype(np.float32) / 255.0 if float32 else image

    _replace_everywhere('imfrombytes', host_imfrombytes, imfrombytes)


def _repair_read_img_seq() -> None:
    host_read = data_util.read_img_seq

    @functools.wraps(host_read)
    def read_img_seq(path: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        try:
            return host_read(path, *args, **kwargs)
        except (AttributeError, RuntimeError) as error:
            paths = path if isinstance(path, list) else sorted(data_util.scandir(path, full_path=True))
            sizes = {}
            for name in paths:
                image = cv2.imread(name)
                if image is None:
                    raise DataError(f'{name} cannot be decoded: it is cut off or damaged.') from error
                sizes[name] = image.shape[:2]
            odd = next((name for name in paths if sizes[name] != sizes[paths[0]]), None)
            if odd is None:
                raise
            raise DataError(f'{odd} is {sizes[odd]} (h, w), but {paths[0]} is {sizes[paths[0]]}.') from error

    _replace_everywhere('read_img_seq', host_read, read_img_seq)


def _repair_paired_random_crop() -> None:
    host_crop = reds_dataset.paired_random_crop

    @functools.wraps(host_crop)
    def paired_random_crop(img_gts: Any, img_lqs: Any, gt_patch_size: int, scale: int, gt_path: Any = None) -> Any:
        for name, images in (('GT', img_gts), ('LQ', img_lqs)):
            sizes = [image.shape[:2] for image in images] if isinstance(images, list) else []
            if len(set(sizes)) > 1:
                raise DataError(f'{name} frames of the clip of {gt_path} differ in size: {sizes}.')
        try:
            return host_crop(img_gts, img_lqs, gt_patch_size, scale, gt_path)
        except ValueError as error:
            raise DataError(f'{gt_path}: {" ".join(str(part) for part in error.args)}') from error

    reds_dataset.paired_random_crop = paired_random_crop


def _repair_prefetch() -> None:
    host_run, host_next = PrefetchGenerator.run, PrefetchGenerator.__next__

    @functools.wraps(host_run)
    def run(self: PrefetchGenerator) -> None:
        self.error = None
        try:
            host_run(self)
        except Exception as error:  # handed to the training loop, which waits for the next sample
            self.error = error
            self.queue.put(None)

    @functools.wraps(host_next)
    def next_item(self: PrefetchGenerator) -> Any:
        try:
            return host_next(self)
        except StopIteration:
            if self.error is not None:
                raise self.error from None
            raise

    PrefetchGenerator.run = run
    PrefetchGenerator.__next__ = next_item


ADAPTATIONS = (
    Adaptation(
        defect='a missing LMDB key or an empty file becomes None or no bytes, without a name',
        is_present=lambda: source_has(FileClient.get, 'return self.client.get(filepath, client_key)'),
        repair=_repair_get,
    ),
    Adaptation(
        defect='an image that cannot be decoded fails on a None, without a name',
        is_present=lambda: source_has(img_util.imfrombytes, 'img = cv2.imdecode(img_np, imread_flags[flag])\n    if f'),
        repair=_repair_imfrombytes,
    ),
    Adaptation(
        defect='the test datasets fail on an undecodable or odd-sized frame without a name',
        is_present=lambda: source_has(data_util.read_img_seq, 'cv2.imread(v).astype(np.float32)'),
        repair=_repair_read_img_seq,
    ),
    Adaptation(
        defect='the REDS datasets check the size of the first frame only',
        is_present=lambda: source_has(reds_dataset.paired_random_crop, 'h_lq, w_lq = img_lqs[0].shape[0:2]'),
        repair=_repair_paired_random_crop,
    ),
    Adaptation(
        defect='with prefetch_mode cpu the reading thread dies of an error and training waits for ever',
        is_present=lambda: source_has(PrefetchGenerator.run, 'for item in self.generator:\n            self.queue.put'),
        repair=_repair_prefetch,
    ),
)
