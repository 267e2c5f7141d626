"""``comity audit``: what an auditor sees offline, and how a change in the file is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.audit import Audit
from gateway.cli.main import app
from gateway.stream import Stream
from protocols.record import Event, Refused, Withheld
from tests.fakes import clock
from tests.gateway.reports import a_message, a_way


@pytest.fixture
def file(tmp_path: Path) -> Path:
    with Audit(tmp_path / "audit.log") as audit:
        stream = Stream("alpha", audit, clock)
        stream.gateway(Event.STARTED)
        stream.kept(Event.WITHHELD, Withheld.UNLABELLED, a_message(label=None), a_way())
        stream.frame(Refused.BAD_TOPIC, None, None)
    return tmp_path / "audit.log"


def test_list_says_what_became_of_each_message(file: Path) -> None:
    result = CliRunner().invoke(app, ["audit", "list", str(file)])

    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines == [
        ["2026-03-14T21:07:30Z", "started", "-", "?", "->", "?"],
        ["2026-03-14T21:07:30Z", "withheld", "unlabelled", "track", "alpha/patrols", "->", "bravo/ops"],
        ["2026-03-14T21:07:30Z", "refused", "bad-topic", "-", "?", "->", "?"],
    ]


def test_list_as_json_is_one_record_a_line(file: Path) -> None:
    result = CliRunner().invoke(app, ["audit", "list", "--json", str(file)])

    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [record["event"] for record in records] == ["started", "withheld", "refused"]
    assert records[1]["destination"] == "bravo/ops"


def test_verify_counts_and_gives_the_last_link_to_compare(file: Path) -> None:
    result = CliRunner().invoke(app, ["audit", "verify", str(file)])

    last = file.read_text().splitlines()[-1].partition(" ")[0]
    first, second = result.stdout.splitlines()
    assert (result.exit_code, first) == (0, f"3 records hold; last link {last}")
    assert second.startswith("no checkpoint was compared")


@pytest.mark.parametrize("command", ["verify", "list"])
def test_a_changed_audit_is_told_with_its_line(file: Path, command: str) -> None:
    file.write_bytes(file.read_bytes().replace(b"withheld", b"released", 1))

    result = CliRunner().invoke(app, ["audit", command, str(file)])

    assert result.exit_code == 3
    assert result.stderr == f"{file}:2: does not follow from the line before\n"
    assert isinstance(result.exception, SystemExit)


def test_an_audit_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["audit", "verify", str(tmp_path / "absent.log")])

    assert result.exit_code == 3
    assert result.stderr == f"{tmp_path}/absent.log: No such file or directory\n"
