"""Spark as the place where councils' parts are computed: the same seam as processes and dask."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pilot_eval.errors import RunError, explain

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import SparkSession

TASKS = "number long, task binary"
RESULTS = "number long, result binary"
NO_PANDAS = "PySpark does not yet fully support pandas"
"""What Spark warns of whenever pandas 3 is there; none of its tables is handed to Spark."""


class SparkExecutor(Executor):
    """Map a function over parts on Spark's workers, which see the same files and packages.

    Only `map` is there, which is what is used. Results are in the order of the parts, whatever
    worker had them; an error of a part is raised here.
    """

    def __init__(self, session: SparkSession) -> None:
        self._session = session

    def map(
        self,
        fn: Callable[..., Any],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        **_: Any,
    ) -> Iterator[Any]:
        """Compute all parts and give their results in order."""
        tasks = [
            (number, pickle.dumps((fn, part)))
            for number, part in enumerate(zip(*iterables, strict=True))
        ]
        if not tasks:
            return iter(())
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", NO_PANDAS, FutureWarning)
            frame = self._session.createDataFrame(tasks, TASKS)
            spread = frame.repartitionByRange(len(tasks), "number")
            rows = spread.mapInArrow(work_on_tasks, RESULTS).collect()
        results = {row["number"]: pickle.loads(row["result"]) for row in rows}
        return (_open(results[number]) for number, _ in tasks)


def work_on_tasks(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Compute the tasks of a partition; runs on a worker.

    Parameters
    ----------
    batches : iterator of RecordBatch
        Columns `number` and `task`, a pickled function with its arguments. Arrow and not pandas,
        whose version 3 Spark does not support in full.

    Yields
    ------
    RecordBatch
        Columns `number` and `result`, pickled: whether it went well, and the result or the error.
    """
    import pyarrow as pa

    for batch in batches:
        for row in batch.to_pylist():
            function, arguments = pickle.loads(row["task"])
            try:
                answer = True, function(*arguments)
            except Exception as error:
                answer = False, error
            result = {"number": [row["number"]], "result": [pickle.dumps(answer)]}
            yield pa.RecordBatch.from_pydict(result)


def _open(answer: tuple[bool, Any]) -> Any:
    went_well, result = answer
    if not went_well:
        raise result
    return result


@contextmanager
def open_spark(master: str = "") -> Iterator[SparkExecutor]:
    """Open Spark: the session that is there, as on Databricks, or one on a master.

    Parameters
    ----------
    master : str
        Address of a master, as spark://host:7077; empty for the session that is there or that the
        environment defines. A session that was opened here is stopped at the end.

    Yields
    ------
    SparkExecutor

    Raises
    ------
    RunError
        If the extra `spark` is not installed or Spark cannot be started.
    """
    try:
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession
    except ImportError:
        action = 'Install it: pip install "pilot-eval[spark]".'
        raise RunError(explain("--engine", "have Spark installed", "no pyspark", action)) from None
    there = SparkSession.getActiveSession()
    builder = SparkSession.builder.appName("pilot_eval")
    builder = builder.config("spark.ui.showConsoleProgress", "false")
    builder = builder.config("spark.log.level", "ERROR")
    try:
        session = there or (builder.master(master) if master else builder).getOrCreate()
    except (PySparkException, RuntimeError) as fault:
        action = "Spark needs Java 17 or newer; check --scheduler."
        got = type(fault).__name__
        raise RunError(explain("--engine", "be able to start Spark", got, action)) from None
    try:
        yield SparkExecutor(session)
    finally:
        if there is None:
            session.stop()
