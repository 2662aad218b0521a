"""Sum up the demo: what was made, where, how the losses went, how good the result is, and what to run next."""

import sys
from pathlib import Path

import cv2
import numpy as np
from measure_quality import compare, format_table, upsample
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from dlvr_plugin.data.clip_store import ClipStore

CLIPS = Path('datasets/demo')
RESULTS = {
    'pretrained EDVR': Path('results/demo_3_test_pretrained/visualization/reds4'),
    'discriminative space': Path('results/demo_3_test/visualization/reds4'),
}
PICTURE = Path('results/demo_comparison.png')


def first_and_last(run: str) -> dict[str, tuple[float, float]]:
    """Return the first and the last logged value of every loss and accuracy of a run, each the mean of three."""
    events = EventAccumulator(str(Path('tb_logger') / run)).Reload()
    values = {}
    for tag in events.Tags()['scalars']:
        name = tag.rsplit('/', 1)[-1]
        if name.startswith(('l_', 't_acc')):
            series = [event.value for event in events.Scalars(tag)]
            values[name] = (float(np.mean(series[:3])), float(np.mean(series[-3:])))
    return values


def read_frame(root: Path, frame: int) -> np.ndarray:
    """Read a frame of the validation clip."""
    store = ClipStore(root, is_lmdb=False)
    return store.read(store.clips['000'], frame)


def draw_comparison(frame: int = 50, box: tuple[int, int, int, int] = (60, 90, 90, 120)) -> None:
    """Draw one crop (top, left, height, width) of bicubic, pretrained, ours and ground truth, side by side."""
    lq = read_frame(CLIPS / 'train_sharp_bicubic' / 'X4', frame)
    pictures = {'bicubic': upsample(lq, 4)}
    pictures.update({name: read_frame(root, frame) for name, root in RESULTS.items()})
    pictures['ground truth'] = read_frame(CLIPS / 'train_sharp', frame)
    top, left, height, width = box
    columns = []
    for name, picture in pictures.items():
        crop = picture[top : top + height, left : left + width]
        crop = cv2.resize(crop, None, fx=3, fy=3, interpolation=cv2.INTER_NEAREST)
        label = np.full((28, crop.shape[1], 3), 255, np.uint8)
        cv2.putText(label, name, (6, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 0), 1, cv2.LINE_AA)
        columns.append(np.vstack((label, crop)))
    cv2.imwrite(str(PICTURE), np.hstack(columns))


def main() -> int:
    """Print the last screen of the demo."""
    quality = compare(CLIPS / 'train_sharp', CLIPS / 'train_sharp_bicubic' / 'X4', RESULTS)
    draw_comparison()
    lines = ['', '== Done. What was made', '']
    for what, where in (
        ('demo clips, stores', CLIPS),
        ('samples of the trainer', 'results/demo_samples.png'),
        ('pretrained EDVR', 'experiments/demo_1_pretrain/models/net_g_latest.pth'),
        ('EDVR, discriminative space', 'experiments/demo_2_discriminative_space/models/net_g_latest.pth'),
        ('loss network T', 'experiments/demo_2_discriminative_space/models/net_t_latest.pth'),
        ('restored frames', RESULTS['discriminative space']),
        ('picture to look at', PICTURE),
    ):
        lines.append(f'  {what:28}{where}')
    lines += ['', f'  {"losses and accuracies":40}{"at start":>12}{"at end":>12}']
    for run, title in (('demo_1_pretrain', 'pretrain'), ('demo_2_discriminative_space', 'discriminative space')):
        for name, (first, last) in sorted(first_and_last(run).items()):
            lines.append(f'  {title + ": " + name:40}{first:12.3e}{last:12.3e}')
    lines.append('  (Content and relation are measured in a space that T keeps sharpening: they need not fall.)')
    lines += [
        '',
        '  Clip 000, which no step trained on; RGB, first and last two frames and eight border pixels left out:',
    ]
    lines += ['  ' + row for row in format_table(quality).splitlines()]
    lines += [
        '',
        '  Minutes on a CPU show that everything runs, not what the method can do. Next:',
        '    tensorboard --logdir tb_logger              the curves',
        '    README.md, "Train on REDS"                  the settings of the paper',
        '    README.md, "Use it with another model"      another generator',
        '    README.md, "Data"                           your own clips and videos',
        '',
    ]
    print('\n'.join(lines))
    return 0


if __name__ == '__main__':
    sys.exit(main())
