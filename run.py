"""One command on a bare machine: set everything up, then evaluate, test or open JupyterLab.

    python3 run.py evaluate     run the evaluation on the figures in data/, write reports/
    python3 run.py test         run every test and validate the notebooks
    python3 run.py lab          open JupyterLab in the same environment
    python3 run.py site         build the documentation site in reports/site

Only Python's standard library is used here. The first run makes `.venv` beside this file and
installs the packages of a lock file into it: `requirements-evaluate.lock`, or `requirements.lock`
for `test` and `site`, which adds their own packages. Later runs find it ready and start at once.
"""

import argparse
import contextlib
import getpass
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

OLDEST_PYTHON = (3, 11)
ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
LOCKS = dict.fromkeys(("test", "site"), "requirements.lock")  # every package, at the same versions
EVALUATE_LOCK = "requirements-evaluate.lock"  # without browser, cross-check and test packages
HASHES = "requirements.hashes.lock"  # every package of the locks, with the hashes of its files
STAMP = VENV / "pilot_eval_stamp.json"
WAIT_SECONDS = 1.0
INTERRUPTED = 130
BAD_SETUP = 2
UV = "uv==0.13.9"  # installs the same lock in seconds; pip does it where uv cannot
UV_NAMES = {
    "cert": "SSL_CERT_FILE",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "index-url": "UV_DEFAULT_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
}

NO_VENV = """\
Python's `venv` or `ensurepip` is missing, and neither `virtualenv` nor `pip` was found.
  Debian, Ubuntu:  sudo apt install python3-venv
  Fedora, RHEL:    sudo dnf install python3-pip
  Windows, macOS:  install Python again from python.org with its default options
Then give the same command again."""

NO_INSTALL = """The packages could not be installed; the reason is in the lines above.
  No internet here?     python3 run.py {command} --wheels FOLDER   (see docs/for-analysts.md)
  Behind a proxy?       python3 run.py {command} --proxy http://host:port
  Disk full?            about 1.5 GB is needed in {root}
Nothing else was changed; the same command starts again from the beginning."""


class SetupError(Exception):
    """The environment cannot be made; the message says what to do."""


def main(arguments=None):
    """Set the environment up and hand over to the command; return its exit code."""
    say_safely()
    options, rest = read_arguments(arguments)
    try:
        require_python(sys.version_info)
        environment = child_environment(options.proxy)
        with one_at_a_time():
            prepare(options, environment)
        return COMMANDS[options.command](options, rest, environment)
    except SetupError as error:
        print(f"\n{error}", file=sys.stderr)
        return BAD_SETUP
    except KeyboardInterrupt:
        print("\nStopped. Give the same command again to continue.", file=sys.stderr)
        return INTERRUPTED


def read_arguments(arguments=None):
    """Read the command line; what `evaluate` and `lab` do not know is handed on."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--wheels", metavar="FOLDER", help="install from this folder of wheels, without internet"
    )
    shared.add_argument("--proxy", metavar="URL", help="proxy for the installation")
    parser = argparse.ArgumentParser(
        prog="run.py",
        description="Set everything up in .venv, then run the command.",
        epilog="Options that `evaluate` does not know go to `pilot-eval run`: try --no-notebooks.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("evaluate", parents=[shared], help="run the evaluation, write reports/")
    test = commands.add_parser("test", parents=[shared], help="run all tests")
    test.add_argument("--slow", action="store_true", help="include the long simulation studies")
    test.add_argument("--quick", action="store_true", help="linters and quick tests only")
    commands.add_parser("lab", parents=[shared], help="open JupyterLab on the notebooks")
    commands.add_parser("site", parents=[shared], help="build the documentation site")
    options, rest = parser.parse_known_args(arguments)
    if rest and options.command == "test":
        parser.error(f"`test` does not know {' '.join(rest)}")
    return options, rest


def say_safely():
    """Let paths with any letters be printed on any console, line by line."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace", line_buffering=True)


def require_python(version):
    """Refuse a Python that is too old, in words."""
    if tuple(version[:2]) < OLDEST_PYTHON:
        found = ".".join(str(part) for part in tuple(version[:3]))
        raise SetupError(
            f"Python 3.11 or newer is needed; this is Python {found}.\n"
            "Install a newer one (python.org, or your package manager) and name it, for example:\n"
            "  python3.12 run.py evaluate"
        )


