"""What an operator got wrong is told by the script that makes keys and passwords in two lines, without a traceback."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.keyring.holdings import KEYS
from tests.deploy.grafana import DEPLOY


def said(*arguments: object) -> list[str]:
    """The lines with which the script refuses to go on."""
    command = [sys.executable, str(DEPLOY / "prepare.py"), *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stdout) == (2, "")
    return ended.stderr.splitlines()


@pytest.mark.parametrize(("given", "lacking"), [((), "TABLES, FOLDER"), (("tables",), "FOLDER")])
def test_says_what_it_is_to_be_told(given: tuple[str, ...], lacking: str) -> None:
    assert said(*given) == [
        "usage: prepare.py [-h] TABLES FOLDER",
        f"prepare.py: error: the following arguments are required: {lacking}",
    ]


def test_says_which_table_is_not_there(tmp_path: Path) -> None:
    (_, why) = said(tmp_path, tmp_path / "made")

    assert why == f"prepare.py: error: {tmp_path / 'alpha.toml'}: No such file or directory"


def test_says_what_is_wrong_with_a_table(tmp_path: Path) -> None:
    shutil.copytree(DEPLOY / "demo", tmp_path, dirs_exist_ok=True)
    (tmp_path / "bravo.toml").write_text("[gateway")
    (_, why) = said(tmp_path, tmp_path / "made")

    assert why.startswith(f"prepare.py: error: {tmp_path / 'bravo.toml'}: not TOML")


def test_says_that_half_of_it_is_there_already(tmp_path: Path) -> None:
    (tmp_path / "alpha").mkdir()
    (tmp_path / "alpha" / KEYS).write_text("")
    (_, why) = said(DEPLOY / "demo", tmp_path)

    assert why.startswith("prepare.py: error: ")
    assert str(tmp_path / "alpha") in why
