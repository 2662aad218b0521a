"""A sweep for tests: its files, brought down to a few iterations on tiny clips."""

from pathlib import Path
from typing import Any

import yaml

from tests.helpers import as_host_model, tiny_options, video_test_set, write_options

NAME = 'tiny'


def write_tiny_sweep(clip_root: Path, **changes: Any) -> Path:
    """Write the files of a sweep of four cases and two seeds for the clips of the fixture ``clip_root``.

    Args:
        clip_root: Where to.
        **changes: Keys of the file that differ; None leaves one out.
    """
    options = tiny_options(clip_root, name='base', init_t_iters=0, total_iter=6)
    options['datasets']['train']['dataset_enlarge_ratio'] = 4
    options['logger'].update(save_checkpoint_freq=2, print_freq=1)
    write_options(options, clip_root / 'base.yml')
    pretrain = as_host_model(tiny_options(clip_root, name='pretrain', total_iter=3))
    pretrain['datasets']['train']['gt_frames'] = 'middle'
    write_options(pretrain, clip_root / 'pretrain.yml')
    test = as_host_model(tiny_options(clip_root, name='test'))
    del test['train'], test['logger']
    test['datasets'] = {'test': video_test_set(clip_root, 3)}
    test['path'] = {'pretrain_network_g': None, 'strict_load_g': True}
    test['val'] = {'save_img': True, 'suffix': 'out', 'metrics': {'psnr': {'type': 'calculate_psnr_fast'}}}
    write_options(test, clip_root / 'test.yml')
    content: dict[str, Any] = {
        'name': NAME,
        'base': str(clip_root / 'base.yml'),
        'seeds': [0, 1],
        'reference': 'Ours',
        'before': {
            'pretrain': {'base': str(clip_root / 'pretrain.yml'), 'seeds': 'shared'},
            'init_t': {
                'base': str(clip_root / 'base.yml'),
                'seeds': 'shared',
                'options': {
                    'path.pretrain_network_g': '{pretrain}/models/net_g_latest.pth',
                    'train': {'init_t_iters': 2, 'total_iter': 3},
                },
            },
        },
        'options': {
            'path.pretrain_network_g': '{pretrain}/models/net_g_latest.pth',
            'path.pretrain_network_t': '{init_t}/models/net_t_2.pth',
        },
        'cases': {
            'Pretrained': {'result_of': 'pretrain'},
            'Ours': {},
            'w/o content loss': {'options': {'train.discriminative_opt.content_weight': 0}},
            'Layer 1': {'options': {'train': {'discriminative_opt': {'layers': [1]}}}},
        },
        'measure': {'test': str(clip_root / 'test.yml'), 'metrics': ['psnr', 'tof'], 'protocol': {'crop_border': 2}},
    }
    content.update(changes)
    path = clip_root / 'sweep.yml'
    path.write_text(
        yaml.safe_dump({key: value for key, value in content.items() if value is not None}, sort_keys=False)
    )
    return path
