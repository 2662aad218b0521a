"""``dlvr data check``: find what would end or spoil a training run, before it does."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dlvr_plugin.clips.clip_reader import ClipReader
from dlvr_plugin.clips.clip_store import ClipStore, format_meta_line, read_meta_info
from dlvr_plugin.core.errors import DataError, InvalidValueError, UserError
from dlvr_plugin.core.files import write_atomic
from dlvr_plugin.data import ClipTestDataset
from dlvr_plugin.data.clip_dataset_options import list_roots
from dlvr_plugin.data.store_integrity import Finding, StoreReport, check_meta_info, check_pairs, check_store
from dlvr_plugin.options.datasets_of_files import read_datasets
from dlvr_plugin.report.text_table import format_table

_LEVELS = ('error', 'warning', 'note')


def run(args: argparse.Namespace) -> int:
    """Check, print one table, and return 1 where there are errors.

    Raises:
        InvalidValueError: Arguments that cannot be used. OSError: FILE of ``--fix`` exists.
    """
    if args.fix and args.fix.exists():
        raise FileExistsError(f'--fix: {args.fix} exists already. Choose another name.')
    if args.scale is not None and args.scale < 1:
        raise InvalidValueError(f'--scale must be at least 1, got {args.scale}.')
    if not args.source.exists():
        raise DataError(f'{args.source} does not exist.')
    checks = _Checks(args.jobs if args.jobs > 1 else 0)
    if args.source.is_file():
        checks.check_options(args.source, args.imports)
    else:
        checks.check_set(args.source, list_roots(args.lq), args.scale, args.meta_info)
    _print_findings(checks.findings, list(checks.reports.values()))
    if args.fix:
        if args.source.is_file():
            raise InvalidValueError('--fix takes a store or a folder, not an option file.')
        _write_usable(args.fix, checks.check_once(args.source), checks.findings)
    return int(any(finding.level == 'error' for finding in checks.findings))


class _Checks:
    """Checks of several sets, which may share stores."""

    def __init__(self, num_workers: int) -> None:
        self.num_workers = num_workers
        self.reports: dict[Path, StoreReport] = {}
        self.findings: list[Finding] = []

    def check_once(self, root: Path) -> StoreReport:
        """Check a store, unless that is done."""
        if root not in self.reports:
            self.reports[root] = check_store(root, num_workers=self.num_workers)
            self.findings += self.reports[root].findings
        return self.reports[root]

    def check_set(self, gt_root: Path, lq_roots: Sequence[Path], scale: int | None, meta_info: Path | None) -> None:
        """Check ground truth and the versions of its low-quality clips."""
        gt_store = self.check_once(gt_root).store
        lq_stores = [self.check_once(root).store for root in lq_roots]
        if meta_info is None and (gt_root / 'meta_info_clips.txt').is_file():
            meta_info = gt_root / 'meta_info_clips.txt'
        if gt_store is not None and meta_info is not None:
            try:
                self.findings += check_meta_info(read_meta_info(meta_info), gt_store, str(meta_info))
            except DataError as error:
                self.findings.append(Finding('error', str(meta_info), str(error)))
        for lq_store in lq_stores:
            if gt_store is not None and lq_store is not None:
                self.findings += check_pairs(gt_store, lq_store, scale)

    def check_options(self, path: Path, imports: Sequence[str] = ()) -> None:
        """Check the data sets of an option file."""
        for phase, scale, dataset in read_datasets(path, imports):
            roots = {key: list_roots(dataset.get(key)) for key in ('dataroot_gt', 'dataroot_lq')}
            missing = [(key, root) for key, each in roots.items() for root in each if not root.exists()]
            for key, root in missing:
                self.findings.append(Finding('error', f'datasets.{phase}.{key}', f'{root} does not exist'))
            gt_roots, lq_roots = roots.values()
            if not missing and dataset.get('type') == ClipTestDataset.__name__:
                self._check_test_set(phase, scale, dataset, gt_roots + lq_roots)
            if missing or not gt_roots or dataset.get('type') == ClipTestDataset.__name__:
                continue
            meta_info = Path(dataset['meta_info_file']) if dataset.get('meta_info_file') else None
            self.check_set(gt_roots[0], lq_roots, scale, meta_info)
            self.findings += _check_use(phase, dataset, self.check_once(gt_roots[0]).store)

    def _check_test_set(self, phase: str, scale: int, dataset: dict[str, Any], roots: list[Path]) -> None:
        """Check a set of own clips as it will be built, and every frame that is not in a video."""
        try:
            ClipTestDataset({**dataset, 'scale': scale})
        except UserError as error:
            self.findings.append(Finding('error', f'datasets.{phase}', str(error)))
            return
        for root in roots:
            if ClipReader(root).kind == 'frames':
                self.check_once(root)


def _check_use(phase: str, dataset: dict[str, Any], store: ClipStore | None) -> Iterator[Finding]:
    """Compare what a data set takes of its clips with what they have."""
    needed = 100 if str(dataset.get('type', '')).startswith('REDS') else dataset.get('num_frame')
    for clip in store.clips.values() if store is not None else ():
        if clip.name in [str(name) for name in dataset.get('exclude_clips') or ()]:
            continue
        if isinstance(needed, int) and len(clip.frames) < needed:
            what = f'has {len(clip.frames)} frames; {dataset.get("type")} takes {needed}'
            yield Finding('error', f'{phase}: clip {clip.name}', what, clip.name)
        gt_size = dataset.get('gt_size')
        if isinstance(gt_size, int) and clip.size is not None and min(clip.size) < gt_size:
            yield Finding(
                'error', f'{phase}: clip {clip.name}', f'is {clip.size} (h, w), below gt_size {gt_size}', clip.name
            )


def _print_findings(findings: list[Finding], reports: list[StoreReport]) -> None:
    rows = []
    for report in reports:
        if report.store is not None:
            num_frames = sum(len(clip.frames) for clip in report.store.clips.values())
            rows.append(('checked', str(report.root), f'{len(report.store.clips)} clips, {num_frames} frames'))
    for finding in sorted(findings, key=lambda finding: _LEVELS.index(finding.level)):
        rows.append((finding.level, finding.where, finding.what))
    counts = [sum(finding.level == level for finding in findings) for level in _LEVELS]
    rows.append(('in all', '', f'{counts[0]} errors, {counts[1]} warnings, {counts[2]} notes'))
    sys.stdout.write(format_table(('level', 'where', 'what'), rows) + '\n')


def _write_usable(path: Path, report: StoreReport, findings: list[Finding]) -> None:
    """Write a meta file of the clips without errors."""
    broken = {finding.clip for finding in findings if finding.level == 'error'}
    if report.store is None or None in broken:
        raise DataError(f'--fix: {report.root} is broken as a whole; no clip can be told to be usable.')
    usable = [clip for name, clip in report.store.clips.items() if name not in broken]
    sizes = [clip.size or report.store.read(clip, 0).shape for clip in usable]
    lines = [format_meta_line(clip.name, len(clip.frames), size) for clip, size in zip(usable, sizes, strict=True)]
    write_atomic(path, ''.join(lines).encode())
    sys.stdout.write(f'{path}: {len(usable)} of {len(report.store.clips)} clips are usable.\n')
