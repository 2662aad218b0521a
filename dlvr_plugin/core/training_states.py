"""Training states ``<iter>.state`` and the networks saved with them: which there are, and which to go on from."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from basicsr.utils import check_resume

from dlvr_plugin.core.checkpoints import read_checkpoint
from dlvr_plugin.core.errors import CheckpointError
from dlvr_plugin.core.regular_files import hash_open, open_regular


def states_in(folder: Path) -> list[Path]:
    """Return the training states ``<iter>.state`` in a folder, the highest iteration first."""
    states = [path for path in folder.glob('*.state') if path.stem.isdigit()]
    return sorted(states, key=lambda path: int(path.stem), reverse=True)


def remove_old_states(opt: dict[str, Any], keep_last: int) -> None:
    """Remove all numbered checkpoints but the newest: first the states, then networks older than those that stay.

    That takes the networks, too, of a run that was killed between them and their state.
    """
    states = states_in(Path(opt['path']['training_states']))
    for path in states[keep_last:]:
        path.unlink()
    oldest = min((int(path.stem) for path in states[:keep_last]), default=0)
    for network in Path(opt['path']['models']).glob('net_*.pth'):
        numbered = re.fullmatch(r'net_\w+_([0-9]+)', network.stem)
        if numbered and int(numbered[1]) < oldest:
            network.unlink()


def advise_new_run(file: Path, iteration: int) -> str:
    """Return how a new run begins from the weights saved with a state, for messages about one that cannot go on."""
    weights = file.resolve().parent.with_name('models') / f'net_g_{iteration}.pth'
    return (
        'begin a new run with what fits of its weights: another name, neither --auto_resume nor path.resume_state, '
        f'and path.pretrain_network_g: {weights}'
    )


def read_complete_state(path: Path, models: Path) -> dict[str, Any]:
    """Read a training state, and make sure that the networks saved with it are there and unchanged.

    Args:
        path: File ``<iter>.state``.
        models: Folder of the networks.

    Returns:
        The state on the CPU.

    Raises:
        CheckpointError: The state cannot be read, or a network that it names is missing or another one.
    """
    state = read_checkpoint(path)
    if missing := {'iter', 'epoch', 'optimizers', 'schedulers'} - set(state):
        raise CheckpointError(f'{path} is no training state: it has no {", ".join(sorted(missing))}.')
    for name, digest in state.get('networks', {}).items():  # states of the host name none
        network = models / name
        if not network.is_file():
            raise CheckpointError(f'{network}, saved with {path.name}, is missing.')
        with open_regular(network, error=CheckpointError) as file:
            found = hash_open(file)
        if found != digest:
            raise CheckpointError(
                f'{network} is not what was saved with {path.name}: it is damaged, or of another run.'
            )
    return state


def load_resume_state(
    opt: dict[str, Any], check: Callable[[dict[str, Any], Path], None] | None = None
) -> dict[str, Any] | None:
    """Load the training state to resume from, and point the options at the networks saved with it.

    With ``auto_resume`` it is the newest complete one of this experiment. Without, or where there is none yet, it is
    that of ``path.resume_state``, which may be of another experiment. As in the host, the paths of the networks in
    ``opt['path']`` are set to the ones of that state.

    Args:
        opt: Parsed options.
        check: Refuses a state and its file, by raising, before anything depends on it.

    Returns:
        The state on the CPU, or None where training starts anew. ``left_out`` in it says which newer states are not
        complete; it is for the log, which does not exist yet.

    Raises:
        CheckpointError: There are states, but none is complete; or the one that is named is not, or the run would
            overwrite states of this experiment that do not lead to it.
    """
    state = _newest_complete(opt) if opt['auto_resume'] else None
    if state is None and not opt['path'].get('resume_state'):
        return None
    file = Path(opt['path']['resume_state'])
    models = _networks_of(file, opt)
    if state is None:
        state = read_complete_state(file, models)
        _check_nothing_is_overwritten(Path(opt['path']['training_states']), file, state['iter'])
    if check is not None:
        check(state, file)
    paths = {**opt['path'], 'models': str(models)}
    check_resume({**opt, 'path': paths}, state['iter'])
    opt['path'].update({**paths, 'models': opt['path']['models']})
    for key, value in opt['path'].items():
        if key.startswith('pretrain_network_') and value and not Path(value).is_file():
            raise CheckpointError(
                f'path.{key}: {value}, saved with iteration {state["iter"]}, is missing. Resume from another state.'
            )
    return state


def _networks_of(file: Path, opt: dict[str, Any]) -> Path:
    """Return the folder of the networks saved with a state: those of another experiment are beside its states."""
    own, beside = Path(opt['path']['models']), file.resolve().parent.with_name('models')
    is_of_another = file.parent != Path(opt['path']['training_states']) and any(beside.glob(f'net_*_{file.stem}.pth'))
    return beside if is_of_another else own


def _check_nothing_is_overwritten(folder: Path, file: Path, iteration: int) -> None:
    """Refuse a state that is named where a run's folder holds later ones, or, if it is of another run, any."""
    is_own = file.resolve().parent == folder.resolve()
    others = [path for path in states_in(folder) if not is_own or int(path.stem) > iteration]
    if others:
        raise CheckpointError(
            f'path.resume_state: a run that goes on from {file} would overwrite {others[0]} and what was saved with '
            'it. Go on from that one with --auto_resume, give this run another name, or move the later checkpoints '
            'away.'
        )


def _newest_complete(opt: dict[str, Any]) -> dict[str, Any] | None:
    paths, left_out = states_in(Path(opt['path']['training_states'])), []
    for path in paths:
        try:
            state = read_complete_state(path, Path(opt['path']['models']))
        except CheckpointError as error:
            left_out.append(f'{path.name} is left out: {error}')
            continue
        opt['path']['resume_state'] = str(path)
        return {**state, 'left_out': left_out}
    if paths:
        raise CheckpointError(
            f'--auto_resume: none of the {len(paths)} states in {paths[0].parent} is complete. {left_out[0]} Start '
            'anew without --auto_resume; the folder is then kept under another name.'
        )
    return None
