import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from basicsr.metrics import calculate_niqe, calculate_psnr, calculate_ssim

from dlvr_plugin.clips.clip_reader import ClipReader
from dlvr_plugin.core.errors import DataError
from dlvr_plugin.evaluation import parts
from dlvr_plugin.evaluation.evaluation_file import format_json, read_evaluation
from dlvr_plugin.evaluation.evaluation_run import EvaluationRun
from dlvr_plugin.evaluation.journal import Journal
from dlvr_plugin.evaluation.protocol import Protocol
from dlvr_plugin.metrics import METRICS, MetricSpec
from dlvr_plugin.metrics.lpips_distance import LpipsDistance
from dlvr_plugin.metrics.tof import tof
from dlvr_plugin.report.evaluation_tables import format_markdown
from tests.conftest import make_clip
from tests.helpers import write_video


def blur_clips(root, target, sigma, suffix=''):
    for path in sorted(root.glob('*/*.png')):
        (target / path.parent.name).mkdir(parents=True, exist_ok=True)
        image = cv2.GaussianBlur(cv2.imread(str(path)), (0, 0), sigma)
        cv2.imwrite(str(target / path.parent.name / f'{path.stem}{suffix}.png'), image)


@pytest.fixture
def folders(tmp_path):
    """Ground truth of two clips, 16 and 7 frames, and two methods; one names its frames as the test command does."""
    make_clip(tmp_path / 'gt' / 'a', 16, (64, 80), seed=0)
    make_clip(tmp_path / 'gt' / 'b', 7, (48, 64), seed=1)
    blur_clips(tmp_path / 'gt', tmp_path / 'weak', 0.8)
    blur_clips(tmp_path / 'gt', tmp_path / 'strong', 2, suffix='_out')
    return tmp_path


def evaluate(folders, metrics=('psnr', 'ssim', 'tof'), methods=('weak', 'strong'), **options):
    options.setdefault('num_workers', 0)
    results = {method: ClipReader(folders / method) for method in methods}
    return EvaluationRun(ClipReader(folders / 'gt'), results, metrics=metrics, **options).run()


def read_frames(root, clip):
    return [cv2.imread(str(path)) for path in sorted((root / clip).iterdir())]


def test_means_are_those_of_the_host_and_the_definition(folders):
    found = evaluate(folders, num_workers=2)
    for method in ('weak', 'strong'):
        means = {'psnr': [], 'ssim': [], 'tof': []}
        for clip in ('a', 'b'):
            truth, restored = read_frames(folders / 'gt', clip), read_frames(folders / method, clip)
            kept = range(2, len(truth) - 2)
            means['psnr'].append(np.mean([calculate_psnr(restored[t], truth[t], 8) for t in kept]))
            means['ssim'].append(np.mean([calculate_ssim(restored[t], truth[t], 8) for t in kept]))
            pairs = kept[1:]  # both flows between kept frames
            means['tof'].append(np.mean([tof(restored[t - 1], restored[t], truth[t - 1], truth[t]) for t in pairs]))
        for metric, values in means.items():
            assert found['methods'][method]['mean'][metric] == pytest.approx(np.mean(values), abs=1e-4)
    by_frame = found['methods']['weak']['clips']['a']['frames']
    assert [value is None for value in by_frame['psnr']] == [True] * 2 + [False] * 12 + [True] * 2
    assert [value is None for value in by_frame['tof']] == [True] * 3 + [False] * 11 + [True] * 2


def test_protocol_is_applied(folders):
    protocol = Protocol(skip_frames=0, crop_border=0, color_space='y', average='frame')
    found = evaluate(folders, metrics=('psnr', 'psnr_y'), methods=('weak',), protocol=protocol)
    values = []
    for clip in ('a', 'b'):
        for image, truth in zip(read_frames(folders / 'weak', clip), read_frames(folders / 'gt', clip), strict=True):
            values.append(calculate_psnr(image, truth, 0, test_y_channel=True))
    mean = found['methods']['weak']['mean']
    assert mean['psnr'] == pytest.approx(np.mean(values), abs=1e-4)
    assert mean['psnr_y'] == mean['psnr']
    assert found['protocol'] == {'skip_frames': 0, 'average': 'frame', 'crop_border': 0, 'color_space': 'y'}


