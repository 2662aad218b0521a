"""Imports go one way: from what people call down to what everything needs."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / 'dlvr_plugin'
# From the bottom up; a package imports itself and what stands in front of it.
LAYERS = [
    'core', 'host', 'clips', 'archs', 'data', 'losses', 'metrics', 'models', 'restoration', 'evaluation', 'training',
    'report', 'survey', 'options', 'sweep', 'registration', 'cli', 'train', 'test', '__init__',
]  # fmt: skip
BESIDE = [
    {'host', 'clips'}, {'archs', 'data', 'losses', 'metrics'}, {'models', 'restoration'}, {'training', 'report'},
    {'training', 'survey'}, {'survey', 'sweep'},
]  # fmt: skip


def wrong_imports(package: Path) -> list[str]:
    """Return 'FILE:LINE imports MODULE' for every import that goes upwards, sideways, or to a single repair."""
    found = []
    for path in sorted(package.rglob('*.py')):
        own = path.relative_to(package).with_suffix('').parts[0]
        for node in ast.walk(ast.parse(path.read_text())):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                modules = [f'{node.module}.{alias.name}' for alias in node.names]
            for module in modules:
                parts = module.split('.')
                if parts[0] != 'dlvr_plugin' or parts[1] == own:
                    continue
                target = parts[1] if parts[1] in LAYERS else '__init__'
                upwards = LAYERS.index(target) >= LAYERS.index(own)
                beside = any({own, target} <= group for group in BESIDE)
                repair = target == 'host' and (
                    len(parts) > 2 or own not in ('registration', 'train', 'test', 'cli', '__init__')
                )
                if upwards or beside or repair:
                    found.append(f'{path.relative_to(package.parent)}:{node.lineno} imports {module}')
    return found


def test_imports_go_one_way():
    assert wrong_imports(PACKAGE) == []


@pytest.mark.parametrize(
    ('file', 'code'),
    [
        ('clips/clip_store.py', 'from dlvr_plugin.evaluation.protocol import Protocol\n'),
        ('core/files.py', 'def f():\n    import dlvr_plugin.cli.main\n'),
        ('losses/huber_loss.py', 'if True:\n    from dlvr_plugin.archs import LossNetT\n'),
        ('training/loop.py', 'from dlvr_plugin import host\n'),
        ('cli/main.py', 'from dlvr_plugin.host.saving import save_network\n'),
        ('core/errors.py', 'from dlvr_plugin import train\n'),
    ],
)
def test_an_import_the_other_way_is_found(tmp_path, file, code):
    path = tmp_path / 'dlvr_plugin' / file
    path.parent.mkdir(parents=True)
    path.write_text(code)
    line = 2 if code.startswith(('def', 'if')) else 1
    assert [each.split(' ')[0] for each in wrong_imports(tmp_path / 'dlvr_plugin')] == [f'dlvr_plugin/{file}:{line}']
