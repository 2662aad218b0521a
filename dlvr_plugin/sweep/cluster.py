"""Runs as jobs of a cluster, by the library submitit: SLURM, or processes of this machine that behave alike."""

import contextlib
import importlib
import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

from dlvr_plugin.core.command import environment_for_commands
from dlvr_plugin.core.errors import DataError, InvalidValueError
from dlvr_plugin.options.yaml_reader import read_text
from dlvr_plugin.sweep.run_process import STOPPED, RunProcess
from dlvr_plugin.sweep.scheduler import RunHandle, StartRun
from dlvr_plugin.sweep.shared_machine import Share
from dlvr_plugin.sweep.sweep_folder import Case, Run, Sweep, read_sweep

if TYPE_CHECKING:
    from submitit.helpers import DelayedSubmission

Cluster = Literal['local', 'slurm']

_GENERAL = ('gpus_per_node', 'cpus_per_task', 'mem_gb', 'timeout_min', 'stderr_to_stdout')
_OF_RUN = ('nodes', 'tasks_per_node', 'name', 'job_name')  # a run is one process
_MOST_TIMEOUTS = 1000  # each is a time limit of the cluster reached, after which a run goes on
_MINUTES_OF_LOCAL_JOBS = 60 * 24 * 365
_SECONDS_BETWEEN_LOOKS = 0.2
_SECONDS_BETWEEN_CHECKS = 5.0  # of a job that was cancelled
_SECONDS_UNTIL_CLUSTER_ENDS_IT = 3600  # after SIGTERM, at the longest


def _import_submitit() -> ModuleType:
    """Import submitit without its configuration of logging, which would close the handlers of all other logs."""
    with _variables({'SUBMITIT_LOG_LEVEL': 'NOCONFIG'}):
        return importlib.import_module('submitit')


@contextlib.contextmanager
def _variables(values: Mapping[str, str]) -> Iterator[None]:
    """Set variables of the environment for a while."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


class ClusterRun:
    """A job: one run, which goes on from where it was when it is called again.

    Args:
        folder: ``sweeps/NAME``.
        name: Name of the run.
        environment: Variables that its commands get beside those of the job.
    """

    def __init__(self, folder: str, name: str, environment: Mapping[str, str] | None = None) -> None:
        self.folder, self.name, self.environment = folder, name, environment
        self._process: RunProcess | None = None

    def __call__(self) -> int:
        """Do what is left to do of the run, and return the exit code of its last command."""
        sweep = read_sweep(self.folder)
        case, run = next(found for found in sweep.runs() if found[1].name == self.name)
        self._process = process = RunProcess(sweep, case, run, self.environment)
        # SLURM sends SIGTERM to jobs that are cancelled, and to preempted ones at the start of their time of grace.
        signal.signal(signal.SIGTERM, lambda number, frame: process.stop())
        try:
            while (code := process.poll()) is None:
                time.sleep(_SECONDS_BETWEEN_LOOKS)
            if code == STOPPED:
                # All is saved. A preempted job that returned would count as finished while SLURM requeues it.
                time.sleep(_SECONDS_UNTIL_CLUSTER_ENDS_IT)
        finally:
            process.stop()  # where the job is interrupted
        return code

    def checkpoint(self) -> 'DelayedSubmission':
        """Let the training save, and return what is to be called when the job begins anew; submitit calls it."""
        from submitit.helpers import DelayedSubmission

        if self._process is not None:
            self._process.stop()
            self._process.wait_for_end()
        return DelayedSubmission(ClusterRun(self.folder, self.name, self.environment))


class ClusterJobs:
    """Sends runs to a cluster.

    Args:
        cluster: 'slurm', or 'local' for this machine.
        parameters: ``KEY=VALUE`` each, what jobs ask for.

    Raises:
        DataError: The package submitit is missing. InvalidValueError: Parameters that cannot be used.
    """

    def __init__(self, cluster: Cluster, parameters: Sequence[str]) -> None:
        try:
            self._submitit = _import_submitit()
        except ImportError as error:
            raise DataError(
                "--cluster needs the package submitit, which is not installed: pip install 'dlvr_plugin[cluster]'."
            ) from error
        self._cluster = cluster
        self._parameters = {'timeout_min': _MINUTES_OF_LOCAL_JOBS} if cluster == 'local' else {}
        self._parameters.update(_parse(parameters))

    def starter(self, sweep: Sweep, share: Share) -> StartRun:
        """Return what starts the runs of a sweep.

        Args:
            sweep: The sweep.
            share: Shares this machine, where jobs run on it.

        Raises:
            InvalidValueError: There is no such cluster here, or it does not know a parameter.
        """
        try:
            executor = self._submitit.AutoExecutor(
                folder=sweep.folder / 'jobs',
                cluster=self._cluster,
                **{f'{self._cluster}_max_num_timeout': _MOST_TIMEOUTS},
            )
            executor.update_parameters(**self._parameters)
        except (NameError, RuntimeError, ValueError, TypeError, AssertionError) as error:
            raise InvalidValueError(f'--cluster {self._cluster}: {error}') from error

        errors = self._submitit.core.utils

        def start(case: Case, run: Run, slot: int) -> RunHandle:
            executor.update_parameters(name=run.name)
            environment = share(slot) if self._cluster == 'local' else None
            try:
                with _variables(environment_for_commands(sweep.root)):
                    job = executor.submit(ClusterRun(str(sweep.folder), run.name, environment))
            except (errors.FailedSubmissionError, errors.FailedJobError) as error:  # the latter of sbatch itself
                raise InvalidValueError(f'--cluster {self._cluster}: the job was not taken: {error}') from error
            return _Job(job)

        return start


class _Job:
    """A job that was sent."""

    def __init__(self, job: Any) -> None:
        self._job = job
        self._next_check: float | None = None  # submitit asks SLURM every ten minutes, unless it is told to

    def poll(self) -> int | None:
        asks = self._next_check is not None and time.monotonic() > self._next_check
        if asks:
            self._next_check = time.monotonic() + _SECONDS_BETWEEN_CHECKS
        if not self._job.done(force_check=asks):
            return None
        return 1 if self._job.exception() is not None else int(self._job.result())

    def stop(self) -> None:
        self._job.cancel(check=False)
        self._next_check = 0.0

    def activity(self) -> str:
        return f'job {self._job.job_id} {self._job.state.lower()}'


def _parse(parameters: Sequence[str]) -> dict[str, Any]:
    """Read ``KEY=VALUE``: what all clusters know, and the rest as parameters of SLURM."""
    found: dict[str, Any] = {}
    for each in parameters:
        key, equals, text = each.partition('=')
        key = key.strip().removeprefix('slurm_')
        if not equals or not key.isidentifier():
            raise InvalidValueError(f'--slurm: expected KEY=VALUE, such as partition=gpu, got {each!r}.')
        if key in _OF_RUN:
            raise InvalidValueError(f'--slurm: {key} is what a run says itself. Leave it out.')
        found[key if key in _GENERAL else f'slurm_{key}'] = read_text(text, f'--slurm {each}', with_lines=False).value
    return found
