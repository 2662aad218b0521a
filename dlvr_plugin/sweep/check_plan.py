"""What would stop a sweep later is found before its first run: by the check of options, and by a look at files.

Files that a run before will make are not there yet. Of these it is checked that the run will make them.
"""

import copy
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dlvr_plugin.clips.clip_reader import ClipReader
from dlvr_plugin.core.errors import DataError, UserError
from dlvr_plugin.evaluation.protocol import Protocol
from dlvr_plugin.metrics import METRICS
from dlvr_plugin.metrics.spec import MetricSpec
from dlvr_plugin.metrics.weights import MetricNetwork
from dlvr_plugin.options.consistency.findings import Processes
from dlvr_plugin.options.find_problems import find_problems, refuse
from dlvr_plugin.options.output_paths import resolve_output_paths
from dlvr_plugin.options.problems import KeyPath, OptionsError, Problem, dotted
from dlvr_plugin.options.user_classes import load_classes_of
from dlvr_plugin.options.yaml_reader import Document
from dlvr_plugin.sweep.cases import Plan, PlannedRun
from dlvr_plugin.sweep.option_changes import ChangedOptions
from dlvr_plugin.sweep.sweep_folder import Measure

_NETWORK = re.compile(r'models/net_([a-z]+)_(latest|[0-9]+)\.pth')


def check_plan(plan: Plan, names: Sequence[str], processes: Processes) -> None:
    """Check everything that a sweep needs.

    Args:
        plan: The sweep.
        names: Names of the runs that are to be done.
        processes: What each run works on.

    Raises:
        UserError: The first thing that cannot be used, with its file, line and key.
    """
    checked: list[tuple[str, Any]] = []
    for name in names:
        planned = plan.runs[name]
        for kind, options in (('training', planned.training), ('test', planned.test)):
            if options is None:
                continue
            shape = (kind, {**options.document.value, 'name': '', 'manual_seed': 0, **_path_of(kind, options)})
            if shape in checked:  # another seed of the same case, or a test that differs in its weights alone
                continue
            checked.append(shape)
            _check_options(plan, options, kind == 'training', processes)
            if kind == 'test':
                test_set(options.document)
    check_metrics(plan)


def _path_of(kind: str, options: ChangedOptions) -> dict[str, Any]:
    return {} if kind == 'training' else {'path': {**options.find(('path',)), 'pretrain_network_g': ''}}


def _check_options(plan: Plan, options: ChangedOptions, is_train: bool, processes: Processes) -> None:
    """Run the check of options, and leave out what concerns files that are yet to come."""
    source = options.document
    document = Document(source.name, copy.deepcopy(source.value), source.places)
    load_classes_of(document)
    resolve_output_paths(document.value, plan.sweep.root)
    awaited = dict(_awaited_files(document.value, options))
    problems = find_problems(document.value, is_train=is_train, processes=processes)[1]
    refuse(document, [each for each in problems if not any(str(path) in each.message for path in awaited.values())])
    for key, path in awaited.items():
        maker = plan.runs.get(path.parent.parent.name)
        if is_train and maker is not None and (reason := _why_not_made(path, maker)):
            refuse(document, [Problem(key, f'{path} {reason}')])


def _awaited_files(opt: Any, options: ChangedOptions) -> Iterator[tuple[KeyPath, Path]]:
    """Yield keys and paths of files that are not there yet."""
    for key, _ in options.awaited:
        value = opt
        for part in key:
            value = value[part]
        if not Path(value).exists():
            yield key, Path(value)