def child_environment(proxy):
    """Build the environment of every program started from here."""
    environment = dict(os.environ)
    environment["PILOT_EVAL_ROOT"] = str(ROOT)
    environment["PYTHONUTF8"] = "1"
    environment["JUPYTER_PREFER_ENV_PATH"] = "1"
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        environment.setdefault(name, "1")  # several processes share the cores already
    for name in ("PYTHONHOME", "PYTHONPATH", "MPLBACKEND"):
        environment.pop(name, None)
    if environment.pop("PYTHONDONTWRITEBYTECODE", None):
        # Each of many processes would compile every package anew; the wish is kept outside .venv.
        environment["PYTHONPYCACHEPREFIX"] = str(VENV / "bytecode")
    if proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
            environment[name] = proxy
    return environment


# ---------------------------------------------------------------- the environment


def prepare(options, environment):
    """Make `.venv` ready: nothing to do, more packages, or everything from the start."""
    lock = LOCKS.get(options.command, EVALUATE_LOCK)
    wanted, found = expected_stamp(lock), read_stamp()
    usable = all(found.get(key) == wanted[key] for key in ("python", "folder"))
    if usable and is_current(found, wanted):
        return
    if options.wheels and not Path(options.wheels).is_dir():
        raise SetupError(f"--wheels must name a folder of wheels; {options.wheels} is none.")
    started = time.monotonic()
    if usable:
        print("The list of packages has changed: updating .venv ...")
    elif VENV.exists():
        print(".venv is unfinished, was moved, or is of another Python: making it again ...")
    else:
        print("First run: making .venv (about half a minute) ...")
    if not usable:
        make_venv()
    STAMP.unlink(missing_ok=True)
    install(lock, options, environment)
    STAMP.write_text(json.dumps(wanted, indent=1), encoding="utf-8")
    print(f"The environment is ready ({time.monotonic() - started:.0f} s).\n")


def expected_stamp(lock):
    """Say what a finished environment was made from; `test` holds all that `evaluate` needs."""
    locks = sorted({lock, EVALUATE_LOCK})
    for name in locks:
        if not (ROOT / name).is_file():
            raise SetupError(f"{ROOT / name} is missing: get the whole project again (git clone).")
    return {
        "locks": {name: digest(ROOT / name) for name in locks},
        "project": digest(ROOT / "pyproject.toml"),
        "python": sys.version,
        "folder": str(VENV),
    }


def is_current(found, wanted):
    """Say whether everything wanted is installed, at the versions of today's locks."""
    installed = found.get("locks", {})
    return found["project"] == wanted["project"] and wanted["locks"].items() <= installed.items()


def read_stamp():
    """Read what `.venv` was made from; nothing if it was never finished."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) and venv_python().is_file() else {}


def digest(path):
    """Hash a text file; line endings do not matter."""
    return hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()


def venv_python():
    """Name the environment's Python."""
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def make_venv():
    """Make an empty `.venv` with whatever this Python offers."""
    if VENV.is_symlink() or VENV.is_file():
        raise SetupError(f"{VENV} is not a folder: remove it, then give the same command again.")
    try:
        if VENV.exists():
            shutil.rmtree(VENV)
        command = venv_command()
    except OSError as error:
        raise SetupError(f"{VENV} cannot be replaced ({error}): close programs using it.") from None
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise SetupError(f"{result.stdout}{result.stderr}\n{NO_VENV}")


def venv_command():
    """Choose how to make the environment: venv, virtualenv, or venv served by this Python's pip."""
    if has_module("venv") and has_module("ensurepip"):
        return [base_python(), "-m", "venv", str(VENV)]
    if has_module("virtualenv"):
        return [base_python(), "-m", "virtualenv", "--quiet", str(VENV)]
    if shutil.which("virtualenv"):
        return ["virtualenv", "--quiet", "--python", base_python(), str(VENV)]
    if has_module("venv") and has_module("pip"):
        return [base_python(), "-m", "venv", "--without-pip", str(VENV)]
    raise SetupError(NO_VENV)


def base_python():
    """Name this Python; where it is `.venv`'s own, the one that `.venv` was made from."""
    inside = Path(sys.prefix) == VENV
    return getattr(sys, "_base_executable", sys.executable) if inside else sys.executable


def has_module(name):
    """Say whether this Python can import a module."""
    return importlib.util.find_spec(name) is not None


def pip_command():
    """Call the environment's pip, or this Python's pip on its behalf."""
    probe = [str(venv_python()), "-m", "pip", "--version"]
    if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
        return [str(venv_python()), "-m", "pip"]
    return [base_python(), "-m", "pip", "--python", str(venv_python())]


