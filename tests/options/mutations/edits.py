"""Changes of options, of one key or two, each a function of a seed and an index, and told in a line."""

import random
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from tests.options.mutations.choices import (
    NUMBERS,
    PATHS,
    TEXTS,
    choices_of,
    example,
    fitted,
    is_path,
    keys_in,
    schema_of,
)
from tests.options.mutations.shrunk import FILES, keys_of, shrunk

Key = tuple[str, ...]
Edit = Callable[[dict[str, Any], Key, random.Random], 'str | None']


@dataclass(frozen=True)
class Mutation:
    """A changed option file.

    Attributes:
        index: Its number among those of a seed.
        file: The shipped file that it was, as seen from the repository.
        opt: Options, with words for folders that ``fill_in`` replaces.
        line: What was changed, after the name of the file.
    """

    index: int
    file: str
    opt: dict[str, Any]
    line: str


def unchanged(file: str, index: int = -1) -> Mutation:
    """Return a shrunk file as it is."""
    return Mutation(index, file, shrunk(file), f'{file}: unchanged')


def mutation(seed: int, index: int) -> Mutation:
    """Return a mutation, the same for the same arguments: a change of a shrunk file, or two of them."""
    rng = random.Random(f'{seed}:{index}')
    file = FILES[index % len(FILES)]
    opt = shrunk(file)
    lines: list[str] = []
    num_edits = 1 if rng.random() < 0.7 else 2
    while len(lines) < num_edits:
        edit = rng.choices(list(EDITS), list(EDITS.values()))[0]
        # deepcopy, for what an edit takes from one place and puts to another
        if (line := edit(opt := deepcopy(opt), rng.choice(list(keys_of(opt))), rng)) is not None:
            lines.append(line)
    return Mutation(index, file, opt, f'{file}: {"; ".join(lines)}')


def _section(opt: dict[str, Any], key: Key) -> dict[str, Any]:
    for name in key[:-1]:
        opt = opt[name]
    return opt


def _dotted(key: Key) -> str:
    return '.'.join(map(str, key))


def _shown(value: Any) -> str:
    """Return a value in a line, not too long."""
    text = repr(value)
    return text if len(text) <= 120 else f'{text[:60]}... ({len(text)} characters)'


def _set(opt: dict[str, Any], key: Key, value: Any) -> str | None:
    section = _section(opt, key)
    # By their text: nan differs from itself, and 1, 1.0 and true are equal.
    if repr(section[key[-1]]) == repr(value):
        return None
    section[key[-1]] = value
    return f'{_dotted(key)} = {_shown(value)}'


def _value(opt: dict[str, Any], key: Key) -> Any:
    return _section(opt, key)[key[-1]]


def _delete(opt: dict[str, Any], key: Key, rng: random.Random) -> str:
    del _section(opt, key)[key[-1]]
    return f'{_dotted(key)} deleted'


def _misspell(opt: dict[str, Any], key: Key, rng: random.Random) -> str | None:
    section, name = _section(opt, key), key[-1]
    others = (name + name[-1], name[:-1], name[1:], name.upper(), name.replace('_', '-'), f'{name} ', f'_{name}')
    wrong = rng.choice(others)
    if wrong in section:
        return None
    section[wrong] = section[name]
    if rng.random() < 0.5:
        del section[name]
        return f'{_dotted(key)} renamed {wrong!r}'
    return f'{_dotted(key)} copied to {wrong!r}'


def _mistype(opt: dict[str, Any], key: Key, rng: random.Random) -> str | None:
    value = _value(opt, key)
    plain, nested = (None, True, 0, 1, -1.5, 'text', '1', str(value)), ([], {}, [value], [[value]], {'wrong': value})
    return _set(opt, key, rng.choice(plain + nested))


def _empty(opt: dict[str, Any], key: Key, rng: random.Random) -> str | None:
    return _set(opt, key, rng.choice((None, [], {}, '', 0, False)))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _number(opt: dict[str, Any], key: Key, rng: random.Random) -> str | None:
    value = _value(opt, key)
    if not _is_number(value):
        return None
    near = (value + 1, value - 1, value * 2, value * 10, value / 2, -value, float(value))
    return _set(opt, key, rng.choice(near if rng.random() < 0.4 else NUMBERS))


