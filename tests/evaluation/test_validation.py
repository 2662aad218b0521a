import json
import random
import threading
from collections import Counter
from importlib import import_module
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from basicsr.models.realesrnet_model import RealESRNetModel
from basicsr.models.sr_model import SRModel
from basicsr.utils.registry import METRIC_REGISTRY
from torch.utils.data import DataLoader, Dataset

from dlvr_plugin.clips.clip_reader import ClipReader
from dlvr_plugin.core.errors import DataError, UserError
from dlvr_plugin.evaluation.evaluation_run import EvaluationRun
from dlvr_plugin.evaluation.measuring import Measurement
from dlvr_plugin.evaluation.protocol import Protocol
from dlvr_plugin.evaluation.validation import validate
from dlvr_plugin.metrics.dists_network import DISTS_WEIGHTS
from dlvr_plugin.metrics.lpips_distance import LPIPS_WEIGHTS, LpipsDistance
from dlvr_plugin.metrics.psnr_ssim import psnr
from dlvr_plugin.metrics.tof import tof
from tests.evaluation.validated_models import METRICS, make_model, make_options
from tests.helpers import make_test_set
from tests.models.conftest import sample

tof_module = import_module('dlvr_plugin.metrics.tof')  # the package exports the function of this name


class Writer:
    """What a TensorBoard writer is given."""

    def __init__(self):
        self.scalars, self.images = {}, {}

    def add_scalar(self, tag, value, step):
        self.scalars[tag, step] = value

    def add_image(self, tag, image, step, dataformats):
        assert dataformats == 'HWC'
        self.images[tag, step] = image


def read_frames(folder):
    return [cv2.imread(str(path)) for path in sorted(Path(folder).iterdir())]


@pytest.mark.parametrize(
    ('host_model', 'dataset_type'),
    [
        ('EDVRModel', 'VideoTestDataset'),
        ('SRModel', 'VideoTestDataset'),
        ('VideoRecurrentModel', 'VideoRecurrentTestDataset'),
    ],
)
def test_clips_are_measured_as_the_saved_frames_are(tmp_path, host_model, dataset_type, host_log):
    model, writer = make_model(tmp_path, host_model, skip_frames=1), Writer()
    validate(model, make_test_set(tmp_path, dataset_type=dataset_type), 20, writer, True)
    means = {}
    for clip in ('000', '001'):
        restored = read_frames(tmp_path / 'pictures/20/Vid4' / clip)
        truth = read_frames(tmp_path / 'GT' / clip)
        kept = range(1, len(truth) - 1)
        means[clip] = [
            np.mean([psnr(restored[t], truth[t], crop_border=2) for t in kept]),
            np.mean([tof(restored[t - 1], restored[t], truth[t - 1], truth[t]) for t in kept[1:]]),
        ]
        for name, mean in zip(('psnr', 'tof'), means[clip], strict=True):
            assert writer.scalars[f'metrics/Vid4/{name}/{clip}', 20] == pytest.approx(mean, abs=1e-5)
    total = np.mean(list(means.values()), axis=0)
    assert writer.scalars['metrics/Vid4/psnr', 20] == pytest.approx(total[0], abs=1e-5)
    assert writer.scalars['metrics/Vid4/tof', 20] == pytest.approx(total[1], abs=1e-5)
    text = next(message for message in host_log if message.startswith('Validation Vid4'))
    assert f'# tof: {total[1]:.4f}\t # 000: {means["000"][1]:.4f}\t # 001: {means["001"][1]:.4f}' in text
    assert f'Best: {total[1]:.4f} @ 20 iter' in text


