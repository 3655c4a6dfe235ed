"""Say whether this environment gives the published evidence byte for byte.

    python tools/check_evidence.py

For environments with other versions than the lock's: a browser's (tools/requirements-browser.txt).
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pilot_eval as pe

PUBLISHED = Path(__file__).resolve().parents[1] / "reports" / "published"


def main() -> int:
    """Print the files that differ; return 1 if any does."""
    with TemporaryDirectory() as folder:
        written = pe.evaluate().write(folder)
        other = [p.name for p in written if p.read_bytes() != (PUBLISHED / p.name).read_bytes()]
    print("\n".join(f"{name}: other bytes than published" for name in other) or "Same bytes.")
    return int(bool(other))


if __name__ == "__main__":
    sys.exit(main())
