"""What a run asks of its machine: GPUs, processes that read, and memory for its samples."""

import math
import os

from dlvr_plugin.options.consistency.findings import Findings
from dlvr_plugin.options.consistency.samples import step_shapes

GIB = 2**30
_BYTES_A_VALUE = 4
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


def memory_of_machine() -> int | None:
    """Return the bytes of memory that this machine has, None where the system does not say."""
    try:
        return os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')
    except (AttributeError, ValueError, OSError):
        return None


def check_memory_of_samples(findings: Findings) -> None:
    """Find training samples of which the machine cannot hold a step's."""
    shapes, there = step_shapes(findings), memory_of_machine()
    if shapes is None or there is None:
        return
    needed = _BYTES_A_VALUE * (math.prod(shapes.lq) + math.prod(shapes.gt))
    if needed > there:
        findings.add(
            ('datasets', 'train'),
            f'{shapes.gt[0]} of its samples take {needed / GIB:.0f} GiB, and this machine has {there / GIB:.0f} GiB of '
            'memory. Lower gt_size or num_frame.',
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
