"""The package as it is installed, and the script that sets up its environment."""

import os
import subprocess
import sys

import pytest

from dlvr_plugin.core.version import __version__
from tests.helpers import REPOSITORY

# Stands in for the interpreter of an environment: notes what it was asked to install.
PYTHON = """#!/usr/bin/env bash
echo "$@" >> calls
"""


def test_version_has_one_source():
    done = subprocess.run(
        [sys.executable, 'setup.py', '--version'], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[-1] == __version__


@pytest.fixture
def checkout(tmp_path):
    """A checkout with an environment in the making."""
    for name in ('setup.py', 'dlvr_plugin/core/version.py', 'scripts/setup_env.sh'):
        target = tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text((REPOSITORY / name).read_text())
    python = tmp_path / '.venv/bin/python'
    python.parent.mkdir(parents=True)
    python.write_text(PYTHON)
    python.chmod(0o755)
    return tmp_path


def set_up(checkout):
    """Source the script, and return what it has asked to install."""
    calls = checkout / 'calls'
    calls.unlink(missing_ok=True)
    subprocess.run(
        ['bash', '-euc', 'source scripts/setup_env.sh'], cwd=checkout, check=True, capture_output=True, env=os.environ
    )
    return calls.read_text().splitlines() if calls.is_file() else []


def test_environment_is_set_up_anew_where_the_package_changes(checkout):
    installed = ['-m pip install --quiet --upgrade pip wheel', '-m pip install --quiet --editable .[test]']
    assert set_up(checkout) == installed
    assert set_up(checkout) == []
    for name in ('setup.py', 'dlvr_plugin/core/version.py'):
        path = checkout / name
        path.write_text(path.read_text() + '\n')
        assert set_up(checkout) == installed, name
        assert set_up(checkout) == []
