"""``comity translate``: bytes in, bytes out, and an exit status that says what went wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from adapters import INPUT_MAX
from gateway.cli.main import app
from protocols.body import Chat
from protocols.message import Loss, LossReason, from_json, to_json
from tests.gateway.reports import a_message, a_track

CANARY = "HAWK-1 Kowalski"
EVENT = (
    b'<event version="2.0" uid="ANDROID-1" type="a-f-G-U-C" how="m-g" time="2026-03-14T21:07:30.125Z" '
    b'start="2026-03-14T21:07:30.125Z" stale="2026-03-14T21:09:30.125Z">'
    b'<point lat="47.0612" lon="8.2833" hae="512.0" ce="6.5" le="9999999"/>'
    b'<detail><contact callsign="HAWK-1"/><track course="45.0" speed="1.4"/></detail></event>'
)


def translate(given: bytes, source: str, to: str, *more: str) -> Result:
    return CliRunner().invoke(app, ["translate", "--from", source, "--to", to, *more], input=given)


def test_a_foreign_frame_becomes_a_canonical_message() -> None:
    result = translate(EVENT, "cot", "json")

    assert (result.exit_code, result.stderr) == (0, "")
    message = from_json(result.stdout_bytes)
    assert (message.kind, message.subject) == ("track", "ANDROID-1")
    assert (message.origin, message.label) == (None, None)  # nobody vouches for a file
    raw = json.loads(result.stdout)
    assert raw["body"]["position"]["latitude"] == 47.0612
    assert raw["body"]["kinematics"] == {"course_deg": 45.0, "speed_mps": 1.4}


def test_a_canonical_message_becomes_a_foreign_frame() -> None:
    result = translate(translate(EVENT, "cot", "json").stdout_bytes, "json", "geojson")

    assert result.exit_code == 0
    assert json.loads(result.stdout)["geometry"]["coordinates"][:2] == [8.2833, 47.0612]


def test_what_went_through_json_untouched_comes_home_as_it_was() -> None:
    event = EVENT.replace(b"<point", b"<!-- as it was -->\n   <point")

    assert translate(translate(event, "cot", "json").stdout_bytes, "json", "cot").stdout_bytes.strip() == event.strip()


def test_json_to_json_changes_nothing() -> None:
    message = a_track(0)

    assert from_json(translate(to_json(message), "json", "json").stdout_bytes) == message


def test_the_report_names_every_loss_on_stderr() -> None:
    message = a_message(loss=(
        Loss(field="body.remarks", reason=LossReason.TOO_LONG, approximated=True),
        Loss(field="body.battery_percent", reason=LossReason.NO_FIELD),
    ))  # fmt: skip

    result = translate(to_json(message), "json", "json", "--report")

    assert json.loads(result.stderr) == {
        "message": "0" * 32,
        "kind": "track",
        "kept": [
            "kind",
            "position.latitude",
            "position.longitude",
            "identity.callsign",
            "times.observed",
            "times.received",
            "label.policy",
            "label.classification",
        ],
        "dropped": [{"field": "body.battery_percent", "reason": "no-field"}],
        "approximated": [{"field": "body.remarks", "reason": "too-long"}],
        "derived": [],
    }
    assert from_json(result.stdout_bytes) == message


@pytest.mark.parametrize(
    ("given", "source", "to", "status", "words"),
    [
        (EVENT[:60], "cot", "json", 3, "refused: malformed"),
        (b"\x00\xff\x80", "cot", "json", 3, "refused: "),
        (b"", "cot", "json", 3, "refused: "),
        (b"x" * (INPUT_MAX + 1), "cot", "json", 3, "refused: too-large"),
        (b"{}", "geojson", "json", 3, "refused: write-only"),
        (b"{", "json", "cot", 3, "refused: malformed"),
        (b'{"id":"1","subject":"s","body":{"kind":"spell"}}', "json", "cot", 3, "refused: malformed: $.body"),
        (EVENT, "cott", "json", 2, "no adapter 'cott': have cap, cot"),
        (EVENT, "cot", "../nffi", 2, "not the name of a format"),
        (EVENT, "cot", "os", 2, "no adapter"),
        (to_json(a_message(Chat(text=CANARY))), "json", "geojson", 4, "cannot be said: "),
    ],
    ids=["cut", "noise", "empty", "too large", "write only", "cut json", "unknown kind", "from", "to", "module",
         "cannot say"],
)  # fmt: skip
def test_what_goes_wrong_is_one_line_and_a_status(given: bytes, source: str, to: str, status: int, words: str) -> None:
    result = translate(given, source, to)

    assert result.exit_code == status
    assert result.stdout == ""
    assert result.stderr.startswith(words)
    assert len(result.stderr.splitlines()) == 1
    assert "HAWK" not in result.stderr
    assert isinstance(result.exception, SystemExit)


def test_a_file_is_read_like_standard_input(tmp_path: Path) -> None:
    file = tmp_path / "event.xml"
    file.write_bytes(EVENT)

    assert translate(b"", "cot", "json", str(file)).stdout == translate(EVENT, "cot", "json").stdout
    assert translate(EVENT, "cot", "json", "-").stdout == translate(EVENT, "cot", "json").stdout


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    result = translate(b"", "cot", "json", str(tmp_path / "absent.xml"))

    assert (result.exit_code, result.stderr) == (2, f"{tmp_path}/absent.xml: No such file or directory\n")


@pytest.mark.parametrize("arguments", [[], ["--from", "cot"], ["--from", "cot", "--to"]])
def test_half_a_command_is_usage(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, ["translate", *arguments]).exit_code == 2
