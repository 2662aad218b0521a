"""Checkpoints that an independent writer made are read, and damaged ones are refused."""

import random

import numpy as np
import pytest
import torch

from dlvr_plugin.core.errors import CheckpointError
from dlvr_plugin.core.tensorflow_checkpoint import read_tensorflow_checkpoint
from tests.core import tensorflow_writer as writer


def make_variables():
    """Many names with long beginnings in common, so that there are several blocks and restarts."""
    rng = np.random.default_rng(0)
    names = [f'generator/unit/resblock_{i}/conv_{j}/{kind}' for i in range(30) for j in (1, 2) for kind in ('w', 'b')]
    variables = {name: rng.normal(size=(3, 3, 2, 4) if name[-1] == 'w' else 4).astype(np.float32) for name in names}
    variables['global_step'] = np.array(7, np.int64)
    variables['half'] = rng.normal(size=(2, 5)).astype(np.float16)
    variables['double'] = rng.normal(size=300)
    variables['scalar'] = np.array(0.5, np.float32)
    variables['empty'] = np.zeros((0, 3), np.float32)
    return variables


def read(path, wanted=lambda name: name != 'global_step'):
    return read_tensorflow_checkpoint(path, wanted=wanted)


@pytest.mark.parametrize('end', ['', '.index', '.data-00000-of-00001'])
def test_reads_what_was_written(tmp_path, end):
    variables = make_variables()
    writer.write(tmp_path / 'model.ckpt-900', variables)
    found = read(tmp_path / f'model.ckpt-900{end}')
    assert found.keys() == variables.keys() - {'global_step'}
    for name, value in found.items():
        assert value.dtype == torch.float32
        assert np.array_equal(value.numpy(), variables[name].astype(np.float32)), name
    some = read(tmp_path / 'model.ckpt-900', lambda name: name.startswith('generator/unit/resblock_1/'))
    assert len(some) == 4


def test_any_changed_byte_is_found(tmp_path):
    """Of the index wherever it is, and of the data; none ends in another error, or in other numbers."""
    variables = {'a/weights': np.ones((2, 3), np.float32), 'a/biases': np.arange(3, dtype=np.float32)}
    index = writer.write(tmp_path / 'model', variables)
    for path in (index, tmp_path / 'model.data-00000-of-00001'):
        content, not_found = path.read_bytes(), []
        for position in range(len(content)):
            path.write_bytes(content[:position] + bytes([content[position] ^ 0x81]) + content[position + 1 :])
            try:
                found = read(index)
            except CheckpointError:
                continue
            not_found.append(position)
            assert all(np.array_equal(found[name].numpy(), value) for name, value in variables.items())
        # The statistics, which are not read, their place, and the padding of the last 48 bytes.
        assert all(path == index and position >= len(content) - 100 for position in not_found)
        path.write_bytes(content)


def test_cut_off_at_any_byte(tmp_path):
    index = writer.write(tmp_path / 'model', {'a/weights': np.ones((2, 3), np.float32)})
    for path in (index, tmp_path / 'model.data-00000-of-00001'):
        content = path.read_bytes()
        for length in range(len(content)):
            path.write_bytes(content[:length])
            with pytest.raises(CheckpointError, match='damaged, cut off, or of another kind'):
                read(index)
        path.write_bytes(content)


def test_random_bytes_with_right_checksums(tmp_path):
    """Messages and blocks that nobody wrote: an error that names the file, and nothing else."""
    rng = random.Random(0)
    index = tmp_path / 'model.index'
    (tmp_path / 'model.data-00000-of-00001').write_bytes(bytes(100))
    for _ in range(300):
        pairs = [(b'', writer.field(1, 1)), (b'a', rng.randbytes(rng.randrange(40)))]
        index.write_bytes(writer.table(pairs))
        with pytest.raises(CheckpointError, match=r'model\.'):
            read(index)
        content = rng.randbytes(rng.randrange(60))
        trailer = b'\0' + writer.checksum(content + b'\0').to_bytes(4, 'little')
        footer = (writer.varint(0) + writer.varint(len(content))) * 2
        index.write_bytes(content + trailer + footer.ljust(40, b'\0') + (0xDB4775248B80FB57).to_bytes(8, 'little'))
        with pytest.raises(CheckpointError, match=r'model\.index'):
            read(index)


