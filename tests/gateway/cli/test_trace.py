"""``comity trace``: what became of one message, over several gateways, in order of time."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.audit import Audit
from gateway.cli.main import app
from gateway.stream import Outcome
from protocols.record import Event, Record
from tests.fakes import NOW

MESSAGE = "a" * 32
OTHER = "b" * 32


def wrote(folder: Path, gateway: str, *told: tuple[int, Event, str | None, str, str]) -> Path:
    """A state folder whose audit says this: milliseconds, event, reason, destination, message."""
    with Audit(folder / "audit.log") as audit:
        for after_ms, event, reason, destination, message in told:
            record = Record(
                at=NOW + timedelta(milliseconds=after_ms),
                gateway=gateway,
                event=event,
                reason=reason,
                message=message,
                source="alpha/patrols",
                destination=destination,
                format_in="cot",
                format_out="cse1" if event is Event.FORWARDED else None,
                agreement="alpha-bravo",
                bytes_out=412 if event is Event.FORWARDED else None,
                losses=("body.how:no-field",) if event is Event.FORWARDED else (),
            )
            audit(Outcome(record))
    return folder


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    first = wrote(
        tmp_path / "alpha-1",
        "alpha",
        (0, Event.HELD, "slow", "bravo/ops", MESSAGE),
        (1, Event.DELIVERED, None, "alpha/cell", OTHER),
        (1500, Event.FORWARDED, None, "bravo/ops", MESSAGE),
        (3000, Event.RECEIPT, "delivered", "bravo/ops", MESSAGE),
    )
    second = wrote(tmp_path / "alpha-2", "alpha", (200, Event.WITHHELD, "kind-not-agreed", "charlie/map", MESSAGE))
    return [first, second]


def test_steps_of_several_gateways_are_merged_by_time(folders: list[Path]) -> None:
    result = CliRunner().invoke(app, ["trace", MESSAGE, *map(str, folders)])

    assert result.exit_code == 0
    title, names, *rows = [line.rstrip() for line in result.stdout.splitlines()]
    assert title.strip() == f"message {MESSAGE}"
    assert names.split() == ["time", "(UTC)", "after", "gateway", "what", "from", "to", "how"]
    assert [row.split()[:7] for row in rows] == [
        ["2026-03-14", "21:07:30.125", "0.000", "s", "alpha", "held", "slow"],
        ["2026-03-14", "21:07:30.325", "0.200", "s", "alpha", "withheld", "kind-not-agreed"],
        ["2026-03-14", "21:07:31.625", "1.500", "s", "alpha", "forwarded", "alpha/patrols"],
        ["2026-03-14", "21:07:33.125", "3.000", "s", "alpha", "receipt", "delivered"],
    ]
    assert rows[0].endswith("bravo/ops    waits on disk, under alpha-bravo, cot")
    assert rows[2].endswith("its gateway has it, under alpha-bravo, cot > cse1, 412 B, 1 losses")
    assert OTHER not in result.stdout


def test_as_json_every_step_is_a_line_with_its_place(folders: list[Path]) -> None:
    result = CliRunner().invoke(app, ["trace", "--json", MESSAGE, *map(str, folders)])

    steps = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(step["event"], step["line"]) for step in steps] == [
        ("held", 1),
        ("withheld", 1),
        ("forwarded", 3),
        ("receipt", 4),
    ]
    assert steps[1]["file"] == str(folders[1] / "audit.log")
    assert {step["message"] for step in steps} == {MESSAGE}


def test_a_message_of_which_nothing_is_recorded_is_one_line(folders: list[Path]) -> None:
    result = CliRunner().invoke(app, ["trace", "c" * 32, str(folders[0])])

    assert (result.exit_code, result.stderr) == (3, f"nothing was recorded of {'c' * 32}\n")


def test_a_changed_audit_is_not_told_from(folders: list[Path]) -> None:
    file = folders[0] / "audit.log"
    file.write_bytes(file.read_bytes().replace(b"slow", b"fast"))

    result = CliRunner().invoke(app, ["trace", MESSAGE, str(file)])

    assert (result.exit_code, result.stderr) == (3, f"{file}:1: does not follow from the line before\n")
