"""What tests of data sets share."""


def options(root, **changes):
    return {
        'name': 'clips',
        'type': 'ClipDataset',
        'phase': 'train',
        'scale': 4,
        'dataroot_gt': str(root / 'GT'),
        'dataroot_lq': str(root / 'X4'),
        'io_backend': {'type': 'disk'},
        'num_frame': 3,
        'gt_size': 32,
        **changes,
    }