@pytest.mark.parametrize('skip_frames', [0, 2])
def test_the_numbers_are_those_of_an_evaluation(tmp_path, skip_frames, host_log):
    metrics = {
        'rgb': {'type': 'calculate_psnr_fast', 'crop_border': 3},
        'luma': {'type': 'calculate_ssim_fast', 'crop_border': 3, 'test_y_channel': True},
        'flow': {'type': 'calculate_tof', 'crop': 'border', 'crop_border': 3},
        'lpips': {'type': 'calculate_lpips', 'random_weights': True},
        'tlp': {'type': 'calculate_tlp', 'random_weights': True},
        'dists': {'type': 'calculate_dists', 'random_weights': True},
        'warp': {'type': 'calculate_warping_error', 'frames': 'result', 'crop': 'border', 'crop_border': 3},
        'warp_gt': {'type': 'calculate_warping_error', 'crop': 'border', 'crop_border': 3},
        'still': {'type': 'calculate_flicker', 'crop': 'border', 'crop_border': 3},
        'sharp': {'type': 'calculate_sharpness', 'crop_border': 3},
        'own': {'type': 'calculate_psnr', 'crop_border': 3},
    }
    model = make_model(tmp_path, metrics=metrics, skip_frames=skip_frames)
    writer = Writer()
    validate(model, make_test_set(tmp_path, clips=(('000', 7), ('001', 6))), 20, writer, True)

    def evaluate(*metrics, **protocol):
        return EvaluationRun(
            ClipReader(tmp_path / 'GT'),
            {'ours': ClipReader(tmp_path / 'pictures/20/Vid4')},
            metrics=metrics,
            protocol=Protocol(skip_frames=skip_frames, crop_border=3, tof_crop='border', **protocol),
            networks={each.name: each.load(random_weights=True) for each in (LPIPS_WEIGHTS, DISTS_WEIGHTS)},
            num_workers=0,
        ).run()['methods']['ours']

    names = {
        'psnr': 'rgb',
        'ssim_y': 'luma',
        'tof': 'flow',
        'lpips': 'lpips',
        'tlp': 'tlp',
        'dists': 'dists',
        'warping_error': 'warp',
        'flicker': 'still',
        'sharpness': 'sharp',
    }
    evaluated = evaluate(*names, warping_frames='result', warping_crop='border')
    by_truth = evaluate('warping_error', warping_crop='border')['mean']['warping_error']
    assert writer.scalars['metrics/Vid4/warp_gt', 20] == pytest.approx(by_truth, rel=1e-9)
    assert by_truth != evaluated['mean']['warping_error']
    for metric, name in names.items():
        # The flow depends on where arrays lie in memory, in the last digits of float32.
        assert writer.scalars[f'metrics/Vid4/{name}', 20] == pytest.approx(evaluated['mean'][metric], rel=1e-9)
        for clip in ('000', '001'):
            expected = pytest.approx(evaluated['clips'][clip]['mean'][metric], rel=1e-9)
            assert writer.scalars[f'metrics/Vid4/{name}/{clip}', 20] == expected
    assert writer.scalars['metrics/Vid4/own', 20] == pytest.approx(evaluated['mean']['psnr'], abs=1e-4)
    text = next(message for message in host_log if message.startswith('Validation Vid4'))
    assert (
        f'Protocol: skip_frames {skip_frames}, average clip, nan leave-out, rgb (crop_border 3, color_space rgb), '
        in text
    )
    assert 'flow (norm euclidean, crop border, crop_border 3), lpips (net alex, crop none, weights random' in text
    assert 'warp (flow dis, frames result, mask consistency, crop border, crop_border 3), ' in text
    assert 'dists (size frame, weights random, seed 0: not DISTS), ' in text
    assert 'own (crop_border 3)' in text


def test_flow_and_features_of_a_frame_are_computed_once(tmp_path, monkeypatch):
    counts = Counter()
    for place, name in ((tof_module, 'prepare_frame'), (LpipsDistance, 'features')):
        original = getattr(place, name)
        monkeypatch.setattr(
            place, name, lambda *args, original=original, name=name: (counts.update([name]), original(*args))[-1]
        )
    metrics = {**METRICS, 'lpips': {'type': 'calculate_lpips', 'random_weights': True}}
    validate(make_model(tmp_path, metrics=metrics), make_test_set(tmp_path), 1, None)
    assert counts == {'prepare_frame': 2 * (5 + 6), 'features': 2 * (5 + 6)}


