"""How every chart looks, whatever matplotlib's settings of the reader's machine say.

Colours are the Government Analysis Function's; shape and direct labels repeat what colour says.
"""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

DARK_BLUE, TURQUOISE, DARK_PINK, ORANGE = "#12436D", "#28A197", "#801650", "#F46A25"
GREY, PALE, TEXT = "#6B7278", "#B1B4B6", "#0B0C0C"
CLEAR = {"facecolor": "white", "linewidth": 0, "pad": 1}
"""Ground of a text that can lie over lines."""
WIDTH = 8.0  # inches
DOTS_PER_INCH = 110  # legible at 800 pixels, small enough that a page stays under 2 MB
PAD = 0.08  # inches around what is drawn
LABEL_LETTERS = 36
LABEL_OFFSETS = [(6, 5), (6, -13), *((6, 16 + 11 * step) for step in range(12))]
"""Where a point's label may stand, in printer's points: above it, below it, ever higher."""
AXIS_LETTERS = 74
STYLE: dict[str, Any] = {
    "font.size": 11,
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same on every machine
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "text.color": TEXT,
    "text.parse_math": False,  # `$` in a label is a dollar
    "axes.labelcolor": TEXT,
    "legend.frameon": False,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "pilot_eval",
}
_PATH = re.compile(rb' d="[^"]*"')
_COORDINATE = re.compile(rb"-?\d+\.\d+(?:e-?\d+)?")
_BETWEEN = re.compile(rb"(?<=\d) (?=[-\d])")


class Picture(NamedTuple):
    """A chart as bytes, in two formats."""

    png: bytes
    svg: bytes


@contextmanager
def canvas(
    height: float,
    *,
    rows: Sequence[float] = (1,),
    columns: Sequence[float] = (1,),
    width: float = WIDTH,
) -> Iterator[tuple[Canvas, Any]]:
    """Open a figure in the house style, on matplotlib's own defaults.

    Parameters
    ----------
    height, width : float
        Inches.
    rows, columns : sequence of float
        Relative heights and widths of panels; those next to one another share a vertical axis.

    Yields
    ------
    figure : matplotlib.figure.Figure
    axes : matplotlib.axes.Axes, or an array of them where there are several panels
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context():
        mpl.rcdefaults()
        settings: Any = mpl.rcParams
        settings.update(STYLE)
        figure = Figure(figsize=(width, height), layout="constrained")
        yield (
            figure,
            figure.subplots(
                len(rows),
                len(columns),
                height_ratios=rows,
                width_ratios=columns,
                sharey="row" if len(columns) > 1 else False,
            ),
        )


def fix_ticks(figure: Canvas) -> Canvas:
    """Write the ticks of a figure that its caller is to draw, so that no later setting does."""
    figure.draw_without_rendering()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            at = [(tick.get_loc(), tick.label1.get_text()) for tick in axis.get_major_ticks()]
            shown = [(place, label) for place, label in at if low <= place <= high]
            axis.set_ticks([place for place, _ in shown], [label for _, label in shown])
    return figure


def label_points(axes: Axes, points: Iterable[tuple[float, float, str]], colour: str) -> None:
    """Label points of a finished chart, each where its label lies on none before it.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        With its final limits.
    points : iterable of (float, float, str)
        Place and label.
    colour : str
    """
    figure: Any = axes.get_figure()
    placed: list[Any] = []
    figure.draw_without_rendering()
    for x, y, name in points:
        for offset in LABEL_OFFSETS:
            label = axes.annotate(
                name, (x, y), offset, textcoords="offset points", fontsize=9, color=colour
            )
            box = label.get_window_extent().padded(1)
            if not any(box.overlaps(other) for other in placed):
                break
            label.remove()
        else:
            axes.add_artist(label)
        placed.append(box)


def save_canvas(figure: Canvas) -> Picture:
    """Draw a figure without time or software stamps; the picture grows to hold all of its text.

    Returns
    -------
    Picture
    """
    figure.set_dpi(DOTS_PER_INCH)
    figure.draw_without_rendering()  # lays it out, once for both formats
    figure.set_layout_engine(None)  # drawn twice as it lies now
    box = figure.get_tightbbox().padded(PAD)
    shared: dict[str, Any] = {"dpi": DOTS_PER_INCH, "bbox_inches": box}
    png, svg = io.BytesIO(), io.BytesIO()
    packed = {"compress_level": 8}  # the last level takes twice the time for 1% less
    figure.savefig(png, format="png", metadata={"Software": None}, pil_kwargs=packed, **shared)
    figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None}, **shared)
    return Picture(png.getvalue(), _PATH.sub(_shorten_path, svg.getvalue()))


def _shorten_path(path: re.Match[bytes]) -> bytes:
    """Write a path to hundredths and with commas: shorter, and nothing like a person's number."""
    short = _COORDINATE.sub(lambda match: b"%g" % round(float(match[0]), 2), path[0])
    return _BETWEEN.sub(b",", short)


def wrap(text: str, letters: int = LABEL_LETTERS) -> str:
    """Break a label into lines that fit alongside an axis."""
    return textwrap.fill(text, letters)


def name_axis(axes: Axes, text: str) -> None:
    """Name the horizontal axis, over as many lines as it takes."""
    axes.set_xlabel("\n".join(wrap(line, AXIS_LETTERS) for line in text.splitlines()))
