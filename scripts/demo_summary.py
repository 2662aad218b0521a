"""Sum up the demo: what was made, where, how the losses went, and what to run next."""

import sys
import textwrap
from pathlib import Path

import numpy as np

from dlvr_plugin.evaluation.evaluation_file import read_evaluation
from dlvr_plugin.report.tradeoff import list_findings, parse_pair
from dlvr_plugin.report.training_log import read_scalars

EVALUATION = Path('results/demo_evaluation')


def first_and_last(run: str) -> dict[str, tuple[float, float]]:
    """Return the first and the last logged value of every loss and accuracy of a run, each the mean of three."""
    values = {}
    for tag, series in read_scalars(Path('tb_logger') / run).items():
        name = tag.rsplit('/', 1)[-1]
        if name.startswith(('l_', 't_acc')):
            values[name] = (float(np.mean(series.values[:3])), float(np.mean(series.values[-3:])))
    return values


def main(pair: str) -> int:
    """Print the last screen of the demo, with what the first method of the pair gained on the second."""
    lines = ['', '== Done. What was made', '']
    for what, where in (
        ('demo clips, stores', 'datasets/demo'),
        ('samples of the trainer', 'results/demo_samples.png'),
        ('pretrained EDVR', 'experiments/demo_1_pretrain/models/net_g_latest.pth'),
        ('EDVR, discriminative space', 'experiments/demo_2_discriminative_space/models/net_g_latest.pth'),
        ('loss network T', 'experiments/demo_2_discriminative_space/models/net_t_latest.pth'),
        ('restored frames', 'results/demo_3_test/visualization/reds4'),
        ('restored video', 'results/demo_restored.mp4'),
        ('measured frame by frame', f'{EVALUATION}/metrics.csv'),
        ('picture to look at', 'results/demo_comparison.png'),
        ('page to look at', f'{EVALUATION}/report/index.html'),
    ):
        lines.append(f'  {what:28}{where}')
    lines += ['', f'  {"losses and accuracies":40}{"at start":>12}{"at end":>12}']
    for run, title in (('demo_1_pretrain', 'pretrain'), ('demo_2_discriminative_space', 'discriminative space')):
        for name, (first, last) in sorted(first_and_last(run).items()):
            lines.append(f'  {title + ": " + name:40}{first:12.3e}{last:12.3e}')
    lines.append('  (Content and relation are measured in a space that T keeps sharpening: they need not fall.)')
    evaluation = read_evaluation(EVALUATION)
    for finding in list_findings(evaluation, [parse_pair(pair, evaluation)]):
        lines += ['', *textwrap.wrap(finding, 110, initial_indent='  ', subsequent_indent='  ')]
    lines += [
        '',
        '  Next:',
        '    docs/choosing_settings.md                   what an hour or two gain on a CPU',
        '    tensorboard --logdir tb_logger              the curves',
        '    README.md, "Train on REDS"                  the settings of the paper',
        '    README.md, "Another generator"              BasicVSR, EDSR, SwinIR and others',
        '    README.md, "Your own clips"                 your own clips and videos',
        '',
    ]
    print('\n'.join(lines))
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1]))
