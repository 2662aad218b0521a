"""Build optimizers and schedules, and take a step of each, on a tiny weight."""

import functools
import json
from itertools import pairwise
from typing import Any

import torch
from basicsr.models import lr_scheduler
from torch.optim import Optimizer

from dlvr_plugin.options.consistency.building import explain
from dlvr_plugin.options.consistency.findings import Findings
from dlvr_plugin.training.step_features import OPTIMIZERS, get_optimizer

_OF_GPUS = 'capturable'  # which torch takes on a GPU alone
_SCHEDULERS = {'scheduler': 'optim_g', 'scheduler_t': 'optim_t'}


def check_optimizers(findings: Findings) -> None:
    """Find options that an optimizer or a schedule refuses when it is built, or at its first step."""
    train = findings.opt.get('train')
    names = [str(name) for name in train if str(name).startswith('optim_')] if isinstance(train, dict) else []
    for name in names:
        options = findings.get('train', name)
        if options and (error := _step(json.dumps(options), on_gpu=findings.num_gpu != 0)):
            findings.add(('train', name), f'cannot be used: {explain(error, OPTIMIZERS[options["type"]])}')
    for name, of in _SCHEDULERS.items():
        options = findings.get('train', name)
        if options:
            _check_order(findings, name, options)
        if options and findings.get('train', of) and findings.is_sound('train', name):
            _check_scheduler(findings, name, options, findings.get('train', of))


def _build(options: dict[str, Any]) -> Optimizer:
    arguments = dict(options)
    weight = torch.zeros(2, requires_grad=True)
    weight.grad = torch.ones(2)
    return get_optimizer(None, arguments.pop('type'), [weight], **arguments)  # type: ignore[arg-type]  # reads no model


@functools.lru_cache(maxsize=64)
def _step(options: str, *, on_gpu: bool) -> Exception | None:
    """Return what torch says of options of an optimizer, None for nothing."""
    try:
        _build({name: value for name, value in json.loads(options).items() if not (on_gpu and name == _OF_GPUS)}).step()
    except Exception as error:  # torch's own: of any class, and all of them are about the options
        return error
    return None


def _check_scheduler(findings: Findings, name: str, options: dict[str, Any], of: dict[str, Any]) -> None:
    arguments = dict(options)
    kind = arguments.pop('type')
    made = getattr(lr_scheduler, 'MultiStepRestartLR' if kind == 'MultiStepLR' else kind)
    try:
        made(_build({'type': of['type'], 'lr': of['lr']}), **arguments)
    except Exception as error:  # the framework's own, as above
        findings.add(('train', name), f'cannot be used: {explain(error, made)}')


def _check_order(findings: Findings, name: str, options: dict[str, Any]) -> None:
    for key in ('milestones', 'restarts'):
        iterations = options.get(key) or []
        if any(later < earlier for earlier, later in pairwise(iterations)):
            findings.add(('train', name, key), f'must rise from entry to entry, got {iterations}.')
