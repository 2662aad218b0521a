"""What a sweep has begun, against what its file asks for now: the same runs go on, others are refused by name."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.core.training_states import states_in
from dlvr_plugin.options.given_options import Difference, find_differences, plain
from dlvr_plugin.options.problems import format_report
from dlvr_plugin.sweep.sweep_folder import FILE_NAME, Run, Sweep, read_sweep


def join_recorded(sweep: Sweep) -> Sweep:
    """Return a sweep with the runs that an earlier version of its file had begun.

    Cases and seeds may come and go. Options of a run that has a checkpoint must be what they were, but for those that
    do not shape it, such as how often it logs.

    Raises:
        InvalidValueError: They are not, or an experiment has the name of a run and is none of this sweep.
        DataError: ``sweep.json`` is damaged.
    """
    recorded: dict[str, Run] = {}
    if (sweep.folder / FILE_NAME).exists():
        old = read_sweep(sweep.folder)
        recorded = {run.name: run for run in (*(run for _, run in old.runs()), *old.retired)}
    lines: list[str] = []
    for case, run in sweep.runs():
        if not run.trains or not states_in(sweep.experiment_folder(run) / 'training_states'):
            continue
        if run.name not in recorded:
            raise InvalidValueError(
                f'{sweep.experiment_folder(run)} is there, and no run of this sweep: case {case.name!r} cannot take '
                'its place. Move it away, or give the sweep another name.'
            )
        changes = changes_of(recorded[run.name].options, run.options)
        lines += [f'case {case.name!r}, {run.seed_label}: {each}' for each in changes]
    if lines:
        report = format_report(f'{sweep.folder / FILE_NAME}: these runs have begun with other options', lines)
        raise InvalidValueError(
            f'{report}\nSet these back to go on. Or give the changed cases, or the sweep, other names.'
        )
    named = {run.name for _, run in sweep.runs()}
    return replace(sweep, retired=tuple(run for name, run in recorded.items() if name not in named))


def changes_of(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """Return what differs between the options of two trainings and shapes what comes of them."""
    differences = find_differences(plain(before), plain(after))
    return [each for each in differences if each.on_resume.rule != 'free' or each.key[0] == 'path']
