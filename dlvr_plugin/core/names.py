"""Names: hints at those that somebody may have meant, and which of them can name a folder."""

import unicodedata
from collections.abc import Iterable
from difflib import SequenceMatcher, get_close_matches

LONGEST_NAME = 120
"""Characters of a name of a run or a set."""

_MOST_BYTES = 200  # a file name has at most 255, and additions such as ``debug_`` and the time of a log take some 40
_UNSEEN = ('Cc', 'Cs', 'Zl', 'Zp')  # categories: control characters, halves of characters, separators of lines


def nearest(name: object, known: Iterable[object]) -> str:
    """Return a hint with the known names that are nearest to a misspelt one; empty where none is near.

    >>> nearest('warmup_itr', ['warmup_iter', 'total_iter'])
    ' Did you mean warmup_iter?'
    """
    by_text = {str(each): each for each in known}
    text = str(name)
    near = get_close_matches(text, by_text) or [each for each in by_text if each.lower() == text.lower()]
    ratios = [SequenceMatcher(a=each, b=text).ratio() for each in near]
    near = [each for each, ratio in zip(near, ratios, strict=True) if ratio == ratios[0]]
    return f' Did you mean {" or ".join(near)}?' if near else ''


def why_not_a_folder(name: str) -> str:
    """Return why a name cannot be that of a folder or a part of a file's name; empty where it can.

    >>> why_not_a_folder('../elsewhere')
    'it has a separator of folders, /'
    """
    unseen = next((each for each in name if unicodedata.category(each) in _UNSEEN), None)
    separator = next((each for each in name if each in '/\\'), None)
    if not name:
        return 'it is empty'
    if separator is not None:
        return f'it has a separator of folders, {separator}'
    if unseen is not None:
        return f'it has the control character {unseen!a}'
    if name.startswith('.'):
        return 'it begins with a dot, as names do of what is hidden or not complete'
    if name != name.strip():
        return 'it begins or ends with a space'
    if len(name) > LONGEST_NAME:
        return f'it has {len(name)} characters'
    if (num_bytes := len(name.encode())) > _MOST_BYTES:
        return f'it has {num_bytes} bytes in UTF-8, of which {_MOST_BYTES} fit into names of files'
    return ''
