"""Where parts are computed makes no difference: processes here, or a cluster that loses one."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from time import monotonic, sleep

import pytest

from pilot_eval.app.cli import main
from pilot_eval.app.executors import open_executor
from pilot_eval.errors import RunError
from pilot_eval.lab.simulate import simulate_census
from pilot_eval.lab.simulate_settings import SimulationSettings
from pilot_eval.records.writers import write_census

COUNCILS = ("E10000006", "E08000011", "E09000033", "E09000012", "E08000020", "E10000017")
COUNCILS += ("E08000019", "E08000003")
PATIENCE = 60
SCHEDULER = "from distributed.cli.dask_scheduler import main; main()"
WORKER = "from distributed.cli.dask_worker import main; main()"
LOCAL = ("--host", "127.0.0.1", "--no-dashboard")


def start(code: str, *arguments: str) -> subprocess.Popen:
    """Start a process that can import what stands in this file."""
    own = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen([sys.executable, "-c", code, *arguments], env=own, **quiet)


def wait_for(found, what: str):
    """Wait until a function gives something."""
    until = monotonic() + PATIENCE
    while monotonic() < until:
        if answer := found():
            return answer
        sleep(0.1)
    raise AssertionError(f"no {what} in {PATIENCE} s")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A scheduler and two workers, each a process of its own."""
    pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
    folder = tmp_path_factory.mktemp("cluster")
    file = folder / "scheduler.json"
    place = ("--scheduler-file", str(file))
    processes = [start(SCHEDULER, *LOCAL, "--port", "0", *place)]
    wait_for(file.exists, "scheduler")
    worker = ("--nthreads", "1", "--nworkers", "1", "--no-nanny", "--local-directory", str(folder))
    processes += [start(WORKER, *LOCAL, *place, *worker) for _ in range(2)]
    from distributed import Client

    with Client(scheduler_file=str(file), set_as_default=False) as client:
        client.wait_for_workers(2, timeout=PATIENCE)
        address = client.scheduler.address
    yield address, processes[1:]
    for process in processes:
        process.kill()
        process.wait()


def mark_and_square(number: int, *, folder: Path) -> int:
    """Square a number slowly, and leave word of who does it."""
    (folder / f"{number}-{os.getpid()}").touch()
    sleep(0.5)
    return number * number


def test_a_worker_killed_on_the_way_changes_no_result(cluster, tmp_path):
    address, workers = cluster
    with open_executor(address) as executor:
        results = executor.map(partial(mark_and_square, folder=tmp_path), range(12))
        victim = workers[0]
        wait_for(lambda: list(tmp_path.glob(f"*-{victim.pid}")), "task on the worker to be killed")
        victim.send_signal(signal.SIGKILL)
        assert list(results) == [number * number for number in range(12)]
    ran = [path.name.split("-") for path in tmp_path.iterdir()]
    again = {number for number, pid in ran if pid == str(victim.pid)}
    assert again & {number for number, pid in ran if pid != str(victim.pid)}  # done once more


@pytest.fixture(scope="module")
def returns(tmp_path_factory):
    settings = SimulationSettings(councils=COUNCILS, first_year=2010, last_year=2013, scale=0.03)
    folder = tmp_path_factory.mktemp("returns")
    tables = simulate_census(settings, seed=3)[0]
    write_census(tables, folder, format="parquet", years=range(2010, 2014))
    return folder


def assert_same_files(returns, tmp_path, *elsewhere):
    """Run here and elsewhere, and compare every table by byte."""
    shown = []
    for name, more in (("here", ()), ("there", elsewhere)):
        out = tmp_path / name
        given = ["census", str(returns), "--data-cut", "2013-03-31", "--out", str(out)]
        assert main([*given, "--scenario", "granted_march", *more]) == 0
        folders = (out, tmp_path / f"{name}-release")
        shown.append(
            {p.name: p.read_bytes() for f in folders for p in f.glob("*.csv") if p.is_file()}
        )
    here, there = shown
    assert set(here) == set(there) >= {"panel.csv", "evidence.csv", "issues.csv", "summary.csv"}
    assert [name for name in here if here[name] != there[name]] == []


def test_a_census_run_on_a_cluster_writes_what_a_run_here_writes(cluster, returns, tmp_path):
    assert_same_files(returns, tmp_path, "--scheduler", cluster[0])


