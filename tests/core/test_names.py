"""Names that may be those of folders."""

import re

import pytest

from dlvr_plugin.core.names import LONGEST_NAME, why_not_a_folder


@pytest.mark.parametrize(
    ('name', 'reason'),
    [
        ('', 'empty'),
        ('.', 'dot'),
        ('..', 'dot'),
        ('.hidden', 'dot'),
        ('../x', 'separator of folders, /'),
        ('a/b', 'separator'),
        ('/etc', 'separator'),
        ('a\\b', r'separator of folders, \\'),
        ('a\0b', r"'\\x00'"),
        ('a\nb', r"'\\n'"),
        ('a\x7f', r"'\\x7f'"),
        ('a\u2028b', r"'\\u2028'"),
        ('\udcff', r"'\\udcff'"),
        (' a', 'space'),
        ('a ', 'space'),
        ('a' * (LONGEST_NAME + 1), '121 characters'),
        ('é' * LONGEST_NAME, '240 bytes'),
    ],
)
def test_names_that_lead_elsewhere_or_do_not_fit(name, reason):
    assert re.search(reason, why_not_a_folder(name))


@pytest.mark.parametrize('name', ['a', 'x4 SR, REDS (2)', 'train_EDVR.v2', 'ünï-cødé', 'a..b', 'a' * LONGEST_NAME])
def test_names_that_are_fine(name, tmp_path):
    assert not why_not_a_folder(name)
    for longest in (f'.debug_{name}_archived_20260101_120000_2', f'train_debug_{name}_20260101_120000.log'):
        (tmp_path / longest).mkdir()


def test_the_most_bytes_fit_with_what_is_added(tmp_path):
    name = '€' * 66  # three bytes each
    assert not why_not_a_folder(name)
    assert why_not_a_folder('€' * 67)
    (tmp_path / f'.debug_{name}_archived_20260101_120000_2').mkdir()