def test_niqe_is_the_host_s(tmp_path):
    make_clip(tmp_path / 'gt' / 'a', 5, (220, 230))
    found = evaluate(tmp_path, metrics=('niqe',), methods=('gt',))
    expected = calculate_niqe(read_frames(tmp_path / 'gt', 'a')[2], 8)
    assert found['methods']['gt']['mean']['niqe'] == pytest.approx(expected)


def test_niqe_of_small_frames_is_refused(folders):
    with pytest.raises(DataError, match='weak: niqe of clip a, frame 2: NIQE compares blocks of 96x96 pixels and'):
        evaluate(folders, metrics=('niqe',))


def test_lpips_and_tlp_by_hand(folders):
    lpips = LpipsDistance(random_weights=True)
    found = evaluate(folders, metrics=('lpips', 'tlp'), methods=('weak',), networks={'lpips': lpips}, clips=['b'])
    truth, restored = read_frames(folders / 'gt', 'b'), read_frames(folders / 'weak', 'b')
    frames = found['methods']['weak']['clips']['b']['frames']
    for t in (2, 3, 4):
        assert frames['lpips'][t] == pytest.approx(lpips(restored[t], truth[t]), rel=1e-5)
    for t in (3, 4):
        expected = abs(lpips(restored[t - 1], restored[t]) - lpips(truth[t - 1], truth[t]))
        assert frames['tlp'][t] == pytest.approx(expected, abs=1e-7)
    assert frames['tlp'][2] is None
    assert found['metrics']['lpips']['label'] == 'LPIPS (random weights)'
    assert found['protocol']['lpips_weights'] == 'random, seed 0: not LPIPS'


def test_tensors_on_a_device_give_the_same(folders):
    lpips = LpipsDistance(random_weights=True)
    metrics = ('psnr', 'ssim_y', 'tof', 'lpips', 'tlp')
    plain = evaluate(folders, metrics=metrics, networks={'lpips': lpips})
    on_device = evaluate(folders, metrics=metrics, networks={'lpips': lpips}, device=torch.device('cpu'), num_workers=2)
    for method in ('weak', 'strong'):
        assert on_device['methods'][method]['mean'] == pytest.approx(plain['methods'][method]['mean'], abs=1e-5)


@pytest.mark.parametrize('device', [None, torch.device('cpu')])
def test_videos_are_measured_as_frames_are(folders, device):
    (folders / 'videos').mkdir()
    write_video(folders / 'videos' / 'a.avi', read_frames(folders / 'weak', 'a'), rate=30, codec='FFV1')  # lossless
    found = evaluate(folders, methods=('weak', 'videos'), clips=['a'], device=device, num_workers=2)
    assert found['methods']['videos']['mean'] == pytest.approx(found['methods']['weak']['mean'], abs=1e-9)
    assert found['clips']['a']['frame_rate'] == 30


def test_a_full_disk_is_said_with_the_file(folders, tmp_path):
    journal = Journal(tmp_path / 'journal')
    journal.path = Path('/dev/full')  # it is refused where journals are read
    with pytest.raises(OSError, match='/dev/full cannot be written: No space left on device'):
        journal.add({'key': [1.0]})
    with pytest.raises(DataError, match='/dev/full is a device, not a file'):
        evaluate(folders, journal=Path('/dev/full'))


def test_the_truth_itself_is_perfect(folders, tmp_path):
    found = evaluate(folders, methods=('gt',))
    mean = found['methods']['gt']['mean']
    assert mean == {'psnr': math.inf, 'ssim': pytest.approx(1), 'tof': 0}
    (tmp_path / 'metrics.json').write_text(format_json(found))
    assert 'Infinity' not in (tmp_path / 'metrics.json').read_text()
    assert read_evaluation(tmp_path) == found


