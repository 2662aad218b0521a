"""Whether what stands in a ``metrics.json`` is an evaluation: types, lengths and numbers, each named by its keys."""

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, get_args

from dlvr_plugin.metrics.spec import Direction

_DIRECTIONS = get_args(Direction)
_MOST_DECIMALS = 20

Check = Callable[[Any], str | None]
"""Returns what was expected, None where it is there."""


def find_evaluation_problem(content: Mapping[str, Any]) -> str | None:
    """Return the first thing in the content of a file that is not as evaluations have it, None where all is.

    >>> find_evaluation_problem({'protocol': {}, 'versions': {}, 'metrics': {}})
    'clips: is missing'
    """
    return next(_find_problems(content), None)


def _find_problems(content: Mapping[str, Any]) -> Iterator[str]:
    for name in ('protocol', 'versions', 'metrics', 'clips', 'methods'):
        yield from _check(content, name, '', _is_object)
    has_truth = 'gt_root' in content or any(
        isinstance(clip, dict) and 'sha256' in clip for clip in content['clips'].values()
    )
    if has_truth:
        yield from _check(content, 'gt_root', '', _is_text)
    for name in content['versions']:
        yield from _check(content['versions'], name, 'versions', _is_text)
    for name in content['metrics']:
        yield from _find_in_metric(content['metrics'], name)
    for name in content['clips']:
        yield from _find_in_clip(content['clips'], name, has_truth)
    if 'input' in content:
        yield from _find_in_input(content)
    for name in content['methods']:
        yield from _find_in_method(content, name)


def _find_in_metric(metrics: Mapping[str, Any], name: str) -> Iterator[str]:
    where = f'metrics.{name}'
    yield from _check(metrics, name, 'metrics', _is_object)
    for key in ('label', 'unit'):
        yield from _check(metrics[name], key, where, _is_text)
    yield from _check(metrics[name], 'direction', where, _is_direction)
    yield from _check(metrics[name], 'decimals', where, _is_count_up_to(_MOST_DECIMALS))


def _find_in_clip(clips: Mapping[str, Any], name: str, has_truth: bool) -> Iterator[str]:
    where = f'clips.{name}'
    yield from _check(clips, name, 'clips', _is_object)
    clip = clips[name]
    yield from _check(clip, 'size', where, _is_list_of(2, _is_count))
    yield from _check(clip, 'frames', where, _is_list_of(None, _is_text))
    yield from _check(clip, 'frame_rate', where, _is_rate)
    if has_truth:
        yield from _find_in_hashes(clip, where)


def _find_in_input(content: Mapping[str, Any]) -> Iterator[str]:
    yield from _check(content, 'input', '', _is_object)
    entry = content['input']
    yield from _check(entry, 'root', 'input', _is_text)
    yield from _check(entry, 'scale', 'input', _is_count)
    yield from _check(entry, 'clips', 'input', _is_object)
    yield from _check(entry, 'clips', 'input', _has_keys(content['clips']))
    for clip in entry['clips']:
        yield from _check(entry['clips'], clip, 'input.clips', _is_object)
        yield from _find_in_hashes(entry['clips'][clip], f'input.clips.{clip}')


def _find_in_hashes(entry: Mapping[str, Any], where: str) -> Iterator[str]:
    yield from _check(entry, 'sha256', where, _is_object)
    for key in entry['sha256']:
        yield from _check(entry['sha256'], key, f'{where}.sha256', _is_text)


