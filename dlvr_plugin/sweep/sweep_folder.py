"""The folder of a sweep, ``sweeps/NAME``: which cases and runs there are, and where each leaves what.

``sweep.json`` says what was asked for. How far each run has come, its own folders say.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dlvr_plugin.core.errors import DataError
from dlvr_plugin.core.files import write_atomic
from dlvr_plugin.core.names import why_not_a_folder
from dlvr_plugin.core.regular_files import read_json
from dlvr_plugin.evaluation.evaluation_file import FILE_NAME as METRICS_FILE
from dlvr_plugin.evaluation.evaluation_file import format_json

FILE_NAME = 'sweep.json'
FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run: a training, its result, or both.

    Attributes:
        name: Of its option file, of its results and of what was measured.
        seed: ``manual_seed`` of the training.
        experiment: Name of the experiment: its own, or that of the run before whose result it is.
        needs: Names of the runs before that must have ended well.
        options: Options of the training.
        test: Options of the test of its last checkpoint; None where it is not measured.
    """

    name: str
    seed: int
    experiment: str
    needs: tuple[str, ...]
    options: Mapping[str, Any]
    test: Mapping[str, Any] | None = None

    @property
    def trains(self) -> bool:
        """Whether it has a training of its own."""
        return self.experiment == self.name

    @property
    def is_shared(self) -> bool:
        """Whether it is one run for all seeds."""
        return self.name.endswith('_shared')

    @property
    def seed_label(self) -> str:
        """Of which seeds it is, in words."""
        return 'all seeds' if self.is_shared else f'seed {self.seed}'


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is compared, or comes before that.

    Attributes:
        name: Name in tables; any text of one line.
        slug: The name as a part of names of files.
        runs: Run by seed; the same one for all seeds where they share it.
    """

    name: str
    slug: str
    runs: Mapping[int, Run]


@dataclass(frozen=True, kw_only=True)
class Measure:
    """How results are measured.

    Attributes:
        metrics: Names, as ``dlvr evaluate`` takes them.
        protocol: Fields of ``evaluation.protocol.Protocol`` that differ from its defaults.
        lpips_weights: File of the trunk's weights; None for the published ones.
        lpips_random_weights: Whether they are random instead, for tests.
        all_checkpoints: Whether every numbered checkpoint is measured, too.
    """

    metrics: tuple[str, ...]
    protocol: Mapping[str, Any] = field(default_factory=dict)
    lpips_weights: str | None = None
    lpips_random_weights: bool = False
    all_checkpoints: bool = False


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """All cases, and how they are measured.

    Attributes:
        root: Folder that holds ``experiments``, ``results`` and ``sweeps``.
        name: Name of the sweep.
        seeds: Seeds, in the order of the file.
        reference: Name of the case that the others are compared with.
        before: Shared runs, in the order in which they need one another.
        cases: Cases, in the order of the table.
        measure: How results are measured.
        retired: Runs of cases that the file does not name any more.
    """

    root: Path
    name: str
    seeds: tuple[int, ...]
    reference: str
    before: tuple[Case, ...]
    cases: tuple[Case, ...]
    measure: Measure
    retired: tuple[Run, ...] = ()

    @property
    def folder(self) -> Path:
        """``sweeps/NAME``."""
        return self.root / 'sweeps' / self.name

    def runs(self) -> Iterator[tuple[Case, Run]]:
        """Yield all runs, each once and with its case, those first that others need."""
        seen: set[str] = set()
        for case in (*self.before, *self.cases):
            for run in case.runs.values():
                if run.name not in seen:
                    seen.add(run.name)
                    yield case, run

    def option_file(self, run: Run) -> Path:
        """Return the option file of a run's training."""
        return self.folder / 'options' / f'{run.name}.yml'

    def test_file(self, name: str) -> Path:
        """Return the option file of a test, by its name."""
        return self.folder / 'options' / 'test' / f'{name}.yml'

    def log_file(self, run: Run) -> Path:
        """Return the file that has everything that the commands of a run say."""
        return self.folder / 'logs' / f'{run.name}.log'

    def experiment_folder(self, run: Run) -> Path:
        """Return the experiment whose checkpoints are a run's."""
        return self.root / 'experiments' / run.experiment

    def tb_folder(self, run: Run) -> Path:
        """Return where the losses of a run are, for ``report.training_log.read_scalars``; it may not be there."""
        return self.root / 'tb_logger' / run.experiment

    def metrics_file(self, run: Run, iteration: int | None = None) -> Path:
        """Return the evaluation of a run's last checkpoint, or of a numbered one; it may not be there yet."""
        folder = self.folder / 'measured' / run.name
        return (folder if iteration is None else folder / str(iteration)) / METRICS_FILE

    def measured_iterations(self, run: Run) -> list[int]:
        """Return the iterations whose checkpoints are measured, rising."""
        files = (self.folder / 'measured' / run.name).glob(f'*/{METRICS_FILE}')
        return sorted(int(path.parent.name) for path in files if path.parent.name.isdecimal())


