"""Draw overview.svg, the figure of one training step in docs/how_it_works.md."""

from pathlib import Path
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 1080, 470
GREY, GREEN, BLUE, ORANGE, RED = '#57606a', '#1a7f37', '#0969da', '#bc4c00', '#cf222e'


def text(x: float, y: float, content: str, *, size: int = 15, colour: str = '#1f2328', anchor: str = 'middle') -> str:
    """Return a line of text; ``y`` is its baseline."""
    return f'<text x="{x}" y="{y}" font-size="{size}" fill="{colour}" text-anchor="{anchor}">{escape(content)}</text>'


def box(x: float, y: float, width: float, height: float, lines: list[str], *, colour: str, fill: str = 'white') -> str:
    """Return a rounded box with centred lines of text."""
    first = y + height / 2 - 10 * (len(lines) - 1) + 5
    parts = [
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="8" fill="{fill}" stroke="{colour}" '
        'stroke-width="2"/>'
    ]
    parts += [
        text(x + width / 2, first + 20 * index, line, size=15 if index == 0 else 13, colour=colour)
        for index, line in enumerate(lines)
    ]
    return '\n'.join(parts)


def arrow(*points: tuple[float, float], colour: str = GREY, dashed: bool = False) -> str:
    """Return a polyline with an arrow head; dashed for gradients."""
    path = ' '.join(f'{x},{y}' for x, y in points)
    dash = ' stroke-dasharray="6 5"' if dashed else ''
    return (
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dash} '
        f'marker-end="url(#head{colour[1:]})"/>'
    )


def heads() -> str:
    """Return an arrow head of every colour."""
    return (
        '<defs>'
        + ''.join(
            f'<marker id="head{colour[1:]}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
            f'orient="auto"><path d="M0 0L10 5L0 10z" fill="{colour}"/></marker>'
            for colour in (GREY, GREEN, BLUE, ORANGE, RED)
        )
        + '</defs>'
    )


def draw() -> str:
    """Return the figure as SVG."""
    return '\n'.join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">',
            heads(),
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
            box(20, 60, 130, 64, ['low quality', 'frames t-2 ... t+2'], colour=GREY),
            box(200, 60, 110, 64, ['G', 'e.g. EDVR'], colour=BLUE, fill='#ddf4ff'),
            box(360, 60, 120, 64, ['Gen t', 'restored frame'], colour=BLUE),
            box(360, 210, 120, 64, ['GT t-1, t, t+1', 'true window'], colour=GREEN),
            arrow((150, 92), (200, 92)),
            arrow((310, 92), (360, 92)),
            # T
            '<rect x="545" y="46" width="290" height="274" rx="12" fill="#fff8f0" stroke="#bc4c00" stroke-width="2"/>',
            text(690, 72, 'loss network T: one joint pass', colour=ORANGE),
            box(565, 120, 110, 90, ['F', '4 layers', 'frame by frame'], colour=ORANGE),
            box(715, 220, 100, 74, ['C', 'real or', 'fake?'], colour=ORANGE),
            arrow((480, 92), (520, 92), (520, 145), (565, 145)),
            arrow((480, 242), (520, 242), (520, 185), (565, 185)),
            arrow((675, 185), (765, 185), (765, 220)),
            text(770, 150, 'features', size=13, colour=GREY),
            # losses
            box(890, 60, 170, 50, ['content loss', 'F(Gen t) to F(GT t)'], colour=BLUE),
            box(890, 130, 170, 50, ['relation loss', 'the same way to t-1, t+1'], colour=BLUE),
            box(890, 232, 170, 50, ['classifier loss', 'real 1, fake 0'], colour=ORANGE),
            arrow((675, 135), (850, 135), (850, 85), (890, 85)),
            arrow((850, 135), (850, 155), (890, 155)),
            arrow((815, 257), (890, 257)),
            # gradients
            arrow((975, 60), (975, 16), (255, 16), (255, 60), colour=BLUE, dashed=True),
            text(
                267,
                36,
                'updates G, through Gen t alone, together with the pixel loss',
                size=13,
                colour=BLUE,
                anchor='start',
            ),
            arrow((975, 282), (975, 345), (690, 345), (690, 320), colour=ORANGE, dashed=True),
            text(830, 364, 'the same graph again: updates T', size=13, colour=ORANGE),
            text(420, 300, 'fake: GT t-1, Gen t, GT t+1', size=13, colour=GREY),
            # schedule
            box(20, 400, 320, 50, ['a. pretrain G', 'pixel loss'], colour=GREY),
            box(380, 400, 320, 50, ['b. train T alone', 'init_t_iters, G frozen'], colour=ORANGE),
            box(740, 400, 320, 50, ['c. T and G in alternation', 'once each'], colour=BLUE),
            arrow((340, 425), (380, 425)),
            arrow((700, 425), (740, 425)),
            '</svg>',
            '',
        ]
    )


if __name__ == '__main__':
    Path(__file__).with_name('overview.svg').write_text(draw())
