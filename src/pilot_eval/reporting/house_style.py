"""How every chart looks, whatever matplotlib's settings of the reader's machine say.

Colours are the Government Analysis Function's; shape and direct labels repeat what colour says.
"""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

DARK_BLUE, TURQUOISE, DARK_PINK, ORANGE = "#12436D", "#28A197", "#801650", "#F46A25"
GREY, PALE, TEXT = "#6B7278", "#B1B4B6", "#0B0C0C"
WIDTH = 8.0  # inches
DOTS_PER_INCH = 110  # legible at 800 pixels, small enough that a page stays under 2 MB
LABEL_LETTERS = 36
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
    height: float, *, columns: int = 1, width: float = WIDTH
) -> Iterator[tuple[Canvas, Any]]:
    """Open a figure in the house style, on matplotlib's own defaults.

    Parameters
    ----------
    height, width : float
        Inches.
    columns : int
        Panels beside one another, with a common vertical axis.

    Yields
    ------
    figure : matplotlib.figure.Figure
    axes : matplotlib.axes.Axes, or an array of them where there are several columns
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context():
        mpl.rcdefaults()
        settings: Any = mpl.rcParams
        settings.update(STYLE)
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure, figure.subplots(ncols=columns, sharey=columns > 1)


def save_canvas(figure: Canvas) -> Picture:
    """Draw a figure without time or software stamps; the picture grows to hold all of its text.

    Returns
    -------
    Picture
    """
    png, svg = io.BytesIO(), io.BytesIO()
    shared: dict[str, Any] = {"dpi": DOTS_PER_INCH, "bbox_inches": "tight", "pad_inches": 0.08}
    small = {"optimize": True}
    figure.savefig(png, format="png", metadata={"Software": None}, pil_kwargs=small, **shared)
    figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None}, **shared)
    return Picture(png.getvalue(), _PATH.sub(_shorten_path, svg.getvalue()))


def _shorten_path(path: re.Match[bytes]) -> bytes:
    """Write a path to hundredths and with commas: shorter, and nothing like a person's number."""
    short = _COORDINATE.sub(lambda match: b"%g" % round(float(match[0]), 2), path[0])
    return _BETWEEN.sub(b",", short)


def wrap(text: str, letters: int = LABEL_LETTERS) -> str:
    """Break a label into lines that fit beside an axis."""
    return textwrap.fill(text, letters)


def name_axis(axes: Axes, text: str) -> None:
    """Name the horizontal axis, over as many lines as it takes."""
    axes.set_xlabel("\n".join(wrap(line, AXIS_LETTERS) for line in text.splitlines()))
