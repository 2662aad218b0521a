"""Small models and options to validate with."""

from basicsr.models import build_model

from tests.models.conftest import model_options

METRICS = {
    'psnr': {'type': 'calculate_psnr_fast', 'crop_border': 2},
    'tof': {'type': 'calculate_tof'},
    'tlp': {'type': 'calculate_tlp', 'random_weights': True},
}


def make_model(tmp_path, host_model='EDVRModel', **val):
    return build_model(make_options(tmp_path, host_model, **val))


def make_options(tmp_path, host_model='EDVRModel', **val):
    opt = model_options(host_model)
    opt['val'] = {'metrics': METRICS, **val}
    opt['path'] = {'visualization': str(tmp_path / 'pictures'), 'models': str(tmp_path / 'models')}
    opt['train']['total_iter'] = 30
    opt['datasets'] = {'train': {'name': 'clips'}, 'val': {'name': 'Vid4'}, 'val_2': {'name': 'REDS4'}}
    return opt