def _text(opt: dict[str, Any], key: Key, rng: random.Random) -> str | None:
    if rng.random() < 0.3:  # names of folders and files
        key = rng.choice([each for each in keys_of(opt) if each[-1] in ('name', 'suffix')] or [key])
    value = _value(opt, key)
    if not (isinstance(value, str) or is_path(key[-1]) or key[-1] == 'suffix'):
        return None
    return _set(opt, key, rng.choice(PATHS if is_path(key[-1]) and rng.random() < 0.7 else TEXTS))


def _list(opt: dict[str, Any], key: Key, rng: random.Random) -> str | None:
    value = _value(opt, key)
    if not isinstance(value, list) or not value:
        return None
    index = rng.randrange(len(value))
    replaced = [rng.choice((*NUMBERS, None, 'text', [1])) if at == index else each for at, each in enumerate(value)]
    lengths = ([], value[:-1], value[:1], value + value[-1:], value * 30, value[::-1], [value])
    return _set(opt, key, rng.choice(lengths) if rng.random() < 0.6 else replaced)


def _choice(opt: dict[str, Any], key: Key, rng: random.Random) -> str | None:
    choices = choices_of(schema_of(opt, key))
    if isinstance(_value(opt, key), bool):
        choices = [not _value(opt, key)]
    return _set(opt, key, rng.choice(choices)) if choices else None


def _other_class(opt: dict[str, Any], key: Key, rng: random.Random) -> str | None:
    """Name another class, and let its section have what it asks for."""
    names = [each for each in keys_of(opt) if each[-1] in ('type', 'model_type', 'host_model')]
    place = rng.choice(sorted({each[:2] for each in names}))  # or most that were drawn would be metrics
    key = rng.choice([each for each in names if each[:2] == place])
    choices = choices_of(schema_of(opt, key))
    if not choices or (line := _set(opt, key, rng.choice(choices))) is None:
        return None
    section = _section(opt, key)
    changed = fitted(section, schema_of(opt, key[:-1]), rng)
    section.clear()
    section.update(changed)
    line += ', and what it reads' + (f': {_shown(changed)}' if len(key) > 1 else '')
    files, weights = opt.get('path'), key[0].replace('network', 'pretrain_network')
    if isinstance(files, dict) and files.get(weights) and rng.random() < 0.7:  # they are those of the class before
        files[weights] = None
        line += ', from no weights'
    return line


def _add(opt: dict[str, Any], key: Key, rng: random.Random) -> str | None:
    """Add a key that the section may have."""
    sections = [(), *(each for each in keys_of(opt) if isinstance(_value(opt, each), dict))]
    path = rng.choice(sections)
    section = _section(opt, (*path, ''))
    described, _ = keys_in(schema_of(opt, path), section)
    names = sorted(set(described) - set(section))
    if not names:
        return None
    name = rng.choice(names)
    section[name] = example(described[name], name, rng)
    return f'{_dotted((*path, name))} added: {_shown(section[name])}'


def _move(opt: dict[str, Any], key: Key, rng: random.Random) -> str | None:
    sections = [(), *(each for each in keys_of(opt) if isinstance(_value(opt, each), dict))]
    target = rng.choice(sections)
    section = _section(opt, (*target, ''))
    if target[: len(key)] == key or key[-1] in section:
        return None
    section[key[-1]] = _section(opt, key).pop(key[-1])
    return f'{_dotted(key)} moved to {_dotted((*target, key[-1]))}'


def _swap(opt: dict[str, Any], key: Key, rng: random.Random) -> str | None:
    section, name = _section(opt, key), key[-1]
    other = rng.choice(list(section))
    if other == name or repr(section[other]) == repr(section[name]):
        return None
    section[name], section[other] = section[other], section[name]
    return f'{_dotted(key)} and {other} swapped'


# With weights: most of what is left out or of a wrong type is refused at once, and tells little.
EDITS: dict[Edit, float] = {
    _delete: 1,
    _misspell: 1,
    _mistype: 1,
    _empty: 1,
    _number: 6,
    _text: 2,
    _list: 6,
    _choice: 3,
    _other_class: 5,
    _add: 6,
    _move: 0.5,
    _swap: 1,
}
