"""How evidence shows itself: one row for each comparison, as text, chart or file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from pilot_eval.door_values import Made
from pilot_eval.doors import takes
from pilot_eval.errors import ParameterError, choose_names
from pilot_eval.result_display import ShowsTable, plot_intervals, to_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TIDY_COLUMNS = (
    "scenario",
    "outcome",
    "unit",
    "test",
    "estimate_low",
    "estimate_high",
    "conf_low",
    "conf_high",
    "p_value",
    "n_treated",
    "finding",
    "rating",
)
ENDS = ("estimate_low", "estimate_high", "conf_low", "conf_high")


class EvidenceViews(ShowsTable):
    """What `Evidence` does to show and export itself."""

    __slots__ = ()
    table: pd.DataFrame
    effects: pd.DataFrame
    dropped: pd.DataFrame
    verdicts: tuple[Any, ...]
    answers: tuple[Any, ...]

    @property
    def title(self) -> str:
        """Say how many comparisons there are."""
        n = len(self.verdicts)
        return f"Evidence on {n} comparison{'s' * (n != 1)}"

    def to_frame(self, *, tidy: bool = True) -> pd.DataFrame:
        """Return one row for each comparison, with the test that carries its verdict.

        Parameters
        ----------
        tidy : bool
            False returns the whole table instead: every method, columns `EVIDENCE_COLUMNS`.

        Returns
        -------
        DataFrame
            Columns `TIDY_COLUMNS`. Effects are in `unit`; `estimate_low` and `estimate_high`
            differ where hidden counts can move the effect. `n_treated` counts councils.
        """
        if not tidy:
            return self.table.copy()
        of = {"n_treated": "seen"}
        rows = [
            [getattr(v, name, getattr(v.inputs, of.get(name, name), None)) for name in TIDY_COLUMNS]
            for v in self.verdicts
        ]
        return pd.DataFrame(rows, columns=list(TIDY_COLUMNS))

    def summary(self) -> str:
        """Return the answers to the plan's questions, then the comparisons, as text."""
        said = [
            f"{answer.verdict.inputs.group if answer.is_later_round else answer.question} "
            f"{answer.short}"
            for answer in self.answers
        ]
        return "\n\n".join([*said, to_text(self.to_frame())])

    def plot(self) -> Figure:
        """Plot every comparison's effect with its interval, one panel for each unit.

        Returns
        -------
        matplotlib.figure.Figure
        """
        frame = self.to_frame().dropna(subset=["estimate_low"])
        return plot_intervals(
            frame.assign(label=frame["outcome"] + ", " + frame["scenario"]),
            label="label",
            panel="unit",
            columns=ENDS,
            title="Effects with intervals",
        )

    def _tables(self) -> dict[str, pd.DataFrame]:
        return {
            "comparisons": self.to_frame(),
            "evidence": self.table,
            "effects": self.effects,
            "dropped": self.dropped,
        }


@takes(ParameterError, evidence=Made(EvidenceViews, "evaluate"))
def plot_councils(evidence: EvidenceViews, outcome: str | None = None) -> Figure:
    """Plot each treated council's own effect with its interval.

    Parameters
    ----------
    evidence : Evidence
    outcome : str, optional
        Default: every outcome of the evidence, one panel each.

    Returns
    -------
    matplotlib.figure.Figure
        A panel for each scenario and outcome; a thick bar where hidden counts move an effect.

    Raises
    ------
    ParameterError
        If the evidence has no effects of councils for that outcome.

    Examples
    --------
    >>> import pilot_eval as pe
    >>> family = pe.load_plan().family
    >>> evidence = pe.evaluate(
    ...     scenarios=family.primary_scenario, outcomes=family.primary_outcomes[-1]
    ... )
    >>> len(pe.plot_councils(evidence).axes)
    1
    """
    effects = evidence.effects.dropna(subset=["effect_low"])
    chosen = choose_names("outcome", outcome, effects["outcome"].unique())
    effects = effects[effects["outcome"].isin(chosen)]
    return plot_intervals(
        effects.assign(panel=effects["outcome"] + ", " + effects["scenario"]),
        label="council_name",
        panel="panel",
        columns=("effect_low", "effect_high", "conf_low", "conf_high"),
        title="Effects by council",
    )
