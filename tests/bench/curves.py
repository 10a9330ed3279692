"""Curves as an SVG: panels side by side, both axes by their logarithm."""

import html
import math

import plot
import units

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 420, 320, 80, 60, 50
ACROSS = WIDTH - LEFT - 20
DOWN = HEIGHT - TOP - BOTTOM


class Axis:
    """Values to pixels, from the power of ten below the least to that above the most."""

    def __init__(self, values, begin, length):
        self._from = math.floor(math.log10(min(values)))
        self._to = max(math.ceil(math.log10(max(values))), self._from + 1)
        self._begin, self._length = begin, length

    def at(self, value):
        return round(self._begin + self._length * (math.log10(value) - self._from) / (self._to - self._from), 1)

    def ticks(self):
        return [10 ** power for power in range(self._from, self._to + 1)]


def _text(x, y, text, anchor="middle"):
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" {plot.TEXT}>{html.escape(text)}</text>'


def _panel(left, title, metric, curves):
    """`curves` is [(contender, [(x, y)])]."""
    points = [point for _, curve in curves for point in curve]
    x = Axis([point[0] for point in points], left + LEFT, ACROSS)
    y = Axis([point[1] for point in points], HEIGHT - BOTTOM, -DOWN)
    parts = [_text(left + LEFT + ACROSS / 2, TOP - 14, title)]
    for tick in x.ticks():
        parts.append(f'<line x1="{x.at(tick)}" x2="{x.at(tick)}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="#ddd"/>')
        parts.append(_text(x.at(tick), HEIGHT - BOTTOM + 18, f"{tick:,}"))
    for tick in y.ticks():
        parts.append(f'<line x1="{left + LEFT}" x2="{left + LEFT + ACROSS}" y1="{y.at(tick)}" y2="{y.at(tick)}" '
                     'stroke="#ddd"/>')
        parts.append(_text(left + LEFT - 8, y.at(tick) + 4, units.text_of(metric, tick), "end"))
    for contender, curve in curves:
        colour = plot.COLOURS[contender]
        path = " ".join(f"{x.at(one)},{y.at(other)}" for one, other in curve)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for one, other in curve:
            title = html.escape(f"{contender}, {one:,}: {units.text_of(metric, other)}")
            parts.append(f'<circle cx="{x.at(one)}" cy="{y.at(other)}" r="4" fill="{colour}">'
                         f"<title>{title}</title></circle>")
    return parts


def svg(panels, below):
    """The text of the picture; None if there is nothing to show. `panels` are (title, metric, curves), of which those
    without a point are left out; `below` is what both have on their first axis."""
    panels = [panel for panel in panels if panel[2]]
    if not panels:
        return None
    width = WIDTH * len(panels)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{HEIGHT}" '
             f'viewBox="0 0 {width} {HEIGHT}">', f'<rect width="{width}" height="{HEIGHT}" fill="white"/>']
    names = dict.fromkeys(contender for _, _, curves in panels for contender, _ in curves)
    for place, contender in enumerate(names):
        left = LEFT + place * 130
        parts.append(f'<circle cx="{left}" cy="16" r="5" fill="{plot.COLOURS[contender]}"/>')
        parts.append(_text(left + 10, 20, contender, "start"))
    for place, panel in enumerate(panels):
        parts += _panel(place * WIDTH, *panel)
        parts.append(_text(place * WIDTH + LEFT + ACROSS / 2, HEIGHT - 10, below))
    return "\n".join([*parts, "</svg>", ""])
