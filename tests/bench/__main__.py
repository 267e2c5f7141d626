"""``python -m tests.bench [NAME ...] [--json]``: every benchmark here, or those named; ratios in one run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent


def main() -> int:
    """Run them one after another, each in a process of its own."""
    flags = [word for word in sys.argv[1:] if word.startswith("-")]
    wanted = [word for word in sys.argv[1:] if not word.startswith("-")]
    names = wanted or sorted(file.stem for file in FOLDER.glob("[a-z]*.py") if "def main(" in file.read_text())
    failed = 0
    for name in names:
        print(f"== {name}", flush=True)
        failed |= subprocess.run([sys.executable, "-m", f"tests.bench.{name}", *flags], check=False).returncode
    return failed


if __name__ == "__main__":
    sys.exit(main())
