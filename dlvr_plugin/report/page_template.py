"""The text of a report's page: template, scripts and data in one file."""

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dlvr_plugin.core.choices import ImageFormat
from dlvr_plugin.evaluation.evaluation_file import Evaluation, format_json
from dlvr_plugin.report.tradeoff import Pair, list_findings

MARK = '<meta name="generator" content="dlvr report">'

_PARTS = Path(__file__).with_name('page')
_SCRIPTS = ('helpers.js', 'table.js', 'viewer.js', 'wipe.js', 'player.js', 'profile.js', 'curves.js', 'page.js')
_STYLES = ('base.css', 'viewer.css', 'page.css')


def describe_frames(
    num_frames: int, num_bytes: int, image_format: ImageFormat, quality: int, *, is_input_enlarged: bool = False
) -> str:
    """Return what the footer says about the frames."""
    kind = (
        'PNG, every pixel as measured'
        if image_format == 'png'
        else f'{image_format.upper()} of quality {quality}: compressed for this page, not what was measured'
    )
    enlarged = '; the input is enlarged by bicubic interpolation' if is_input_enlarged else ''
    return f'{num_frames} frames, {num_bytes / 1e6:.1f} MB ({kind}{enlarged})'


def collect_data(
    evaluation: Evaluation,
    names: Sequence[str],
    urls: Mapping[str, Sequence[Sequence[str]]],
    frame_rate: float,
    pairs: Sequence[Pair],
) -> dict[str, Any]:
    """Return what the scripts of the page work on; input and ground truth are the last methods, without any numbers."""
    methods = list(evaluation['methods'].values())
    results = [*methods, *[None] * (len(names) - len(methods))]
    return {
        'metrics': [{'name': name, **metric} for name, metric in evaluation['metrics'].items()],
        'methods': [
            {'name': name, 'mean': result and result['mean'], 'intervals': result and result['intervals']}
            for name, result in zip(names, results, strict=True)
        ],
        'first_shown': [names.index(name) for name in reversed(pairs[0])] if pairs else [0, min(1, len(names) - 1)],
        'num_clips': len(evaluation['clips']),
        'clips': [
            {
                'name': clip,
                'size': evaluation['clips'][clip]['size'],
                'frames': evaluation['clips'][clip]['frames'],
                'frame_rate': evaluation['clips'][clip]['frame_rate'] or frame_rate,
                'methods': [
                    {
                        'urls': urls[clip][index],
                        'mean': result and result['clips'][clip]['mean'],
                        'values': result and result['clips'][clip]['frames'],
                    }
                    for index, result in enumerate(results)
                ],
            }
            for clip in urls
        ],
    }


def build_page(
    title: str, evaluation: Evaluation, data: dict[str, Any], frames: str, pairs: Sequence[Pair] = ()
) -> str:
    """Fill the template; all text that comes from outside is escaped."""
    parts = {
        'mark': MARK,
        'title': html.escape(title),
        'summary': html.escape(_summarise(evaluation)),
        'findings': ''.join(f'<p class="finding">{html.escape(text)}</p>' for text in list_findings(evaluation, pairs)),
        'protocol': _list_entries({key.replace('_', ' '): value for key, value in evaluation['protocol'].items()}),
        'versions': _list_entries(evaluation['versions']),
        'frames': html.escape(frames),
        'style': read_parts(_STYLES),
        'script': read_parts(_SCRIPTS),
        'data': data_for_page(data),
    }
    template = (_PARTS / 'page.html').read_text(encoding='utf-8')
    return re.sub(r'{{(\w+)}}', lambda match: parts[match[1]], template)


def read_parts(names: Iterable[str], folder: Path = _PARTS) -> str:
    """Return files of a page one after another; by default those of the report, which other pages may use, too."""
    return '\n'.join((folder / name).read_text(encoding='utf-8') for name in names)


def data_for_page(data: Any) -> str:
    """Return JSON that may stand in an element of a page: without "<" no text of it can end the element."""
    return format_json(data).replace('<', '\\u003c')


def _summarise(evaluation: Evaluation) -> str:
    counts = {
        'method': len(evaluation['methods']),
        'clip': len(evaluation['clips']),
        'frame': sum(len(clip['frames']) for clip in evaluation['clips'].values()),
    }
    texts = [f'{count} {name}{"" if count == 1 else "s"}' for name, count in counts.items()]
    return ', '.join(texts if 'gt_root' in evaluation else [*texts, 'no ground truth'])


def _list_entries(entries: Mapping[str, Any]) -> str:
    """Return entries as the items of a description list."""
    return ''.join(
        f'<dt>{html.escape(key)}</dt><dd>{html.escape(_describe(value))}</dd>' for key, value in entries.items()
    )


def _describe(value: Any) -> str:
    if isinstance(value, Mapping):
        return '; '.join(f'{key}: {_describe(item)}' for key, item in value.items()) or 'none'
    if isinstance(value, list):
        return ', '.join(map(_describe, value)) or 'none'
    if isinstance(value, bool):
        return 'yes' if value else 'no'
    return 'none' if value is None else str(value)
