"""Covariates of a long table, named by a formula."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pilot_eval.errors import DataError, choose_names, explain

ACTION = "Give every row a value of every covariate, and name columns of the table."


def read_covariates(data: pd.DataFrame, formula: str | None) -> tuple[np.ndarray, tuple[str, ...]]:
    """Evaluate a formula of covariates on the rows of a table.

    Parameters
    ----------
    data : DataFrame
    formula : str, optional
        Of `formulaic`, such as ``"income + C(region)"``; only columns of the table are seen.

    Returns
    -------
    values : ndarray, shape (n_rows, k)
        Without an intercept; k is 0 without a formula.
    names : tuple of str

    Raises
    ------
    ParameterError
        If the formula names no column of the table; it says which was probably meant.
    DataError
        If the formula cannot be read, or a covariate is missing or infinite.

    Examples
    --------
    >>> read_covariates(pd.DataFrame({"x": [1, 2]}), "np.square(x)")[0].ravel().tolist()
    [1.0, 4.0]
    """
    if formula is None:
        return np.empty((len(data), 0)), ()
    from formulaic import Formula
    from formulaic.errors import FormulaicError

    try:
        said = Formula(formula)
        choose_names("covariates", sorted(map(str, said.required_variables)), data.columns)
    except (FormulaicError, ValueError, SyntaxError) as fault:
        raise _refuse(fault) from fault
    named = [isinstance(name, str) for name in data.columns]
    used = data.loc[:, np.array(named) & ~data.columns.duplicated()]
    texts = used.select_dtypes("string").columns
    try:
        matrix = said.get_model_matrix(
            used.astype(dict.fromkeys(texts, object)), context={}, na_action="raise"
        )
        matrix = matrix[[name for name in matrix.columns if name != "Intercept"]]
        values = matrix.to_numpy(float)
    except (FormulaicError, ValueError, TypeError, AttributeError, SyntaxError) as fault:
        raise _refuse(fault) from fault
    if not np.isfinite(values).all():
        raise _refuse(ValueError("an infinite value"))
    return values, tuple(map(str, matrix.columns))


def _refuse(fault: Exception) -> DataError:
    said = (str(fault).splitlines() or [""])[0]
    return DataError(explain("covariates", "be a formula of complete columns", said, ACTION))
