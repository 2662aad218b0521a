"""What the loop asks of models, and how it finds it."""

import pytest
from basicsr.models import build_model

from dlvr_plugin.training.protocols import (
    HasAverage,
    HasOwnLosses,
    HasPhases,
    networks_of,
    optimizers_of,
)
from tests.helpers import as_adversarial, as_host_model
from tests.models.conftest import model_options


@pytest.mark.parametrize('is_adversarial', [False, True])
def test_models_with_a_loss_network(is_adversarial):
    opt = model_options()
    model = build_model(as_adversarial(opt) if is_adversarial else opt)
    for protocol in (HasAverage, HasOwnLosses, HasPhases):
        assert isinstance(model, protocol), protocol
    assert networks_of(model, 'gtd') == {'g': model.net_g, 't': model.net_t}
    assert optimizers_of(model) == {'g': model.optimizer_g, 't': model.optimizer_t}
    model.options = type(model.options)(init_t_iters=3)
    assert model.phase(3) == 'training T alone until iteration 3'
    assert model.phase(4) == 'training G and T in alternation'


def test_model_of_the_framework():
    opt = as_host_model(model_options())
    opt['train']['pixel_opt'] = {'type': 'HuberLoss'}
    model = build_model(opt)
    assert not isinstance(model, HasOwnLosses | HasPhases)
    assert networks_of(model, 'gt') == {'g': model.net_g}
    assert optimizers_of(model) == {'g': model.optimizer_g}