def install(lock, options, environment):
    """Install a lock and the project itself: by uv, or by pip where uv cannot; prepare caches."""
    wheels = str(Path(options.wheels).resolve()) if options.wheels else ""
    source = ["--no-index", "--find-links", wheels] if wheels else []
    packages = [*source, "--no-deps", "--require-hashes", "-r", str(write_hashed(lock))]
    project = [*source, "--no-deps", "-e", str(ROOT)]
    proxy = ["--proxy", options.proxy] if options.proxy else []
    pip = [*pip_command(), "install", "-qq", "--disable-pip-version-check", "--no-compile", *proxy]
    print(f"  installing the packages of {lock} ...")
    has_uv = quietly([*pip, *source, UV], environment)
    for wanted in (packages, project):
        by_uv = has_uv and quietly([*uv_command(), *wanted], uv_environment(environment))
        if not by_uv and subprocess.call(
            [*pip, *wanted], env=environment, stdin=subprocess.DEVNULL
        ):
            raise SetupError(NO_INSTALL.format(command=options.command, root=ROOT))
    quietly([str(venv_python()), "-c", "import matplotlib.font_manager"], environment)


def write_hashed(lock):
    """Write a lock with the hashes of its files, so that no other file is installed."""
    entries = re.split(r"\n(?=[a-z0-9])", (ROOT / HASHES).read_text(encoding="utf-8"))
    hashes = {re.split(r"[ \\]", entry)[0]: entry.partition("\n")[2] for entry in entries}
    lines = (ROOT / lock).read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if re.match("[a-z0-9]", line)]
    hashed = [f"{line} \\\n{hashes[line.split(' ')[0]].rstrip()}" for line in pins]
    target = VENV / f"{lock}.hashed"
    target.parent.mkdir(exist_ok=True)
    target.write_text("\n".join(hashed) + "\n", encoding="utf-8")
    return target


def quietly(command, environment):
    """Run a program without showing what it says; say whether it succeeded."""
    run = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    return run.returncode == 0


def uv_command():
    """Call uv on the environment."""
    return [str(venv_python()), "-m", "uv", "pip", "install", "-q", "--python", str(venv_python())]


def uv_environment(environment):
    """Give uv the indexes, wheels and certificates that pip's own settings name."""
    command = [*pip_command(), "config", "list"]
    listed = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    found = re.findall(r"^[^=]*\.([a-z-]+)='(.*)'$", listed.stdout, flags=re.MULTILINE)
    known = {UV_NAMES[key]: value.replace("\\n", " ") for key, value in found if key in UV_NAMES}
    return {**known, "UV_INDEX_STRATEGY": "unsafe-best-match", **environment}


@contextlib.contextmanager
def one_at_a_time():
    """Let one set-up of this folder run at a time; the lock ends with the process."""
    name = hashlib.sha256(f"{ROOT}{user_name()}".encode()).hexdigest()[:16]
    path = Path(tempfile.gettempdir()) / f"pilot_eval-{name}.lock"
    with path.open("a+b") as handle:
        announced = False
        while not try_lock(handle):
            if not announced:
                print("Another run is setting up .venv: waiting for it ...")
                announced = True
            time.sleep(WAIT_SECONDS)
        yield


def user_name():
    """Name the user, where the system knows one."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""


def try_lock(handle):
    """Take the lock if it is free."""
    try:
        if os.name == "nt":
            import msvcrt

            handle.seek(0)
            msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


# ---------------------------------------------------------------- the commands


def evaluate(_options, rest, environment):
    """Run `pilot-eval run`; it ends with the path of the report."""
    return call([str(venv_python()), "-P", "-m", "pilot_eval.app.cli", "run", *rest], environment)


def lab(_options, rest, environment):
    """Open JupyterLab on the notebooks."""
    folder = f"--ServerApp.root_dir={ROOT}"
    command = [str(venv_python()), "-m", "jupyterlab", folder, *rest]
    return call([*command, str(ROOT / "notebooks" / "99_summary.ipynb")], environment)


def call(command, environment):
    """Run a program to its end, also after Ctrl-C, and return its exit code."""
    process = subprocess.Popen(command, env=environment)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def test(options, _rest, environment):
    """Run linters, notebooks, browser tests and pytest: see tests/run_all.py."""
    chosen = [f"--{name}" for name in ("slow", "quick") if getattr(options, name)]
    return call([str(venv_python()), str(ROOT / "tests" / "run_all.py"), *chosen], environment)


def site(_options, rest, environment):
    """Build the documentation site: see tools/build_site.py."""
    return call([str(venv_python()), str(ROOT / "tools" / "build_site.py"), *rest], environment)


COMMANDS = {"evaluate": evaluate, "test": test, "lab": lab, "site": site}

if __name__ == "__main__":
    sys.exit(main())
