"""Classes of users that an option file or the command line names, loaded before options are checked."""

from collections.abc import Sequence

from dlvr_plugin.core.user_modules import UserModuleError, load_user_classes
from dlvr_plugin.options.problems import OptionsError
from dlvr_plugin.options.yaml_reader import Document


def load_classes_of(document: Document, flags: Sequence[str] = ()) -> None:
    """Load what installed packages offer, what ``--import`` names, and what the option ``imports`` names.

    Args:
        document: Options as they were read; their ``imports`` become all modules, those of the flags included.
        flags: Values of ``--import``.

    Raises:
        UserModuleError: A module of the command line cannot be loaded. OptionsError: one of the file.
    """
    load_user_classes(flags)
    named = document.value.get('imports')
    if named is not None and not (isinstance(named, list) and all(isinstance(each, str) for each in named)):
        return  # the check of the options says so
    for index, name in enumerate(named or ()):
        try:
            load_user_classes([name])
        except UserModuleError as error:
            raise OptionsError(f'{document.place(("imports", index))}: imports[{index}]: {error}') from error
    if flags:
        document.value['imports'] = list(dict.fromkeys([*flags, *(named or ())]))
