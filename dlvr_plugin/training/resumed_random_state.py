"""What a training state says of the random numbers of its run, and how processes shared an iteration.

Every random number follows from the seed, the number of roll-backs, and the iteration, sample or batch that it is for;
no generator's state has to be saved, neither for one process nor for any other number of them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dlvr_plugin.core.errors import CheckpointError
from dlvr_plugin.core.training_states import advise_new_run

_DIVISION = ('world_size', 'accum_iter', 'batch_size')


def check_random_state(state: Mapping[str, Any], file: Path, *, manual_seed: int | None) -> None:
    """Refuse a state from which the random numbers of its run cannot be told.

    Args:
        state: Training state.
        file: Its file.
        manual_seed: The seed in the options, which counts for states of the framework, which have none; None where
            they have none either.

    Raises:
        CheckpointError: An entry is missing, or is not what a run saves.
    """
    problem = _find_problem(state)
    if problem is None:
        return
    how = 'Resume from another state'
    if _is_of_the_framework(state):
        if manual_seed is not None:
            return
        how = 'Set manual_seed to the one that its run had'
    raise CheckpointError(
        f'{file} has no random state to go on with: {problem}. {how}, or {advise_new_run(file, state["iter"])}'
    )


def compare_divisions(before: Mapping[str, int] | None, after: Mapping[str, int]) -> str:
    """Return a line for the log where an iteration's samples are divided otherwise than before, or ''.

    Args:
        before: ``DataOrder.division`` of the state, None where it is not known.
        after: That of the run that goes on.
    """
    if before is None or before == after:
        return ''
    sizes = [each['world_size'] * each['accum_iter'] * each['batch_size'] for each in (before, after)]
    changed = f'From {_describe(before)} to {_describe(after)}: '
    if sizes[0] != sizes[1]:
        return (
            f'{changed}an iteration has {sizes[1]} samples instead of {sizes[0]}, and takes those that it has in a run '
            'with as many from the start.'
        )
    return (
        f'{changed}an iteration has the same {sizes[0]} samples in the same order, and what is random follows from the '
        'seed, the iteration and the place in it.'
    )


def _describe(division: Mapping[str, int]) -> str:
    return '{world_size} process(es) with {accum_iter} batch(es) of {batch_size}'.format(**division)


def _is_of_the_framework(state: Mapping[str, Any]) -> bool:
    """Tell states that never had a seed; those of the plugin have entries of it."""
    return not {'seed', 'rollbacks', 'division', 'options'} & set(state)


def _find_problem(state: Mapping[str, Any]) -> str | None:
    entries = {name: state.get(name) for name in ('seed', 'rollbacks')}
    if 'division' in state:  # not so in states of 0.2.0
        division = state['division']
        if not isinstance(division, dict) or set(division) != set(_DIVISION):
            return f'division must be {", ".join(_DIVISION)}'
        entries.update({f'division.{name}': division[name] for name in _DIVISION})
    for name, value in entries.items():
        lowest = int(name.startswith('division'))
        if name not in state and not lowest:
            return f'it has no {name}'
        if not isinstance(value, int) or isinstance(value, bool) or value < lowest:
            kind = str(value) if isinstance(value, (int, float)) else f'a {type(value).__name__}'
            return f'{name} is {kind}, and must be a whole number of at least {lowest}'
    return None