def test_what_a_gpu_computes_is_measured_exactly_and_not_in_a_thread(tmp_path, monkeypatch):
    """The switch for exact convolutions holds for all threads, so it must not be thrown in one of several."""
    metrics = {'lpips': {'type': 'calculate_lpips', 'random_weights': True}, 'tof': {'type': 'calculate_tof'}}
    loader, places, writers = make_test_set(tmp_path), set(), (Writer(), Writer())
    original = LpipsDistance.features

    def features(*args):
        is_main = threading.current_thread() is threading.main_thread()
        places.add((is_main, torch.backends.cudnn.allow_tf32))
        return original(*args)

    monkeypatch.setattr(LpipsDistance, 'features', features)
    validate(make_model(tmp_path, metrics=metrics), loader, 1, writers[0])
    assert places == {(False, True)}
    places.clear()
    monkeypatch.setattr(Measurement, 'is_on_device', property(lambda self: self.spec.weights is not None))
    validate(make_model(tmp_path, metrics=metrics), loader, 1, writers[1])
    assert places == {(True, False)}
    assert torch.backends.cudnn.allow_tf32
    for name in metrics:
        of_both = [writer.scalars[f'metrics/Vid4/{name}', 1] for writer in writers]
        assert np.isfinite(of_both).all()


def test_a_test_has_no_best_iteration_and_a_run_has(tmp_path, host_log):
    model = make_model(tmp_path)
    loader = make_test_set(tmp_path)
    validate(model, loader, 10, None)
    assert 'Best: ' in next(message for message in host_log if message.startswith('Validation Vid4'))
    host_log.clear()
    model.opt['is_train'] = False
    validate(model, loader, 'my_test', None)
    text = next(message for message in host_log if message.startswith('Validation Vid4'))
    assert '# tof: ' in text
    assert 'Best' not in text


@pytest.mark.parametrize('pbar', [True, False])
def test_the_progress_bar_can_be_left_out(tmp_path, pbar, capsys):
    validate(make_model(tmp_path, pbar=pbar), make_test_set(tmp_path), 1, None)
    assert ('Test 001' in capsys.readouterr().err) == pbar


def test_sets_have_tags_of_their_own(tmp_path):
    model, writer = make_model(tmp_path), Writer()
    validate(model, make_test_set(tmp_path / 'a'), 10, writer)
    validate(model, make_test_set(tmp_path / 'b', name='REDS4', clips=(('other', 4),)), 10, writer)
    assert writer.scalars['metrics/Vid4/psnr', 10] != writer.scalars['metrics/REDS4/psnr', 10]
    assert ('metrics/REDS4/tof/other', 10) in writer.scalars
    assert ('metrics/REDS4/tof/000', 10) not in writer.scalars


def test_pictures_of_chosen_clips_go_to_tensorboard(tmp_path):
    model, writer = make_model(tmp_path, picture_clips=['001']), Writer()
    loader = make_test_set(tmp_path)
    validate(model, loader, 10, writer, True)
    assert set(writer.images) == {('images/Vid4/001', 10), ('profiles/Vid4/001', 10)}
    truth = read_frames(tmp_path / 'GT/001')
    restored = read_frames(tmp_path / 'pictures/10/Vid4/001')
    image = writer.images['images/Vid4/001', 10][..., ::-1]
    np.testing.assert_array_equal(image[:, 54:102], restored[3])
    np.testing.assert_array_equal(image[:, 108:], truth[3])
    np.testing.assert_array_equal(image[::2, :48:2], read_frames(tmp_path / 'LQ/001')[3])
    profile = writer.images['profiles/Vid4/001', 10][::4, :, ::-1]
    np.testing.assert_array_equal(profile[:, 54:], np.stack([frame[16] for frame in truth]))
    np.testing.assert_array_equal(profile[:, :48], np.stack([frame[16] for frame in restored]))