def entry(**changes):
    """A message of a variable of six floats, with fields changed."""
    fields = {'dtype': 1, 'shape': (2, 3), 'shard': 0, 'offset': 0, 'size': 24, **changes}
    shape = b''.join(writer.field(2, writer.field(1, side)) for side in fields['shape'])
    numbers = [(1, fields['dtype']), (2, shape), (3, fields['shard']), (4, fields['offset']), (5, fields['size'])]
    message = b''.join(writer.field(number, value) for number, value in numbers)
    return message + writer.varint(6 << 3 | 5) + writer.checksum(bytes(24)).to_bytes(4, 'little')


@pytest.mark.parametrize(
    ('message', 'error'),
    [
        (entry(size=2**62), 'it has 24 bytes, fewer than its variables'),
        (entry(size=20), r'a has 20 bytes, which its shape \(2, 3\) is not'),
        (entry(shape=(2**40, 2**40)), 'a has 24 bytes'),
        (entry(shape=(1,) * 9 + (6,)), 'a has 24 bytes'),
        (entry(offset=2**64 - 1), 'it ends before a'),
        (entry(offset=1), 'it ends before a'),
        (entry(dtype=3), 'of a type other than float'),
        (entry(shard=1), 'in parts'),
        (entry() + writer.field(7, b'x'), 'in parts'),
        (entry() + writer.varint(4 << 3 | 2) + b'\x01x', 'field 4 of a message is no number'),
        (entry() + writer.field(2, 5), 'a message is a number'),
        (entry() + writer.varint(9 << 3 | 3), 'unknown wire type 3'),
        (entry() + b'\xff' * 11, 'more than 64 bits'),
    ],
)
def test_entries_that_cannot_be(tmp_path, message, error):
    (tmp_path / 'model.data-00000-of-00001').write_bytes(bytes(24))
    index = tmp_path / 'model.index'
    index.write_bytes(writer.table([(b'', writer.field(1, 1)), (b'a', entry())]))
    assert torch.equal(read(index)['a'], torch.zeros(2, 3))
    index.write_bytes(writer.table([(b'', writer.field(1, 1)), (b'a', message)]))
    with pytest.raises(CheckpointError, match=error):
        read(index)


def test_data_that_are_read_again_and_again(tmp_path):
    """Variables in one place are not more than the file has."""
    (tmp_path / 'model.data-00000-of-00001').write_bytes(bytes(24))
    index = tmp_path / 'model.index'
    index.write_bytes(writer.table([(b'', writer.field(1, 1)), (b'a', entry()), (b'b', entry())]))
    with pytest.raises(CheckpointError, match='fewer than its variables'):
        read(index)


@pytest.mark.parametrize(
    ('header', 'error'),
    [
        (writer.field(1, 2), r'model\.index has its data in 2 files, which is not supported'),
        (writer.field(1, 1) + writer.field(2, 1), 'high bytes come first'),
        (b'', 'its data in 0 files'),
    ],
)
def test_headers(tmp_path, header, error):
    index = writer.write(tmp_path / 'model', {'a': np.ones(2, np.float32)}, header=header)
    with pytest.raises(CheckpointError, match=error):
        read(index)


def test_tables_that_are_none(tmp_path):
    index = tmp_path / 'model.index'
    (tmp_path / 'model.data-00000-of-00001').write_bytes(bytes(24))
    start = (b'', writer.field(1, 1))
    for content, error in (
        (writer.table([(b'a', entry())]), 'it has no header'),
        (writer.table([start, (b'b', entry()), (b'a', entry())]), 'its names are not in order'),
        (writer.table([start, (b'\xff', entry())]), 'the name of a variable is no text'),
        (writer.table([]), 'it has no header'),
        (b'PK' + bytes(100), 'it does not end as an index does'),
    ):
        index.write_bytes(content)
        with pytest.raises(CheckpointError, match=error):
            read(index)


def test_compressed_blocks_are_refused(tmp_path):
    content = writer.block([(b'', writer.field(1, 1))])
    trailer = b'\1' + writer.checksum(content + b'\1').to_bytes(4, 'little')
    footer = (writer.varint(0) + writer.varint(len(content))) * 2
    index = tmp_path / 'model.index'
    index.write_bytes(content + trailer + footer.ljust(40, b'\0') + (0xDB4775248B80FB57).to_bytes(8, 'little'))
    with pytest.raises(CheckpointError, match='is compressed, which TensorFlow does not do'):
        read(index)


def test_missing_files(tmp_path):
    with pytest.raises(CheckpointError, match=r'model\.index does not exist'):
        read(tmp_path / 'model')
    index = writer.write(tmp_path / 'model', {'a': np.ones(2, np.float32)})
    (tmp_path / 'model.data-00000-of-00001').unlink()
    with pytest.raises(CheckpointError, match=r'model\.data-00000-of-00001 does not exist'):
        read(index)
