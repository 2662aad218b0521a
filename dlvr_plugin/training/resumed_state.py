"""What a training state becomes for a run that goes on with other options."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from basicsr.utils import get_root_logger
from torch.optim import Optimizer

from dlvr_plugin.core.errors import CheckpointError
from dlvr_plugin.training.schedules import advance_schedules


def with_new_options(model: Any, state: Mapping[str, Any], *, warmup_iter: int, total_iter: int) -> dict[str, Any]:
    """Return a state with which a model goes on by its own options, in place of those that the state was saved with.

    What the optimizers have gathered about each weight stays. Their other values are those of the options, and the
    learning rates and schedules are those that a run with these options has at the iteration of the state.

    Args:
        model: Model of the framework, just built; its schedules are taken to that iteration.
        state: Training state.
        warmup_iter: Iterations that raise the learning rate from 0; -1 for none.
        total_iter: Last iteration of the run.

    Raises:
        CheckpointError: The state is that of other optimizers.
    """
    if len(state['optimizers']) != len(model.optimizers):
        raise CheckpointError(
            f'The state of iteration {state["iter"]} has {len(state["optimizers"])} optimizers, and the model '
            f'{len(model.optimizers)}: it is that of another model_type.'
        )
    for optimizer, saved in zip(model.optimizers, state['optimizers'], strict=True):
        kinds = [bool(groups['param_groups'][0].get('amsgrad')) for groups in (saved, optimizer.state_dict())]
        if kinds[0] != kinds[1]:
            raise CheckpointError(
                f'The state of iteration {state["iter"]} is of an optimizer with amsgrad: {str(kinds[0]).lower()}. Set '
                'that in train.optim_* to go on from it.'
            )
    advance_schedules(model, min(state['iter'], total_iter), warmup_iter)
    optimizers = model.optimizers
    if any(map(_is_divided_otherwise, optimizers, state['optimizers'])):
        optimizers = _optimizers_of_the_state(model, state)
    return {
        **state,
        'optimizers': list(map(_moved, state['optimizers'], optimizers, model.optimizers)),
        'schedulers': [schedule.state_dict() for schedule in model.schedulers],
    }


def _is_divided_otherwise(optimizer: Optimizer, saved: Mapping[str, Any]) -> bool:
    """Tell whether the weights are in other groups, as those with a learning rate of their own are."""
    sizes = [[len(group['params']) for group in groups] for groups in (optimizer.param_groups, saved['param_groups'])]
    return sizes[0] != sizes[1]


def _optimizers_of_the_state(model: Any, state: Mapping[str, Any]) -> list[Optimizer]:
    """Return optimizers of the model's weights, divided as those of the state are."""
    attributes, logger = dict(vars(model)), get_root_logger()
    try:
        logger.disabled = True  # what is said here is not what counts
        model.opt = {**model.opt, 'train': deepcopy((state.get('options') or model.opt)['train'])}
        model.optimizers = []
        model.setup_optimizers()
        found: list[Optimizer] = model.optimizers
    finally:
        logger.disabled = False
        vars(model).clear()
        vars(model).update(attributes)
    if any(map(_is_divided_otherwise, found, state['optimizers'])):
        raise CheckpointError(
            f'The state of iteration {state["iter"]} divides the weights into other groups than these options do, and '
            'does not say by which options. Go on with those that it was saved with: train.dcn_lr_mul, flow_lr_mul.'
        )
    return found


def _moved(saved: Mapping[str, Any], before: Optimizer, after: Optimizer) -> dict[str, Any]:
    """Return what an optimizer has gathered, in the order of another one, with the other values of that."""
    indices = {id(weight): index for index, weight in enumerate(_weights_of(after))}
    order = [indices[id(weight)] for weight in _weights_of(before)]
    return {
        'state': {order[place]: values for place, values in saved['state'].items()},
        'param_groups': after.state_dict()['param_groups'],
    }


def _weights_of(optimizer: Optimizer) -> list[Any]:
    return [weight for group in optimizer.param_groups for weight in group['params']]