def test_a_run_that_was_stopped_goes_on(folders, monkeypatch):
    monkeypatch.setattr(parts, '_PART_FRAMES', 5)  # four parts of clip a, two of b
    journal = folders / 'journal.jsonl'
    measured = []
    host_measure = parts.measure_frames

    def count(measures, part, *args):
        if len(measured) == 2:
            raise KeyboardInterrupt
        measured.append((part.clip, part.start, tuple(part.metrics)))
        host_measure(measures, part, *args)

    monkeypatch.setattr(parts, 'measure_frames', count)
    with pytest.raises(KeyboardInterrupt):
        evaluate(folders, journal=journal)
    with journal.open('a') as file:
        file.write('{"cut off')
    first = list(measured)
    measured.clear()
    monkeypatch.setattr(parts, 'measure_frames', lambda *args: (measured.append(args[1]), host_measure(*args)))
    resumed = evaluate(folders, journal=journal)
    assert (len(first), len(measured)) == (2, 4)
    whole = evaluate(folders)
    for method, entry in whole['methods'].items():
        assert resumed['methods'][method]['mean'] == pytest.approx(entry['mean'], rel=1e-9)
        for clip, of_whole in entry['clips'].items():
            of_resumed = resumed['methods'][method]['clips'][clip]
            assert of_resumed['mean'] == pytest.approx(of_whole['mean'], rel=1e-9)
            assert of_resumed['frames']['psnr'] == of_whole['frames']['psnr']
    # Another metric, a changed frame, other versions: only what they concern is measured.
    measured.clear()
    evaluate(folders, metrics=('psnr', 'psnr_y'), journal=journal)
    assert {tuple(part.metrics['weak']) for part in measured} == {('psnr_y',)}
    measured.clear()
    frame = folders / 'strong' / 'b' / '00000003_out.png'
    cv2.imwrite(str(frame), np.zeros((48, 64, 3), np.uint8))
    evaluate(folders, journal=journal)
    assert {(part.clip, *part.metrics) for part in measured} == {('b', 'strong')}
    measured.clear()
    monkeypatch.setattr('importlib.metadata.version', lambda package: 'other')
    evaluate(folders, journal=journal)
    assert len(measured) == 6


@pytest.fixture
def measured(monkeypatch):
    """What is measured in this process: clip, method and metrics of each part."""
    found = []
    original = parts.measure_frames

    def record(measurements, part, metrics, *args):
        found.extend((part.clip, method, tuple(names)) for method, names in metrics.items())
        original(measurements, part, metrics, *args)

    monkeypatch.setattr(parts, 'measure_frames', record)
    return found


def test_a_metric_that_was_mended_is_measured_anew_and_no_other(folders, measured, monkeypatch):
    options = {'journal': folders / 'journal.jsonl', 'methods': ('weak',), 'clips': ['b']}
    evaluate(folders, **options)
    assert measured == [('b', 'weak', ('psnr', 'ssim', 'tof'))]
    measured.clear()
    monkeypatch.setitem(METRICS, 'ssim', replace(METRICS['ssim'], version=METRICS['ssim'].version + 1))
    evaluate(folders, **options)
    assert measured == [('b', 'weak', ('ssim',))]
    measured.clear()
    evaluate(folders, **options, protocol=Protocol(average='frame', lpips_crop='tecogan'))
    assert measured == []  # the values of frames are the same
    evaluate(folders, **options, protocol=Protocol(crop_border=4))
    assert measured == [('b', 'weak', ('psnr', 'ssim'))]


def _measure_brightness(restored, truth, how):
    return float(restored.image.mean()) + how.settings['add']


