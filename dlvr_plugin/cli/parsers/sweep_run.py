"""What ``dlvr sweep run`` takes."""

from pathlib import Path
from typing import Any


def add_parser(commands: Any) -> None:
    """Add the subcommand to those of ``dlvr sweep``."""
    parser = commands.add_parser(
        'run',
        help='train, restore and measure all cases of a file',
        description='Train, restore and measure all cases of the file of a sweep. The same command goes on where it '
        'was stopped, and redoes nothing. The exit code is 1 where a run failed; the others are finished.',
    )
    parser.add_argument('file', type=Path, metavar='FILE', help='file of a sweep (.yml), see docs/sweeps.md')
    parser.add_argument('--dry-run', action='store_true', help='check everything, and say what would be done')
    parser.add_argument('--only', nargs='+', metavar='CASE', help='do these cases alone, and what they need')
    parser.add_argument(
        '--reuse',
        nargs='+',
        default=[],
        metavar='SWEEP',
        help='copy trainings that these sweeps have finished with the same options, instead of doing them again',
    )
    parser.add_argument('--jobs', type=int, metavar='N', help='runs at once (default: one, or one a GPU of --gpus)')
    parser.add_argument('--gpus', metavar='0,1', help='GPUs to share out, one a run')
    parser.add_argument(
        '--force_yml', nargs='+', default=[], metavar='SECTION:KEY=VALUE', help='change the file, as for a run'
    )
    parser.add_argument(
        '--lpips-random-weights', action='store_true', help='give LPIPS random weights; the result is no LPIPS'
    )
    cluster = parser.add_argument_group('clusters', 'They need the package submitit.')
    cluster.add_argument(
        '--cluster', choices=['local', 'slurm'], help='make each run a job of its own, which outlives preemption'
    )
    cluster.add_argument(
        '--slurm',
        nargs='+',
        default=[],
        metavar='KEY=VALUE',
        help='what jobs ask for, such as partition=gpu timeout_min=600 gpus_per_node=1 cpus_per_task=8 mem_gb=32',
    )
    parser.set_defaults(module='dlvr_plugin.cli.sweep_run')
