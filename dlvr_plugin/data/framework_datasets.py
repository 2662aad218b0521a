"""Let BasicSR's datasets read raw records, of which they then copy no more than the crop.

This is no repair: samples are the same as from PNG records. Commands that build datasets install it, after the repairs.
"""

import functools
from pathlib import Path
from typing import Any

import numpy as np
from basicsr.data import reds_dataset
from basicsr.utils import img_util
from basicsr.utils.file_client import LmdbBackend

from dlvr_plugin.clips.raw_records import RawRecord, is_raw
from dlvr_plugin.core.errors import DataError
from dlvr_plugin.core.lmdb_file import RecordMap, prefetch
from dlvr_plugin.core.replacing import replace_everywhere

_installed = False


def install() -> None:
    """Let BasicSR's datasets take raw records; a second call changes nothing."""
    global _installed
    if not _installed:
        _installed = True
        _read_where_records_lie()
        _decode_raw_records()
        _convert_crops_alone()


def _read_where_records_lie() -> None:
    host_init, host_get = LmdbBackend.__init__, LmdbBackend.get

    @functools.wraps(host_init)
    def init(self: LmdbBackend, *args: Any, **kwargs: Any) -> None:
        host_init(self, *args, **kwargs)
        self.record_maps = {name: RecordMap(Path(env.path()) / 'data.mdb') for name, env in self._client.items()}

    @functools.wraps(host_get)
    def get(self: LmdbBackend, filepath: Any, client_key: str) -> Any:
        content = self.record_maps[client_key].get(str(filepath).encode())
        if content is None:
            content = host_get(self, filepath, client_key)
        if content is not None and is_raw(content):
            folder = dict(zip(self._client, self.db_paths, strict=True))[client_key]
            return RawRecord(content, f'key {filepath} of {folder}')
        if isinstance(content, memoryview):  # in the map of the LMDB, and read whole in a moment
            prefetch([np.frombuffer(content, np.uint8)])
            return bytes(content)
        return content

    LmdbBackend.__init__, LmdbBackend.get = init, get


def _decode_raw_records() -> None:
    host_imfrombytes = img_util.imfrombytes

    @functools.wraps(host_imfrombytes)
    def imfrombytes(content: Any, flag: str = 'color', float32: bool = False) -> np.ndarray:
        if not isinstance(content, RawRecord):
            return host_imfrombytes(content, flag, float32)
        if flag == 'grayscale':
            raise DataError(f'{content.source} is a raw record, a frame in colour; expected one in {flag}.')
        image = content.decode()
        return _to_float(image) if float32 else image

    replace_everywhere(host_imfrombytes, imfrombytes)


def _convert_crops_alone() -> None:
    """Turn raw frames of the REDS datasets into floats after they are cropped."""
    eager, host_crop = reds_dataset.imfrombytes, reds_dataset.paired_random_crop

    @functools.wraps(eager)
    def imfrombytes(content: Any, flag: str = 'color', float32: bool = False) -> np.ndarray:
        return eager(content, flag, float32 and not isinstance(content, RawRecord))

    @functools.wraps(host_crop)
    def paired_random_crop(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        crops = host_crop(*args, **kwargs)
        prefetch([crop for images in crops for crop in _as_list(images) if crop.dtype == np.uint8])
        gt, lq = ([_to_float(image) for image in _as_list(images)] for images in crops)
        return gt if isinstance(crops[0], list) else gt[0], lq if isinstance(crops[1], list) else lq[0]

    reds_dataset.imfrombytes, reds_dataset.paired_random_crop = imfrombytes, paired_random_crop


def _as_list(images: Any) -> list[np.ndarray]:
    return images if isinstance(images, list) else [images]


def _to_float(image: np.ndarray) -> np.ndarray:
    return image.astype(np.float32) / 255.0 if image.dtype == np.uint8 else image
