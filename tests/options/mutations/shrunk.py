"""The shipped option files, brought down to two iterations of tiny networks on tiny clips.

Paths in them begin with ``DATA``, which ``fill_in`` replaces by the folder that ``make_data`` has filled.
"""

import functools
import shutil
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import cv2
import torch
from basicsr.archs import build_network

from dlvr_plugin.clips.clip_store import format_meta_line
from dlvr_plugin.data.demo_clips import DEMO_CLIPS, load_photograph, render_clip
from tests.helpers import OPTION_FILES, REPOSITORY, make_lmdb, make_lq, read_options

FILES = [path.relative_to(REPOSITORY).as_posix() for path in OPTION_FILES]
DATA, WORK = 'DATA', 'WORK'
"""What stands in options for the folder of the data, and for the folder that a run must leave alone."""

# Arguments that make networks small; a network that is not here is small enough, or takes no size.
SMALL: dict[str, dict[str, Any]] = {
    'BasicVSR': {'num_feat': 8, 'num_block': 1},
    'BasicVSRPlusPlus': {'mid_channels': 8, 'num_blocks': 1},
    'DBN': {'num_feat': 4},
    'DUF': {'num_layer': 16, 'scale': 4},
    'ECBSR': {'num_in_ch': 3, 'num_out_ch': 3, 'num_block': 1, 'num_channel': 4, 'with_idt': False, 'act_type': 'relu'},
    'EDSR': {'num_in_ch': 3, 'num_out_ch': 3, 'num_feat': 8, 'num_block': 1},
    'EDVR': {'num_feat': 8, 'deformable_groups': 2, 'num_extract_block': 1, 'num_reconstruct_block': 1},
    'EnhanceNet': {'num_feat': 8, 'num_block': 1},
    'FRNet': {'num_feat': 8, 'num_block': 1},
    'IconVSR': {'num_feat': 8, 'num_block': 1},
    'LossNetT': {'num_feat': [4, 8, 8, 8], 'num_feat_classifier': 8},
    'MSRResNet': {'num_feat': 8, 'num_block': 1},
    'RCAN': {'num_in_ch': 3, 'num_out_ch': 3, 'num_feat': 16, 'num_group': 1, 'num_block': 1},
    'RIDNet': {'in_channels': 3, 'mid_channels': 16, 'out_channels': 3},
    'RRDBNet': {'num_in_ch': 3, 'num_out_ch': 3, 'num_feat': 8, 'num_block': 1, 'num_grow_ch': 4},
    'SRVGGNetCompact_basicsr': {'num_feat': 8, 'num_conv': 1},
    'STFAN': {'num_feat': 4},
    'STRCNN': {'num_feat': 8, 'num_block': 1},
    'StyleGAN2Discriminator': {'out_size': 32},
    'StyleGAN2Generator': {'out_size': 32},
    'SwinIR': {'img_size': 8, 'embed_dim': 8, 'depths': [1], 'num_heads': [2], 'window_size': 4},
    'UNetDiscriminatorSN_basicsr': {'num_in_ch': 3, 'num_feat': 4},
    'VGGStyleDiscriminator': {'num_in_ch': 3, 'num_feat': 4},
}
_TRAIN = {'batch_size_per_gpu': 2, 'num_worker_per_gpu': 0, 'dataset_enlarge_ratio': 1, 'gt_size': 32}
_CLIPS = {'train': ('000', '001'), 'test': ('000',)}
_LENGTH = {'train': 100, 'test': 7}  # the framework takes clips of REDS, of a hundred frames
_SIZE = {'train': (136, 144), 'test': (64, 80)}
_LEAST_SIZE = {'BasicVSR': 132}  # of ground truth


def shrunk(file: str) -> dict[str, Any]:
    """Return the options of a shipped file for tiny data.

    Args:
        file: Its path, as seen from the repository.
    """
    opt = deepcopy(_read(file))
    for phase, dataset in opt['datasets'].items():
        _shrink_dataset(dataset, opt['scale'], is_train=phase == 'train')
        if phase == 'train' and opt['network_g']['type'] in _LEAST_SIZE:
            dataset['gt_size'] = _LEAST_SIZE[opt['network_g']['type']]
    for letter in 'gt':
        if network := opt.get(f'network_{letter}'):
            network.update(SMALL[network['type']])
    if 'spynet_path' in opt['network_g']:
        opt['network_g']['spynet_path'] = f'{DATA}/weights/spynet.pth'
    if opt['path'].get('pretrain_network_g'):
        opt['path']['pretrain_network_g'] = f'{DATA}/weights/{Path(file).stem}.pth'
    if 'train' in opt:
        _shrink_training(opt)
    return opt


@functools.cache
def _read(file: str) -> dict[str, Any]:
    return fill_in(read_options(REPOSITORY / file), {})  # in plain dictionaries


