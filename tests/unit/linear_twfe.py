"""Two-way fixed effects by linearmodels, to compare with."""

from __future__ import annotations

import numpy as np
import pandas as pd
from linearmodels.panel import PanelOLS


def estimate_by_linearmodels(values: np.ndarray, treated: np.ndarray, n_pre: int) -> float:
    """Estimate the coefficient of treatment, missing cells left out."""
    exposed = np.asarray(treated)[:, None] & (np.arange(values.shape[1]) >= n_pre)
    long = pd.DataFrame(
        {"outcome": np.ravel(values), "exposed": exposed.ravel().astype(float)},
        index=pd.MultiIndex.from_product([range(size) for size in values.shape]),
    ).dropna()
    model = PanelOLS(long["outcome"], long[["exposed"]], entity_effects=True, time_effects=True)
    return float(model.fit(cov_type="unadjusted").params["exposed"])
