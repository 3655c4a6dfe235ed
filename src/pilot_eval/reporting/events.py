"""Where dated events of councils stand on an axis of years, and how a figure lists them."""

from __future__ import annotations

from collections.abc import Collection
from string import ascii_lowercase
from typing import TYPE_CHECKING

from pilot_eval.reference.pilot_facts import CouncilEvent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EVERYWHERE = ""
"""Council code of events that touched every council."""
MID_YEAR = 7


def find_events(
    events: Collection[CouncilEvent], codes: Collection[str], first: float, last: float
) -> list[tuple[float, CouncilEvent]]:
    """Find the events of councils between two places on an axis of years.

    Parameters
    ----------
    events : collection of CouncilEvent
        As in a plan's `events`.
    codes : collection of str
        Council codes; `EVERYWHERE` for events in all of England.
    first, last : float
        Ends of the axis, where the year ending March 2012 stands at 2012.

    Returns
    -------
    list of (float, CouncilEvent)
        By date.
    """
    found = [(place_date(event.date), event) for event in events]
    found = [(at, event) for at, event in found if event.council_code in codes]
    return sorted(
        (pair for pair in found if first <= pair[0] <= last), key=lambda pair: pair[1].date
    )


def place_date(date: str) -> float:
    """Place a date on an axis where a year's figure stands at the year's middle, 1 October.

    Parameters
    ----------
    date : str
        2012, 2012-04 or 2012-04-15.

    Returns
    -------
    float
    """
    parts = [int(part) for part in date.split("-")]
    month = parts[1] if len(parts) > 1 else MID_YEAR
    return parts[0] + (month - 0.5) / 12 + 0.25


def mark_events(axes: Axes, events: list[tuple[float, CouncilEvent]]) -> str:
    """Put a letter for each event above the axis and say below it what the letters mean.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    events : list of (float, CouncilEvent)
        As from `find_events`.

    Returns
    -------
    str
        The list, for the figure's text alternative; empty without events.
    """
    last, height = -1.0, 0.0
    lines = []
    for letter, (at, event) in zip(ascii_lowercase, events, strict=False):
        height = height + 0.045 if at - last < 0.06 else 0.015
        last = at
        place = axes.get_xaxis_transform()
        axes.text(at, height, letter, transform=place, ha="center", fontsize=9, fontweight="bold")
        lines.append(f"{letter}  {event.date} {event.council_name or 'England'}: {event.event}")
    axes.set_xlabel("\n".join(lines), loc="left", fontsize=8.5, linespacing=1.35)
    return "; ".join(lines)