def _shrink_dataset(dataset: dict[str, Any], scale: int, *, is_train: bool) -> None:
    suffix = '.lmdb' if dataset.get('io_backend', {}).get('type') == 'lmdb' else ''
    phase = 'train' if is_train else 'test'
    dataset['dataroot_gt'] = f'{DATA}/{phase}/GT{suffix}'
    if 'dataroot_lq' in dataset:  # if not, low-quality frames are made of the ground truth
        dataset['dataroot_lq'] = f'{DATA}/{phase}/{_lq_name(scale)}{suffix}'
    if 'meta_info_file' in dataset:
        dataset['meta_info_file'] = f'{DATA}/train/GT.lmdb/meta_info_clips.txt' if is_train else f'{DATA}/test/meta.txt'
    if is_train:
        dataset.update({name: value for name, value in _TRAIN.items() if name in dataset})
        if dataset['num_frame'] > 5:  # of recurrent networks, which take any number
            dataset['num_frame'] = 3


def _shrink_training(opt: dict[str, Any]) -> None:
    train = opt['train']
    train['total_iter'] = 2
    for name in {'init_t_iters', 'tsa_iter'} & set(train):
        train[name] = 1
    scheduler = train['scheduler']
    for name in {'periods', 'milestones'} & set(scheduler):
        scheduler[name] = [2] * len(scheduler[name])
    if 'path' in train.get('perceptual_opt', {}):
        train['perceptual_opt'].update(
            path=f'{DATA}/weights/net_t.pth', network_t={'type': 'LossNetT', **SMALL['LossNetT']}
        )
    if train.get('discriminative_opt', {}).get('random_shift'):
        train['discriminative_opt']['random_shift'] = 8  # leaves T enough of the small crops
    if train.get('perceptual_opt', {}).get('type') in ('PerceptualLoss', 'LPIPSLoss'):  # their weights are downloads
        train['perceptual_opt'] = {'type': 'LPIPSLoss', 'loss_weight': 1.0, 'net': 'squeeze', 'random_weights': True}
    opt['logger'].update(print_freq=1, save_checkpoint_freq=2)
    if 'val' in opt:
        opt['val']['val_freq'] = 2


def _lq_name(scale: int) -> str:
    return 'blur' if scale == 1 else f'X{scale}'


def make_data(root: Path) -> None:
    """Make the clips and the weights that the shrunk files name, in a folder that does not exist yet."""
    for phase, clips in _CLIPS.items():
        folder = root / phase
        for clip in clips:
            _write_clip(folder, clip, _LENGTH[phase], _SIZE[phase])
        make_lq(folder / 'GT', folder / 'X4')
        if phase == 'train':
            for name in ('GT', 'X4', 'blur'):
                make_lmdb(folder / name, folder / f'{name}.lmdb')
                shutil.rmtree(folder / name)
    (root / 'test/meta.txt').write_text(format_meta_line(_CLIPS['test'][0], _LENGTH['test'], _SIZE['test']))
    (root / 'weights').mkdir()
    torch.manual_seed(0)
    flow = dict(build_network({'type': 'SpyNet'}).named_parameters())  # its file has no buffers
    torch.save({'params': flow}, root / 'weights/spynet.pth')
    _save({'type': 'LossNetT', **SMALL['LossNetT']}, root / 'weights/net_t.pth')
    for file in FILES:
        opt = fill_in(shrunk(file), {DATA: root})
        if path := opt['path'].get('pretrain_network_g'):
            _save(opt['network_g'], Path(path), key=opt['path'].get('param_key_g', 'params'))


def _write_clip(folder: Path, clip: str, length: int, size: tuple[int, int]) -> None:
    name, motion = DEMO_CLIPS[clip]
    for number, frame in enumerate(render_clip(load_photograph(name), motion, num_frames=length, size=size)):
        for kind, image in (('GT', frame), ('blur', cv2.GaussianBlur(frame, (0, 0), 1.5))):
            path = folder / kind / clip / f'{number:08d}.png'
            path.parent.mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(path), image[..., ::-1])


def _save(network: dict[str, Any], path: Path, key: str = 'params') -> None:
    torch.save({key: build_network(dict(network)).state_dict()}, path)


def fill_in(value: Any, folders: dict[str, Path]) -> Any:
    """Return options with the folders that words stand for, as in ``{DATA: Path('/tmp/data')}``."""
    if isinstance(value, dict):
        return {key: fill_in(each, folders) for key, each in value.items()}
    if isinstance(value, list):
        return [fill_in(each, folders) for each in value]
    word, slash, rest = value.partition('/') if isinstance(value, str) else ('', '', '')
    return f'{folders[word]}{slash}{rest}' if word in folders else value


def keys_of(section: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of every key of options."""
    for name, value in section.items():
        yield (*path, name)
        if isinstance(value, dict):
            yield from keys_of(value, (*path, name))