def test_a_metric_of_ones_own_is_measured_and_shown_like_others(folders, monkeypatch):
    own = MetricSpec(
        name='brightness',
        label='Brightness',
        summary='mean of all pixels',
        direction='lower',
        decimals=1,
        unit='grey levels',
        aspect='distortion',
        settings={'add': 'crop_border'},
        needs_ground_truth=False,
        measure=_measure_brightness,
    )
    monkeypatch.setitem(METRICS, own.name, own)
    found = evaluate(folders, metrics=('brightness', 'psnr'), clips=['b'], num_workers=2)
    expected = np.mean([frame.mean() for frame in read_frames(folders / 'strong', 'b')[2:-2]]) + 8
    assert found['methods']['strong']['mean']['brightness'] == pytest.approx(expected)
    assert found['protocol'] == {'skip_frames': 2, 'average': 'clip', 'crop_border': 8, 'color_space': 'rgb'}
    assert 'Brightness↓' in format_markdown(found)


def test_what_is_not_a_number_can_be_left_out(folders, monkeypatch, host_log):
    def measure(restored, truth, how):
        value = float(restored.image.mean())
        return value if restored.previous is None or value != float(restored.previous.image.mean()) else math.nan

    monkeypatch.setitem(METRICS, 'psnr', replace(METRICS['psnr'], measure=measure))
    folder = folders / 'weak' / 'b'
    shutil.copy(folder / '00000003.png', folder / '00000004.png')
    with pytest.raises(DataError, match=r'weak: psnr of clip b, frame 4, is not a number \(NaN\)'):
        evaluate(folders, metrics=('psnr', 'tof'), methods=('weak',), clips=['b'])
    protocol = Protocol(nan='leave-out')
    found = evaluate(folders, metrics=('psnr', 'tof'), methods=('weak',), clips=['b'], protocol=protocol)
    result = found['methods']['weak']['clips']['b']
    kept = [image.mean() for image in read_frames(folders / 'weak', 'b')[2:4]]
    assert result['frames']['psnr'] == [None, None, *kept, None, None, None]
    assert result['mean']['psnr'] == pytest.approx(np.mean(kept))
    assert found['protocol']['nan'] == 'leave-out'
    assert any('weak: psnr of clip b is not a number for 1 of 3 frames' in message for message in host_log)


def test_frames_of_other_names_are_matched_by_their_order_where_that_is_said(folders):
    for index, path in reversed(list(enumerate(sorted((folders / 'weak' / 'b').iterdir()), start=1))):
        path.rename(path.with_name(f'{index:08d}.png'))
    expected = r'weak: clip b .* lacks the frames 00000000\. .* 00000001 with 00000000 and so on, say --match order'
    with pytest.raises(DataError, match=expected):
        evaluate(folders, methods=('weak', 'strong'), clips=['b'])
    found = evaluate(folders, methods=('weak', 'strong'), clips=['b'], match='order')
    assert found['methods']['weak']['mean']['psnr'] > found['methods']['strong']['mean']['psnr']
    assert found['protocol']['match'] == 'order'
    (folders / 'weak' / 'b' / '00000004.png').unlink()
    with pytest.raises(DataError, match='has 6 frames; its ground truth has 7'):
        evaluate(folders, methods=('weak',), clips=['b'], match='order')


def test_file_names_hashes_and_versions(folders):
    found = evaluate(folders)
    assert found['clips']['b']['frames'] == [f'{index:08d}' for index in range(7)]
    assert found['clips']['b']['size'] == [48, 64]
    hashes = found['methods']['strong']['clips']['b']['sha256']
    assert list(hashes) == [f'{index:08d}_out.png' for index in range(7)]
    assert all(len(digest) == 64 for digest in hashes.values())
    assert found['versions']['torch'] == torch.__version__.split('+')[0]


def spoil(path, change):
    image = change(cv2.imread(str(path)))
    assert cv2.imwrite(str(path), image)


BAD_FRAMES = {
    '16 bits a channel': lambda image: image.astype(np.uint16) * 257,
    'grey': lambda image: image[..., 0],
    'alpha channel': lambda image: cv2.cvtColor(image, cv2.COLOR_BGR2BGRA),
    'weak and its ground truth do not fit: Images are of different sizes': lambda image: image[:-4],
}


