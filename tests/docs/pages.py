"""What README and docs hold: code blocks with their marks, spans of code, headings and links."""

import re
from dataclasses import dataclass
from pathlib import Path

from tests.helpers import REPOSITORY

PAGES = sorted([REPOSITORY / 'README.md', *REPOSITORY.glob('.github/*.md'), *REPOSITORY.glob('docs/*.md')])
LANGUAGES = ('bash', 'yaml', 'python', 'text')

_FENCE = re.compile(r'^( *)```(\w*)\n(.*?)^\1```$', re.DOTALL | re.MULTILINE)
_MARK = re.compile(r'<!-- (needs|into|file|line): (.+?) -->')


@dataclass(frozen=True)
class Block:
    """A fenced block of code.

    Attributes:
        page: File that holds it, relative to the repository.
        line: Line of the fence.
        language: Word behind the fence.
        code: Text, without the indentation of the fence.
        needs: What it needs to be run, by a comment ``<!-- needs: REDS -->`` in front; None where it runs anywhere.
        recipe: File that a recipe makes or adds to, by ``<!-- file: ... -->`` or ``<!-- line: ... -->``.
        into: Option file that a fragment of YAML belongs to, by a comment ``<!-- into: options/... -->``.
    """

    page: str
    line: int
    language: str
    code: str
    needs: str | None = None
    into: str | None = None
    recipe: str | None = None

    def __str__(self) -> str:
        return f'{self.page}:{self.line}'

    @property
    def commands(self) -> list[str]:
        """Its commands, one a line: lines that end in a backslash joined, comments left out."""
        lines = self.code.replace('\\\n', ' ').splitlines()
        return [line for line in (re.sub(r'(^|\s)#.*', '', line).strip() for line in lines) if line]


def blocks_of(page: Path, text: str | None = None) -> list[Block]:
    """Return the blocks of a page in their order."""
    text = page.read_text() if text is None else text
    found = []
    for match in _FENCE.finditer(text):
        before = text[: match.start()].rstrip().rpartition('\n')[2]
        marks = {mark[1]: mark[2] for mark in _MARK.finditer(before)}
        found.append(
            Block(
                page=page.relative_to(REPOSITORY).as_posix(),
                line=text.count('\n', 0, match.start()) + 1,
                language=match[2],
                code=re.sub(rf'^{match[1]}', '', match[3], flags=re.MULTILINE),
                needs=marks.get('needs'),
                recipe=marks.get('file') or marks.get('line'),
                into=marks.get('into'),
            )
        )
    return found


def prose_of(page: Path) -> str:
    """Return the text of a page without its blocks and comments."""
    return re.sub(r'<!--.*?-->', '', _FENCE.sub('', page.read_text()), flags=re.DOTALL)


def spans_of(text: str) -> list[str]:
    """Return the spans of code of a text."""
    return re.findall(r'(?<!`)`([^`\n]+)`(?!`)', text)


def anchors_of(page: Path) -> set[str]:
    """Return what a link can point to within a page, as GitHub makes it of headings."""
    headings = re.findall(r'^#+ (.+)$', prose_of(page), re.MULTILINE)
    return {re.sub(r'[^\w\- ]', '', heading.lower()).replace(' ', '-') for heading in headings}


def links_of(page: Path) -> list[str]:
    """Return the targets of the links and pictures of a page."""
    return re.findall(r'\]\(([^)\s]+)\)', prose_of(page))


BLOCKS = [block for page in PAGES for block in blocks_of(page)]