def test_training_goes_on_as_if_there_had_been_no_validation(tmp_path):
    loader = make_test_set(tmp_path)
    weights = []
    for validates in (False, True):
        random.seed(0)
        np.random.seed(0)
        torch.manual_seed(0)
        model = make_model(tmp_path)
        for current_iter in (1, 2, 3):
            model.feed_data(sample())
            model.optimize_parameters(current_iter)
            if validates:
                validate(model, loader, current_iter, None)
                torch.testing.assert_close(model.net_g.training, True)
        weights.append([*model.net_g.state_dict().values(), *model.net_t.state_dict().values()])
        weights[-1].append(torch.tensor([random.random(), np.random.rand(), torch.rand(1).item()]))
    for plain, validated in zip(*weights, strict=True):
        assert torch.equal(plain, validated)


def test_parts_that_were_frozen_in_evaluation_mode_stay_so(tmp_path):
    model = make_model(tmp_path)
    model.net_g.conv.eval()
    validate(model, make_test_set(tmp_path), 1, None)
    assert model.net_g.training
    assert not model.net_g.conv.training


def test_best_checkpoint_is_kept_over_runs(tmp_path):
    loader, folder = make_test_set(tmp_path), tmp_path / 'models'
    folder.mkdir()

    def record():
        return json.loads((folder / 'net_g_best.json').read_text())

    model = make_model(tmp_path, keep_best='tof')
    validate(model, loader, 10, None)
    first = record()
    assert first['iter'] == 10
    best = torch.load(folder / 'net_g_best.pth')['params']
    # Another run of the same experiment that is worse, and better, by what it restores.
    resumed = make_model(tmp_path, keep_best='tof')
    torch.nn.init.normal_(resumed.net_g.conv.weight, std=5)
    validate(resumed, loader, 20, None)
    assert record() == first
    resumed.net_g.load_state_dict(best)
    (folder / 'net_g_best.json').write_text(json.dumps({**first, 'value': first['value'] + 1}))
    validate(resumed, loader, 40, None)  # the host's number for the validation behind the last iteration, 30
    assert record() == {**first, 'iter': 30, 'value': pytest.approx(first['value'])}
    assert sorted(path.name for path in folder.iterdir()) == ['net_g_best.json', 'net_g_best.pth']


class Images(Dataset):
    """Single images, with or without ground truth."""

    def __init__(self, with_truth=True):
        self.opt = {'name': 'images'}
        self.with_truth = with_truth

    def __len__(self):
        return 3

    def __getitem__(self, index):
        item = {'lq': torch.full((3, 16, 24), index / 4), 'lq_path': f'folder/picture_{index}.png'}
        if self.with_truth:
            item['gt'] = torch.full((3, 32, 48), index / 4)
        return item


def test_single_images(tmp_path, host_log):
    model, writer = make_model(tmp_path, 'SRModel', metrics={'psnr': METRICS['psnr']}), Writer()
    validate(model, DataLoader(Images()), 7, writer, True)
    pictures = [tmp_path / f'pictures/picture_{index}/picture_{index}_7.png' for index in range(3)]
    values = []
    for index, picture in enumerate(pictures):
        truth = np.full((32, 48, 3), round(255 * index / 4), np.uint8)
        values.append(psnr(cv2.imread(str(picture)), truth, crop_border=2))
    assert writer.scalars == {('metrics/images/psnr', 7): pytest.approx(np.mean(values), abs=1e-5)}
    assert model.metric_results == {'psnr': pytest.approx(np.mean(values), abs=1e-5)}
    assert any(f'# psnr: {np.mean(values):.4f}' in message for message in host_log)


def test_metrics_that_cannot_be_computed_are_named(tmp_path):
    with pytest.raises(DataError, match='val.metrics.tof compares frames of clips, but images has images'):
        validate(make_model(tmp_path, 'SRModel'), DataLoader(Images()), 1, None)
    model = make_model(tmp_path, 'SRModel', metrics={'psnr': METRICS['psnr']})
    with pytest.raises(DataError, match='psnr, images, image picture_0: psnr needs ground truth, and the set has none'):
        validate(model, DataLoader(Images(with_truth=False)), 1, None)
    metrics = {'psnr': {'type': 'calculate_psnr_fast', 'crop_border': 16}}
    with pytest.raises(DataError, match='val.metrics.psnr, Vid4, clip 000, frame 0: .*too small for crop_border 16'):
        validate(make_model(tmp_path, metrics=metrics), make_test_set(tmp_path), 1, None)