def _why_not_made(path: Path, maker: PlannedRun) -> str:
    """Return why a run will not leave a file; empty where it will."""
    opt = maker.run.options
    match = _NETWORK.fullmatch('/'.join(path.parts[-2:]))
    networks = [name.removeprefix('network_') for name in opt if str(name).startswith('network_')]
    if match is None or match[1] not in networks:
        names = ', '.join(f'models/net_{letter}_latest.pth' for letter in networks)
        return f'is nothing that the run {maker.case} makes. It makes {names}, and the same with numbers of iterations.'
    if match[2] == 'latest':
        return ''
    iteration, total = int(match[2]), int(opt['train']['total_iter'])
    frequency = int(opt['logger']['save_checkpoint_freq'])
    if iteration > total or (iteration != total and iteration % frequency):
        return (
            f'will not be made: the run {maker.case} has {total} iterations and saves each {frequency}. Set '
            'logger.save_checkpoint_freq of it, or name net_*_latest.pth.'
        )
    keep_last = opt['logger'].get('keep_last')
    later = {each for each in range(frequency, total + 1, frequency) if each > iteration} | {total} - {iteration}
    if keep_last is not None and len(later) >= keep_last:
        return (
            f'will be removed again: the run {maker.case} keeps {keep_last} checkpoints (logger.keep_last), and '
            f'{len(later)} come after it.'
        )
    return ''


def test_set(document: Document) -> dict[str, Any]:
    """Return the section of the one set that a test restores, and demand that its ground truth can be read.

    Raises:
        OptionsError: There are several, or it has no ground truth. DataError: That cannot be read.
    """
    sets = document.value['datasets']
    if len(sets) != 1:
        raise OptionsError(
            f'{document.place(("datasets",))}: datasets: a sweep measures one set, got {", ".join(map(str, sets))}. '
            'Make a test file of each, and a sweep of each or a set of all clips.'
        )
    phase, section = next(iter(sets.items()))
    key = ('datasets', phase, 'dataroot_gt')
    if not section.get('dataroot_gt'):
        raise OptionsError(f'{document.place(key)}: datasets.{phase}.dataroot_gt is missing: nothing to compare with.')
    try:
        ClipReader(Path(section['dataroot_gt']).expanduser())
    except DataError as error:
        raise DataError(f'{document.place(key)}: datasets.{phase}.dataroot_gt: {error}') from error
    return section


test_set.__test__ = False  # type: ignore[attr-defined]  # not one of pytest


def check_metrics(plan: Plan) -> None:
    """Demand what the metrics need: weights, programs, and a protocol that is right.

    Raises:
        UserError: One cannot be measured here; the message names its key.
    """
    document, measure = plan.file.document, plan.sweep.measure
    try:
        protocol = Protocol(**measure.protocol)
    except UserError as error:
        raise OptionsError(f'{document.place(("measure", "protocol"))}: measure.protocol: {error}') from error
    for index, name in enumerate(measure.metrics):
        spec = protocol.specify(METRICS[name])
        try:
            load_network(spec, measure, protocol)
            if spec.check_tools is not None:
                spec.check_tools()
        except UserError as error:
            is_lpips = spec.weights is not None and spec.weights.name == 'lpips'
            names_file = is_lpips and measure.lpips_weights is not None
            key: KeyPath = ('measure', 'lpips_weights') if names_file else ('measure', 'metrics', index)
            advice = ' Name a file in measure.lpips_weights, or leave the metric out.' if is_lpips else ''
            raise DataError(
                f'{document.place(key)}: {dotted(key)}: {name} cannot be measured: {error}{advice}'
            ) from error


def load_network(
    spec: MetricSpec, measure: Measure, protocol: Protocol, device: str = 'cpu'
) -> dict[str, MetricNetwork]:
    """Return the network of a metric by its name; none for a metric without one.

    Raises:
        DataError: Its weights cannot be downloaded. CheckpointError: They are missing or damaged.
    """
    weights = spec.weights
    if weights is None:
        return {}
    given: dict[str, Any] = {}
    if weights.name == 'lpips':
        given = {'weights': measure.lpips_weights, 'random_weights': measure.lpips_random_weights}
    settings = protocol.settings_of(spec)
    return {weights.name: weights.load(device=device, **given, **{name: settings[name] for name in weights.settings})}
