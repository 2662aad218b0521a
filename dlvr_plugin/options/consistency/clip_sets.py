"""Sets of own clips: each class in its phase, with the frames and the ground truth that network and metrics take."""

from collections.abc import Mapping
from typing import Any

from dlvr_plugin.archs import spec_of
from dlvr_plugin.data.clip_test_dataset import WHOLE_CLIPS, ClipTestDataset
from dlvr_plugin.evaluation.validation_metrics import specify
from dlvr_plugin.models.host_models import GeneratorType
from dlvr_plugin.options.consistency.findings import Findings

# What the test sets of the framework give.
_GIVES = {
    'VideoTestDataset': 'window',
    'VideoTestDUFDataset': 'window',
    'VideoRecurrentTestDataset': 'clip',
    'PairedImageDataset': 'frame',
    'SingleImageDataset': 'frame',
}
_FITTING = {
    'VideoTestDataset': ('window', 'frame'),
    'VideoRecurrentTestDataset': ('clip', 'clip'),
    'ClipTestDataset': ('frame', 'frame'),
}
_WORDS = {'window': 'windows of frames', 'clip': 'whole clips', 'frame': 'single frames'}


def check_clip_sets(findings: Findings) -> None:
    """Find sets of own clips that are of the wrong class, and metrics that lack their ground truth."""
    check_kinds_of_test_sets(findings)
    _check_center_frame(findings)
    for phase, dataset in findings.datasets():
        kind = findings.get('datasets', phase, 'type')
        if kind == 'ClipDataset' and phase != 'train':
            findings.add(
                ('datasets', phase, 'type'),
                'must be ClipTestDataset for own clips in validation and tests; ClipDataset gives random crops for the '
                'training.',
            )
        elif kind == ClipTestDataset.__name__ and phase == 'train':
            findings.add(
                ('datasets', phase, 'type'),
                'must be ClipDataset for own clips in the training; ClipTestDataset gives whole frames for validation '
                'and tests.',
            )
        elif kind == ClipTestDataset.__name__ and dataset.get('dataroot_gt') is None:
            _check_metrics(findings, phase)
        if kind == ClipTestDataset.__name__:
            _explain_realistic(findings, phase, dataset.get('degradation'))


def _explain_realistic(findings: Findings, phase: str, degradation: Any) -> None:
    """Say where realistic frames of a test set come from, beside the refusal of the type."""
    if 'realistic' in (degradation, isinstance(degradation, Mapping) and degradation.get('type')):
        findings.add(
            ('datasets', phase, 'degradation'),
            'realistic frames of validation and tests are stored first, so that they stay the same: dlvr data prepare '
            'CLIPS FOLDER --degradation realistic --preset NAME. Set dataroot_lq to the frames that it makes.',
        )


def _check_center_frame(findings: Findings) -> None:
    """Refuse to leave all but the middle frame out of whole clips."""
    if not findings.get('val', 'center_frame_only'):
        return
    for phase, dataset in findings.datasets():
        kind = findings.get('datasets', phase, 'type')
        is_own_clip = kind == ClipTestDataset.__name__ and dataset.get('num_frame', WHOLE_CLIPS) == WHOLE_CLIPS
        if phase != 'train' and (_GIVES.get(kind) == 'clip' or is_own_clip):
            findings.add(
                ('val', 'center_frame_only'),
                f'restores the middle frame of each sample alone, but datasets.{phase} gives whole clips. Remove it.',
            )


def check_kinds_of_test_sets(findings: Findings) -> None:
    """Find test sets of the framework that give other frames than the generator takes."""
    spec = spec_of(findings.get('network_g'))
    for phase, _ in findings.datasets():
        kind = findings.get('datasets', phase, 'type')
        if spec is None or phase == 'train' or kind not in _GIVES:
            continue
        if (spec.gives == 'clip') != (_GIVES[kind] == 'clip') or (spec.takes != 'frame' and _GIVES[kind] == 'frame'):
            fitting = ' or '.join(name for name, gives in _FITTING.items() if gives == (spec.takes, spec.gives))
            findings.add(
                ('datasets', phase, 'type'),
                f'gives {_WORDS[_GIVES[kind]]}, and network_g ({spec.arch}) takes {_WORDS[spec.takes]} and gives '
                f'{_WORDS[spec.gives]}; got {kind}.' + (f' Take {fitting}.' if fitting else ''),
            )


def _check_metrics(findings: Findings, phase: str) -> None:
    val = findings.opt.get('val')
    metrics = val.get('metrics') if isinstance(val, dict) else None
    for name in metrics if isinstance(metrics, dict) else ():
        metric = findings.get('val', 'metrics', name)
        if metric and specify(metric).needs_ground_truth:
            findings.add(
                ('val', 'metrics', name),
                f'needs ground truth, and datasets.{phase} has none. Set its dataroot_gt, or remove the metric.',
            )


def check_test_frames(
    findings: Findings, phase: str, dataset: dict[str, Any], generator_type: GeneratorType, taken: int | None
) -> None:
    """Check that a test set of own clips gives the frames that the generator takes.

    Args:
        findings: Where problems go.
        phase: Phase of the set.
        dataset: Its section.
        generator_type: What the generator takes.
        taken: Frames of its window, None where that is not known.
    """
    num_frame = dataset.get('num_frame', WHOLE_CLIPS)
    key = ('datasets', phase, 'num_frame')
    if not isinstance(num_frame, int) or not findings.is_sound(*key):
        return
    got = f'got {num_frame}' + (', whole clips.' if num_frame == WHOLE_CLIPS else '.')
    if generator_type == 'recurrent' and num_frame != WHOLE_CLIPS:
        findings.add(key, f'must be {WHOLE_CLIPS}, or left out, because network_g takes whole clips; {got}')
    elif generator_type == 'image' and num_frame == WHOLE_CLIPS:
        findings.add(key, f'must be 1, because network_g takes single frames; {got}')
    elif generator_type == 'sliding_window' and taken is None and num_frame == WHOLE_CLIPS:
        findings.add(key, f'must be the number of frames that network_g takes at once; {got}')
    elif generator_type == 'sliding_window' and taken not in (None, num_frame):
        findings.add(key, f'must be {taken}, the frames that network_g takes at once; {got}')
