"""Option files for tests: the demo's, brought down to a few iterations on tiny clips."""

import builtins
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml
from basicsr.data import build_dataset
from basicsr.utils.options import ordered_yaml
from torch.overrides import TorchFunctionMode
from torch.utils.data import DataLoader

from dlvr_plugin.core.choices import Codec, DegradationType
from dlvr_plugin.data.degradations import Degradation
from dlvr_plugin.data.prepare import prepare_store
from dlvr_plugin.data.processing import Processing
from tests.conftest import make_clip

REPOSITORY = Path(__file__).resolve().parents[1]
OPTION_FILES = sorted(
    path for kind in ('demo', 'train', 'test') for path in (REPOSITORY / 'options' / kind).rglob('*.yml')
)


def read_options(path: Path) -> dict[str, Any]:
    """Read an option file as the host does."""
    with path.open() as file:
        return yaml.load(file, Loader=ordered_yaml()[0])


def write_options(opt: dict[str, Any], path: Path) -> Path:
    """Write an option file."""
    with path.open('w') as file:
        yaml.dump(opt, file, Dumper=ordered_yaml()[1])
    return path


def tiny_options(clip_root: Path, *, name: str = 'tiny', init_t_iters: int = 1, total_iter: int = 2) -> dict[str, Any]:
    """Return the demo's option file of the discriminative space for the clips of the fixture ``clip_root``.

    What makes the most of few iterations is left out: there are even fewer here, and crops smaller than its shift. T
    has an eighth of its channels: whole, it takes most of the time of a run, and most of a checkpoint.
    """
    opt = read_options(REPOSITORY / 'options/demo/2_discriminative_space.yml')
    opt.update(name=name, num_gpu=0)
    opt['datasets']['train'].update(
        dataroot_gt=str(clip_root / 'GT'),
        dataroot_lq=str(clip_root / 'X4'),
        io_backend={'type': 'disk'},
        exclude_clips=[],
        num_frame=3,
        gt_size=32,
        batch_size_per_gpu=2,
        num_worker_per_gpu=0,
        dataset_enlarge_ratio=1,
    )
    opt['network_g'].update(num_feat=8, num_frame=3, deformable_groups=2, num_extract_block=1, num_reconstruct_block=1)
    opt['network_t'].update(num_feat=[8, 16, 32, 64], num_feat_classifier=16)
    opt['path']['pretrain_network_g'] = None
    as_in_the_paper(opt['train'])
    opt['train'].update(init_t_iters=init_t_iters, total_iter=total_iter)
    opt['logger'].update(print_freq=1, use_tb_logger=False)
    return opt


def as_in_the_paper(train: dict[str, Any]) -> None:
    """Leave out of a section ``train`` of the demo what makes the most of few iterations."""
    del train['ema_decay'], train['scheduler_t'], train['discriminative_opt']['random_shift']
    train['scheduler'] = {'type': 'MultiStepLR', 'milestones': [1000000], 'gamma': 0.5}
    train['pixel_opt'].update(loss_weight=1.0)


def as_host_model(opt: dict[str, Any]) -> dict[str, Any]:
    """Leave of options of the discriminative space what its host model reads, and return them."""
    opt['model_type'] = opt.pop('host_model')
    opt.pop('network_t', None)
    for name in [name for name in opt['path'] if name.endswith('_t')]:
        del opt['path'][name]
    for name in ('optim_t', 'scheduler_t', 'init_t_iters', 'discriminative_opt', 'adversarial_opt', 'grad_clip_t'):
        opt['train'].pop(name, None)
    return opt


def as_adversarial(opt: dict[str, Any], **adversarial_opt: Any) -> dict[str, Any]:
    """Make of options of the discriminative space those of training against T, and return them."""
    opt['model_type'] = 'AdversarialModel'
    opt['train'].pop('discriminative_opt', None)
    opt['train']['adversarial_opt'] = adversarial_opt
    return opt


class CountCalls(TorchFunctionMode):
    """Counts calls of torch."""

    count = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += 1
        return func(*args, **(kwargs or {}))


@contextmanager
def as_nobody() -> Iterator[None]:
    """Give up root's right to read everything for a while, where the tests run as root."""
    if os.getuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def make_lq(gt_root: Path, lq_root: Path, degradation: DegradationType = 'BI') -> None:
    """Make low-quality frames, a quarter of the size, in folders."""
    made = Degradation(type=degradation, scale=4)
    prepare_store(gt_root, lq_root, processing=Processing(codec='png', degradation=made))


def make_lmdb(root: Path, target: Path, codec: Codec = 'raw') -> None:
    """Make an LMDB of clips in folders."""
    prepare_store(root, target, processing=Processing(codec=codec))


def video_test_set(clip_root: Path, num_frame: int) -> dict[str, Any]:
    """Return the section of a validation or test set of the clips of the fixture ``clip_root``."""
    return {
        'name': 'Vid4',
        'type': 'VideoTestDataset',
        'dataroot_gt': str(clip_root / 'GT'),
        'dataroot_lq': str(clip_root / 'X4'),
        'io_backend': {'type': 'disk'},
        'cache_data': False,
        'num_frame': num_frame,
        'padding': 'reflection_circle',
    }


def make_test_set(
    root: Path,
    name: str = 'Vid4',
    dataset_type: str = 'VideoTestDataset',
    clips: Sequence[tuple[str, int]] = (('000', 5), ('001', 6)),
) -> DataLoader:
    """Make clips, names and numbers of frames, of 32x48 pixels, x2, and return the loader of a test set of them."""
    for index, (clip, length) in enumerate(clips):
        make_clip(root / 'GT' / clip, length, (32, 48), seed=index)
        make_clip(root / 'LQ' / clip, length, (16, 24), seed=index + 5)
    opt = {
        'name': name,
        'type': dataset_type,
        'phase': 'val',
        'dataroot_gt': str(root / 'GT'),
        'dataroot_lq': str(root / 'LQ'),
        'io_backend': {'type': 'disk'},
        'cache_data': dataset_type == 'VideoRecurrentTestDataset',
        'num_frame': 3,
        'padding': 'replicate',
    }
    return DataLoader(build_dataset(opt))


def write_video(path: Path, frames: Iterable[np.ndarray], *, rate: float = 25, codec: str = 'MJPG') -> None:
    """Write frames (h, w, 3), BGR, uint8, as a video file."""
    frames = list(frames)
    video = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), rate, frames[0].shape[1::-1])
    assert video.isOpened()
    for frame in frames:
        video.write(frame)
    video.release()


class Payload:
    """Makes a file when it is unpickled the unsafe way."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return builtins.open, (str(self.path), 'w')
