"""Errors of BasicSR's datasets that name the file or the LMDB key, and that end the run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import lmdb
import numpy as np
import torch
from basicsr.data import data_util, reds_dataset
from basicsr.data.prefetch_dataloader import PrefetchGenerator
from basicsr.utils import FileClient, img_util
from basicsr.utils.file_client import LmdbBackend

from dlvr_plugin.core.errors import DataError
from dlvr_plugin.core.images import decode_image
from dlvr_plugin.core.lmdb_file import find_cut
from dlvr_plugin.core.regular_files import check_regular
from dlvr_plugin.core.replacing import replace_everywhere
from dlvr_plugin.host.repair import Repair


class SourcedBytes(bytes):
    """Bytes that know the file or the LMDB key they were read from."""

    source: str = ''


def _name_source(host_get: Callable[..., Any]) -> Callable[..., Any]:
    def get(self: FileClient, filepath: Any, client_key: str = 'default') -> Any:
        source = str(filepath)
        if self.backend == 'lmdb':
            folder = dict(zip(self.client._client, self.client.db_paths, strict=True))[client_key]
            source = f'key {filepath} of {folder}'
        elif self.backend == 'disk':
            check_regular(source)  # the framework opens it by its name
        try:
            content = host_get(self, filepath, client_key)
        except OSError as error:
            raise DataError(f'{source} cannot be read: {error.strerror}.') from error
        except lmdb.Error as error:
            raise DataError(f'{source} cannot be read: {error}.') from error
        if not content:
            raise DataError(f'{source} is {"missing" if content is None else "empty"}.')
        if not isinstance(content, (bytes, memoryview)):  # it knows its source
            return content
        sourced = SourcedBytes(content)
        sourced.source = source
        return sourced

    return get


def _refuse_cut_off(host_init: Callable[..., Any]) -> Callable[..., Any]:
    def init(self: LmdbBackend, *args: Any, **kwargs: Any) -> None:
        paths = args[0] if args else kwargs['db_paths']
        for root in paths if isinstance(paths, list) else [paths]:
            check_regular(Path(root) / 'data.mdb')
        try:
            host_init(self, *args, **kwargs)
        except lmdb.Error as error:
            raise DataError(f'An LMDB cannot be opened: {error}.') from error
        for env in self._client.values():
            if problem := find_cut(env, Path(env.path()) / 'data.mdb'):
                raise DataError(problem)

    return init


def _name_undecodable(host_imfrombytes: Callable[..., Any]) -> Callable[..., Any]:
    def imfrombytes(content: bytes, flag: Any = 'color', float32: bool = False) -> np.ndarray:
        image = decode_image(content, getattr(content, 'source', 'the image'), flag=flag)
        return image.astype(np.float32) / 255.0 if float32 else image

    return imfrombytes


def _name_odd_frame(host_read: Callable[..., Any]) -> Callable[..., Any]:
    def read_img_seq(path: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        paths = path if isinstance(path, list) else sorted(data_util.scandir(path, full_path=True))
        for name in paths:
            check_regular(name)  # OpenCV opens it by its name
        try:
            return host_read(path, *args, **kwargs)
        except cv2.error as error:
            raise DataError(f'A frame of {Path(paths[0]).parent} cannot be decoded: {error.err or error}.') from error
        except (AttributeError, RuntimeError) as error:
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

    return read_img_seq


def _check_all_sizes(host_crop: Callable[..., Any]) -> Callable[..., Any]:
    def paired_random_crop(img_gts: Any, img_lqs: Any, gt_patch_size: int, scale: int, gt_path: Any = None) -> Any:
        for name, images in (('GT', img_gts), ('LQ', img_lqs)):
            sizes = [image.shape[:2] for image in images] if isinstance(images, list) else []
            if len(set(sizes)) > 1:
                raise DataError(f'{name} frames of the clip of {gt_path} differ in size: {sizes}.')
        try:
            return host_crop(img_gts, img_lqs, gt_patch_size, scale, gt_path)
        except ValueError as error:
            raise DataError(f'{gt_path}: {" ".join(str(part) for part in error.args)}') from error

    return paired_random_crop


def _hand_error_over(host_run: Callable[..., Any]) -> Callable[..., Any]:
    def run(self: PrefetchGenerator) -> None:
        self.error = None
        try:
            host_run(self)
        except Exception as error:  # handed to the training loop, which waits for the next sample
            self.error = error
            self.queue.put(None)

    return run


def _raise_error(host_next: Callable[..., Any]) -> Callable[..., Any]:
    def next_item(self: PrefetchGenerator) -> Any:
        try:
            return host_next(self)
        except StopIteration:
            if self.error is not None:
                raise self.error from None
            raise

    return next_item


REPAIRS = (
    Repair(
        defect='a missing LMDB key or an empty file becomes None or no bytes, without a name',
        owner=FileClient,
        name='get',
        source='699abf60eca3d966',
        build=_name_source,
    ),
    Repair(
        defect='reading an LMDB that was cut off kills the process',
        owner=LmdbBackend,
        name='__init__',
        source='f6528f3e83539f88',
        build=_refuse_cut_off,
    ),
    Repair(
        defect='an image that cannot be decoded fails on a None, without a name',
        owner=img_util,
        name='imfrombytes',
        source='e8db1443d58385a5',
        build=_name_undecodable,
        install=replace_everywhere,
    ),
    Repair(
        defect='the test datasets fail on an undecodable or odd-sized frame without a name',
        owner=data_util,
        name='read_img_seq',
        source='8ffb859667f313e4',
        build=_name_odd_frame,
        install=replace_everywhere,
    ),
    Repair(
        defect='the REDS datasets check the size of the first frame only',
        owner=reds_dataset,
        name='paired_random_crop',
        source='459dc574dc48749f',
        build=_check_all_sizes,
    ),
    Repair(
        defect='with prefetch_mode cpu the reading thread dies of an error and training waits for ever',
        owner=PrefetchGenerator,
        name='run',
        source='faae2c8597aa922a',
        build=_hand_error_over,
    ),
    Repair(
        defect='with prefetch_mode cpu the error of the reading thread is lost',
        owner=PrefetchGenerator,
        name='__next__',
        source='aca1781714747df5',
        build=_raise_error,
    ),
)
