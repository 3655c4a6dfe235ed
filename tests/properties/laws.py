"""What must not change an answer, and how what must change it does; and where that does not apply.

Each law turns a world into another one and compares the two answers of a function, field by field.
Fields in the outcome's unit and fields without one are known by name (`UNIT`, `NO_UNIT`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from subjects import START, Subject, World, flatten

from pilot_eval.doors import Flags, Kind, Number, Numbers, OneOf, Seed, Starts, Whole
from pilot_eval.errors import PilotEvalError

UNIT = re.compile(
    r"(^|\.)(att|estimate|estimates|overall|std_error|conf_low|conf_high|att_gt|change|changes"
    r"|placebos|pre_rmse|effects)$|^$"
)
NO_UNIT = re.compile(
    r"(^|\.)(p_value|romano_wolf|benjamini_hochberg|df|z|cusum|n_\w+|weight|unit_weights"
    r"|time_weights|period_factor|p_anytime)$"
)
POINT = re.compile(r"(^|\.)(att|estimate|overall|estimates|att_gt)$|^$")
EFFECT = 4.2
PLACES = re.compile(r"(^|\.)(unit|cohort)$")
"""Fields that give units by their place."""
TOLERANCE = 1e-6
"""Of a spread, or of a p-value: what equivariance has to hold to."""

Answer = Mapping[str, np.ndarray]
Law = Callable[[Subject, World, Answer, np.random.Generator], None]


WITHOUT_UNIT = {
    "checks.sensitivity.breakdown_value",
    "estimation.estimator_comparison.weight_on_already_treated",
    "records.survival_curves.survival_at",
    "records.pseudo_observations.pseudo_survival",
}
"""Functions whose bare number is a share or a multiple."""


def find_power(subject: Subject, field: str) -> int | None:
    """Give 1 for a field in the outcome's unit, 0 for one without, None where not known."""
    if field == "" and subject.name in WITHOUT_UNIT:
        return 0
    return 1 if UNIT.search(field) else 0 if NO_UNIT.search(field) else None


def same(
    base: Answer,
    other: Answer,
    fields: re.Pattern[str] | None = None,
    *,
    factor: float = 1.0,
    size: float = 1.0,
    mixed: bool = False,
) -> None:
    """Compare fields: other = factor x base, to a millionth of `size` or of the value."""
    wanted = [name for name in base if fields is None or fields.search(name)]
    wanted = [name for name in wanted if not PLACES.search(name)]
    for name in wanted:
        assert name in other, f"{name} is missing"
        one, two = factor * base[name].ravel(), other[name].ravel()
        assert one.shape == two.shape, f"{name}: shapes {one.shape} and {two.shape}"
        if mixed:
            one, two = np.sort(one), np.sort(two)
        assert (np.isnan(one) == np.isnan(two)).all(), f"{name}: missing here, not there"
        finite = np.isfinite(one) & np.isfinite(two)
        assert (finite | (one == two) | np.isnan(one)).all(), f"{name}: infinite here, not there"
        gap = np.abs(one[finite] - two[finite])
        limit = TOLERANCE * (size + np.abs(one[finite]))
        assert (gap <= limit).all(), f"{name}: {gap.max():.3g} apart, {limit.max():.3g} allowed"


def permute(subject: Subject, world: World, base: Answer, rng: np.random.Generator) -> None:
    """Units in another order: the same numbers."""
    other = subject.call(world.take(rng.permutation(len(world.names))))
    same(base, other, mixed=True)


def mix_labels(subject: Subject, world: World, base: Answer, rng: np.random.Generator) -> None:
    """Each labelled argument in an order of its own: the same answer, or a refusal."""
    given = subject.arguments(replace(world, labelled=True))
    for name, value in given.items():
        if isinstance(value, (pd.Series, pd.DataFrame)):
            columns = isinstance(value, pd.DataFrame) and value.columns.equals(world.names)
            order = rng.permutation(len(world.names))
            given[name] = value.iloc[:, order] if columns else value.iloc[order]
    try:
        answer = subject.answer(given)
    except PilotEvalError:
        return
    same(base, answer, mixed=True)


