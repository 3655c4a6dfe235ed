"""Other ways to write a date: which one some texts are in, and what a header's date means.

Nothing here decides what a record's date is: a form that leaves the order of day and month open is
named for the analyst, who states it in a mapping file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime, timedelta

EXCEL = "excel"
"""In place of a form: days since the end of 1899, as spreadsheets count them."""
FORMS = (
    "%Y-%m-%d",
    *("%d/%m/%Y", "%d-%m-%Y", "%d.%m.%Y", "%d/%m/%y", "%d-%m-%y", "%d.%m.%y"),
    *("%d-%b-%Y", "%d %b %Y", "%d/%b/%Y", "%d-%b-%y", "%d %B %Y", "%d-%B-%Y"),
    *("%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%m/%d/%Y", "%m-%d-%Y"),
)
"""Of two that fit a text equally, the earlier one is named: in England the day comes first."""
TIMES = ("", " %H:%M", " %H:%M:%S")
_EXCEL_EPOCH = date(1899, 12, 30)
_EXCEL_DAY = re.compile(r"[1-6]\d{4}(\.0+)?")


def guess_form(texts: Iterable[str]) -> str:
    """Guess the form in which most of some texts are dates.

    Parameters
    ----------
    texts : iterable of str

    Returns
    -------
    str
        As for `datetime.strptime`, or `EXCEL`; empty where none fits half of them.

    Examples
    --------
    >>> guess_form(["03/06/2013", "21/06/2013"])
    '%d/%m/%Y'
    >>> guess_form(["03/06/2013", "06/21/2013"])
    '%m/%d/%Y'
    """
    stripped = [text.strip() for text in texts]
    forms = [EXCEL, *(day + time for day in FORMS for time in TIMES)]
    fits = {form: sum(read_day(text, form) is not None for text in stripped) for form in forms}
    best = max(fits, key=lambda form: fits[form])
    return best if fits[best] and 2 * fits[best] >= len(stripped) else ""


def read_day(text: str, form: str) -> date | None:
    """Read a date in a form; a time of day is left out.

    Parameters
    ----------
    text : str
    form : str
        As for `datetime.strptime`, or `EXCEL`.

    Returns
    -------
    date or None
        None where the text is not a date in that form.

    Examples
    --------
    >>> read_day("41729", EXCEL)
    datetime.date(2014, 3, 31)
    """
    if form == EXCEL:
        number = text.partition(".")[0]
        return _EXCEL_EPOCH + timedelta(int(number)) if _EXCEL_DAY.fullmatch(text) else None
    try:
        return datetime.strptime(text, form).date()
    except ValueError:
        return None


def may_mean(text: str, day: date) -> bool:
    """Say whether a text can be read as a day, in any form, whatever time follows.

    Parameters
    ----------
    text : str
    day : date

    Returns
    -------
    bool

    Examples
    --------
    >>> may_mean("31 March 2014", date(2014, 3, 31))
    True
    """
    bare = re.split(r"[T ](?=\d\d:)", text.strip())[0].rstrip("Z")
    return any(read_day(bare, form) == day for form in (EXCEL, *FORMS))
