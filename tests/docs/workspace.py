"""A folder in which the commands of the pages find what they name, small."""

from pathlib import Path

import cv2
import torch
from torch.utils.tensorboard import SummaryWriter

from dlvr_plugin.archs import LossNetT
from tests.conftest import make_clip
from tests.helpers import REPOSITORY, make_lq, write_video

CLIPS = {'garden': 12, 'holiday': 12}
SIZE = (96, 128)


def make_workspace(root: Path) -> None:
    """Make clips, videos, results of three methods, checkpoints and a log of training below ``root``."""
    for name in ('options', 'scripts'):
        (root / name).symlink_to(REPOSITORY / name)
    for index, (clip, length) in enumerate(CLIPS.items()):
        make_clip(root / 'my_clips' / clip, length, SIZE, seed=index)
    frames = [cv2.imread(str(path)) for path in sorted((root / 'my_clips/garden').iterdir())]
    (root / 'my_videos').mkdir()
    write_video(root / 'my_videos/walk.avi', [*frames, *frames[::-1]])
    for method, sigma in (('bicubic', 2), ('pretrained', 1.2), ('ours', 0.8)):
        for path in sorted((root / 'my_clips').glob('*/*.png')):
            target = root / 'results' / method / path.parent.name / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(target), cv2.GaussianBlur(cv2.imread(str(path)), (0, 0), sigma))
    models = root / 'experiments/my_clips/models'
    models.mkdir(parents=True)
    torch.save({'params': LossNetT().state_dict()}, models / 'net_t_latest.pth')
    make_lq(root / 'my_clips', root / 'my_clips_lq')
    with SummaryWriter(str(root / 'tb_logger/my_clips')) as log:
        for iteration in range(1, 6):
            log.add_scalar('losses/l_g_pix', 1 / iteration, iteration)