def as_settings(variables: dict[str, str]) -> dict[str, str]:
    """Name in dask's configuration what variables name."""
    names = {name: name.removeprefix("DASK_").lower().replace("__", ".") for name in variables}
    return {names[name].replace("_", "-"): value for name, value in variables.items()}


def make_certificates(folder: Path) -> dict[str, str]:
    """Make an authority and a certificate of it; give the variables that name them to dask."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("certificates are made with openssl")
    folder.mkdir()

    def run(*arguments: str) -> None:
        subprocess.run([openssl, *arguments], cwd=folder, check=True, capture_output=True)

    new = ("-newkey", "rsa:2048", "-nodes")
    run("req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=authority")
    run("req", *new, "-keyout", "me.key", "-out", "me.csr", "-subj", "/CN=127.0.0.1")
    signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2")
    run("x509", "-req", "-in", "me.csr", "-out", "me.pem", *signed)
    places = {"CA_FILE": "ca.pem"}
    for role in ("SCHEDULER", "WORKER", "CLIENT"):
        places |= {f"{role}__CERT": "me.pem", f"{role}__KEY": "me.key"}
    prefix = "DASK_DISTRIBUTED__COMM__TLS__"
    return {f"{prefix}{name}": str(folder / file) for name, file in places.items()}


def test_a_scheduler_is_talked_to_over_tls_by_who_has_its_authority(tmp_path, monkeypatch):
    pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
    import dask

    own, other = (make_certificates(tmp_path / name) for name in ("own", "other"))
    file = tmp_path / "scheduler.json"
    place = ("--scheduler-file", str(file))
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    processes = [start(SCHEDULER, *LOCAL, "--port", "0", "--protocol", "tls", *place)]
    try:
        wait_for(file.exists, "scheduler")
        processes.append(start(WORKER, *LOCAL, *place, "--nthreads", "1", "--no-nanny"))
        address = json.loads(file.read_text())["address"]
        assert address.startswith("tls://")
        said = []
        with (
            dask.config.set(as_settings(own)),
            open_executor(address, tell=said.append) as executor,
        ):
            assert list(executor.map(abs, range(-3, 0))) == [3, 2, 1]
        assert said == []
        monkeypatch.setattr("pilot_eval.app.executors.CONNECT_SECONDS", 2)
        for known, message in ((other, "no answer from tls://"), ({}, "come with certificates")):
            with (
                dask.config.set(as_settings(known)),
                pytest.raises(RunError, match=message),
                open_executor(address),
            ):
                pass
    finally:
        for process in processes:
            process.kill()
            process.wait()


@pytest.fixture
def spark(monkeypatch):
    pytest.importorskip("pyspark", reason="the extra `spark` is not installed")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java 17")
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    return "local-cluster[2,1,1024]"  # two workers, each a process of its own


@pytest.mark.slow
def test_a_census_run_on_spark_writes_what_a_run_here_writes(spark, returns, tmp_path):
    assert_same_files(returns, tmp_path, "--engine", "spark", "--scheduler", spark)


@pytest.mark.slow
def test_an_error_on_a_spark_worker_is_raised_here(spark):
    with open_executor(spark, engine="spark") as executor:
        assert list(executor.map(abs, range(-3, 0))) == [3, 2, 1]
        assert list(executor.map(abs, [])) == []
        with pytest.raises(ValueError, match="math domain error"):
            list(executor.map(math.sqrt, [4, -1]))


def test_without_spark_its_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyspark.errors", None)
    with pytest.raises(RunError, match=r"pilot-eval\[spark\]"), open_executor(engine="spark"):
        pass


def test_a_scheduler_that_is_not_there_is_said_to_be(monkeypatch):
    pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
    monkeypatch.setattr("pilot_eval.app.executors.CONNECT_SECONDS", 1)
    said = []
    with (
        pytest.raises(RunError, match=r"no answer from tcp://127\.0\.0\.1:9"),
        open_executor("tcp://127.0.0.1:9", tell=said.append),
    ):
        pass
    assert "not encrypted" in said[0]
    with pytest.raises(RunError, match="Write tls://host:port"), open_executor("localhost"):
        pass
