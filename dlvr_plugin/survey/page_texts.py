"""The texts of the page, in several languages: those that come with the package, and files of one's own."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from dlvr_plugin.core.errors import DataError
from dlvr_plugin.core.names import nearest
from dlvr_plugin.core.regular_files import read_regular

_SHIPPED = Path(__file__).with_name('texts')
_MOST_BYTES, _LONGEST = 2**16, 4000
_LANGUAGE = re.compile(r'[a-z]{2,3}(-[A-Za-z0-9]{2,8})*')  # BCP 47, as far as pages need it
_PLACE = re.compile(r'{\w*}')


def shipped_languages() -> list[str]:
    """Return the languages that come with the package.

    >>> shipped_languages()
    ['de', 'en']
    """
    return sorted(path.stem for path in _SHIPPED.glob('*.yml'))


def read_texts(wanted: Sequence[str]) -> dict[str, dict[str, str]]:
    """Read the texts of a page.

    Args:
        wanted: Languages that come with the package, or files: YAML, a line a text, with ``language``. A file of a
            language that comes with the package may have only what is to be different.

    Returns:
        Texts by name, by language.

    Raises:
        DataError: A file cannot be read, lacks a text, or has one that the page does not know.
    """
    reference = _read_file(_SHIPPED / 'en.yml')
    texts: dict[str, dict[str, str]] = {}
    for name in wanted:
        is_shipped = name in shipped_languages()
        found = _read_file(_SHIPPED / f'{name}.yml' if is_shipped else Path(name))
        language = found['language']
        if not is_shipped:
            _check(name, found, reference)
        base = texts.get(language) or (
            _read_file(_SHIPPED / f'{language}.yml') if language in shipped_languages() else {}
        )
        texts[language] = {**base, **found}
        if missing := [key for key in reference if key not in texts[language]]:
            raise DataError(f'{name} lacks {", ".join(missing)}: a language of its own needs all texts of the page.')
    return texts


def _read_file(path: Path) -> dict[str, str]:
    if not path.exists() and not path.suffix:
        raise DataError(
            f'{path} is no language that comes with the package ({", ".join(shipped_languages())}), and no file.'
        )
    content = read_regular(path, most_bytes=_MOST_BYTES)
    try:
        found = yaml.safe_load(content)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f'{path} is no YAML: {" ".join(str(error).split())[:300]}') from error
    if not isinstance(found, dict) or not all(isinstance(each, str) for pair in found.items() for each in pair):
        raise DataError(f'{path} must have a text after each name, in quotes where it is a number, yes or no.')
    if not _LANGUAGE.fullmatch(found.get('language', '')):
        raise DataError(f'{path} must say its language, such as "language: en"; got {found.get("language")!r}.')
    return found


def _check(path: str, found: Mapping[str, str], reference: Mapping[str, str]) -> None:
    for name, text in found.items():
        if name not in reference:
            raise DataError(f'{path}: the page has no text {name}.{nearest(name, reference)}')
        if not text.strip() or len(text) > _LONGEST:
            raise DataError(f'{path}: {name} must have 1 to {_LONGEST} characters, got {len(text)}.')
        if missing := set(_PLACE.findall(reference[name])) ^ set(_PLACE.findall(text)):
            raise DataError(f'{path}: {name} must have {", ".join(sorted(missing))} as the English text has it.')
