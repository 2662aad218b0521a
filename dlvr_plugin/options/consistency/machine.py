"""What a run asks of its machine: GPUs, and processes that read."""

import os

from dlvr_plugin.options.consistency.findings import Findings

_WORKERS_A_CORE = 4
_ALWAYS_FINE = 64  # workers, however few the cores: files are written for larger machines, too


def check_machine(findings: Findings) -> None:
    """Find GPUs that are not there, and more reading processes than a machine can bear."""
    _check_gpus(findings)
    for phase, dataset in findings.datasets():
        _check_workers(findings, phase)
        key = ('datasets', phase, 'persistent_workers')
        if findings.get(*key) is True and (phase != 'train' or not dataset.get('num_worker_per_gpu')):
            reason = (
                'with num_worker_per_gpu: 0' if phase == 'train' else f'for datasets.{phase}, which no worker reads'
            )
            findings.add(key, f'must be false {reason}.')
        if phase == 'train' and findings.get('datasets', phase, 'prefetch_mode') == 'cuda' and not findings.num_gpu:
            findings.add(
                ('datasets', phase, 'prefetch_mode'),
                'cuda needs a GPU, and this run uses none. Write cpu or ~.',
            )


def _check_gpus(findings: Findings) -> None:
    wanted, there = findings.get('num_gpu'), findings.processes.num_gpu
    if not isinstance(wanted, int) or wanted <= there:
        return
    if not there:
        findings.add(('num_gpu',), f'is {wanted}, but this machine has no GPU; write 0 or auto.')
    elif not findings.processes.is_distributed:  # a launcher says itself how many processes, and so GPUs, there are
        findings.add(('num_gpu',), f'is {wanted}, but this machine has {there}; write {there} or auto.')


def _check_workers(findings: Findings, phase: str) -> None:
    key = ('datasets', phase, 'num_worker_per_gpu')
    number = findings.get(*key)
    cores = os.cpu_count() or 1
    most = max(_WORKERS_A_CORE * cores, _ALWAYS_FINE)
    sharing = 1 if findings.processes.is_distributed else max(findings.num_gpu, 1)
    if isinstance(number, int) and number * sharing > most:
        findings.add(
            key,
            f'must be at most {most // sharing} on this machine, which has {cores} core{"s" * (cores > 1)}; got '
            f'{number}. Start with one or two a core.',
        )