def test_a_defect_of_a_metric_is_no_error_of_the_data(tmp_path, monkeypatch):
    monkeypatch.setitem(METRIC_REGISTRY._obj_map, 'calculate_niqe', lambda img, crop_border: len(3))
    with pytest.raises(TypeError, match='has no len') as caught:
        validate(
            make_model(tmp_path, metrics={'niqe': {'type': 'calculate_niqe', 'crop_border': 0}}),
            make_test_set(tmp_path),
            1,
            None,
        )
    assert not isinstance(caught.value, UserError)


def test_clips_that_are_too_short_are_named(tmp_path):
    model = make_model(tmp_path, skip_frames=2)
    with pytest.raises(DataError, match='Clip 000 of Vid4 has 5 frames; .* val.skip_frames 2 need 6'):
        validate(model, make_test_set(tmp_path), 1, None)


def test_what_is_not_a_number_is_said_and_left_out(tmp_path, host_log, monkeypatch):
    metrics = {'niqe': {'type': 'calculate_niqe', 'crop_border': 0}, 'psnr': METRICS['psnr']}
    values = iter([float('nan')] + [3.0] * 10)
    model = make_model(tmp_path, metrics=metrics)
    monkeypatch.setattr('dlvr_plugin.evaluation.validation._NUM_THREADS', 1)
    monkeypatch.setitem(METRIC_REGISTRY._obj_map, 'calculate_niqe', lambda img, crop_border: next(values))
    validate(model, make_test_set(tmp_path), 1, None)
    text = 'niqe of Vid4 is not a number for 1 frames, which are left out; the first is clip 000, frame 0.'
    assert any(text in message for message in host_log)
    assert any('# niqe: 3.0000' in message for message in host_log)


def test_what_is_not_a_number_can_be_an_error(tmp_path, monkeypatch):
    monkeypatch.setitem(METRIC_REGISTRY._obj_map, 'calculate_niqe', lambda img: float('nan'))
    model = make_model(tmp_path, metrics={'niqe': {'type': 'calculate_niqe'}}, nan='error')
    with pytest.raises(DataError, match='val.metrics.niqe, Vid4, clip 000, frame 0, is not a number'):
        validate(model, make_test_set(tmp_path), 1, None)


def test_frames_that_a_metric_has_no_value_of_are_left_out(tmp_path, host_log):
    metrics = {'niqe': {'type': 'calculate_niqe', 'crop_border': 0}}
    validate(make_model(tmp_path, metrics=metrics), make_test_set(tmp_path), 1, None)
    assert any('niqe of Vid4 is not a number for 11 frames, which are left out' in message for message in host_log)


def test_a_metric_without_reference_needs_no_ground_truth(tmp_path, monkeypatch):
    class LargeImages(Images):
        def __getitem__(self, index):
            return {'lq': torch.rand((3, 96, 112), generator=torch.Generator().manual_seed(index)), 'lq_path': 'a.png'}

    model = make_model(tmp_path, 'SRModel', metrics={'niqe': {'type': 'calculate_niqe', 'crop_border': 0}})
    validate(model, DataLoader(LargeImages()), 1, None)
    assert np.isfinite(model.metric_results['niqe'])


def test_real_esrgan_is_measured_without_the_degradations_of_its_training(tmp_path):
    """Its own loops do nothing but to leave them out; the model itself takes a GPU to build."""

    class RealEsrgan(SRModel):
        nondist_validation = RealESRNetModel.nondist_validation

        def feed_data(self, data):
            assert not self.is_train
            super().feed_data(data)

    opt = make_options(tmp_path, 'SRModel', metrics={'psnr': METRICS['psnr']})
    opt['train']['pixel_opt'] = {'type': 'L1Loss'}
    model, writer = RealEsrgan(opt), Writer()
    validate(model, DataLoader(Images()), 7, writer)
    assert np.isfinite(writer.scalars['metrics/images/psnr', 7])
    assert model.is_train
