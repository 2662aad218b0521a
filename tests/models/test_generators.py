"""The plugin's generators learn in the discriminative space, each over the host model that the pages name."""

from copy import deepcopy

import pytest
import torch
from basicsr.models import build_model

from tests.models.conftest import OPTIONS

CASES = {
    'FRNet': ('VideoRecurrentModel', {'num_feat': 4, 'num_block': 1}, 4),
    'STFAN': ('VideoRecurrentModel', {'num_feat': 4}, 1),
    'STRCNN': ('VideoRecurrentModel', {'num_feat': 4, 'num_block': 1}, 1),
    'DBN': ('VideoBaseModel', {'num_feat': 4}, 1),
    'EnhanceNet': ('SRModel', {'num_feat': 4, 'num_block': 1}, 4),
}


@pytest.mark.parametrize('name', CASES)
def test_two_iterations(name):
    host_model, arguments, scale = CASES[name]
    opt = {
        **deepcopy(OPTIONS),
        'host_model': host_model,
        'scale': scale,
        'network_g': {'type': name, **arguments},
        'val': {},
    }
    model = build_model(opt)
    before = deepcopy(model.net_g.state_dict())
    for iteration in (1, 2):
        side = 32 // scale
        lq, gt = torch.rand(2, 5, 3, side, side), torch.rand(2, 5, 3, 32, 32)
        model.feed_data({'lq': lq, 'gt': gt, 'key': ['000/00000000'] * 2})
        model.optimize_parameters(iteration)
    log = model.get_current_log()
    for loss in ('l_g_pix', 'l_g_content', 'l_g_relation', 'l_t_real', 'l_t_fake'):
        assert 0 < log[loss] < 10, loss
    changed = [key for key, value in model.net_g.state_dict().items() if not torch.equal(value, before[key])]
    assert len(changed) > len(before) / 2
    model.test()
    assert model.output.shape[-3:] == (3, 32, 32)
