from pathlib import Path

import cv2
import pytest
from basicsr.data import build_dataloader, build_dataset
from basicsr.metrics import calculate_psnr
from basicsr.models import build_model

from tests.conftest import make_clip
from tests.models.conftest import model_options

METRICS = {'psnr': {'type': 'calculate_psnr', 'crop_border': 0}}


def make_loader(root, dataset_type, num_frame):
    for index, length in enumerate((3, 4)):
        make_clip(root / 'GT' / f'{index:03d}', length, (32, 32), seed=index)
        make_clip(root / 'LQ' / f'{index:03d}', length, (16, 16), seed=index + 5)
    opt = {
        'name': 'Vid4',
        'type': dataset_type,
        'phase': 'val',
        'dataroot_gt': str(root / 'GT'),
        'dataroot_lq': str(root / 'LQ'),
        'io_backend': {'type': 'disk'},
        'cache_data': dataset_type == 'VideoRecurrentTestDataset',
        'num_frame': num_frame,
        'padding': 'replicate',
    }
    return build_dataloader(build_dataset(opt), opt)


@pytest.mark.parametrize('host_model', ['EDVRModel', 'VideoRecurrentModel', 'SRModel'])
@pytest.mark.parametrize('save_img', [False, True])
def test_while_training_on_any_device(tmp_path, host_model, save_img, host_log):
    opt = model_options(host_model)
    opt['val'] = {'metrics': METRICS, 'save_img': save_img}
    opt['path'] = {'visualization': str(tmp_path / 'pictures')}
    model = build_model(opt)
    recurrent = host_model == 'VideoRecurrentModel'
    loader = make_loader(tmp_path, 'VideoRecurrentTestDataset' if recurrent else 'VideoTestDataset', 3)
    for current_iter in (10, 20):  # a second time finds the results of the first
        model.validation(loader, current_iter, None, save_img)
    assert not any('No relation loss' in message for message in host_log)
    assert {name: tuple(v.shape) for name, v in model.metric_results.items()} == {'000': (3, 1), '001': (4, 1)}
    assert model.opt['is_train']
    pictures = sorted(path.relative_to(tmp_path) for path in (tmp_path / 'pictures').rglob('*.png'))
    assert len(pictures) == (2 * 7 if save_img else 0)
    if save_img:
        assert pictures[0] == Path('pictures/10/Vid4/000/00000000_test_10.png')
        saved = cv2.imread(str(tmp_path / 'pictures/20/Vid4/001/00000002_test_20.png'))
        truth = cv2.imread(str(tmp_path / 'GT/001/00000002.png'))
        assert model.metric_results['001'][2, 0].item() == pytest.approx(calculate_psnr(saved, truth, 0), abs=1e-4)


def test_several_sets_with_different_clips(tmp_path):
    opt = model_options()
    opt['val'] = {'metrics': METRICS}
    model = build_model(opt)
    first = make_loader(tmp_path / 'a', 'VideoTestDataset', 3)
    make_clip(tmp_path / 'b' / 'GT' / 'other', 3, (32, 32))
    make_clip(tmp_path / 'b' / 'LQ' / 'other', 3, (16, 16))
    second = make_loader(tmp_path / 'b', 'VideoTestDataset', 3)
    model.validation(first, 1, None)
    assert set(model.metric_results) == {'000', '001'}
    model.validation(second, 1, None)
    assert set(model.metric_results) == {'000', '001', 'other'}


def test_damaged_test_frames_are_named(tmp_path):
    opt = model_options()
    opt['val'] = {'metrics': METRICS}
    model = build_model(opt)
    loader = make_loader(tmp_path, 'VideoTestDataset', 3)
    path = tmp_path / 'LQ/001/00000003.png'
    content = path.read_bytes()
    path.write_bytes(content[:-100])
    with pytest.raises(ValueError, match='LQ/001/00000003.png cannot be decoded'):
        model.validation(loader, 1, None)
    path.write_bytes(content)
    cv2.imwrite(str(path), cv2.imread(str(path))[:12])
    with pytest.raises(ValueError, match=r'00000003.png is \(12, 16\) .* is \(16, 16\)'):
        model.validation(loader, 1, None)
