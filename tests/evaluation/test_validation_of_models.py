from pathlib import Path

import cv2
import pytest
from basicsr.metrics import calculate_psnr
from basicsr.models import build_model

from dlvr_plugin.evaluation.validation import validate
from tests.helpers import make_test_set
from tests.models.conftest import model_options

METRICS = {'psnr': {'type': 'calculate_psnr', 'crop_border': 0}}


CLIPS = (('000', 3), ('001', 4))


@pytest.mark.parametrize('host_model', ['EDVRModel', 'VideoRecurrentModel', 'SRModel'])
@pytest.mark.parametrize('save_img', [False, True])
def test_while_training_on_any_device(tmp_path, host_model, save_img, host_log):
    opt = model_options(host_model)
    opt['val'] = {'metrics': METRICS, 'save_img': save_img}
    opt['path'] = {'visualization': str(tmp_path / 'pictures')}
    model = build_model(opt)
    recurrent = host_model == 'VideoRecurrentModel'
    dataset_type = 'VideoRecurrentTestDataset' if recurrent else 'VideoTestDataset'
    loader = make_test_set(tmp_path, dataset_type=dataset_type, clips=CLIPS)
    for current_iter in (10, 20):  # a second time finds the results of the first
        validate(model, loader, current_iter, None, save_img)
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
    first = make_test_set(tmp_path / 'a', clips=CLIPS)
    second = make_test_set(tmp_path / 'b', clips=(('other', 3),))
    validate(model, first, 1, None)
    assert set(model.metric_results) == {'000', '001'}
    validate(model, second, 1, None)
    assert set(model.metric_results) == {'other'}


def test_damaged_test_frames_are_named(tmp_path):
    opt = model_options()
    opt['val'] = {'metrics': METRICS}
    model = build_model(opt)
    loader = make_test_set(tmp_path, clips=CLIPS)
    path = tmp_path / 'LQ/001/00000003.png'
    content = path.read_bytes()
    path.write_bytes(content[:-100])
    with pytest.raises(ValueError, match='LQ/001/00000003.png cannot be decoded'):
        validate(model, loader, 1, None)
    path.write_bytes(content)
    cv2.imwrite(str(path), cv2.imread(str(path))[:12])
    with pytest.raises(ValueError, match=r'00000003.png is \(12, 24\) .* is \(16, 24\)'):
        validate(model, loader, 1, None)
