import json
import random
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from basicsr.models import build_model
from basicsr.models.realesrnet_model import RealESRNetModel
from basicsr.models.sr_model import SRModel
from basicsr.utils.registry import METRIC_REGISTRY
from torch.utils.data import DataLoader, Dataset

from dlvr_plugin.core.errors import DataError
from dlvr_plugin.evaluation.validation import validate
from dlvr_plugin.metrics.psnr_ssim import psnr
from dlvr_plugin.metrics.tof import tof
from dlvr_plugin.options.find_problems import find_problems
from dlvr_plugin.options.problems import dotted
from tests.helpers import make_test_set
from tests.models.conftest import model_options, sample

METRICS = {
    'psnr': {'type': 'calculate_psnr_fast', 'crop_border': 2},
    'tof': {'type': 'calculate_tof'},
    'tlp': {'type': 'calculate_tlp', 'random_weights': True},
}


class Writer:
    """What a TensorBoard writer is given."""

    def __init__(self):
        self.scalars, self.images = {}, {}

    def add_scalar(self, tag, value, step):
        self.scalars[tag, step] = value

    def add_image(self, tag, image, step, dataformats):
        assert dataformats == 'HWC'
        self.images[tag, step] = image


def make_model(tmp_path, host_model='EDVRModel', **val):
    return build_model(make_options(tmp_path, host_model, **val))


def make_options(tmp_path, host_model='EDVRModel', **val):
    opt = model_options(host_model)
    opt['val'] = {'metrics': METRICS, **val}
    opt['path'] = {'visualization': str(tmp_path / 'pictures'), 'models': str(tmp_path / 'models')}
    opt['train']['total_iter'] = 30
    opt['datasets'] = {'train': {'name': 'clips'}, 'val': {'name': 'Vid4'}, 'val_2': {'name': 'REDS4'}}
    return opt


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
    assert model.net_g.training and not model.net_g.conv.training


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

    opt = {'name': 'images'}

    def __init__(self, with_truth=True):
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


@pytest.mark.parametrize(
    ('val', 'message'),
    [
        ({'metrics': {'x': {'type': 'calculate_mse'}}}, "val.metrics.x.type: expected one of .*, got 'calculate_mse'"),
        (
            {'metrics': {'x': {'type': 'calculate_tof', 'nrom': 'euclidean'}}},
            'val.metrics.x.nrom: is no option here. Did you mean norm',
        ),
        (
            {'metrics': {'x': {'type': 'calculate_psnr', 'crop_border': 8, 'better': 'more'}}},
            'better: expected one of higher, lower',
        ),
        ({'metrics': METRICS, 'keep_best': 'lpips'}, "val.keep_best: must be one of .*tof.*, got 'lpips'"),
        ({'metrics': METRICS, 'keep_best': 'REDS/tof'}, "SET/METRIC with a set of Vid4, REDS4, got 'REDS/tof'"),
        ({'metrics': METRICS, 'skip_frames': -1}, 'val.skip_frames: expected a whole number of at least 0, got -1'),
        ({'metrics': {'x': {'type': 'calculate_lpips', 'weights': 'none.pth'}}}, 'none.pth, are not a file'),
    ],
)
def test_wrong_options_are_refused_before_the_run(tmp_path, val, message):
    opt = make_options(tmp_path)
    opt['datasets'] = {'val': {'name': 'Vid4'}, 'val_2': {'name': 'REDS4'}}
    _, problems = find_problems({**opt, 'val': {'val_freq': 5, 'save_img': False, **val}}, is_train=True)
    (problem,) = (problem for problem in problems if problem.key[0] == 'val')
    assert re.search(message, f'{dotted(problem.key)}: {problem.message}')


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
