"""Resume from the newest complete checkpoint, on any device, from any folder, with frozen parts still frozen."""

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from basicsr import train
from basicsr.models.edvr_model import EDVRModel
from basicsr.models.video_recurrent_model import VideoRecurrentModel
from basicsr.utils import check_resume

from dlvr_plugin.host.adaptation import Adaptation, source_has
from dlvr_plugin.host.checkpoints import read_checkpoint, states_in


def read_complete_state(path: Path, models: Path) -> dict[str, Any]:
    """Read a training state, and make sure that the networks saved with it are there and unchanged.

    Args:
        path: File ``<iter>.state``.
        models: Folder of the networks.

    Returns:
        The state on the CPU.

    Raises:
        ValueError: The state cannot be read, or a network that it names is missing or another one.
    """
    state = read_checkpoint(path)
    if missing := {'iter', 'epoch', 'optimizers', 'schedulers'} - set(state):
        raise ValueError(f'{path} is no training state: it has no {", ".join(sorted(missing))}.')
    for name, digest in state.get('networks', {}).items():  # states of the host name none
        network = models / name
        if not network.is_file():
            raise ValueError(f'{network}, saved with {path.name}, is missing.')
        if hashlib.sha256(network.read_bytes()).hexdigest() != digest:
            raise ValueError(f'{network} is not what was saved with {path.name}: it is damaged, or of another run.')
    return state


def load_resume_state(opt: dict[str, Any]) -> dict[str, Any] | None:
    """Load the training state to resume from, and point the options at the networks saved with it.

    With ``auto_resume`` it is the newest complete one of this experiment, else ``path.resume_state``. As in the host,
    the paths of the networks in ``opt['path']`` are set to the ones of that state.

    Args:
        opt: Parsed options.

    Returns:
        The state on the CPU, or None where training starts anew. ``left_out`` in it says which newer states are not
        complete; it is for the log, which does not exist yet.

    Raises:
        ValueError: There are states, but none is complete; or the one that is named is not.
    """
    models = Path(opt['path']['models'])
    if opt['auto_resume']:
        state = _newest_complete(opt, models)
        if state is None:
            return None
    elif opt['path'].get('resume_state'):
        state = read_complete_state(Path(opt['path']['resume_state']), models)
    else:
        return None
    check_resume(opt, state['iter'])
    for key, value in opt['path'].items():
        if key.startswith('pretrain_network_') and value and not Path(value).is_file():
            raise ValueError(
                f'path.{key}: {value}, saved with iteration {state["iter"]}, is missing. Resume from another state.'
            )
    return state


def _newest_complete(opt: dict[str, Any], models: Path) -> dict[str, Any] | None:
    paths, left_out = states_in(Path(opt['path']['training_states'])), []
    for path in paths:
        try:
            state = read_complete_state(path, models)
        except ValueError as error:
            left_out.append(f'{path.name} is left out: {error}')
            continue
        opt['path']['resume_state'] = str(path)
        return {**state, 'left_out': left_out}
    if paths:
        raise ValueError(
            f'--auto_resume: none of the {len(paths)} states in {paths[0].parent} is complete. {left_out[0]} Start '
            'anew without --auto_resume; the folder is then kept under another name.'
        )
    return None


def _repair_load_resume_state() -> None:
    train.load_resume_state = functools.wraps(train.load_resume_state)(load_resume_state)


def _keep_frozen(model_class: Any, last_iter: Callable[[Any], int | None]) -> Callable[[], None]:
    """Return a repair that freezes again what the model's first iteration had frozen."""

    def repair() -> None:
        host_optimize_parameters = model_class.optimize_parameters

        @functools.wraps(host_optimize_parameters)
        def optimize_parameters(self: Any, current_iter: int) -> None:
            first, self._has_stepped = not getattr(self, '_has_stepped', False), True
            if first and 1 < current_iter < (last_iter(self) or 0):
                _freeze(self)
            host_optimize_parameters(self, current_iter)

        model_class.optimize_parameters = optimize_parameters

    return repair


def _freeze(model: Any) -> None:
    is_edvr = isinstance(model, EDVRModel)
    for name, parameter in model.net_g.named_parameters():
        if 'fusion' not in name if is_edvr else ('spynet' in name or 'edvr' in name):
            parameter.requires_grad_(False)


ADAPTATIONS = (
    Adaptation(
        defect='resuming needs a CUDA device, and automatic resuming looks below the current folder, at any file',
        is_present=lambda: source_has(train.load_resume_state, 'torch.cuda.current_device()'),
        repair=_repair_load_resume_state,
    ),
    Adaptation(
        defect='EDVR forgets on resuming that all but its fusion is frozen',
        is_present=lambda: source_has(EDVRModel.optimize_parameters, "if 'fusion' not in name"),
        repair=_keep_frozen(EDVRModel, lambda model: model.train_tsa_iter),
    ),
    Adaptation(
        defect='recurrent models forget on resuming that their flow network is frozen',
        is_present=lambda: source_has(VideoRecurrentModel.optimize_parameters, "'spynet' in name or 'edvr' in name"),
        repair=_keep_frozen(VideoRecurrentModel, lambda model: model.fix_flow_iter),
    ),
)
