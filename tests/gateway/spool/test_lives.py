"""A spool that is killed at random moments has everything that it acknowledged, and nothing torn.

The long form: ``python -m tests.gateway.spool.lives FOLDER 200 1``.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(("lives", "seed", "damage"), [(20, 11, ()), (12, 12, ("damage",))], ids=["killed", "damaged"])
def test_nothing_acknowledged_is_lost(tmp_path: Path, lives: int, seed: int, damage: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "tests.gateway.spool.lives", str(tmp_path), str(lives), str(seed), *damage]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=110, check=True)
    said = json.loads(done.stdout)

    assert said["kept"] > 0
    assert {key: said[key] for key in ("lost", "torn", "unknown", "deaf", "beyond_repair")} == dict.fromkeys(
        ("lost", "torn", "unknown", "deaf", "beyond_repair"), 0
    )
