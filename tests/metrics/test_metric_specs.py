import doctest
import inspect

import numpy as np
import pytest
from basicsr.metrics import calculate_metric
from basicsr.utils.registry import METRIC_REGISTRY

from dlvr_plugin import metrics
from dlvr_plugin.evaluation.protocol import Protocol
from dlvr_plugin.metrics import METRICS
from dlvr_plugin.metrics.spec import IMAGE_ARGUMENTS, check_metrics, register
from tests.helpers import REPOSITORY


@pytest.mark.parametrize('name', list(METRICS))
def test_what_a_metric_declares_is_there(name):
    spec = METRICS[name]
    assert spec.name == name
    assert set(spec.settings.values()) <= set(Protocol.__dataclass_fields__)
    assert set(spec.effective(Protocol().settings_of(spec))) <= set(spec.settings)
    if spec.function is not None:
        assert METRIC_REGISTRY.get(spec.function.__name__) is spec.function
        parameters = inspect.signature(spec.function).parameters
        compares = {'img2', 'previous_img2'} & set(parameters)
        assert ('previous_img' in parameters) == (spec.looks_at == 'previous')
        assert getattr(spec.function, 'takes_clip', False) == (spec.looks_at == 'clip')
        assert bool(compares) == spec.needs_ground_truth
        if spec.read_options is None:  # then its options are the settings
            options = set(parameters) - set(IMAGE_ARGUMENTS) - {'weights', 'random_weights'}
            assert options == set(spec.settings)


def test_the_framework_s_own_loops_hand_on_which_values_are_better():
    images = {'img': np.zeros((16, 16, 3), np.uint8), 'img2': np.full((16, 16, 3), 255, np.uint8)}
    options = {'type': 'calculate_psnr_fast', 'crop_border': 0, 'better': 'higher'}
    assert calculate_metric(images, options) == 0


def test_the_documentation_names_every_metric():
    pages = [REPOSITORY / 'README.md', *REPOSITORY.glob('docs/**/*.md')]
    text = '\n'.join(page.read_text() for page in pages)
    assert not [name for name in METRICS if f'`{name}`' not in text]


def test_two_metrics_of_one_name_are_refused():
    with pytest.raises(ValueError, match='two metrics of the name psnr'):
        register(METRICS['psnr'])
    with pytest.raises(ValueError, match='each once, got psnr psnr'):
        check_metrics(['psnr', 'psnr'])


def test_the_border_counts_where_it_is_cropped():
    for protocol, names in (
        (Protocol(), ['skip_frames', 'average', 'tof_norm', 'tof_crop']),
        (Protocol(tof_crop='border'), ['skip_frames', 'average', 'crop_border', 'tof_norm', 'tof_crop']),
    ):
        assert list(protocol.describe([metrics.METRICS['tof']])) == names


def test_the_example_of_the_package_runs():
    found = doctest.testmod(metrics)
    assert (found.attempted > 5, found.failed) == (True, 0)
