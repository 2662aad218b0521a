import copy
import math

import pytest

from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.report.tradeoff import Pair, describe_tradeoff, parse_pair

PSNR = {'label': 'PSNR', 'direction': 'higher', 'decimals': 2, 'unit': 'dB'}
SSIM = {'label': 'SSIM', 'direction': 'higher', 'decimals': 4, 'unit': ''}
LPIPS = {'label': 'LPIPS', 'direction': 'lower', 'decimals': 3, 'unit': ''}
TOF = {'label': 'tOF', 'direction': 'lower', 'decimals': 3, 'unit': ''}
GRID = {'label': 'grid', 'direction': 'lower', 'decimals': 3, 'unit': '%'}
OWN = {'label': 'Of my own', 'direction': 'lower', 'decimals': 1, 'unit': ''}


def make(metrics, **means):
    return {'metrics': metrics, 'methods': {name: {'mean': mean} for name, mean in means.items()}}


EVALUATION = make(
    {'lpips': LPIPS, 'psnr': PSNR, 'ssim': SSIM, 'tof': TOF},
    old={'lpips': 0.4, 'psnr': 21.294, 'ssim': 0.6, 'tof': 0.25},
    new={'lpips': 0.3, 'psnr': 20.466, 'ssim': 0.57, 'tof': 0.2504},
)


def test_gains_come_first_with_percent_of_what_has_no_unit():
    assert describe_tradeoff(EVALUATION, Pair('new', 'old')) == (
        'new against old: better in perceptual quality (LPIPS 0.400 → 0.300, -25.0 %), '
        'worse in fidelity to the pixels (PSNR 21.29 → 20.47 dB; SSIM 0.6000 → 0.5700, -5.0 %).'
    )


def test_the_other_way_round():
    assert describe_tradeoff(EVALUATION, Pair('old', 'new')).startswith(
        'old against new: better in fidelity to the pixels (PSNR 20.47 → 21.29 dB; SSIM 0.5700 → 0.6000, +5.3 %), worse'
    )


def test_what_is_shown_as_equal_is_not_told():
    assert 'tOF' not in describe_tradeoff(EVALUATION, Pair('new', 'old'))
    equal = copy.deepcopy(EVALUATION)
    equal['methods']['new'] = equal['methods']['old']
    assert describe_tradeoff(equal, Pair('new', 'old')) == 'new against old: equal in all that was measured.'


@pytest.mark.parametrize(('old', 'new', 'is_told'), [(-1.4, -0.9, False), (-1.4, 0.1, True), (2.0, -0.1, True)])
def test_a_grid_is_told_where_there_is_one(old, new, is_told):
    found = describe_tradeoff(make({'grid': GRID}, old={'grid': old}, new={'grid': new}), Pair('new', 'old'))
    assert ('grid' in found) is is_told
    assert 'own' in describe_tradeoff(make({'own': OWN}, old={'own': old}, new={'own': new}), Pair('new', 'old'))


@pytest.mark.parametrize(('old', 'new'), [(math.inf, 30.0), (-1.0, 2.0), (0.0, 2.0)])
def test_no_percent_where_there_is_none(old, new):
    found = describe_tradeoff(make({'own': OWN}, old={'own': old}, new={'own': new}), Pair('new', 'old'))
    assert '%' not in found
    assert 'Of my own' in found


@pytest.mark.parametrize(
    ('text', 'pair'), [('new:old', ('new', 'old')), (' new : old', ('new', 'old')), ('a:b:old', ('a:b', 'old'))]
)
def test_names_of_a_pair_may_hold_colons(text, pair):
    assert parse_pair(text, make({}, old={}, new={}, **{'a:b': {}})) == pair


@pytest.mark.parametrize('text', ['new', 'new:', 'new:new', 'new:older', ''])
def test_a_pair_of_other_names_is_refused(text):
    with pytest.raises(InvalidValueError, match='two different ones of old, new; got'):
        parse_pair(text, make({}, old={}, new={}))
