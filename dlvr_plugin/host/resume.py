"""Resume on any device, from any folder."""

from pathlib import Path
from typing import Any

import torch
from basicsr import train
from basicsr.utils import check_resume

from dlvr_plugin.host.adaptation import Adaptation, source_has


def newest_state(folder: Path) -> Path | None:
    """Return the training state of the highest iteration in a folder of ``<iter>.state`` files, None without any."""
    states = [path for path in folder.glob('*.state') if path.stem.isdigit()]
    return max(states, key=lambda path: int(path.stem), default=None)


def load_resume_state(opt: dict[str, Any]) -> dict[str, Any] | None:
    """Load the training state to resume from, and point the options at the networks saved with it.

    With ``auto_resume`` it is the newest state of this experiment, else ``path.resume_state``. As in the host, the
    paths of the networks in ``opt['path']`` are set to the ones of that state.

    Args:
        opt: Parsed options.

    Returns:
        The state on the CPU, or None where training starts anew.

    Raises:
        ValueError: The state cannot be read, or a network saved with it is missing.
    """
    if opt['auto_resume']:
        path = newest_state(Path(opt['path']['training_states']))
        if path is None:
            return None
        opt['path']['resume_state'] = str(path)
    elif opt['path'].get('resume_state'):
        path = Path(opt['path']['resume_state'])
    else:
        return None

    if not path.is_file():
        raise ValueError(f'path.resume_state: {path} is not a file. Name a file <iter>.state in training_states.')
    try:
        state = torch.load(path, map_location='cpu', weights_only=True)
        iteration = state['iter']
    except Exception as error:
        raise ValueError(
            f'{path} cannot be read as a training state ({type(error).__name__}). It may have been cut off while it '
            'was written: resume from an older one, by path.resume_state.'
        ) from error
    check_resume(opt, iteration)
    for key, value in opt['path'].items():
        if key.startswith('pretrain_network_') and value and not Path(value).is_file():
            raise ValueError(f'path.{key}: {value}, saved with {path.name}, is missing. Resume from another state.')
    return state


def _repair() -> None:
    train.load_resume_state = load_resume_state


ADAPTATIONS = (
    Adaptation(
        defect='resuming needs a CUDA device, and automatic resuming looks below the current folder',
        is_present=lambda: source_has(train.load_resume_state, 'torch.cuda.current_device()'),
        repair=_repair,
    ),
)
