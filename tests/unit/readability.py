"""How hard a text is to read."""

from __future__ import annotations

import re
from math import ceil

from pilot_eval.errors import DataError, explain

GRADE_TO_AGE = 5  # a child in the first grade is six
_SENTENCE = re.compile(r"[.!?](?:\s|$)")
_WORD = re.compile(r"[^\W_]+(?:[-.,'’/:%][^\W_]+)*")


def reading_age(text: str) -> int:
    """Compute the age at which a text can be read: the Automated Readability Index.

    Parameters
    ----------
    text : str
        Plain text of whole sentences; a line break ends a sentence too.

    Returns
    -------
    int
        Years of age, rounded up: grade 4.71 letters/words + 0.5 words/sentences - 21.43, plus 5.

    Raises
    ------
    DataError
        If there is no word in it.

    References
    ----------
    Smith and Senter (1967), Automated Readability Index, AMRL-TR-66-220.

    Examples
    --------
    >>> reading_age("The cat sat on the mat. It was warm.")
    5
    """
    words = _WORD.findall(text)
    if not words:
        raise DataError(explain("text", "hold words", "none", "Give the text that is read."))
    letters = sum(character.isalnum() for word in words for character in word)
    lines = [line for line in text.splitlines() if _WORD.search(line)]
    sentences = sum(max(1, len(_SENTENCE.findall(line.strip()))) for line in lines)
    grade = 4.71 * letters / len(words) + 0.5 * len(words) / sentences - 21.43
    return int(max(GRADE_TO_AGE, ceil(grade) + GRADE_TO_AGE))
