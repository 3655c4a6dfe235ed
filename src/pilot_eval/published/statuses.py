"""What a figure that is not there can mean: the words every table of this project uses."""

from __future__ import annotations

REPORTED = "reported"
"""A number was printed and means what it says."""
SUPPRESSED = "suppressed"
"""Hidden to protect children: a count of 1 to 5, or one that would give such a count away."""
NOT_AVAILABLE = "not_available"
"""Not submitted, or not published."""
NOT_APPLICABLE = "not_applicable"
"""Cannot exist: no single assessments in this council, a share of nothing, a median's numerator."""
WITHHELD_PILOT = "withheld_pilot"
"""Not published while the council took part in a pilot."""
FALSE_ZERO = "false_zero"
"""A zero was printed where no figure stands behind it."""

STATUSES = (
    REPORTED,
    SUPPRESSED,
    NOT_AVAILABLE,
    NOT_APPLICABLE,
    WITHHELD_PILOT,
    FALSE_ZERO,
)

WORDS = {
    REPORTED: "yes",
    SUPPRESSED: "suppressed",
    WITHHELD_PILOT: "withheld",
    NOT_AVAILABLE: "not available",
    NOT_APPLICABLE: "not applicable",
    FALSE_ZERO: "false zero",
}

# A sum or share with several missing parts takes the first of these that occurs in its parts.
_PRECEDENCE = (WITHHELD_PILOT, NOT_AVAILABLE, NOT_APPLICABLE, FALSE_ZERO, SUPPRESSED, REPORTED)


def combine_statuses(*statuses: str) -> str:
    """Give the status of a figure made from several others.

    Parameters
    ----------
    *statuses : str
        One of `STATUSES` for each part, at least one.

    Returns
    -------
    str
        `reported` only if every part is; otherwise the weightiest reason.

    Examples
    --------
    >>> combine_statuses("reported", "suppressed")
    'suppressed'
    """
    return min(statuses, key=_PRECEDENCE.index)


def say_statuses(text: str) -> str:
    """Put words in the place of the statuses that a reason names.

    Examples
    --------
    >>> say_statuses("no figure after the start (2012: withheld_pilot)")
    'no figure after the start (2012: withheld)'
    """
    for status in (WITHHELD_PILOT, NOT_AVAILABLE, NOT_APPLICABLE, FALSE_ZERO):
        text = text.replace(status, WORDS[status])
    return text