@pytest.mark.parametrize('problem', list(BAD_FRAMES))
@pytest.mark.parametrize('num_workers', [0, 1])
def test_bad_frames_are_named(folders, problem, num_workers):
    spoil(folders / 'weak' / 'b' / '00000003.png', BAD_FRAMES[problem])
    with pytest.raises(DataError, match='(?s)(00000003.png.*|Clip b, frame 3.*)' + problem):
        evaluate(folders, num_workers=num_workers)


def test_what_does_not_fit_is_found_before_the_work(folders):
    spoil(folders / 'weak' / 'a' / '00000000.png', lambda image: image[:-4])
    with pytest.raises(DataError, match=r'weak: .*00000000.png.* is 60x80 pixels \(h x w\), its ground truth 64x80'):
        evaluate(folders)


def test_missing_and_extra_frames_and_clips_are_named(folders):
    (folders / 'weak' / 'b' / '00000005.png').unlink()
    with pytest.raises(DataError, match='weak: clip b of .*weak lacks the frames 00000005'):
        evaluate(folders)
    (folders / 'gt' / 'b' / '00000006.png').unlink()
    with pytest.raises(DataError, match='strong: clip b of .* has frames without ground truth: 00000006'):
        evaluate(folders, methods=('strong',))
    with pytest.raises(DataError, match='Clip c is missing in .*gt, which holds a, b'):
        evaluate(folders, clips=['c'])
    for path in (folders / 'weak' / 'b').iterdir():
        path.unlink()
    with pytest.raises(DataError, match='weak: clip b is missing'):
        evaluate(folders)


def test_a_clip_without_ground_truth_is_named(folders):
    make_clip(folders / 'weak' / 'c', 7, (48, 64))
    with pytest.raises(DataError, match='weak: clip c of .* has no ground truth in .*gt. Choose clips by --clips'):
        evaluate(folders)
    assert list(evaluate(folders, clips=['b'])['clips']) == ['b']


def test_clips_that_are_too_short_are_refused(folders):
    with pytest.raises(DataError, match='Clip b of .* has 7 frames, too few where 3 are left out at each end'):
        evaluate(folders, protocol=Protocol(skip_frames=3))


def test_a_value_that_is_not_a_number_ends_the_evaluation(tmp_path):
    lpips = LpipsDistance(random_weights=True)
    for parameter in lpips.model.parameters():
        parameter.data.fill_(float('nan'))
    make_clip(tmp_path / 'gt' / 'a', 5, (64, 64))
    with pytest.raises(DataError, match=r'gt: lpips of clip a, frame 2, is not a number \(NaN\)'):
        evaluate(tmp_path, metrics=('lpips',), methods=('gt',), networks={'lpips': lpips})


def test_unknown_metrics_and_options_are_refused(folders):
    with pytest.raises(ValueError, match="metrics must be some of psnr, .*, got 'mse'"):
        evaluate(folders, metrics=('mse',))
    with pytest.raises(ValueError, match='each once'):
        evaluate(folders, metrics=('psnr', 'psnr'))
    with pytest.raises(ValueError, match='lpips needs the network lpips'):
        evaluate(folders, metrics=('lpips',))
    with pytest.raises(ValueError, match='tof_crop'):
        Protocol(tof_crop='all')


def test_damaged_files_of_an_evaluation_are_refused(tmp_path):
    with pytest.raises(DataError, match='metrics.json is missing'):
        read_evaluation(tmp_path)
    (tmp_path / 'metrics.json').write_text('{"form')
    with pytest.raises(DataError, match='is damaged'):
        read_evaluation(tmp_path)
    (tmp_path / 'metrics.json').write_text(json.dumps({'format': 0}))
    with pytest.raises(DataError, match='no evaluation of format 1'):
        read_evaluation(tmp_path / 'metrics.json')