def _find_in_method(content: Mapping[str, Any], name: str) -> Iterator[str]:
    where, metrics, clips = f'methods.{name}', content['metrics'], content['clips']
    yield from _check(content['methods'], name, 'methods', _is_object)
    method = content['methods'][name]
    yield from _check(method, 'root', where, _is_text)
    yield from _find_in_means(method, where, metrics)
    yield from _check(method, 'clips', where, _is_object)
    if 'intervals' in method:
        yield from _check(method, 'intervals', where, _has_keys(metrics))
        for metric in method['intervals']:
            yield from _check(method['intervals'], metric, f'{where}.intervals', _is_object)
            for key in ('frames', 'clips'):
                yield from _check(method['intervals'][metric], key, f'{where}.intervals.{metric}', _is_interval)
    yield from _check(method, 'clips', where, _has_keys(clips))
    for clip, result in method['clips'].items():
        yield from _check(method['clips'], clip, f'{where}.clips', _is_object)
        yield from _find_in_means(result, f'{where}.clips.{clip}', metrics)
        yield from _check(result, 'frames', f'{where}.clips.{clip}', _has_keys(metrics))
        is_row = _is_list_of(len(clips[clip]['frames']), _is_number_or_null)
        for metric in result['frames']:
            yield from _check(result['frames'], metric, f'{where}.clips.{clip}.frames', is_row)
        yield from _find_in_hashes(result, f'{where}.clips.{clip}')


def _find_in_means(entry: Mapping[str, Any], where: str, metrics: Mapping[str, Any]) -> Iterator[str]:
    yield from _check(entry, 'mean', where, _has_keys(metrics))
    for metric in entry['mean']:
        yield from _check(entry['mean'], metric, f'{where}.mean', _is_number)


def _check(section: Mapping[str, Any], key: str, where: str, check: Check) -> Iterator[str]:
    """Yield what is wrong with an entry; whoever goes on after that may meet anything."""
    path = f'{where}.{key}'.removeprefix('.')
    if key not in section:
        yield f'{path}: is missing'
    elif (expected := check(section[key])) is not None:
        yield f'{path}: expected {expected}, got {_describe(section[key])}'


def _is_object(value: Any) -> str | None:
    return None if isinstance(value, dict) else 'an object'


def _is_text(value: Any) -> str | None:
    return None if isinstance(value, str) else 'text'


def _is_direction(value: Any) -> str | None:
    return None if value in _DIRECTIONS else f'one of {", ".join(_DIRECTIONS)}'


def _is_count(value: Any) -> str | None:
    return None if type(value) is int and 0 < value < 2**31 else 'a whole number above 0'


def _is_count_up_to(most: int) -> Check:
    return lambda value: None if type(value) is int and 0 <= value <= most else f'a whole number from 0 to {most}'


def _is_number(value: Any) -> str | None:
    """Infinity is the PSNR of equal frames."""
    is_number = type(value) in (int, float) and not (isinstance(value, int) and abs(value) > 2**63)
    return None if is_number and not math.isnan(value) else 'a number'


def _is_number_or_null(value: Any) -> str | None:
    return None if value is None or _is_number(value) is None else 'a number or null'


def _is_rate(value: Any) -> str | None:
    is_rate = value is None or (_is_number(value) is None and 0 <= value < math.inf)
    return None if is_rate else 'frames a second, or null'


def _is_interval(value: Any) -> str | None:
    is_pair = value is None or _is_list_of(2, _is_number)(value) is None
    return None if is_pair else 'two numbers, or null'


def _has_keys(keys: Collection[str]) -> Check:
    def check(value: Any) -> str | None:
        is_fit = isinstance(value, dict) and value.keys() == set(keys)
        return None if is_fit else f'an object with {", ".join(keys) or "nothing"}'

    return check


def _is_list_of(length: int | None, check: Check) -> Check:
    def check_list(value: Any) -> str | None:
        if not isinstance(value, list) or (length is not None and len(value) != length):
            return f'a list of {length}' if length is not None else 'a list'
        return next((f'each to be {each}' for each in map(check, value) if each is not None), None)

    return check_list


def _describe(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: 'null', True: 'true', False: 'false'}[value]
    if isinstance(value, float):
        return f'the number {value!r}'
    if isinstance(value, (list, dict)):
        keys = f' with {", ".join(list(value)[:5])}'[:60] if isinstance(value, dict) and value else ''
        return f'a list of {len(value)}' if isinstance(value, list) else f'an object{keys}'
    return f'the text {value[:40]!r}' if isinstance(value, str) else 'a whole number'
