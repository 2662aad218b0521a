"""Run mutations of the shipped option files, and count how they end."""

import argparse
import json
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import as_completed
from pathlib import Path
from typing import Any

from tqdm import tqdm

from tests.options.mutations.edits import Mutation, mutation, unchanged
from tests.options.mutations.outcomes import Outcome
from tests.options.mutations.runs import TIMEOUT, Run, pool, run_in_worker
from tests.options.mutations.shrunk import FILES, make_data, shrunk

_LAST_CHARACTERS = 6000  # of a log, kept of runs that ended badly


def main(argv: Sequence[str] | None = None) -> int:
    """Run mutations; returns 1 where one of them ended badly."""
    args = parse(argv)
    chosen = [_mutation(args.seed, index) for index in (args.only or range(-len(FILES), args.count))]
    with tempfile.TemporaryDirectory(prefix='mutations_', dir=args.scratch) as scratch:
        if args.only:
            return _show(chosen, Path(scratch), args.timeout)
        records = _read(args.out, args.seed)
        left = [each for each in chosen if each.index not in records]
        with args.out.open('a') as file:
            for each, run in _run_all(left, Path(scratch), args.jobs, args.timeout):
                records[each.index] = _record(args.seed, each, run)
                file.write(json.dumps(records[each.index]) + '\n')
                file.flush()
    records = {each.index: records[each.index] for each in chosen}
    sys.stdout.write(summary(list(records.values())))
    return int(any(not Outcome[record['outcome']].is_good for record in records.values()))


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the arguments of the command."""
    parser = argparse.ArgumentParser(
        prog='python -m tests.options.mutations',
        description='Start mutations of the shipped option files, brought down to two iterations on tiny clips, and '
        'count how they end. The files themselves are run first. What was cut off goes on with the same --out.',
    )
    parser.add_argument('--count', type=int, default=3200, help='mutations to run (default: %(default)s)')
    parser.add_argument('--seed', type=int, default=0, help='which mutations they are (default: %(default)s)')
    parser.add_argument('--jobs', type=int, default=1, help='how many at once (default: %(default)s)')
    parser.add_argument('--timeout', type=float, default=TIMEOUT, help='seconds for each (default: %(default)s)')
    parser.add_argument(
        '--out', type=Path, default=Path('mutations.jsonl'), help='a line of JSON for each (%(default)s)'
    )
    parser.add_argument('--scratch', type=Path, help='folder for what is written meanwhile, say in memory')
    parser.add_argument(
        '--only', type=int, nargs='+', metavar='INDEX', help='run these, and show their options and what they write'
    )
    return parser.parse_args(argv)


def _mutation(seed: int, index: int) -> Mutation:
    """Return a mutation, or the file as it is for a negative index."""
    return mutation(seed, index) if index >= 0 else unchanged(FILES[index], index)


def _run_all(mutations: Sequence[Mutation], scratch: Path, jobs: int, timeout: float) -> Iterator[tuple[Mutation, Run]]:
    """Run mutations, and yield each with its run as it ends."""
    if not mutations:
        return
    make_data(scratch / 'data')
    workers = pool(scratch, scratch / 'data', jobs)
    try:
        futures = {
            workers.submit(run_in_worker, each.opt, shrunk(each.file)['name'], timeout): each for each in mutations
        }
        bad = 0
        with tqdm(total=len(mutations), unit='run', smoothing=0.02) as bar:
            for future in as_completed(futures):
                run = future.result()
                bad += not run.outcome.is_good
                bar.set_postfix(bad=bad)
                bar.update()
                yield futures[future], run
    finally:
        workers.shutdown(cancel_futures=True)  # after Ctrl-C, those that wait are not begun


def _record(seed: int, each: Mutation, run: Run) -> dict[str, Any]:
    return {
        'seed': seed,
        'index': each.index,
        'outcome': run.outcome.name,
        'exit_code': run.exit_code,
        'seconds': round(run.seconds, 3),
        'line': each.line,
        'changes': list(run.changes[:20]),
        'log': run.log[-300 if run.outcome.is_good else -_LAST_CHARACTERS :],
    }


def _read(path: Path, seed: int) -> dict[int, dict[str, Any]]:
    """Return the records of a seed that a file holds, without a last line that was cut off."""
    found = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if record['seed'] == seed:
            found[record['index']] = record
    return found


def summary(records: Sequence[dict[str, Any]]) -> str:
    """Return how many ended how, what happened to those that ended badly, and which failed after they began."""
    mutated = [record for record in records if record['index'] >= 0]
    counts = Counter(record['outcome'] for record in mutated)
    distinct = len({record['line'] for record in mutated})
    lines = [f'{len(records) - len(mutated)} files as they are, and {len(mutated)} mutations, {distinct} distinct:']
    lines += [f'{counts[outcome.name]:6}  {outcome.name:9} {outcome.value}' for outcome in Outcome]
    for record in records:
        if not Outcome[record['outcome']].is_good or (record['index'] < 0 and record['outcome'] != 'RAN'):
            lines.append(f'{record["outcome"]} --only {record["index"]}: {record["line"]}')
            lines += [f'    {change}' for change in record['changes'][:3]]
            lines += [f'    {line[:200]}' for line in record['log'].strip().splitlines()[-2:]]
        elif record['outcome'] == Outcome.FAILED.name:  # which may be right, or come late
            lines.append(f'{record["outcome"]} --only {record["index"]}: {record["line"]}')
    return '\n'.join(lines) + '\n'


def _show(mutations: Sequence[Mutation], scratch: Path, timeout: float) -> int:
    """Run some mutations, and show what each writes."""
    kept = Path(tempfile.mkdtemp(prefix='mutations_kept_', dir=scratch.parent))
    for each in mutations:
        own = scratch / str(each.index)
        own.mkdir()
        ((_, run),) = _run_all([each], own, 1, timeout)
        sys.stdout.write(f'{each.line}\n{run.log}\n' + ''.join(f'{change}\n' for change in run.changes))
        sys.stdout.write(f'{each.index}: {run.outcome.name} after {run.seconds:.1f} s, exit code {run.exit_code}\n')
        shutil.copytree(next(own.glob('worker-*')), kept / str(each.index), symlinks=True)
    sys.stdout.write(f'Their files are in {kept}.\n')
    return 0


if __name__ == '__main__':
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # what is in the scratch folder is removed
    sys.exit(main())
