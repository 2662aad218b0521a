"""What the description for editors, ``options/schema.json``, says that options may be: the keys and choices to try."""

import json
import random
from collections.abc import Sequence
from typing import Any

from tests.helpers import REPOSITORY
from tests.options.mutations.shrunk import DATA, SMALL, WORK

Schema = dict[str, Any]
SCHEMA: Schema = json.loads((REPOSITORY / 'options/schema.json').read_text())

NUMBERS = (
    0, 1, -1, 2, 3, 4, 5, 7, 16, 33, 64, 100, 255, 256, 1000, 10**6, 10**9, 2**31, 2**32, 2**63, 2**200, -2, -(2**63),
    0.0, -0.0, 0.1, 0.25, 0.5, 0.999, 1.0, 1.5, 2.5, -0.5, -1.0, 1e-12, 1e-40, 5e-324, 1e9, 1e19, 1e40, -1e40, 1.7e308,
    float('nan'), float('inf'), float('-inf'),
)  # fmt: skip
TEXTS = (
    '', ' ', '.', '..', '...', '/', 'a/b', 'a\\b', '../../precious', '../other', './other', '../../../../escaped',
    'other', f'{WORK}/precious', f'{WORK}/new', '/dev/null/x', 'a\0b', '\0', 'x' * 300, '\u20ac' * 100, '~', '~/x',
    '$HOME', '%s{}', 'a b', ' a ', 'a\nb', '-opt', '--debug', 'debug', 'debug_x', 'latest', 'null', '1', '1e-4', 'true',
    'train', 'train.val', 'w\u00e4hlt', '\U0001f600', '\x1b[31m', 'models', 'a:b', '*', 'NUL',
)  # fmt: skip
PATHS = (
    f'{DATA}/train/GT.lmdb', f'{DATA}/train/X4.lmdb', f'{DATA}/train/blur.lmdb', f'{DATA}/test/GT', f'{DATA}/test/X4',
    f'{DATA}/test/blur', f'{DATA}/test', DATA, f'{DATA}/test/GT/000', f'{DATA}/test/GT/000/00000000.png',
    f'{DATA}/weights/net_t.pth', f'{DATA}/weights/spynet.pth', f'{DATA}/weights/1_pretrain.pth',
    f'{DATA}/weights/test_EDSR_M_x4_SR_REDS.pth', f'{DATA}/weights', f'{DATA}/test/meta.txt', f'{DATA}/missing',
    f'{DATA}/train/GT.lmdb/meta_info_clips.txt', f'{DATA}/train/GT.lmdb/data.mdb', f'{DATA}/train/GT.lmdb/',
    '/dev/null', '/',
)  # fmt: skip
_PATH_NAMES = ('dataroot', 'meta_info', 'pretrain_network', 'path', 'resume_state')


def is_path(name: str) -> bool:
    """Tell whether the value of a key is the path of a file or folder."""
    return str(name).startswith(_PATH_NAMES) or str(name).endswith('_path')


def resolve(schema: Schema) -> Schema:
    """Return a schema with its reference followed."""
    while '$ref' in schema:
        schema = SCHEMA['$defs'][schema['$ref'].rpartition('/')[-1]]
    return schema


def keys_in(schema: Schema, section: dict[str, Any]) -> tuple[dict[str, Schema], set[str]]:
    """Return the keys that a section may have, as the classes that it names read it, and those that it must have."""
    schema = resolve(schema)
    keys, required = dict(schema.get('properties', {})), set(schema.get('required', ()))
    parts = [*schema.get('allOf', ()), *(each for each in schema.get('anyOf', ()) if 'object' in str(resolve(each)))]
    if 'if' in schema:
        parts += [schema.get('then' if _holds(schema['if'], section) else 'else', {})]
    for part in parts:
        more, more_required = keys_in(part, section)
        keys.update({name: each for name, each in more.items() if each or name not in keys})
        required |= more_required
    return keys, required


def _holds(condition: Schema, section: dict[str, Any]) -> bool:
    wanted = {name: each['const'] for name, each in condition.get('properties', {}).items()}
    return all(name in section for name in condition['required']) and all(
        section.get(name) == value for name, value in wanted.items()
    )


def schema_of(opt: dict[str, Any], path: Sequence[str]) -> Schema:
    """Return the schema of the value of a key; empty for one that is not described."""
    schema, section = SCHEMA, opt
    for name in path:
        schema = _entry(schema, section, name)
        section = section.get(name, {}) if isinstance(section, dict) else {}
    return schema


def _entry(schema: Schema, section: Any, name: str) -> Schema:
    keys, _ = keys_in(schema, section if isinstance(section, dict) else {})
    if name in keys:
        return keys[name]
    patterns = resolve(schema).get('patternProperties', {})
    for part in [*resolve(schema).get('anyOf', ()), *resolve(schema).get('allOf', ())]:
        patterns = {**patterns, **resolve(part).get('patternProperties', {})}
    return next(iter(patterns.values()), {})


def choices_of(schema: Schema) -> list[Any]:
    """Return the values that a key may have, where they can be counted."""
    schema = resolve(schema)
    found = list(schema.get('enum', ()))
    for part in schema.get('anyOf', ()):
        found += choices_of(part)
    return found


def example(schema: Schema, name: str, rng: random.Random) -> Any:
    """Return a value that the schema allows; now and then a number or a text that it may not allow."""
    schema = resolve(schema)
    if 'anyOf' in schema:
        return example(rng.choice(schema['anyOf']), name, rng)
    if 'enum' in schema:
        return rng.choice(schema['enum'])
    kinds = schema.get('type', 'string')
    kind = rng.choice(kinds) if isinstance(kinds, list) else kinds
    if kind == 'object':
        return _example_section(schema, rng)
    if kind == 'array':
        return [example(schema.get('items', {}), name, rng) for _ in range(rng.randint(schema.get('minItems', 0), 4))]
    if kind == 'boolean':
        return rng.random() < 0.5
    if kind in ('integer', 'number'):
        modest = (1, 2, 3, 4, 8) if kind == 'integer' else (0, 0.5, 1.0, 2.0)
        return rng.choice(NUMBERS if rng.random() < 0.4 else modest)
    if kind == 'null':
        return None
    return rng.choice(PATHS if is_path(name) else TEXTS)


def _example_section(schema: Schema, rng: random.Random) -> dict[str, Any]:
    section: dict[str, Any] = {}
    names = keys_in(schema, section)[0]
    if 'type' in names and choices_of(names['type']):
        section['type'] = rng.choice(choices_of(names['type']))
    return fitted(section, schema, rng)


def fitted(section: dict[str, Any], schema: Schema, rng: random.Random) -> dict[str, Any]:
    """Return a section with what the classes that it names must have, and without what they don't read."""
    keys, required = keys_in(schema, section)
    if not keys:
        return section
    small = SMALL.get(section['type'], {}) if isinstance(section.get('type'), str) else {}
    found = {name: value for name, value in {**section, **small}.items() if name in keys}
    for name in sorted(required - set(found)):
        found[name] = example(keys[name], name, rng)
    for name, value in found.items():
        if isinstance(value, dict) and keys.get(name):
            found[name] = fitted(value, keys[name], rng)
    return found
