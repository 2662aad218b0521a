"""Models and data sets of the framework whose options nothing describes: built, to see what they lack."""

import json
from collections.abc import Mapping
from typing import Any

from basicsr.utils.registry import DATASET_REGISTRY, MODEL_REGISTRY

from dlvr_plugin.archs import spec_of
from dlvr_plugin.core.random_state import cpu_states_kept
from dlvr_plugin.options.consistency.building import attempt, explain, is_class_of_host, offline, quiet
from dlvr_plugin.options.consistency.findings import Findings
from dlvr_plugin.options.consistency.samples import step_model
from dlvr_plugin.options.schema.models import options_of

# Data sets that other checks look at.
_CHECKED_ELSEWHERE = (
    'ClipDataset',
    'ClipTestDataset',
    'REDSDataset',
    'REDSRecurrentDataset',
    'VideoTestDataset',
    'VideoTestDUFDataset',
    'VideoRecurrentTestDataset',
)
_OF_A_RUN = {'dist': False, 'rank': 0, 'world_size': 1, 'num_gpu': 0}


def check_framework_model(findings: Findings) -> None:
    """Build a model of the framework without memory, where it reads what is not described, and all else is right."""
    name = findings.get('model_type')
    model = MODEL_REGISTRY.get(name) if name else None
    if model is None or findings.problems or not is_class_of_host(model) or options_of(name).is_known:
        return
    options = {
        key: _without_files(section) if key == 'path' or key.startswith('network_') else section
        for key, section in findings.opt.items()
    }
    text = json.dumps({**options, 'is_train': findings.is_train, **_OF_A_RUN}, default=str)
    error = attempt(lambda: model(json.loads(text)) and None).error
    if error is not None:
        findings.add(('model_type',), _explain(error, model, name))


def check_framework_set(findings: Findings, phase: str, dataset: Mapping[str, Any]) -> None:
    """Build a data set of the framework that no other check looks at, and read its first sample."""
    name = dataset['type']
    made = DATASET_REGISTRY.get(name)
    if name in _CHECKED_ELSEWHERE or not is_class_of_host(made):
        return
    scale = {'scale': findings.opt['scale']} if 'scale' in findings.opt else {}
    options = {**json.loads(json.dumps(dataset)), **scale, 'phase': phase.split('_')[0]}
    problem = None
    with quiet(), offline(), cpu_states_kept():
        try:
            built = made(options)
            problem = None if len(built) else 'has no samples. Look at its paths, and at how its files are named.'
            if problem is None:
                problem = _find_misfit(findings, phase, built[0])
        except Exception as error:  # of whatever its files and its options make it raise
            problem = _explain(error, made, name)
    if problem is not None:
        findings.add(('datasets', phase), problem)


def _find_misfit(findings: Findings, phase: str, sample: Mapping[str, Any]) -> str | None:
    """Return what a sample lacks that a training step of the framework takes, None for nothing."""
    if phase != 'train' or step_model(findings) is None:
        return None
    missing = [name for name in ('lq', 'gt') if name not in sample]
    if missing:
        return f'gives no {missing[0]}, which the training step takes. Choose another type.'
    spec = spec_of(findings.get('network_g'))
    if spec is not None and spec.takes != 'frame' and sample['lq'].dim() < 4:
        return f'gives single frames, and network_g ({spec.arch}) takes a {spec.takes}. Choose another type.'
    return None


def _without_files(section: Any) -> Any:
    """Return a section that names no weights."""
    if not isinstance(section, Mapping):
        return section
    return {key: None if 'pretrain' in key or key.endswith('_path') else value for key, value in section.items()}


def _explain(error: Exception, made: Any, name: str) -> str:
    if isinstance(error, KeyError):
        return f'{name} reads the key {error}, which is missing.'
    return f'{name} cannot be used so: {explain(error, made)}'
