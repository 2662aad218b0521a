"""Check the options of a run, all of them at once."""

import os
from collections.abc import Sequence
from typing import Any

from dlvr_plugin.options.consistency.clip_sets import check_clip_sets
from dlvr_plugin.options.consistency.combinations import check_combinations
from dlvr_plugin.options.consistency.data_files import check_data_files
from dlvr_plugin.options.consistency.findings import Findings, Processes
from dlvr_plugin.options.consistency.framework_classes import check_framework_model
from dlvr_plugin.options.consistency.ground_truth import check_ground_truth
from dlvr_plugin.options.consistency.loss_network import check_windows
from dlvr_plugin.options.consistency.losses import check_losses
from dlvr_plugin.options.consistency.machine import check_machine, check_memory_of_samples
from dlvr_plugin.options.consistency.networks import check_networks
from dlvr_plugin.options.consistency.optimizers import check_optimizers
from dlvr_plugin.options.consistency.weight_files import check_weight_files
from dlvr_plugin.options.problems import OptionsError, Problem, dotted, format_report
from dlvr_plugin.options.schema.run import run_options
from dlvr_plugin.options.yaml_reader import Document


def find_problems(
    opt: dict[str, Any],
    *,
    is_train: bool,
    with_files: bool = True,
    processes: Processes | None = None,
) -> tuple[dict[str, Any], list[Problem]]:
    """Find everything that is wrong with options.

    Args:
        opt: Options as they were read.
        is_train: Whether they are those of a training run.
        with_files: Whether to look at data and weights, too.
        processes: What the run works on.

    Returns:
        The options, with the types that code expects (a whole number for ``!!float 5e3``) and ``~`` in paths replaced
        by the home folder; and the problems.
    """
    checked, problems = check_types(opt, is_train=is_train)
    findings = Findings(checked, is_train, processes or Processes(), problems)
    if not (findings.is_sound('model_type') and findings.is_sound('host_model')):
        return checked, problems  # which types the other options must have depends on these
    check_combinations(findings)
    check_clip_sets(findings)
    check_windows(findings)
    check_machine(findings)
    if is_train:
        check_ground_truth(findings)
    check_memory_of_samples(findings)
    check_networks(findings)
    if is_train:
        check_optimizers(findings)
        check_losses(findings)
    check_framework_model(findings)
    if with_files:
        check_data_files(findings)
        check_weight_files(findings)
    return checked, problems


def is_training(opt: dict[str, Any]) -> bool:
    """Tell whether options are those of a training run, not of a test."""
    datasets = opt.get('datasets')
    return 'train' in opt or (isinstance(datasets, dict) and 'train' in datasets)


def check_types(opt: dict[str, Any], *, is_train: bool) -> tuple[dict[str, Any], list[Problem]]:
    """Find keys that are unknown or missing and values of the wrong type; returns what ``find_problems`` does."""
    problems: list[Problem] = []
    checked = run_options(is_train).check(opt, (), problems)
    _expand_home(checked)
    return checked, problems


def check_options(
    document: Document,
    *,
    is_train: bool,
    with_files: bool = True,
    processes: Processes | None = None,
) -> dict[str, Any]:
    """Return the options of a document, checked; see ``find_problems``.

    Raises:
        OptionsError: The report of what is wrong: file and line, key, what was expected and what came.
    """
    checked, problems = find_problems(document.value, is_train=is_train, with_files=with_files, processes=processes)
    refuse(document, problems)
    return checked


def refuse(document: Document, problems: Sequence[Problem]) -> None:
    """Raise the report of problems, in the order of the lines of the document, if there are any.

    Raises:
        OptionsError: There are.
    """
    if problems:
        ordered = sorted(problems, key=lambda problem: _line(document.place(problem.key)))
        lines = [f'{document.place(each.key)}: {dotted(each.key)}: {each.message}' for each in ordered]
        raise OptionsError(format_report(document.name, list(dict.fromkeys(lines))), ordered)


def _line(place: str) -> tuple[bool, int]:
    """Return what sorts places: by line, then those of the command line."""
    number = place.rpartition(':')[-1]
    return (not number.isdigit() or place.startswith('--'), int(number) if number.isdigit() else 0)


def _expand_home(opt: dict[str, Any]) -> None:
    """Replace ``~`` at the start of paths, as the host does."""
    sections = [opt.get('path'), *(opt['datasets'].values() if isinstance(opt.get('datasets'), dict) else ())]
    for section in sections:
        for key, value in section.items() if isinstance(section, dict) else ():
            is_path = str(key).startswith(('dataroot_', 'pretrain_network', 'resume_state', 'meta_info'))
            if is_path and isinstance(value, str):
                section[key] = os.path.expanduser(value)
