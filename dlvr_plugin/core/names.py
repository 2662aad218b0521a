"""Hints at the names that somebody may have meant."""

from collections.abc import Iterable
from difflib import SequenceMatcher, get_close_matches


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
