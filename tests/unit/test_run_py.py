"""run.py on bare, half-made and odd machines."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def run_py(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("run_py", ROOT / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    folder = tmp_path / "a folder ä"
    folder.mkdir()
    locks = ("requirements.lock", "requirements-evaluate.lock", "requirements.hashes.lock")
    for name in (*locks, "pyproject.toml"):
        (folder / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    venv = folder / ".venv"
    monkeypatch.setattr(module, "ROOT", folder)
    monkeypatch.setattr(module, "VENV", venv)
    monkeypatch.setattr(module, "STAMP", venv / "pilot_eval_stamp.json")
    return module


@pytest.fixture
def steps(run_py, monkeypatch):
    """What prepare() did: "make" and "install", instead of doing it."""
    done = []

    def make():
        done.append("make")
        run_py.venv_python().parent.mkdir(parents=True, exist_ok=True)
        run_py.venv_python().touch()

    monkeypatch.setattr(run_py, "make_venv", make)
    monkeypatch.setattr(run_py, "install", lambda *_: done.append("install"))
    return done


def prepare(run_py, *arguments, command="evaluate"):
    options, _ = run_py.read_arguments([command, *arguments])
    run_py.prepare(options, {})


def test_the_second_run_installs_nothing(run_py, steps):
    prepare(run_py)
    prepare(run_py)
    assert steps == ["make", "install"]


def test_tests_add_their_packages_and_evaluate_then_needs_nothing_more(run_py, steps):
    prepare(run_py)
    prepare(run_py, command="test")
    prepare(run_py)
    prepare(run_py, command="lab")
    assert steps == ["make", "install", "install"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("interrupted", ["make", "install"]),  # no stamp: Ctrl-C before the end
        ("garbled", ["make", "install"]),
        ("other python", ["make", "install"]),
        ("moved", ["make", "install"]),
        ("other lock", ["install"]),
        ("windows line ends", []),
    ],
)
def test_what_is_not_finished_or_not_current_is_made_again(run_py, steps, change, expected):
    prepare(run_py)
    steps.clear()
    stamp = json.loads(run_py.STAMP.read_text())
    if change == "interrupted":
        run_py.STAMP.unlink()
    elif change == "garbled":
        run_py.STAMP.write_text('{"lock": ')
    elif change == "other python":
        run_py.STAMP.write_text(json.dumps({**stamp, "python": "3.11.0"}))
    elif change == "moved":
        run_py.STAMP.write_text(json.dumps({**stamp, "folder": "elsewhere"}))
    elif change == "other lock":
        (run_py.ROOT / run_py.EVALUATE_LOCK).write_text("numpy==2.4.6\n")
    else:
        lock = run_py.ROOT / run_py.EVALUATE_LOCK
        lock.write_bytes(lock.read_bytes().replace(b"\n", b"\r\n"))
    prepare(run_py)
    assert steps == expected


def test_a_failed_update_is_not_taken_for_finished(run_py, steps, monkeypatch):
    prepare(run_py)
    (run_py.ROOT / run_py.EVALUATE_LOCK).write_text("numpy==2.4.6\n")

    def fail(*_):
        raise run_py.SetupError("no internet")

    monkeypatch.setattr(run_py, "install", fail)
    with pytest.raises(run_py.SetupError):
        prepare(run_py)
    assert not run_py.STAMP.exists()


@pytest.mark.parametrize(
    ("present", "expected"),
    [
        ({"venv", "ensurepip"}, "-m venv"),
        ({"venv", "virtualenv"}, "-m virtualenv"),
        ({"venv", "pip"}, "--without-pip"),
    ],
)
def test_another_way_is_found_where_ensurepip_is_missing(run_py, monkeypatch, present, expected):
    monkeypatch.setattr(run_py, "has_module", present.__contains__)
    monkeypatch.setattr(run_py.shutil, "which", lambda _: None)
    assert expected in " ".join(run_py.venv_command())


def test_without_any_way_the_debian_package_is_named(run_py, monkeypatch, capsys):
    monkeypatch.setattr(run_py, "has_module", {"venv"}.__contains__)
    monkeypatch.setattr(run_py.shutil, "which", lambda _: None)
    assert run_py.main(["evaluate"]) == 2
    assert "apt install python3-venv" in capsys.readouterr().err


def test_an_old_python_is_refused_in_words(run_py):
    with pytest.raises(
        run_py.SetupError, match=r"3\.11 or newer is needed; this is Python 3\.9\.2"
    ):
        run_py.require_python((3, 9, 2, "final", 0))


def test_wheels_mean_no_index_and_the_proxy_is_passed_on(run_py, monkeypatch, tmp_path):
    calls = []

    def refuse_uv(command, _environment):
        calls.append(command)
        return False

    monkeypatch.setattr(run_py, "quietly", refuse_uv)
    monkeypatch.setattr(run_py.subprocess, "call", lambda command, **_: calls.append(command))
    monkeypatch.setattr(run_py, "pip_command", lambda: ["pip"])
    options, _ = run_py.read_arguments(["test", "--wheels", str(tmp_path), "--proxy", "http://p:1"])
    run_py.install("requirements.lock", options, {})
    by_pip = [command for command in calls if command[0] == "pip"]
    assert len(by_pip) == 3  # uv could not be had, so pip installed the lock and the project
    assert ["--require-hashes" in step for step in by_pip] == [False, True, False]
    for step in by_pip:
        assert {"--no-index", "--find-links", str(tmp_path), "--proxy", "http://p:1"} <= set(step)
    assert run_py.child_environment("http://p:1")["HTTPS_PROXY"] == "http://p:1"


def test_where_python_must_not_write_bytecode_it_is_kept_with_the_environment(run_py, monkeypatch):
    monkeypatch.delenv("PYTHONPYCACHEPREFIX", raising=False)
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    assert "PYTHONPYCACHEPREFIX" not in run_py.child_environment("")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    child = run_py.child_environment("")
    assert "PYTHONDONTWRITEBYTECODE" not in child
    code = "import sys, json; print(json.__cached__, sys.dont_write_bytecode, sep='\\n')"
    run = [sys.executable, "-c", code]
    place, off = subprocess.check_output(run, env=child, encoding="utf-8").splitlines()
    assert Path(place).is_relative_to(run_py.VENV)
    assert off == "False"


def test_uv_installs_the_same_lock_where_it_can_be_had(run_py, monkeypatch):
    calls = []
    monkeypatch.setattr(run_py, "quietly", lambda command, _: calls.append(command) or True)
    monkeypatch.setattr(run_py, "pip_command", lambda: ["pip"])
    monkeypatch.setattr(run_py, "uv_environment", dict)
    monkeypatch.setattr(run_py.subprocess, "call", lambda *_, **__: pytest.fail("pip was used"))
    options, _ = run_py.read_arguments(["evaluate"])
    run_py.install("requirements-evaluate.lock", options, {})
    assert calls[1][1:4] == ["-m", "uv", "pip"]
    assert "--require-hashes" in calls[1]
    hashed = Path(calls[1][-1]).read_text(encoding="utf-8")
    lock = (run_py.ROOT / "requirements-evaluate.lock").read_text(encoding="utf-8")
    pins = re.findall(r"(?m)^[a-z0-9].*", lock)
    assert [line.removesuffix(" \\") for line in re.findall(r"(?m)^[a-z0-9].*", hashed)] == pins
    assert hashed.count("--hash=sha256:") >= len(pins)


def test_the_lock_with_hashes_is_the_lock_line_by_line():
    plain, hashed = (
        re.findall(r"(?m)^[a-z0-9].*", (ROOT / name).read_text(encoding="utf-8"))
        for name in ("requirements.lock", "requirements.hashes.lock")
    )
    assert [line.removesuffix(" \\") for line in hashed] == plain
    assert all(line.endswith(" \\") for line in hashed)  # none without a hash


def test_what_evaluate_installs_is_a_part_of_the_lock():
    def pins(name):
        lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
        return {line.split(" ;")[0] for line in lines if re.match(r"[a-z0-9]", line)}

    product, everything = pins("requirements-evaluate.lock"), pins("requirements.lock")
    assert product < everything
    tests_only = {line.split("==")[0] for line in everything - product}
    assert {"playwright", "pyfixest", "pytest-xdist"} <= tests_only


def test_a_missing_folder_of_wheels_is_said_before_anything_is_done(run_py, steps, tmp_path):
    with pytest.raises(run_py.SetupError, match="must name a folder of wheels"):
        prepare(run_py, "--wheels", str(tmp_path / "none"))
    assert steps == []


def test_two_set_ups_at_once_wait_for_each_other(run_py):
    probe = "import fcntl, sys; fcntl.flock(open(sys.argv[1], 'a'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    pytest.importorskip("fcntl")
    with run_py.one_at_a_time():
        [path] = [item for item in lock_files(run_py) if item]
        locked = subprocess.run([sys.executable, "-c", probe, path], capture_output=True)
    free = subprocess.run([sys.executable, "-c", probe, path], capture_output=True)
    assert b"BlockingIOError" in locked.stderr
    assert free.returncode == 0


def lock_files(run_py):
    key = f"{run_py.ROOT}{run_py.user_name()}".encode()
    name = run_py.hashlib.sha256(key).hexdigest()[:16]
    return [str(Path(run_py.tempfile.gettempdir()) / f"pilot_eval-{name}.lock")]


def test_the_result_of_test_ends_with_one_plain_line(monkeypatch, capsys):
    script = "print('== 3 passed, 1 skipped in 0.10s =='); raise SystemExit({})"
    failing = "print('== 1 failed, 2 passed in 0.10s =='); raise SystemExit(1)"
    spec = importlib.util.spec_from_file_location("run_all", ROOT / "tests" / "run_all.py")
    run_all = importlib.util.module_from_spec(spec)
    monkeypatch.syspath_prepend(str(ROOT / "tests"))
    spec.loader.exec_module(run_all)
    monkeypatch.setattr(run_all, "measure_shares", lambda _: {"design": 99.0, "records": 89.9})
    monkeypatch.setattr(run_all, "get_page_checker", lambda: None)
    monkeypatch.setattr(
        run_all,
        "test_steps",
        lambda *_: [
            ("one", [sys.executable, "-c", script.format(0)]),
            ("two", [sys.executable, "-c", failing]),
            ("ruff", [sys.executable, "-c", "raise SystemExit(1)"]),
        ],
    )
    assert run_all.main([]) == 1
    *_, coverage, last = capsys.readouterr().out.splitlines()
    assert coverage.startswith("FAILED branch coverage")
    assert coverage.endswith("design 99.0%, records 89.9%; at least 90%")
    assert last == "5 passed, 3 failed, 1 skipped"


def test_conda_file_agrees_with_the_lock():
    conda = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert conda["channels"] == ["conda-forge", "nodefaults"]
    python, pip, section = conda["dependencies"]
    assert (python, pip) == ("python=3.11", "pip")
    assert section == {"pip": ["-r requirements.lock", "-e ."]}
    assert project["requires-python"] == ">=3.11"
    assert "--python-version 3.11" in lock
    locked = set(re.findall(r"^([a-z0-9.-]+)==", lock, flags=re.MULTILINE))
    extras = project["optional-dependencies"].values()
    wanted = [*project["dependencies"], *(line for extra in extras for line in extra)]
    names = {re.match(r"[A-Za-z0-9.-]+", line)[0].lower() for line in wanted}
    assert names <= locked
