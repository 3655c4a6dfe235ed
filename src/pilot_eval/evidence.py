"""Evidence and verdicts: where every number and every judgement in a report comes from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pandas as pd

from pilot_eval.errors import choose_names
from pilot_eval.evidence_row import EVIDENCE_COLUMNS, EvidenceRow, Harm
from pilot_eval.evidence_views import EvidenceViews
from pilot_eval.result_display import write_as_text
from pilot_eval.run_cache import once_per_run

SIGNIFICANT_DIGITS = 10  # linear algebra differs between processors from the 13th on
HASH_LENGTH = 12

Finding = Literal[
    "rose", "fell", "no clear change", "cannot be told", "higher", "lower", "no clear difference"
]
ROSE, FELL, UNCHANGED, UNANSWERED, HIGHER, LOWER, ALIKE = get_args(Finding)
CHANGED = (ROSE, FELL, HIGHER, LOWER)
BEST_RATING = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictInputs:
    """Everything that one verdict rests on, for one outcome in one scenario.

    Attributes
    ----------
    strand, scenario, outcome : str
        Keys of the evidence.
    label, group, units : str
        The outcome, the treated group and what a unit is, in words.
    harm : {"rises", "falls", "ambiguous"}
    unit : str
        Unit of all effects.
    level : float
        Of the tests; intervals are 1 - level.
    margin : float or None
        Smallest harm that matters, above 0.
    status, reason : str
        As in the evidence; `reason` says why nothing was estimated.
    test : str
        The test that carries the verdict; empty where no test holds its level on real data.
    is_first_test : bool
        Whether it comes first in the plan's order of tests.
    estimate_low, estimate_high : float
        The identified set; equal where no hidden figure matters.
    conf_low, conf_high, p_value, p_family, mde : float
        Of that test, over the set; `p_family` is NaN outside a family.
    other_low, other_high, other_conf_low, other_conf_high : float
        The other reading of the effect and its interval: adjusted for the level before the start,
        or unadjusted where the adjusted test carries the verdict; NaN without one.
    rejection_rate : float
        How often the test rejects true nulls on this outcome's own data; NaN where not measured.
    trend_low, trend_high : float
        Effect that the trend before the start would give if it continued; NaN without a trend.
    left_one_out_low, left_one_out_high : float
        Range of the estimates without one treated unit.
    spread : float
        Standard deviation of the comparators' level before the start.
    n_units, n_comparators : int
        Treated units and comparators compared; units under one management count once.
    seen, listed : int
        Treated councils with figures, and all of the scenario.
    known_freed : int
        Of those seen, how many are known to have been freed from the limit behind the outcome;
        equal to `seen` where no limit is behind it.
    treated_as : str
        What the treatment behind the outcome is called.
    by_end : bool
        Whether the effect is read from the change when the treatment ended, its sign turned.
    breaks : tuple of str
        Changes of definition that the comparison crosses: between which years.
    earlier : str
        Where levels are compared and not changes: the earlier outcome they are adjusted for.
    """

    strand: str
    scenario: str
    outcome: str
    label: str
    group: str
    units: str = "councils"
    harm: Harm
    unit: str
    level: float = 0.05
    margin: float | None = None
    status: str = "estimated"
    reason: str = ""
    test: str = "robust"
    is_first_test: bool = True
    estimate_low: float = nan
    estimate_high: float = nan
    conf_low: float = nan
    conf_high: float = nan
    p_value: float = nan
    p_family: float = nan
    mde: float = nan
    other_low: float = nan
    other_high: float = nan
    other_conf_low: float = nan
    other_conf_high: float = nan
    rejection_rate: float = nan
    trend_low: float = nan
    trend_high: float = nan
    left_one_out_low: float = nan
    left_one_out_high: float = nan
    spread: float = nan
    n_units: int
    n_comparators: int
    seen: int
    listed: int
    known_freed: int
    treated_as: str = "treated"
    by_end: bool = False
    breaks: tuple[str, ...] = ()
    earlier: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """One reason why a finding is less than fully secure.

    Attributes
    ----------
    condition : str
        The plan's name of it.
    points : int
        Points of the rating that it costs.
    cap : int
        Highest rating while it holds.
    text : str
        The reason, in one sentence.
    """

    condition: str
    points: int
    cap: int
    text: str

    @property
    def weight(self) -> int:
        """Points that it would cost by itself."""
        return max(self.points, BEST_RATING - self.cap)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one comparison shows, how secure that is, and in which words it is reported.

    Attributes
    ----------
    inputs : VerdictInputs
        The numbers it rests on.
    finding : {"rose", "fell", "no clear change", "cannot be told"} or, of levels, {"higher", \
        "lower", "no clear difference"}
    direction : {"worse", "better", ""}
        What the finding means for children; empty where it has no direction.
    excludes_margin : bool or None
        Whether the interval leaves out a harm as large as the margin; None without a margin or
        an interval.
    rating : int
        Security, 0 to 5: how far the evidence can be relied on, whatever it shows.
    doubts : tuple of Doubt
        The heaviest first.
    short, long : str
        The only words in which the finding is reported.
    """

    inputs: VerdictInputs
    finding: Finding
    direction: Literal["worse", "better", ""]
    excludes_margin: bool | None
    rating: int
    doubts: tuple[Doubt, ...]
    short: str
    long: str

    def to_row(self) -> dict[str, object]:
        """Return the verdict as a row of `verdicts.csv`, columns `VERDICT_COLUMNS`."""
        row = {
            name: getattr(self if hasattr(self, name) else self.inputs, name)
            for name in VERDICT_COLUMNS
        }
        return row | {"doubts": "; ".join(f"{d.condition} {d.weight}" for d in self.doubts)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The verdict on one question of the plan.

    Attributes
    ----------
    question : str
        As the plan asks it.
    family : str
        Its key: the outcomes that belong to it.
    verdict : Verdict
        The comparison that carries the answer: its number, interval, rating and doubts are the
        answer's.
    verdicts : tuple of Verdict
        All comparisons of the question in its scenario.
    short, long : str
        The only words in which the answer is reported.
    is_later_round : bool
        Whether it is a later round's answer, alongside that of the primary scenario.
    is_headline : bool
        Whether its comparison belongs to the plan's family of those that can make a headline.
    """

    question: str
    family: str
    verdict: Verdict
    verdicts: tuple[Verdict, ...]
    short: str
    long: str
    is_later_round: bool = False
    is_headline: bool = True

    def to_row(self) -> dict[str, object]:
        """Return the answer as a row of `answers.csv`, columns `ANSWER_COLUMNS`."""
        carried = {"scenario": self.verdict.inputs.scenario, "outcome": self.verdict.inputs.outcome}
        own = {name: getattr(self, name) for name in ANSWER_COLUMNS if name not in carried}
        return {**own, **carried}


ANSWER_COLUMNS = ("family", "question", "scenario", "outcome", "short", "long")
VERDICT_COLUMNS = (
    "strand",
    "scenario",
    "outcome",
    "finding",
    "direction",
    "rating",
    "excludes_margin",
    "test",
    "estimate_low",
    "estimate_high",
    "conf_low",
    "conf_high",
    "p_value",
    "p_family",
    "mde",
    "other_low",
    "other_high",
    "other_conf_low",
    "other_conf_high",
    "rejection_rate",
    "trend_low",
    "trend_high",
    "left_one_out_low",
    "left_one_out_high",
    "n_units",
    "n_comparators",
    "seen",
    "listed",
    "known_freed",
    "doubts",
    "short",
    "long",
)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Evidence(EvidenceViews):
    """What an evaluation found.

    Attributes
    ----------
    table : DataFrame
        One row per strand, scenario, outcome and method; columns `EVIDENCE_COLUMNS`.
    effects : DataFrame
        One row per scenario, outcome and treated council: its own effect.
    dropped : DataFrame
        Councils left out of a comparison: scenario, outcome, council, role, reason.
    verdicts : tuple of Verdict
        One for each scenario and outcome.
    answers : tuple of Answer
        One for each question of the plan that was looked at; a later round's follows.
    """

    table: pd.DataFrame
    effects: pd.DataFrame
    dropped: pd.DataFrame
    verdicts: tuple[Verdict, ...] = ()
    answers: tuple[Answer, ...] = ()

    def verdict(self, scenario: str, outcome: str) -> Verdict:
        """Return the verdict of one comparison; ParameterError where there is none."""
        of = {(v.inputs.scenario, v.inputs.outcome): v for v in self.verdicts}
        choose_names("scenario", scenario, dict.fromkeys(key[0] for key in of))
        choose_names("outcome", outcome, [name for first, name in of if first == scenario])
        return of[scenario, outcome]

    def write(self, folder: str | Path) -> list[Path]:
        """Write the tables as CSV, to 10 significant digits, the same bytes every time."""
        folder = Path(folder)
        tables = {"evidence": self.table, "effects": self.effects, "dropped": self.dropped}
        if self.verdicts:
            rows = [verdict.to_row() for verdict in self.verdicts]
            tables["verdicts"] = pd.DataFrame(rows, columns=list(VERDICT_COLUMNS))
        if self.answers:
            rows = [answer.to_row() for answer in self.answers]
            tables["answers"] = pd.DataFrame(rows, columns=list(ANSWER_COLUMNS))
        written = []
        for name, table in tables.items():
            path = folder / f"{name}.csv"
            path.write_bytes(to_csv_bytes(table))
            written.append(path)
        return written


def build_evidence_table(rows: Iterable[EvidenceRow]) -> pd.DataFrame:
    """Build the evidence table from rows; a column that a row does not have is empty."""
    return pd.DataFrame([row.to_record() for row in rows], columns=list(EVIDENCE_COLUMNS))


def neutralise_formulas(table: pd.DataFrame) -> pd.DataFrame:
    """Put an apostrophe before texts that a spreadsheet would read as formulas.

    Parameters
    ----------
    table : DataFrame

    Returns
    -------
    DataFrame
        The same where no text begins with ``=``, ``+``, ``@``, a tab, or a minus before no number.

    Examples
    --------
    >>> neutralise_formulas(pd.DataFrame({"a": ["=1+1", "-2.5", "plain"]}))["a"].tolist()
    ["'=1+1", '-2.5', 'plain']
    """
    changes = {}
    for name in table.columns:
        if table[name].dtype == "object" or isinstance(table[name].dtype, pd.StringDtype):
            words = {word: write_as_text(word) for word in table[name].dropna().unique()}
            if any(word is not text and word != text for word, text in words.items()):
                changes[name] = table[name].map(words)
    return table.assign(**changes)


def to_csv_bytes(table: pd.DataFrame) -> bytes:
    """Write a table as UTF-8 CSV bytes with LF line ends and 10 significant digits.

    Parameters
    ----------
    table : DataFrame

    Returns
    -------
    bytes
    """
    table = neutralise_formulas(table)
    numbers = table.select_dtypes("float64").columns
    words = table.assign(**{name: _write_numbers(table[name].to_numpy()) for name in numbers})
    other = f"%.{SIGNIFICANT_DIGITS}g"  # of numbers in columns of mixed or other types
    return str(words.to_csv(index=False, lineterminator="\n", float_format=other)).encode("utf-8")


def _write_numbers(values: np.ndarray) -> np.ndarray:
    """Write each different number once: tables repeat them, and writing is what takes long."""
    bits, place = np.unique(values.view(np.int64), return_inverse=True)
    words = [f"{number:.{SIGNIFICANT_DIGITS}g}" for number in bits.view(np.float64).tolist()]
    return np.array(["" if word == "nan" else word for word in words], dtype=object)[place]


@once_per_run
def hash_table(table: pd.DataFrame) -> str:
    """Return the first 12 hex digits of the SHA-256 of a table's CSV."""
    return hashlib.sha256(to_csv_bytes(table)).hexdigest()[:HASH_LENGTH]
