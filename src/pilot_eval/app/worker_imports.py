"""Import what workers use, in the process that they are copies of (see `notebooks.worker_pool`).

Their kernels are copies of them in turn (`forked_kernels`).
"""

import gc

from pilot_eval.app.grammars import defer_grammars

defer_grammars()

import papermill.execute  # noqa: E402

import pilot_eval.app.kernel_imports  # noqa: E402
import pilot_eval.app.results  # noqa: E402
import pilot_eval.checks.long_run  # noqa: E402
import pilot_eval.checks.specification_grid  # noqa: E402
import pilot_eval.disclosure.release_evidence  # noqa: E402
import pilot_eval.reporting.answers_file  # noqa: E402
import pilot_eval.reporting.ees  # noqa: E402
import pilot_eval.reporting.explorer  # noqa: E402
import pilot_eval.reporting.workbook  # noqa: E402

__all__ = ["papermill", "pilot_eval"]

gc.collect()
gc.freeze()  # copies neither look through what was imported for garbage nor, to do so, copy it
