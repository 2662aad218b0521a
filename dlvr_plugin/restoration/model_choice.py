"""The generator that a command names: a checkpoint, or one of those that come with this package."""

from pathlib import Path

from dlvr_plugin.core.errors import InvalidValueError
from dlvr_plugin.core.names import nearest

_BUNDLED = Path(__file__).with_name('bundled')
DEFAULT_MODEL = 'phone'
"""Name of the bundled model that is taken where none is named."""


def bundled_models(folder: Path = _BUNDLED) -> dict[str, Path]:
    """Return the files of the models that come with this package, by name."""
    return {path.stem: path for path in sorted(folder.glob('*.safetensors'))}


def find_model(name: str = DEFAULT_MODEL, folder: Path = _BUNDLED) -> Path:
    """Return the file of a model.

    Args:
        name: Path of a checkpoint, or the name of a bundled model.
        folder: Where bundled models are.

    Raises:
        InvalidValueError: There is no such file and no such name.
    """
    bundled = bundled_models(folder)
    if name in bundled:
        return bundled[name]
    if Path(name).suffix or '/' in name or Path(name).exists():
        return Path(name)  # whose reader says what is wrong with it
    raise InvalidValueError(
        f'--model {name} is neither a file nor the name of a model. These come with this package: '
        f'{", ".join(bundled)}.{nearest(name, bundled)}'
    )
