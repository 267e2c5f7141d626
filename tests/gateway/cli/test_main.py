from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from gateway.cli.main import COMMANDS, app

AFTER = """
import atexit, json, sys
from gateway.cli.main import app
atexit.register(lambda: print("\\n" + json.dumps(sorted(sys.modules))))
app()
"""


def modules(*words: str) -> set[str]:
    """What a process has imported when a command is over."""
    done = subprocess.run([sys.executable, "-c", AFTER, *words], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_commands_help_is_what_its_module_says(name: str) -> None:
    assert get_command(import_module(f"gateway.cli.{name}").app).help == COMMANDS[name]


def test_help_names_every_command_and_imports_none() -> None:
    done = CliRunner().invoke(app, ["--help"])

    assert done.exit_code == 0
    assert all(f" {name} " in done.stdout for name in COMMANDS)
    assert {each for each in modules("--help") if each.startswith(("gateway.", "adapters", "protocols"))} == {
        "gateway.cli",
        "gateway.cli.main",
    }


def test_a_command_imports_what_it_needs_and_not_the_gateway(tmp_path: Path) -> None:
    found = modules("key", "list", str(tmp_path))

    assert "gateway.cli.key" in found
    assert not found & {
        "gateway.app",
        "gateway.broker",
        "gateway.audit",
        "gateway.cli.run",
        "uvicorn",
        "rich",
        "asyncio",
    }


def test_what_is_no_command_is_a_mistake_and_the_nearest_is_named() -> None:
    done = CliRunner().invoke(app, ["chek"])

    assert done.exit_code == 2
    assert "'check'" in done.stderr
