"""Which repairs are made, and how a function that needs one is told."""

import subprocess
import sys

import pytest

from dlvr_plugin import host
from dlvr_plugin.host.repair import Repair, hash_source


def run(code):
    done = subprocess.run([sys.executable, '-W', 'error::RuntimeWarning', '-c', code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_all_apply_to_basicsr_1_4_2():
    made = run('import dlvr_plugin as d; print(*(repair.place for repair in d.host.apply()))')
    assert made == [repair.place for repair in host.repairs()]
    assert len(made) == 27
    assert len({(repair.place, repair.defect) for repair in host.repairs()}) == len(made)


def test_each_is_made_once_at_most():
    assert host.apply() == []


def test_importing_the_plugin_leaves_basicsr_as_it_is():
    code = (
        'import dlvr_plugin\n'
        'from dlvr_plugin.host.repair import hash_source\n'
        'for repair in dlvr_plugin.host.repairs():\n'
        '    function = getattr(repair.owner, repair.name)\n'
        '    assert hash_source(function) == repair.source and not hasattr(function, "_repair_of_dlvr_plugin")\n'
        'from basicsr.models.base_model import BaseModel\n'
        'for name in ("get_optimizer", "reduce_loss_dict", "get_current_log"):\n'
        '    assert getattr(BaseModel, name).__module__ == "basicsr.models.base_model"\n'
        'print("as it is")'
    )
    assert run(code) == ['as', 'it', 'is']


class Framework:
    def broken(self):
        return 'broken'

    def of_another_version(self):
        return 'other'


def repair_of(name, source):
    return Repair('is broken', Framework, name, source, build=lambda broken: lambda self: f'no longer {broken(self)}')


def test_a_broken_function_is_told_by_the_hash_of_its_source():
    repair = repair_of('broken', hash_source(Framework.broken))
    assert repair.apply()
    assert Framework().broken() == 'no longer broken'
    assert not repair.apply()
    assert Framework().broken() == 'no longer broken'


def test_an_unknown_function_is_named_and_left_alone():
    repair = repair_of('of_another_version', hash_source(Framework.broken))
    with pytest.warns(RuntimeWarning, match='Framework.of_another_version is not that of BasicSR 1.4.2.*is broken'):
        assert not repair.apply()
    assert Framework().of_another_version() == 'other'


def test_functions_without_source_have_no_hash():
    assert hash_source(len) == ''
