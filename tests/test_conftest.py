"""What a test session says at its end."""

from collections import Counter
from types import SimpleNamespace

from tests.conftest import pytest_terminal_summary, skip_lines


def test_every_kind_of_skip_is_told_with_a_remedy():
    assert skip_lines(Counter({'Chromium is not installed': 40, 'it is Sunday': 1})) == [
        '40 skipped: Chromium is not installed. To run: install Chromium: apt-get install chromium.',
        '1 skipped: it is Sunday.',
    ]


def test_what_pytest_reports_is_counted():
    report = SimpleNamespace(nodeid='a.py', longrepr=('a.py', 1, "Skipped: could not import 'wandb'"))
    other = SimpleNamespace(nodeid='b.py::test', longrepr=('b.py', 5, 'Skipped: there is no GPU'))
    lines = []
    pytest_terminal_summary(SimpleNamespace(stats={'skipped': [report, report, other]}, write_line=lines.append))
    assert len(lines) == 2
    assert lines[0].startswith("1 skipped: could not import 'wandb'. To run: pip install")
    assert lines[1].startswith('1 skipped: there is no GPU. To run: ')