def relabel(subject: Subject, world: World, base: Answer, rng: np.random.Generator) -> None:
    """Other labels, and other kinds of index: the same answer."""
    n = len(world.names)
    kinds = (
        pd.Index(rng.permutation(n)),
        pd.Index([f"council {k}" for k in rng.permutation(n)], dtype="string"),
        pd.CategoricalIndex([f"c{k}" for k in rng.permutation(n)]),
        pd.MultiIndex.from_arrays([np.arange(n) // 5, np.arange(n) % 5]),
        pd.date_range("2012-01-01", periods=n),
        pd.Index(rng.permutation(n) / 2),
    )
    names = kinds[rng.integers(len(kinds))]
    same(base, subject.call(replace(world, labelled=True, names=names)))


def retype(subject: Subject, world: World, base: Answer, rng: np.random.Generator) -> None:
    """The same numbers in another dtype, or as a list: the same answer."""

    def convert(array: np.ndarray) -> Any:
        flat = array.ndim == 1
        flag = array.dtype.kind == "b"
        to = {
            "object": array.astype(object),
            "list": array.tolist(),
            "nullable": pd.array(array, dtype="boolean" if flag else "Float64") if flat else array,
            "arrow": pd.array(array, dtype="bool[pyarrow]" if flag else "double[pyarrow]")
            if flat
            else array,
            "categorical": pd.Categorical(array) if flat else array,
            "numbers for flags": array.astype(int) if flag else array,
        }
        return to[kind]

    kind = str(
        rng.choice(["object", "list", "nullable", "arrow", "categorical", "numbers for flags"])
    )
    labelled = bool(rng.random() < 0.5)
    same(base, subject.call(replace(world, convert=convert, labelled=labelled)))


def rescale(subject: Subject, world: World, base: Answer, rng: np.random.Generator) -> None:
    """Outcomes in another unit, 1e-9 to 1e9: estimates in that unit, p-values the same."""
    factor = 10.0 ** rng.integers(-9, 10)
    other = subject.call(replace(world, panel=factor * world.panel, scale=factor))
    for name in base:
        power = find_power(subject, name)
        if power is not None:
            same({name: base[name]}, other, factor=factor**power, size=factor**power)


def shift(subject: Subject, world: World, base: Answer, rng: np.random.Generator) -> None:
    """A constant of a billion spreads added to every outcome: the same estimates."""
    constant = 10.0 ** rng.integers(0, 10) * rng.choice([-1, 1])
    # What rounding of the outcomes themselves leaves: 2e-16 of the constant.
    size = 1 + 1e-9 * abs(constant)
    other = subject.call(replace(world, panel=world.panel + constant))
    same(base, other, UNIT, size=size)
    same(base, other, NO_UNIT, size=size)


def add_unit_effects(
    subject: Subject, world: World, base: Answer, rng: np.random.Generator
) -> None:
    """A constant of its own added to every unit: the same estimates."""
    effects = rng.normal(0, 100, (len(world.names), 1))
    other = subject.call(replace(world, panel=world.panel + effects))
    same(base, other, UNIT)
    same(base, other, NO_UNIT)


def add_period_effects(
    subject: Subject, world: World, base: Answer, rng: np.random.Generator
) -> None:
    """A constant added to every period: the same estimates."""
    effects = rng.normal(0, 100, world.panel.shape[1])
    other = subject.call(replace(world, panel=world.panel + effects))
    points = re.compile(UNIT.pattern.replace("|change|changes", "").replace("|placebos", ""))
    same(base, other, points)
    same(base, other, NO_UNIT)


def duplicate(subject: Subject, world: World, base: Answer, rng: np.random.Generator) -> None:
    """Every unit twice: the same point estimates; a label twice is refused."""
    n = len(world.names)
    twice = world.take(np.tile(np.arange(n), 2))
    renamed = replace(twice, names=pd.Index([f"E{k}" for k in range(2 * n)]))
    other = subject.call(renamed)
    points = {name: value for name, value in base.items() if POINT.search(name)}
    if all(other[name].shape == value.shape for name, value in points.items()):
        same(points, other)
    try:
        subject.call(replace(twice, labelled=True))
    except PilotEvalError:
        return
    raise AssertionError("a label that comes twice is believed")


def reverse(subject: Subject, world: World, base: Answer, rng: np.random.Generator) -> None:
    """Outcomes with the other sign: estimates and intervals too, p-values the same."""
    other = subject.call(replace(world, panel=-world.panel, sign=-1.0))
    same({name: base[name] for name in base if find_power(subject, name) == 0}, other)
    swap = {"conf_low": "conf_high", "conf_high": "conf_low"}
    for name, value in base.items():
        if find_power(subject, name) == 1:
            stem, _, last = name.rpartition(".")
            twin = f"{stem}.{swap.get(last, last)}" if last in swap else name
            sign = 1 if last in ("std_error", "pre_rmse") else -1
            same({name: value}, {name: other[twin]}, factor=sign)


def lose(subject: Subject, world: World, base: Answer, rng: np.random.Generator) -> None:
    """A comparator without any figure: refused, or as if it were left out."""
    gone = rng.choice(np.flatnonzero(~world.treated))
    panel = world.panel.copy()
    panel[gone] = np.nan
    try:
        other = subject.call(replace(world, panel=panel))
    except PilotEvalError:
        return
    left = subject.call(world.take(np.delete(np.arange(len(world.names)), gone)))
    for name, value in left.items():
        if POINT.search(name) and other[name].shape == value.shape:
            known = np.isfinite(other[name])
            same({name: value[known]}, {name: other[name][known]})


def rename_periods(subject: Subject, world: World, base: Answer, rng: np.random.Generator) -> None:
    """Periods from another one on: the same; dates and words the same or refused; gaps refused."""
    first = int(rng.integers(1, 3000))
    moved = subject.arguments(replace(world, first_period=first))
    n = world.panel.shape[1]
    other = subject.answer(moved | {"periods": np.arange(first, first + n)})
    same(base, other, UNIT)
    gap = first + np.arange(n) + (np.arange(n) > START // 2)
    try:
        subject.answer(moved | {"periods": gap})
    except PilotEvalError:
        pass
    else:
        raise AssertionError("years with a gap are counted as if there were none")
    days = pd.date_range("2010-01-01", periods=n, freq="MS")
    for periods in (days, days.to_period("M"), days.astype(str), list(days)):
        given = subject.arguments(world)
        start = [periods[START] if flag else None for flag in world.treated]
        for name in ("first_treated", "starts"):
            given |= {name: start} if name in given else {}
        try:
            answer = subject.answer(given | {"periods": periods})
        except PilotEvalError:
            continue
        late = world.late.any()
        assert not late or answer, "dates are read as numbers"


def refuse_wrong(subject: Subject, world: World, base: Answer, rng: np.random.Generator) -> None:
    """What breaks the rule of an argument is refused: missing flags, text, limits, words."""
    given = subject.arguments(replace(world, labelled=False))
    for name, kind in subject.kinds.items():
        if name not in subject.parameters:
            continue
        for wrong in _wrong(kind, given.get(name), rng):
            try:
                subject.answer(given | {name: wrong})
            except PilotEvalError:
                continue
            raise AssertionError(f"{name}: {wrong!r:.60} is believed")


def _wrong(kind: Kind, value: Any, rng: np.random.Generator) -> list[Any]:
    if isinstance(kind, Whole):
        return [kind.least - 1, 2.5, "3", True]
    if isinstance(kind, Number):
        ends = [end for end in (kind.low - 1, kind.high + 1) if np.isfinite(end)]
        return [*ends, np.nan, "0.1"]
    if isinstance(kind, OneOf):
        return ["other"]
    if isinstance(kind, Seed):
        return [-1, "x"]
    if not isinstance(value, np.ndarray):
        return []
    if isinstance(kind, Flags):
        return [_put(value, None, rng), _put(value, "no", rng), value[:-1]]
    if isinstance(kind, Starts):
        return [_put(value, -np.inf, rng), value.astype(str)]
    if not isinstance(kind, Numbers):
        return [_put(value, None, rng)]
    found = [value.astype(str), value.astype("timedelta64[s]"), _put(value, "2009-10", rng)]
    found += [] if kind.missing else [_put(value, None, rng), _put(value, np.nan, rng)]
    limited = kind.least is not None or kind.above is not None
    return [*found, -1 - np.abs(value)] if limited else found


def _put(array: np.ndarray, item: object, rng: np.random.Generator) -> np.ndarray:
    spoilt = array.astype(object)
    spoilt.flat[rng.integers(spoilt.size)] = item
    return spoilt


def fill_holes(subject: Subject, world: World, base: Answer, rng: np.random.Generator) -> None:
    """Unit and period effects and one effect, a tenth of the cells missing: that effect."""
    names = [n for n in ("outcomes", "panel", "values") if n in subject.parameters]
    if not names or not getattr(subject.kinds[names[0]], "missing", False):
        return
    n, periods = world.panel.shape
    start = np.where(world.treated, START + world.late, periods)
    if "treated" in subject.parameters:
        start = np.where(world.treated, START, periods)
    after = np.arange(periods) >= start[:, None]
    panel = rng.normal(50, 9, (n, 1)) + rng.normal(0, 9, periods) + EFFECT * after
    panel[rng.random(panel.shape) < 0.1] = np.nan
    given = subject.arguments(replace(world, full=False)) | {names[0]: panel}
    try:
        answer = subject.function(**given)
    except PilotEvalError:
        return
    for name, value in flatten(answer):
        if re.search(r"(^|\.)(att|estimate|overall)$|^$", name):
            known = value[np.isfinite(value)]
            same({name: np.full(known.shape, EFFECT)}, {name: known})
    change = getattr(answer, "change", getattr(answer, "changes", None))
    if "treated" in subject.parameters and isinstance(change, np.ndarray) and change.ndim == 1:
        seen = np.isfinite(change)
        means = [change[seen & rows].mean() for rows in (world.treated, ~world.treated)]
        same({"effect": np.array([EFFECT])}, {"effect": np.array([means[0] - means[1]])})


def add_never_at_risk(
    subject: Subject, world: World, base: Answer, rng: np.random.Generator
) -> None:
    """Cases that end as they enter are never at risk: each has the whole sample's figure."""
    if "entry" not in subject.parameters:
        return
    given = subject.arguments(replace(world, labelled=False))
    more = {
        "duration": rng.integers(1, 30, 5) * 1.0,
        "observed": np.ones(5, dtype=bool),
        "group": np.zeros(5),
    }
    entry = np.append(np.zeros(len(given["duration"])), more["duration"])
    longer = {name: np.append(given[name], part) for name, part in more.items() if name in given}
    other = subject.answer(given | longer | {"entry": entry})
    if other.get("", np.empty(0)).shape[:1] == entry.shape:
        extra = other[""][-5:].reshape(5, -1)
        same({"": np.broadcast_to(extra[0], extra.shape)}, {"": extra})


LAWS: Mapping[str, Law] = {
    "permute": permute,
    "mix labels": mix_labels,
    "relabel": relabel,
    "retype": retype,
    "rescale": rescale,
    "shift": shift,
    "unit effects": add_unit_effects,
    "period effects": add_period_effects,
    "duplicate": duplicate,
    "reverse": reverse,
    "lose": lose,
    "rename periods": rename_periods,
    "refuse": refuse_wrong,
    "holes": fill_holes,
    "never at risk": add_never_at_risk,
}


SHARES = "counts and cases: a share of children has no other unit, sign or additive effect"
NO_UNITS = "takes no units, and numbers without a unit"
DAYS = "days have no sign, and several cases share the label of a council"
LEVELS = "adjusts for the level before the start, which unit effects move"
DRAWN = "draws at random units by place, as documented; another order is another draw"
RIDGE = "the ridge grows with the number of treated units and with first differences over time"
MADE = "takes an object that was made of labelled input: that function has this law"
ONE_SIDED = "a size without a sign"
FLAT = (
    "takes changes, of which a constant in the outcomes leaves only rounding; where power rises"
    " slowly rounding moves the effect that reaches it (2e-4 of a spread in 2 of 5,000 worlds)"
)
SIMULATED = "critical values are simulated with a seed, so mirrored draws differ a little"

NOT_APPLIED: tuple[tuple[str, tuple[str, ...], str], ...] = (
    # function or module, laws that do not apply, reason; a function in no row has all laws
    ("monitoring.cusum", ("rescale", "shift", "unit effects", "period effects", "reverse"), SHARES),
    (
        "monitoring.funnel",
        ("rescale", "shift", "unit effects", "period effects", "reverse"),
        SHARES,
    ),
    ("monitoring.trial", ("rescale", "shift", "unit effects", "period effects", "reverse"), SHARES),
    (
        "inference.pooled_counts",
        ("rescale", "shift", "unit effects", "period effects", "reverse"),
        SHARES,
    ),
    ("monitoring.sequential", ("permute", "duplicate", "rescale", "reverse"), NO_UNITS),
    ("monitoring.trial.information_fractions", ("duplicate",), NO_UNITS),
    ("inference.multiplicity.romano_wolf", ("duplicate", "rescale", "reverse"), NO_UNITS),
    ("inference.multiplicity.benjamini_hochberg", ("duplicate", "rescale", "reverse"), NO_UNITS),
    ("estimation.bunching", ("duplicate",), NO_UNITS),
    ("records", ("duplicate", "reverse"), DAYS),
    ("inference.adjusted", ("unit effects", "duplicate"), LEVELS),
    (
        "estimation.event_study.change_covariance",
        ("rescale", "reverse", "duplicate"),
        "gives squares of the unit",
    ),
    ("estimation.synthetic_control", ("unit effects",), "matches levels, which unit effects move"),
    ("estimation.synthetic_did", ("period effects", "duplicate"), RIDGE),
    (
        "estimation.estimator_comparison.compare_staggered_estimators",
        ("period effects", "duplicate"),
        "one of the estimators is synthetic DiD: " + RIDGE,
    ),
    ("estimation.synthetic_did.placebo_synthetic_did", ("permute", "mix labels"), DRAWN),
    ("inference.adaptive.adaptive_test", ("permute", "mix labels", "reverse"), DRAWN),
    ("inference.dose.dose_test", ("permute", "mix labels"), DRAWN),
    ("inference.pooled_counts.pooled_counts_test", ("permute", "mix labels"), DRAWN),
    ("inference.staggered.staggered_test", ("permute", "mix labels"), DRAWN),
    ("inference.staggered.path_batch", ("mix labels",), "an array of three axes has no labels"),
    ("checks.sensitivity.breakdown_value", ("period effects",), "bound_trends has this law"),
    ("inference.multiplicity.family_test", ("permute",), DRAWN),
    ("inference.wild_bootstrap.wild_bootstrap_test", ("permute", "mix labels"), DRAWN),
    ("inference.resampling.resampling_test", ("permute", "mix labels"), DRAWN),
    ("inference.power", ("permute", "mix labels"), DRAWN),
    ("inference.power", ("reverse", "duplicate"), ONE_SIDED),
    ("inference.power", ("shift",), FLAT),
    ("checks.sensitivity", ("mix labels", "relabel", "retype", "duplicate", "permute"), MADE),
    ("checks.sensitivity", ("shift", "unit effects", "lose"), MADE),
    ("checks.sensitivity", ("reverse",), SIMULATED),
)


def find_reason(name: str, law: str) -> str:
    """Find why a law does not apply to a function; empty where it does."""
    for part, laws, reason in NOT_APPLIED:
        if law in laws and (name == part or name.startswith(f"{part}.")):
            return reason
    return ""
