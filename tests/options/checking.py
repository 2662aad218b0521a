"""Option files of the repository, and what is wrong with options, line by line."""

from dlvr_plugin.options.consistency.findings import Processes
from dlvr_plugin.options.find_problems import find_problems
from dlvr_plugin.options.problems import dotted
from dlvr_plugin.options.yaml_reader import read_file
from tests.helpers import REPOSITORY


def lines(opt, *, is_train=True, with_files=True, **processes):
    _, problems = find_problems(
        opt, is_train=is_train, with_files=with_files, processes=Processes(**processes) if processes else None
    )
    return [f'{dotted(problem.key)}: {problem.message}' for problem in problems]


def read(name):
    return read_file(REPOSITORY / 'options' / name).value
