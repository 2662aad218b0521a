"""Ground truth of the middle frame, or of all: what the framework's own models compare."""

from typing import Any

from basicsr.models.sr_model import SRModel
from basicsr.models.video_base_model import VideoBaseModel
from basicsr.models.video_recurrent_model import VideoRecurrentModel
from basicsr.utils.registry import MODEL_REGISTRY

from dlvr_plugin.options.consistency.findings import Findings
from dlvr_plugin.options.consistency.samples import is_over_host

_OF_ALL_FRAMES = ('REDSRecurrentDataset', 'Vimeo90KRecurrentDataset')  # they have no option for the middle one


def check_ground_truth(findings: Findings) -> None:
    """Check that a training set gives the ground truth of the frames that the model restores."""
    name = findings.get('model_type')
    model = MODEL_REGISTRY.get(name) if name else None
    if is_over_host(model):
        name = findings.get('host_model')
        model = MODEL_REGISTRY.get(name) if name else None
        if _restores_clips(model):
            _demand(findings, 'all', name)  # of a sliding window it takes the middle frame itself
    elif _restores_clips(model):
        _demand(findings, 'all', name)
    elif _compares_as_the_host(model):
        _demand(findings, 'middle', name)


def _restores_clips(model: Any) -> bool:
    return isinstance(model, type) and issubclass(model, VideoRecurrentModel)


def _compares_as_the_host(model: Any) -> bool:
    """Tell whether a model is fed and compares its output as sliding-window models of the framework do."""
    is_window = isinstance(model, type) and issubclass(model, VideoBaseModel)
    return (
        is_window
        and model.feed_data is SRModel.feed_data
        and model.optimize_parameters.__module__.startswith('basicsr.')
    )


def _demand(findings: Findings, frames: str, model: str) -> None:
    kind = findings.get('datasets', 'train', 'type')
    given = findings.get('datasets', 'train', 'gt_frames')
    if kind == 'ClipDataset' and (given or 'all') != frames:
        compares = 'the middle frame alone' if frames == 'middle' else 'all frames of a clip'
        findings.add(
            ('datasets', 'train', 'gt_frames'),
            f'must be {frames}, because {model} compares {compares}; got {given or "all, the default"}. Set '
            f'gt_frames: {frames}.',
        )
    if kind in _OF_ALL_FRAMES and frames == 'middle':
        findings.add(
            ('datasets', 'train', 'type'),
            f'{kind} gives the ground truth of all frames, but {model} compares the middle frame alone. Take '
            'REDSDataset, or ClipDataset with gt_frames: middle.',
        )