def read_sweep(folder: str | Path) -> Sweep:
    """Read which cases and runs a sweep has.

    Args:
        folder: ``sweeps/NAME``.

    Raises:
        DataError: It is no such folder, or its ``sweep.json`` is damaged or of another version.
    """
    path = Path(folder).resolve() / FILE_NAME
    if not path.exists():
        raise DataError(f'{path} is missing: {folder} is not the folder of a sweep. Give sweeps/NAME.')
    content = read_json(path)
    if not isinstance(content, dict) or content.get('format') != FORMAT:
        raise DataError(f'{path} is no sweep of format {FORMAT}.')
    try:
        sweep = _from_json(content, path.parents[2])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f'{path} is damaged, or was edited: {error!r}.') from error
    all_runs = [*(run for _, run in sweep.runs()), *sweep.retired]
    for name in (sweep.name, *(name for run in all_runs for name in (run.name, run.experiment))):
        if reason := why_not_a_folder(name):
            raise DataError(f'{path} is damaged, or was edited: {name!r} names no folder, {reason}.')
    if sweep.folder != path.parent:
        raise DataError(f'{path} is that of a sweep {sweep.name}. Rename {path.parent} to {sweep.folder}.')
    return sweep


def write_sweep(sweep: Sweep) -> None:
    """Write which cases and runs a sweep has.

    Raises:
        OSError: It cannot be written; what stood there before still stands there.
    """
    runs = {run.name: _run_to_json(run) for run in (*(run for _, run in sweep.runs()), *sweep.retired)}
    content = {
        'format': FORMAT,
        'name': sweep.name,
        'seeds': sweep.seeds,
        'reference': sweep.reference,
        'before': [_case_to_json(case) for case in sweep.before],
        'cases': [_case_to_json(case) for case in sweep.cases],
        'measure': vars(sweep.measure),
        'runs': runs,
    }
    sweep.folder.mkdir(parents=True, exist_ok=True)
    write_atomic(sweep.folder / FILE_NAME, format_json(content).encode())


def _case_to_json(case: Case) -> dict[str, Any]:
    return {'name': case.name, 'slug': case.slug, 'runs': {str(seed): run.name for seed, run in case.runs.items()}}


def _run_to_json(run: Run) -> dict[str, Any]:
    return {name: value for name, value in vars(run).items() if name != 'name'}


def _from_json(content: Mapping[str, Any], root: Path) -> Sweep:
    runs = {name: Run(name=name, **{**each, 'needs': tuple(each['needs'])}) for name, each in content['runs'].items()}

    def read_cases(entries: list[dict[str, Any]]) -> tuple[Case, ...]:
        return tuple(
            Case(
                name=str(each['name']),
                slug=str(each['slug']),
                runs={int(seed): runs[name] for seed, name in each['runs'].items()},
            )
            for each in entries
        )

    before, cases = read_cases(content['before']), read_cases(content['cases'])
    named = {run.name for case in (*before, *cases) for run in case.runs.values()}
    measure = Measure(**{**content['measure'], 'metrics': tuple(content['measure']['metrics'])})
    return Sweep(
        root=root,
        name=str(content['name']),
        seeds=tuple(int(seed) for seed in content['seeds']),
        reference=str(content['reference']),
        before=before,
        cases=cases,
        measure=measure,
        retired=tuple(run for name, run in runs.items() if name not in named),
    )
