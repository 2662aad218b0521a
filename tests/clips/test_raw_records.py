import io
import random
import shutil

import lmdb
import numpy as np
import pytest
import torch
from basicsr.data.reds_dataset import REDSDataset, REDSRecurrentDataset
from basicsr.utils import FileClient, imfrombytes

from dlvr_plugin.clips.raw_records import RawRecord, decode_raw, encode_raw
from dlvr_plugin.core.errors import DataError
from tests.conftest import make_clip
from tests.helpers import make_lmdb, make_lq


def image(height=6, width=10):
    return np.random.randint(0, 256, (height, width, 3)).astype(np.uint8)


def test_a_record_is_a_numpy_file():
    frame = image()
    assert np.array_equal(np.load(io.BytesIO(encode_raw(frame))), frame)
    saved = io.BytesIO()
    np.save(saved, frame)
    assert np.array_equal(decode_raw(saved.getvalue(), 'x'), frame)


def test_decoding_does_not_copy():
    record = bytearray(encode_raw(image()))
    decoded = decode_raw(memoryview(record), 'x')
    record[-1] ^= 255
    assert decoded[-1, -1, -1] == record[-1]


def saved(array):
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (saved(image().astype(np.uint16)), r'key a holds uint16 \(6, 10, 3\); expected a raw frame'),
        (saved(image()[..., 0]), r'key a holds uint8 \(6, 10\)'),
        (encode_raw(image())[:-1], 'key a is cut off or damaged: .* 180 bytes, but 179 follow'),
        (encode_raw(image()).replace(b'descr', b'disco'), 'key a holds a damaged header'),
    ],
)
def test_records_of_another_kind_are_named(content, message):
    with pytest.raises(DataError, match=message):
        decode_raw(content, 'key a')


def test_the_hosts_decoding_takes_them():
    frame = image()
    record = RawRecord(memoryview(encode_raw(frame)), 'key a')
    assert np.array_equal(imfrombytes(record), frame)
    assert np.array_equal(imfrombytes(record, float32=True), frame.astype(np.float32) / 255.0)
    with pytest.raises(DataError, match='key a is a raw record'):
        imfrombytes(record, flag='grayscale')


@pytest.fixture(scope='module')
def reds(tmp_path_factory):
    """Two clips as long as the host wants them, as PNG and as raw LMDBs."""
    root = tmp_path_factory.mktemp('reds')
    for clip in ('001', '002'):
        make_clip(root / 'gt' / clip, 100, (48, 64), seed=int(clip))
    make_lq(root / 'gt', root / 'lq')
    for name in ('gt', 'lq'):
        for codec in ('png', 'raw'):
            make_lmdb(root / name, root / f'{name}_{codec}.lmdb', codec)
    return root


def reds_options(root, codec, **changes):
    return {
        'dataroot_gt': str(root / f'gt_{codec}.lmdb'),
        'dataroot_lq': str(root / f'lq_{codec}.lmdb'),
        'dataroot_flow': None,
        'meta_info_file': str(root / f'gt_{codec}.lmdb' / 'meta_info_clips.txt'),
        'val_partition': 'REDS4',
        'test_mode': False,
        'io_backend': {'type': 'lmdb'},
        'num_frame': 5,
        'gt_size': 32,
        'scale': 4,
        'interval_list': [1],
        'random_reverse': False,
        'use_hflip': False,
        'use_rot': False,
        **changes,
    }


@pytest.mark.parametrize('dataset_class', [REDSRecurrentDataset, REDSDataset])
@pytest.mark.parametrize(
    'changes', [{}, {'interval_list': [1, 2, 3], 'random_reverse': True, 'use_hflip': True, 'use_rot': True}]
)
def test_the_hosts_datasets_give_the_same_samples(reds, dataset_class, changes):
    samples = []
    for codec in ('png', 'raw'):
        dataset = dataset_class(reds_options(reds, codec, **changes))
        random.seed(7)
        samples.append([dataset[index] for index in (0, 50, 99, 120, 199)])
    for png, raw in zip(*samples, strict=True):
        assert png['key'] == raw['key']
        assert torch.equal(png['gt'], raw['gt'])
        assert torch.equal(png['lq'], raw['lq'])


def test_the_hosts_datasets_name_a_bad_record(reds, tmp_path):
    for name in ('gt_raw.lmdb', 'lq_raw.lmdb'):
        shutil.copytree(reds / name, tmp_path / name)
    with lmdb.open(str(tmp_path / 'gt_raw.lmdb'), map_size=2**30) as env, env.begin(write=True) as transaction:
        transaction.put(b'001/00000002', transaction.get(b'001/00000002')[:-10])
    dataset = REDSRecurrentDataset(reds_options(tmp_path, 'raw'))
    with pytest.raises(DataError, match='key 001/00000002 of .*gt_raw.lmdb is cut off or damaged'):
        dataset[0]


def test_file_clients_hand_out_raw_records_without_copying(reds):
    client = FileClient('lmdb', db_paths=[str(reds / 'gt_raw.lmdb')], client_keys=['gt'])
    record = client.get('001/00000004', 'gt')
    assert isinstance(record, RawRecord)
    assert not record.decode().flags.owndata
