"""The symbols that stand in a table where no number does, each with one meaning.

DfE's tables up to 2013-14 print ``x`` for a suppressed figure; tables published since print ``c``
and use ``x`` for "unavailable". New outputs use the newer set, here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

from pilot_eval.disclosure.protect.rounding import round_half_up
from pilot_eval.errors import DisclosureError, explain

NOT_APPLICABLE = "z"
UNAVAILABLE = "x"
SUPPRESSED = "c"
ROUNDS_TO_ZERO = "low"
UNRELIABLE = "u"

MEANINGS: Mapping[str, str] = MappingProxyType(
    {
        NOT_APPLICABLE: "not applicable: the figure cannot exist",
        UNAVAILABLE: "unavailable: the figure was not submitted, not published or withheld",
        SUPPRESSED: "confidential: suppressed to protect individuals",
        ROUNDS_TO_ZERO: "rounds to zero, but is not zero",
        UNRELIABLE: "low reliability: shown nowhere as a number",
    }
)

#: Status words of the published tables and the panel, and the symbol of each.
SYMBOL_OF_STATUS: Mapping[str, str] = MappingProxyType(
    {
        "suppressed": SUPPRESSED,
        "not_available": UNAVAILABLE,
        "withheld_pilot": UNAVAILABLE,
        "false_zero": UNAVAILABLE,
        "not_applicable": NOT_APPLICABLE,
        "unreliable": UNRELIABLE,
    }
)


def show_value(value: float, status: str = "reported", *, decimals: int = 0) -> float | int | str:
    """Turn a value and its status into what a table prints.

    Parameters
    ----------
    value : float
        The figure; ignored unless `status` is ``"reported"``.
    status : str
        ``"reported"`` or a key of `SYMBOL_OF_STATUS`.
    decimals : int
        Digits after the point, rounded half up.

    Returns
    -------
    int, float or str
        The rounded figure; ``low`` where a figure that is not 0 rounds to 0; else a symbol.

    Raises
    ------
    DisclosureError
        For a status that has no symbol, or a reported value that is not a number.

    Examples
    --------
    >>> show_value(4.25, decimals=1), show_value(0.04, decimals=1), show_value(0, decimals=1)
    (4.3, 'low', 0.0)
    >>> show_value(float("nan"), "withheld_pilot")
    'x'
    """
    if status != "reported":
        return _find_symbol(status)
    if value is None or math.isnan(value):
        raise DisclosureError(
            explain("status", "say why a figure is missing", "reported", "Give its status.")
        )
    shown = float(round_half_up(value, decimals=decimals))
    if shown == 0 and value != 0:
        return ROUNDS_TO_ZERO
    return shown if decimals else int(shown)


def _find_symbol(status: str) -> str:
    if status in SYMBOL_OF_STATUS:
        return SYMBOL_OF_STATUS[status]
    raise DisclosureError(
        explain("status", f"be reported or one of {sorted(SYMBOL_OF_STATUS)}", status, "Rename it.")
    )
