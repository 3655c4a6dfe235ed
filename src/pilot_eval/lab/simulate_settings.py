"""What can be asked of the simulator: councils, years, exemptions, effects, faults."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from datetime import date
from typing import Literal, get_args

from pilot_eval.errors import ParameterError, explain

Clock = Literal["initial", "core", "conference"]
CLOCKS: tuple[Clock, ...] = get_args(Clock)
FIRST_YEAR, LAST_YEAR = 2009, 2014


@dataclass(frozen=True, slots=True, kw_only=True)
class Exemption:
    """A council freed from the limits of some clocks, from a date.

    Parameters
    ----------
    council_code : str
        ONS code of the council, as in ``data/reference/councils.csv``.
    start : datetime.date
        First day; the exemption covers what starts on or after it.
    end : datetime.date, optional
        Last day; none if left out.
    clocks : tuple of {"initial", "core", "conference"}
        Clocks whose limit is set aside.
    coverage : float
        Share of the council's cases that are covered, above 0 and up to 1.
    """

    council_code: str
    start: date
    end: date | None = None
    clocks: tuple[Clock, ...] = ("initial", "core")
    coverage: float = 1.0

    def __post_init__(self) -> None:
        if not self.clocks or set(self.clocks) - set(CLOCKS):
            raise ParameterError(
                explain("clocks", f"be among {CLOCKS}", self.clocks, "Name at least one clock.")
            )
        if self.end is not None and self.end < self.start:
            raise ParameterError(
                explain("end", f"be {self.start} or later", self.end, "Swap the two dates.")
            )
        if not 0 < self.coverage <= 1:
            raise ParameterError(
                explain("coverage", "lie above 0 and up to 1", self.coverage, "Give a share.")
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """What an exemption does; all zero, it does nothing.

    Parameters
    ----------
    pull : float
        Share of the limit's pull that is taken away, 0 to 1.
    delay : float
        Change of the time until a case is ready, as a share: 0.2 is a fifth longer.
    rereferral : float
        Change of the probability that a referral is followed by another within 12 months,
        0.05 is five percentage points.
    repeat_plan : float
        Change of the probability that a new plan is a second or later one.
    council_sd : float
        Standard deviation, between councils, of the factor (mean 1) that scales all effects.
    """

    pull: float = 0.0
    delay: float = 0.0
    rereferral: float = 0.0
    repeat_plan: float = 0.0
    council_sd: float = 0.0

    def __post_init__(self) -> None:
        _check_range(self, ("pull",), 0, 1)
        _check_range(self, ("delay",), -0.9, 10)
        _check_range(self, ("rereferral", "repeat_plan"), -1, 1)
        _check_range(self, ("council_sd",), 0, 5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """How well the councils record when an assessment or conference was done.

    Parameters
    ----------
    late : float
        Share of end dates written down later than the event, and dated by the writing.
    late_days : float
        Mean lateness of those, working days.
    missing : float
        Share of end dates never written down.
    """

    late: float = 0.03
    late_days: float = 5.0
    missing: float = 0.005

    def __post_init__(self) -> None:
        _check_range(self, ("late", "missing"), 0, 1)
        _check_range(self, ("late_days",), 1, 250)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRates:
    """Shares of the rows concerned that are spoilt, each 0 to 1; all zero by default.

    Parameters
    ----------
    duplicated_child, missing_birth_date, unknown_ethnicity : float
        Of children.
    unknown_need, referral_after_cut, closed_before_assessed : float
        Of referrals: an unknown code; a date after the data cut; a closure before an assessment
        ended (of referrals with an assessment).
    overlapping_episodes : float
        Of referrals followed by another of the same child: closed after that one started.
    end_before_start, assessed_before_referral, two_assessments : float
        Of assessments.
    conference_at_weekend, plan_without_conference : float
        Of conferences; of plans.
    plan_not_at_conference, two_plans : float
        Of plans.
    """

    duplicated_child: float = 0.0
    missing_birth_date: float = 0.0
    unknown_ethnicity: float = 0.0
    unknown_need: float = 0.0
    referral_after_cut: float = 0.0
    closed_before_assessed: float = 0.0
    overlapping_episodes: float = 0.0
    end_before_start: float = 0.0
    assessed_before_referral: float = 0.0
    two_assessments: float = 0.0
    conference_at_weekend: float = 0.0
    plan_without_conference: float = 0.0
    plan_not_at_conference: float = 0.0
    two_plans: float = 0.0

    def __post_init__(self) -> None:
        _check_range(self, tuple(f.name for f in fields(self)), 0, 1)

    def any(self) -> bool:
        """Say whether any fault is asked for."""
        return any(getattr(self, f.name) for f in fields(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationSettings:
    """What is simulated.

    Parameters
    ----------
    councils : tuple of str
        ONS codes; all 152 councils if empty.
    first_year, last_year : int
        Years ending 31 March, 2009 to 2014, both included.
    scale : float
        Factor on the number of referrals of every council; small values make small tests.
    exemptions : tuple of Exemption
        At most one for a council.
    effects : Effects
    recording : Recording
    faults : FaultRates
    data_cut : datetime.date, optional
        Day up to which events are known; 31 March of `last_year` if left out.
    council_noise : float
        Factor on the calibrated spread between councils and years of the same council.
    single_assessments : bool
        Councils turn to single assessments from 2013-04-15 in the calibrated proportion.
    burn_in_years : int
        Years simulated before the first, so that earlier referrals and plans exist.
    """

    councils: tuple[str, ...] = ()
    first_year: int = 2010
    last_year: int = 2013
    scale: float = 1.0
    exemptions: tuple[Exemption, ...] = ()
    effects: Effects = field(default_factory=Effects)
    recording: Recording = field(default_factory=Recording)
    faults: FaultRates = field(default_factory=FaultRates)
    data_cut: date | None = None
    council_noise: float = 1.0
    single_assessments: bool = True
    burn_in_years: int = 2

    def __post_init__(self) -> None:
        _check_range(self, ("first_year", "last_year"), FIRST_YEAR, LAST_YEAR)
        _check_range(self, ("council_noise",), 0, 10)
        _check_range(self, ("burn_in_years",), 1, 5)
        if self.last_year < self.first_year:
            raise ParameterError(
                explain("last_year", f"be {self.first_year} or later", self.last_year, "Swap.")
            )
        if not 0 < self.scale <= 1000:
            raise ParameterError(
                explain("scale", "lie above 0 and up to 1000", self.scale, "1 is the real size.")
            )
        _check_unique("councils", self.councils)
        _check_unique("exemptions", [e.council_code for e in self.exemptions])
        self._check_exempt_councils()
        self._check_cut()

    @property
    def cut(self) -> date:
        """The data cut in force."""
        return self.data_cut or date(self.last_year, 3, 31)

    @property
    def window_start(self) -> date:
        """First day of the first year asked for."""
        return date(self.first_year - 1, 4, 1)

    def _check_exempt_councils(self) -> None:
        strangers = {e.council_code for e in self.exemptions} - set(self.councils)
        if self.councils and strangers:
            raise ParameterError(
                explain(
                    "exemptions",
                    "name simulated councils only",
                    sorted(strangers),
                    "Add them to `councils`, or leave the exemptions out.",
                )
            )

    def _check_cut(self) -> None:
        if not self.window_start < self.cut <= date(self.last_year, 3, 31):
            raise ParameterError(
                explain(
                    "data_cut",
                    f"lie after {self.window_start} and not after {self.last_year}-03-31",
                    self.cut,
                    "Ask for later years, or an earlier cut.",
                )
            )


def _check_range(settings: object, names: tuple[str, ...], low: float, high: float) -> None:
    """Refuse values outside low..high, NaN among them."""
    for name in names:
        value = getattr(settings, name)
        if not low <= value <= high:
            raise ParameterError(
                explain(name, f"lie between {low} and {high}", value, "Change the setting.")
            )


def _check_unique(name: str, values: Iterable[str]) -> None:
    """Refuse a list that names a council twice."""
    values = list(values)
    if len(values) != len(set(values)):
        raise ParameterError(
            explain(name, "name each council once", f"{len(values)} entries", "Remove repeats.")
        )
