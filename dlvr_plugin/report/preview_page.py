"""A page to look at restored frames in a browser, before and after."""

import html
import re
from collections.abc import Sequence
from pathlib import Path

from dlvr_plugin.core.files import write_atomic
from dlvr_plugin.report.page_template import data_for_page, read_parts
from dlvr_plugin.restoration.preview import MARK, PreviewFrame

_SCRIPTS = ('helpers.js', 'viewer.js', 'wipe.js', 'preview.js')
_STYLES = ('base.css', 'viewer.css')


def write_preview_page(frames: Sequence[PreviewFrame], *, title: str) -> Path:
    """Write ``index.html`` beside the pictures of frames.

    Args:
        frames: At least one; all pictures in one folder.
        title: Of the page.

    Returns:
        The page.

    Raises:
        OSError: It cannot be written.
    """
    parts = {
        'mark': MARK,
        'title': html.escape(title),
        'style': read_parts(_STYLES),
        'script': read_parts(_SCRIPTS),
        'data': data_for_page(
            {
                'methods': [{'name': 'before'}, {'name': 'after'}],
                'first_shown': [0, 1],
                'clips': [
                    {
                        'size': frames[0].size,
                        'frames': [f'{frame.seconds:.2f} s' for frame in frames],
                        'methods': [
                            {'urls': [frame.before.name for frame in frames]},
                            {'urls': [frame.after.name for frame in frames]},
                        ],
                    }
                ],
            }
        ),
    }
    page = frames[0].before.with_name('index.html')
    template = read_parts(['preview.html'])
    write_atomic(page, re.sub(r'{{(\w+)}}', lambda match: parts[match[1]], template).encode())
    return page
