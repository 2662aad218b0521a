"""The description of the options as a JSON Schema, for editors that complete and check YAML."""

import json
from collections.abc import Callable

from dlvr_plugin.options.schema.run import run_options
from dlvr_plugin.options.value_types import JsonSchema


def options_json_schema() -> JsonSchema:
    """Return the JSON Schema (draft 2020-12) of an option file; one with a section ``train`` is that of a training."""
    definitions: JsonSchema = {}

    def define(name: str, build: Callable[[], JsonSchema]) -> JsonSchema:
        if name not in definitions:
            definitions[name] = {}  # its place
            definitions[name] = build()
        return {'$ref': f'#/$defs/{name}'}

    return {
        '$schema': 'https://json-schema.org/draft/2020-12/schema',
        'title': 'Options of a training run or a test',
        'if': {'required': ['train']},
        'then': run_options(True).json_schema(define),
        'else': run_options(False).json_schema(define),
        '$defs': definitions,
    }


def format_json_schema() -> str:
    """Return the text of the schema file, with a line for each definition."""
    schema = options_json_schema()
    definitions = schema.pop('$defs')
    lines = ',\n'.join(f'{json.dumps(name)}: {json.dumps(each)}' for name, each in definitions.items())
    head = ',\n'.join(f'{json.dumps(name)}: {json.dumps(each)}' for name, each in schema.items())
    return f'{{{head},\n"$defs": {{\n{lines}\n}}}}\n'
