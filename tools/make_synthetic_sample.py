"""Write the committed sample of simulated returns to ``data/synthetic``.

Three councils, the year ending 31 March 2012, about a twentieth of their real size: enough to try
every reader. Knowsley is freed from the limits of initial and core assessments from March 2011.

    python tools/make_synthetic_sample.py
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

from pilot_eval.lab.simulate import simulate_census
from pilot_eval.lab.simulate_settings import (
    Effects,
    Exemption,
    FaultRates,
    SimulationSettings,
)
from pilot_eval.records.writers import write_census

ROOT = Path(__file__).resolve().parents[1]
SEED = 20110301
GATESHEAD, KNOWSLEY, ROCHDALE = "E08000020", "E08000011", "E08000005"
SETTINGS = SimulationSettings(
    councils=(GATESHEAD, KNOWSLEY, ROCHDALE),
    first_year=2012,
    last_year=2012,
    scale=0.05,
    exemptions=(Exemption(council_code=KNOWSLEY, start=date(2011, 3, 1)),),
    effects=Effects(pull=0.8, delay=0.2, rereferral=0.03, repeat_plan=0.02),
    faults=FaultRates(
        end_before_start=0.01,
        closed_before_assessed=0.01,
        conference_at_weekend=0.05,
        duplicated_child=0.01,
        missing_birth_date=0.01,
        plan_not_at_conference=0.05,
        unknown_need=0.01,
    ),
)


def main(target: Path = ROOT / "data" / "synthetic") -> None:
    """Write the sample as XML and as CSV."""
    tables, _ = simulate_census(SETTINGS, seed=SEED)
    for kind in ("xml", "csv"):
        write_census(tables, target / kind, format=kind, years=[2012], root=ROOT)


if __name__ == "__main__":
    main()
