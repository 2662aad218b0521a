"""Sweeps made by hand: their folders, and what was measured of their runs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dlvr_plugin.evaluation.evaluation_file import format_json
from dlvr_plugin.sweep.sweep_folder import Case, Measure, Run, Sweep, write_sweep

METRICS = {
    'psnr': {'label': 'PSNR', 'direction': 'higher', 'decimals': 2, 'unit': 'dB'},
    'lpips': {'label': 'LPIPS', 'direction': 'lower', 'decimals': 3, 'unit': ''},
}
PROTOCOL = {'skip_frames': 0, 'average': 'clip'}


def make_sweep(
    root: Path, cases: Sequence[str], seeds: Sequence[int] = (0, 1), *, shared: Sequence[str] = (), **fields: Any
) -> Sweep:
    """Write the folder of a sweep, and return it; the cases of ``shared`` have one run for all seeds."""
    made = []
    for number, name in enumerate(cases):
        runs = {}
        for seed in seeds:
            run = f'made_case{number}_seed{seeds[0] if name in shared else seed}'
            runs[seed] = Run(name=run, seed=seed, experiment=run, needs=(), options={})
        made.append(Case(name=name, slug=f'case{number}', runs=runs))
    sweep = Sweep(
        root=root,
        name='made',
        seeds=tuple(seeds),
        reference=fields.pop('reference', cases[0]),
        before=(),
        cases=tuple(made),
        measure=Measure(metrics=tuple(METRICS), **fields),
    )
    write_sweep(sweep)
    return sweep


def make_evaluation(clips: Mapping[str, Mapping[str, Sequence[float]]], **changes: Any) -> dict[str, Any]:
    """Return the evaluation of one method, of its frames' values by clip and metric."""
    results = {
        clip: {
            'mean': {metric: sum(frames) / len(frames) for metric, frames in values.items()},
            'frames': {metric: list(frames) for metric, frames in values.items()},
            'sha256': {},
        }
        for clip, values in clips.items()
    }
    metrics = list(next(iter(clips.values())))
    evaluation = {
        'format': 1,
        'protocol': PROTOCOL,
        'versions': {'numpy': '2.0'},
        'metrics': {metric: METRICS[metric] for metric in metrics},
        'gt_root': '/gt',
        'clips': {
            clip: {
                'size': [8, 8],
                'frames': [f'{index:08d}' for index in range(len(values[metrics[0]]))],
                'frame_rate': None,
                'sha256': {'0.png': 'ab'},
            }
            for clip, values in clips.items()
        },
        'methods': {
            'any': {
                'root': '/results',
                'mean': {
                    metric: sum(result['mean'][metric] for result in results.values()) / len(results)
                    for metric in metrics
                },
                'intervals': {metric: {'frames': None, 'clips': None} for metric in metrics},
                'clips': results,
            }
        },
    }
    return evaluation | changes


def add_measured(
    sweep: Sweep,
    case: str,
    seed: int,
    values: Mapping[str, Sequence[float]],
    *,
    iteration: int | None = None,
    **changes: Any,
) -> Path:
    """Write the evaluation of a run, of one value for each clip by metric; return its file."""
    (run,) = (each.runs[seed] for each in sweep.cases if each.name == case)
    num_clips = len(next(iter(values.values())))
    clips = {f'clip{index}': {name: [of[index]] for name, of in values.items()} for index in range(num_clips)}
    path = sweep.metrics_file(run, iteration)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(format_json(make_evaluation(clips, **changes)))
    return path
