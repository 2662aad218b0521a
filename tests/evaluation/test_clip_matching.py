import pytest
import torch
from torchvision.models.optical_flow import raft_large

from dlvr_plugin.clips.clip_reader import ClipReader
from dlvr_plugin.core.errors import DataError
from dlvr_plugin.evaluation.clip_matching import Reference, match_clips
from dlvr_plugin.evaluation.evaluation_run import EvaluationRun
from dlvr_plugin.evaluation.protocol import Protocol
from dlvr_plugin.metrics.flow_estimators import RaftFlow
from tests.conftest import make_clip


def clips_of(root, *names):
    """Clips of one clip 'a' with frames of these names."""
    make_clip(root / 'a', len(names), (16, 16))
    for path, name in zip(sorted((root / 'a').iterdir()), names, strict=True):
        path.rename(path.with_name(f'{name}.png'))
    return ClipReader(root)


@pytest.mark.parametrize(
    ('first', 'second'),
    [
        (('0', '1'), ('0', '1')),
        (('0_x', '1_x'), ('0_x', '1_x')),
        (('0_x', '1_x'), ('0_other', '1_other')),
        (('0_x', '1_x'), ('0', '1')),
        (('0', '1'), ('0_x_2', '1_x_2')),
        (('a_0', 'a_1'), ('a_0_x', 'a_1_x')),
    ],
)
def test_methods_are_matched_whatever_their_suffix(tmp_path, first, second):
    results = {'first': clips_of(tmp_path / '1', *first), 'second': clips_of(tmp_path / '2', *second)}
    reference = Reference.choose(None, None, results)
    assert match_clips(reference, results) == ['a']
    assert [name.rpartition('a_')[2] for name in reference.frame_names('a')] == ['0', '1']


@pytest.mark.parametrize(
    ('first', 'second', 'message'),
    [
        (('0_x', '1_x'), ('0_x', '2_x'), 'second: clip a of .* lacks the frames 1. Its counterpart in first is'),
        (('0_x', '1_x'), ('0_x', '1_y'), 'lacks the frames'),
        (('0', '1'), ('0', '1', '2'), 'second: clip a of .* has frames without counterpart in first: 2'),
        (('1', '2'), ('0', '1'), 'Both have 2 frames: where they are the same in their order.* say --match order'),
        (('0_x',), ('0_y',), 'lacks the frames 0_x'),  # one frame does not tell what its suffix is
    ],
)
def test_what_differs_between_methods_is_named(tmp_path, first, second, message):
    results = {'first': clips_of(tmp_path / '1', *first), 'second': clips_of(tmp_path / '2', *second)}
    with pytest.raises(DataError, match=message):
        match_clips(Reference.choose(None, None, results), results)


def test_the_ground_truth_comes_before_the_input_and_the_first_method(tmp_path):
    gt, lq, result = (clips_of(tmp_path / name, '0_x', '1_x') for name in ('gt', 'lq', 'result'))
    assert Reference.choose(gt, lq, {'m': result}).clips is gt
    assert Reference.choose(None, lq, {'m': result}).clips is lq
    assert Reference.choose(None, lq, {'m': result}).frame_names('a') == ['0_x', '1_x']  # names as they are
    assert Reference.choose(None, None, {'m': result}).clips is result


@pytest.mark.slow
def test_networks_on_a_device_measure_without_ground_truth(tmp_path):
    make_clip(tmp_path / 'result' / 'a', 3, (128, 136))
    weights = raft_large(weights=None).state_dict()
    for name in ('weight', 'bias'):
        weights[f'update_block.flow_head.conv2.{name}'] *= 1e-3  # or no pixel of a frame would be visible in the next
    torch.save(weights, tmp_path / 'raft.pth')
    found = [
        EvaluationRun(
            None,
            {'result': ClipReader(tmp_path / 'result')},
            metrics=['flicker', 'sharpness'],
            protocol=Protocol(warping_flow='raft', skip_frames=0),
            networks={'raft': RaftFlow(weights=tmp_path / 'raft.pth')},
            device=device,
            num_workers=0,
        ).run()
        for device in (None, torch.device('cpu'))
    ]
    assert found[0] == found[1]
    assert found[0]['metrics']['flicker']['label'] == 'flicker x1e3 (weights not published)'
    assert found[0]['protocol']['warping_flow'] == 'raft'
