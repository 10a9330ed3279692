"""The wall times of whole processes as an SVG: a row a workload, a dot a contender, its middle half a line."""

import html
import math

import report
import units

COLOURS = {"wasmoor": "#c2410c", "wasmtime-precompiled": "#1d4ed8", "wasmtime": "#60a5fa", "node": "#15803d",
           "crun": "#7e22ce", "runc": "#a16207", "kernel": "#6b7280", "runwasi": "#be185d",
           "wasmtimed": "#0f766e"}
LEFT, RIGHT, TOP, ROW, LANE = 200, 40, 60, 46, 9
WIDTH = 900
AXIS = WIDTH - LEFT - RIGHT
TEXT = 'font-family="sans-serif" font-size="12" fill="#333"'


class Scale:
    """Nanoseconds to pixels, by their logarithm: starts take a millisecond, copies a second."""

    def __init__(self, least, most):
        self._from = math.floor(math.log10(least))
        self._to = max(math.ceil(math.log10(most)), self._from + 1)

    def at(self, value):
        return LEFT + AXIS * (math.log10(value) - self._from) / (self._to - self._from)

    def ticks(self):
        return [10 ** power for power in range(self._from, self._to + 1)]


def _rows(table):
    rows = {}
    for workload, contender, metric in table.keys():
        if (metric == "wall" and contender in COLOURS and "/" not in workload
                and not workload.startswith(report.FUNCTIONS)):
            rows.setdefault(workload, []).append((contender, table.get(workload, contender, metric)))
    return rows


def _legend(parts):
    for place, (contender, colour) in enumerate(COLOURS.items()):
        x, y = LEFT + place % 4 * 165, 14 + place // 4 * 18
        parts.append(f'<circle cx="{x}" cy="{y}" r="5" fill="{colour}"/>')
        parts.append(f'<text x="{x + 10}" y="{y + 4}" {TEXT}>{html.escape(contender)}</text>')


def _dot(parts, scale, contender, series, y):
    colour = COLOURS[contender]
    parts.append(f'<line x1="{scale.at(series.lower):.1f}" x2="{scale.at(series.upper):.1f}" y1="{y}" y2="{y}" '
                 f'stroke="{colour}" stroke-width="3"/>')
    title = html.escape(f"{contender}: {units.text_of('wall', series.median)}")
    parts.append(f'<circle cx="{scale.at(series.median):.1f}" cy="{y}" r="4" fill="{colour}">'
                 f"<title>{title}</title></circle>")


def svg(table):
    """The text of the picture; None if there is nothing to show."""
    rows = _rows(table)
    if not rows:
        return None
    shown = [series for row in rows.values() for _, series in row]
    scale = Scale(min(series.lower for series in shown), max(series.upper for series in shown))
    height = TOP + ROW * len(rows) + 20
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
             f'viewBox="0 0 {WIDTH} {height}">', f'<rect width="{WIDTH}" height="{height}" fill="white"/>']
    _legend(parts)
    for tick in scale.ticks():
        x = f"{scale.at(tick):.1f}"
        parts.append(f'<line x1="{x}" x2="{x}" y1="{TOP - 8}" y2="{height - 20}" stroke="#ddd"/>')
        parts.append(f'<text x="{x}" y="{TOP - 12}" text-anchor="middle" {TEXT}>'
                     f"{html.escape(units.text_of('wall', tick))}</text>")
    for number, (workload, row) in enumerate(rows.items()):
        top = TOP + number * ROW
        parts.append(f'<text x="{LEFT - 12}" y="{top + ROW // 2}" text-anchor="end" {TEXT}>'
                     f"{html.escape(workload)}</text>")
        for lane, (contender, series) in enumerate(row):
            _dot(parts, scale, contender, series, top + 8 + lane * LANE)
    return "\n".join([*parts, "</svg>", ""])
