"""What becomes of the values of a validation: means in the log and in TensorBoard, the best checkpoint."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from basicsr.models.sr_model import SRModel
from basicsr.utils import get_root_logger
from torch import nn

from dlvr_plugin.core.errors import DataError
from dlvr_plugin.core.files import write_atomic
from dlvr_plugin.core.regular_files import read_json
from dlvr_plugin.evaluation.bootstrap import mean_over_clips
from dlvr_plugin.evaluation.measuring import Measurement
from dlvr_plugin.evaluation.validation_metrics import describe_protocol, direction_of
from dlvr_plugin.evaluation.validation_options import ValidationOptions

Values = dict[str, dict[int, dict[str, float]]]
"""By clip, number of the frame and metric; single images are one clip without a name."""

_BEST = 'best'  # in the file name, where another checkpoint has its iteration


def log_results(
    model: SRModel,
    set_name: str,
    lengths: Mapping[str, int],
    measurements: Mapping[str, Measurement],
    values: Values,
    current_iter: int | str,
    tb_logger: Any,
) -> None:
    """Log the means in the host's format, with the protocol below them, and keep the best checkpoint.

    Args:
        model: The host's model; gets ``metric_results``, and in training ``best_metric_results``.
        set_name: Name of the set.
        lengths: Number of frames by clip.
        measurements: The metrics.
        values: What was measured; NaN where a metric has no value.
        current_iter: Iteration, or the name of a test.
        tb_logger: TensorBoard's writer, None for none.
    """
    if not measurements:
        return
    by_clip = {name: {clip: _mean_of(values[clip], name) for clip in lengths} for name in measurements}
    means = {
        name: mean_over_clips([[mean] for mean in of_clips.values()], 'clip') for name, of_clips in by_clip.items()
    }
    model.metric_results = means if '' in lengths else _to_tables(lengths, measurements, values)
    _warn_of_nan(set_name, values)
    if model.opt['is_train']:
        _update_best(model, set_name, means, current_iter)
    options = ValidationOptions.from_section(model.opt['val'])
    best = getattr(model, 'best_metric_results', {}).get(set_name, {}) if model.opt['is_train'] else {}
    text = _format_means(set_name, means, by_clip, best)
    get_root_logger().info(f'{text}\t{describe_protocol(options, measurements.values())}\n')
    for name, mean in means.items() if tb_logger else ():
        tag = f'metrics/{set_name}/{name}'
        tb_logger.add_scalar(tag, mean, current_iter)
        for clip in filter(None, lengths):
            tb_logger.add_scalar(f'{tag}/{clip}', by_clip[name][clip], current_iter)
    if options.keep_best and model.opt['is_train']:
        _keep_best(model, set_name, means, options.keep_best, current_iter)


def _mean_of(frames: Mapping[int, Mapping[str, float]], name: str) -> float:
    """Return the mean of a clip over the frames that have a value."""
    found = [frames[index].get(name, math.nan) for index in sorted(frames)]
    numbers = [value for value in found if not math.isnan(value)]
    return mean_over_clips([numbers], 'clip') if numbers else math.nan


def _to_tables(
    lengths: Mapping[str, int], measurements: Mapping[str, Measurement], values: Values
) -> dict[str, torch.Tensor]:
    """Return the values of each clip as the host keeps them, (frames, metrics), float64; NaN where there is none."""
    return {
        clip: torch.tensor(
            [[values[clip].get(index, {}).get(name, math.nan) for name in measurements] for index in range(length)],
            dtype=torch.float64,
        )
        for clip, length in lengths.items()
    }


def _warn_of_nan(set_name: str, values: Values) -> None:
    places: dict[str, list[str]] = {}
    for clip, frames in values.items():
        for index, found in frames.items():
            for name, value in found.items():
                if math.isnan(value):
                    places.setdefault(name, []).append(f'clip {clip}, frame {index}' if clip else f'image {index}')
    for name, where in places.items():
        get_root_logger().warning(
            f'{name} of {set_name} is not a number for {len(where)} frames, which are left out; the first is '
            f'{where[0]}.'
        )


def _update_best(model: SRModel, set_name: str, means: Mapping[str, float], current_iter: int | str) -> None:
    if not hasattr(model, 'best_metric_results'):
        model.best_metric_results = {}
    record = model.best_metric_results.setdefault(set_name, {})
    for name, mean in means.items():
        if name not in record:
            better = direction_of(model.opt['val']['metrics'][name])
            record[name] = {'better': better, 'val': -math.inf if better == 'higher' else math.inf, 'iter': -1}
        model._update_best_metric_result(set_name, name, mean, current_iter)


def _format_means(
    set_name: str,
    means: Mapping[str, float],
    by_clip: Mapping[str, Mapping[str, float]],
    best: Mapping[str, Mapping[str, Any]],
) -> str:
    """Return the text that the host's models log, which tools read; without clips, and in a test, it is shorter."""
    text = f'Validation {set_name}\n'
    for name, mean in means.items():
        text += f'\t # {name}: {mean:.4f}'
        text += ''.join(f'\t # {clip}: {of_clip:.4f}' for clip, of_clip in by_clip[name].items() if clip)
        if name in best:
            text += f'\n\t    Best: {best[name]["val"]:.4f} @ {best[name]["iter"]} iter'
        text += '\n'
    return text


def _keep_best(model: SRModel, set_name: str, means: Mapping[str, float], wanted: str, current_iter: int | str) -> None:
    """Save G where the metric of ``keep_best`` is better than ever, over all runs of the experiment."""
    wanted_set, _, name = wanted.rpartition('/')
    first_set = next(each['name'] for phase, each in model.opt['datasets'].items() if phase.startswith('val'))
    if set_name != (wanted_set or first_set) or math.isnan(means[name]):
        return
    record = Path(model.opt['path']['models']) / f'net_g_{_BEST}.json'
    higher = direction_of(model.opt['val']['metrics'][name]) == 'higher'
    value = means[name]
    if record.exists():
        best = read_json(record)
        if not isinstance(best, dict) or not isinstance(best.get('value'), (int, float)):
            raise DataError(f'{record} is damaged: expected the metric and its value. Remove it to begin anew.')
        if best.get('metric') == wanted and (best['value'] >= value if higher else best['value'] <= value):
            return
    nets: list[nn.Module] = [model.net_g]
    keys = ['params']
    if hasattr(model, 'net_g_ema'):
        nets.append(model.net_g_ema)
        keys.append('params_ema')
    model.save_network(nets, 'net_g', _BEST, param_key=keys)
    content = {'metric': wanted, 'set': set_name, 'value': value, 'iter': current_iter}
    write_atomic(record, (json.dumps(content) + '\n').encode())
    get_root_logger().info(f'Best checkpoint by {wanted}: {value:.4f} @ {current_iter} iter, net_g_{_BEST}.pth.')
