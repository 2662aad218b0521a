"""The sections of ``datasets``: what each dataset class and its loader read.

A dataset class of ours, or of a user, declares its options in a dataclass, its attribute ``Options``. What the host's
classes read is described here.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from basicsr.utils.registry import DATASET_REGISTRY

from dlvr_plugin.core.declarations import FREE
from dlvr_plugin.data.clip_dataset import ClipDataset
from dlvr_plugin.data.clip_dataset_options import ClipDatasetOptions
from dlvr_plugin.options.schema.registered import once_a_registry
from dlvr_plugin.options.sections import Option, Section, Variants
from dlvr_plugin.options.signatures import declared_by, section_of
from dlvr_plugin.options.value_types import Bool, Choice, FolderName, Integer, ListOf, Number, Text, ValueType, nullable
from dlvr_plugin.training.data_order import ANOTHER_ORDER

_POSITIVE = Integer(minimum=1)

_LOADER = {
    'num_worker_per_gpu': Option(Integer(minimum=0), 'processes that read, for each GPU or process', on_resume=FREE),
    'batch_size_per_gpu': Option(_POSITIVE, 'samples of a batch, for each GPU or process', on_resume=ANOTHER_ORDER),
    'dataset_enlarge_ratio': Option(
        _POSITIVE, 'how often an epoch goes through the set', default=1, on_resume=ANOTHER_ORDER
    ),
    'pin_memory': Option(
        Bool(), 'whether batches lie in page-locked memory, as prefetch_mode: cuda needs', on_resume=FREE
    ),
    'persistent_workers': Option(Bool(), 'whether the reading processes live on from epoch to epoch', on_resume=FREE),
    'prefetch_mode': Option(nullable(Choice(('cpu', 'cuda'))), 'how batches are fetched ahead', on_resume=FREE),
    'num_prefetch_queue': Option(_POSITIVE, 'batches fetched ahead with prefetch_mode: cpu', on_resume=FREE),
}

_LMDB = Section(
    {
        'readonly': Option(Bool(), 'whether the LMDB is opened for reading only'),
        'lock': Option(Bool(), 'whether the LMDB is locked'),
        'readahead': Option(Bool(), 'whether the system reads ahead'),
    }
)
_MEMCACHED = Section(
    {
        'server_list_cfg': Option(Text(), 'file that lists the servers', is_required=True),
        'client_cfg': Option(Text(), 'file that configures the client', is_required=True),
        'sys_path': Option(nullable(Text()), 'folder of the module mc'),
    }
)
_BACKENDS = {'disk': Section({}), 'memcached': _MEMCACHED}
_BACKEND_DOC = 'how files are read'
_IO_BACKEND = Option(Variants('io_backend', {**_BACKENDS, 'lmdb': _LMDB}, _BACKEND_DOC), _BACKEND_DOC, is_required=True)
# How our own datasets of clips read files.
_CLIP_BACKEND = Variants('io_backend_of_clips', {'disk': Section({}), 'lmdb': _LMDB}, _BACKEND_DOC)
# What declared options cannot say about themselves, by their dataclass.
_TYPES_OF: dict[type[Any], dict[str, ValueType]] = {ClipDatasetOptions: {'io_backend': _CLIP_BACKEND}}
# The test sets of clips take no LMDB.
_TEST_BACKEND = Option(Variants('io_backend_of_test_clips', _BACKENDS, _BACKEND_DOC), _BACKEND_DOC, is_required=True)

_GT = {'dataroot_gt': Option(Text(), 'ground truth: a folder or an LMDB')}
_LQ = {'dataroot_lq': Option(Text(), 'low-quality frames: a folder or an LMDB')}
_META = {'meta_info_file': Option(Text(), 'file that lists the clips')}
_CROP = {
    'gt_size': Option(_POSITIVE, 'side of the ground-truth crop in pixels, a multiple of the scale'),
    'use_hflip': Option(Bool(), 'whether to flip left and right at random'),
    'use_rot': Option(Bool(), 'whether to flip top and bottom, and swap height and width, at random'),
}
_NUM_FRAME = {'num_frame': Option(_POSITIVE, 'frames of a sample')}
_INTERVALS = {'interval_list': Option(ListOf(_POSITIVE, minimum=1), 'steps in time to choose from')}
_REVERSE = {'random_reverse': Option(Bool(), 'whether to reverse time at random')}
_NORMALIZE = {
    'mean': Option(nullable(ListOf(Number())), 'of the channels, to subtract'),
    'std': Option(nullable(ListOf(Number(above=0))), 'of the channels, to divide by'),
}
_COLOR = {'color': Option(Choice(('y', 'rgb')), 'y for the luma alone')}


def _required(options: dict[str, Option], without: Iterable[str] = ()) -> dict[str, Option]:
    return {name: replace(each, is_required=name not in without) for name, each in options.items()}


_REDS = _required(
    {
        **_GT,
        **_LQ,
        **_META,
        'val_partition': Option(Choice(('official', 'REDS4')), 'clips kept for validation: 240 to 269, or four'),
        **_NUM_FRAME,
        **_CROP,
    }
) | {'io_backend': _IO_BACKEND}

_VIMEO = _required({**_GT, **_LQ, **_META, **_NUM_FRAME, **_CROP, **_REVERSE}) | {'io_backend': _IO_BACKEND}

_TEST_CLIPS = {
    **_required({**_GT, **_LQ}),
    **_META,
    'io_backend': _TEST_BACKEND,
    'cache_data': Option(Bool(), 'whether to keep all frames in memory', is_required=True),
    'num_frame': Option(_POSITIVE, 'frames that the network takes', is_required=True),
    'padding': Option(
        Choice(('replicate', 'reflection', 'reflection_circle', 'circle')),
        'what stands for frames beyond the ends of a clip',
        is_required=True,
    ),
}


def _sections(phase: str) -> dict[str, Section]:
    """Return what the known dataset classes read in a phase."""
    pairs = {
        **_required({**_GT, **_LQ}),
        'meta_info_file': Option(nullable(Text()), 'file that lists the images; ~ takes all'),
        'io_backend': _IO_BACKEND,
        'filename_tmpl': Option(Text(), 'name of a low-quality image, {} standing for that of the ground truth'),
        **(_required(_CROP) if phase == 'train' else _CROP),
        **_NORMALIZE,
        **_COLOR,
    }
    sections = {
        'REDSDataset': {
            **_REDS,
            'dataroot_flow': Option(nullable(Text()), 'optical flow: a folder or an LMDB', is_required=True),
            **_required({**_INTERVALS, **_REVERSE}),
        },
        'REDSRecurrentDataset': {
            **_REDS,
            **_INTERVALS,
            **_REVERSE,
            'dataroot_flow': Option(nullable(Text()), 'not read by this class'),
            'test_mode': Option(Bool(), 'whether to take the clips kept for validation', is_required=True),
        },
        'Vimeo90KDataset': _VIMEO,
        'Vimeo90KRecurrentDataset': {
            **_VIMEO,
            'flip_sequence': Option(Bool(), 'whether to append the clip in reverse', is_required=True),
        },
        'PairedImageDataset': pairs,
        'SingleImageDataset': {**_required(_LQ), **_META, 'io_backend': _IO_BACKEND, **_NORMALIZE, **_COLOR},
        'FFHQDataset': {
            **_required({**_GT, **_NORMALIZE, 'use_hflip': _CROP['use_hflip']}),
            'io_backend': _IO_BACKEND,
            'gt_size': _CROP['gt_size'],
        },
        'VideoTestDataset': _TEST_CLIPS,
        'VideoTestDUFDataset': {
            **_TEST_CLIPS,
            'use_duf_downsampling': Option(Bool(), 'whether low quality is made of the ground truth', is_required=True),
        },
        'VideoTestVimeo90KDataset': {**_TEST_CLIPS, **_required(_META), 'cache_data': _never_cached()},
        'VideoRecurrentTestDataset': {
            **_TEST_CLIPS,
            'padding': Option(_TEST_CLIPS['padding'].type, 'not read by this class'),
            'num_frame': Option(Integer(minimum=-1), '-1, for all frames of a clip', is_required=True),
            'cache_data': Option(Choice((True,)), 'true: this class works no other way', is_required=True),
        },
    }
    # Where it stands in the wrong phase, ``check_clip_sets`` says what to take, and the keys do not matter.
    wrong = 'ClipTestDataset' if phase == 'train' else 'ClipDataset'
    return {
        name: Section({} if name == wrong else options, is_open=name == wrong) for name, options in sections.items()
    }


def _never_cached() -> Option:
    return Option(Choice((False,)), 'false: this class works no other way', is_required=True)


def _declared(dataset: Any) -> Section:
    """Return the options that a dataset class declares; where it declares none, any key may be one."""
    declared = declared_by(dataset, 'Options')
    if declared is None:
        return Section({}, is_open=True)
    return section_of(declared, skip=('name', 'type', 'phase', 'scale'), types_of=_TYPES_OF.get(declared))


@once_a_registry
def datasets(phase: str) -> Variants:
    """Return the sections of datasets in a phase, 'train' or 'val', which stands for tests, too.

    Of a dataset class that is not known here and declares no options, only what its loader reads is checked.
    """
    common = {
        'name': Option(FolderName(), 'name of the set, in logs and folders', is_required=True, on_resume=FREE),
        **_required(_LOADER, without=set(_LOADER) - {'num_worker_per_gpu', 'batch_size_per_gpu'}),
    }
    if phase != 'train':
        common = {**_LOADER, 'name': common['name']}
    known = _sections(phase)
    if phase != 'train':  # one problem is enough: that it is the class for the training
        known[ClipDataset.__name__] = Section({}, is_open=True)
    derived = {name: 'It is set by the program: scale stands at the top.' for name in ('scale', 'phase')}
    sections = {
        name: (known.get(name) or _declared(dataset)).with_options(common, elsewhere=derived)
        for name, dataset in sorted(DATASET_REGISTRY)
    }
    return Variants(f'dataset_{phase}', sections, 'class of the dataset')
