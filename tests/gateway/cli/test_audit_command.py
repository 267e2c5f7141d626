"""``comity audit``: what an auditor sees offline, how a change in the log is told, and one message proved."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.audit import Audit
from gateway.audit.resume import checkpoint_file
from gateway.cli.main import app
from gateway.keyring.ring import Keyring
from gateway.stream import Stream
from protocols.partner import fingerprint, read_bundle
from protocols.record import Event, Refused, Withheld
from tests.fakes import NOW, clock
from tests.gateway.audit.logs import rechained, signed
from tests.gateway.reports import a_message, a_way

TABLE = """
policies = []
partners = [{ id = "alpha", kind = "nation", languages = ["en"] }]
links = []
units = []
peers = []
agreements = []
routes = []
[gateway]
partner = "alpha"
state = "alpha"
"""


def comity(*words: str | Path) -> Result:
    return CliRunner().invoke(app, ["audit", *map(str, words)])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    with Audit(tmp_path / "audit.log") as audit:
        stream = Stream("alpha", audit, clock)
        stream.gateway(Event.STARTED)
        stream.kept(Event.WITHHELD, Withheld.UNLABELLED, a_message(label=None), a_way())
        stream.frame(Refused.BAD_TOPIC, None, None)
    return tmp_path / "audit.log"


@pytest.fixture
def state(states: Mapping[str, Path], tmp_path: Path) -> Path:
    """Alpha's state folder: thirty records, a checkpoint after each ten, its bundle; bravo's file of them beside it."""
    folder = tmp_path / "alpha"
    keyring = Keyring.open(states["alpha"], NOW)
    signed(folder / "audit.log", keyring, 35, 10, 20, 30)
    keyring.close()
    kept = checkpoint_file(folder / "audit.log").read_bytes()
    (tmp_path / "alpha.checkpoints").write_bytes(kept)
    return folder


def test_list_says_what_became_of_each_message(file: Path) -> None:
    result = comity("list", file)

    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines == [
        ["2026-03-14T21:07:30Z", "started", "-", "?", "->", "?"],
        ["2026-03-14T21:07:30Z", "withheld", "unlabelled", "track", "alpha/patrols", "->", "bravo/ops"],
        ["2026-03-14T21:07:30Z", "refused", "bad-topic", "-", "?", "->", "?"],
    ]


def test_list_as_json_is_one_record_a_line(file: Path) -> None:
    result = comity("list", "--json", file)

    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [record["event"] for record in records] == ["started", "withheld", "refused"]
    assert records[1]["destination"] == "bravo/ops"


@pytest.mark.parametrize(
    ("words", "events"),
    [
        (["--event", "withheld"], ["withheld"]),
        (["--reason", "bad-topic"], ["refused"]),
        (["--unit", "bravo/ops"], ["withheld"]),
        (["--unit", "alpha/patrols"], ["withheld"]),
        (["--unit", "bravo/nobody"], []),
        (["--since", "2026-03-14T21:07:30Z"], ["started", "withheld", "refused"]),
        (["--since", "2026-03-15"], []),
        (["--until", "2026-03-14T21:07:30Z"], []),
        (["--until", "2026-03-15", "--event", "started"], ["started"]),
        (["--message", "f" * 32], []),
        (["--event", "withheld", "--reason", "bad-topic"], []),
    ],
)
def test_list_shows_what_is_asked_for(file: Path, words: list[str], events: list[str]) -> None:
    result = comity("list", "--json", file, *words)

    assert result.exit_code == 0
    assert [json.loads(line)["event"] for line in result.stdout.splitlines()] == events


def test_list_finds_one_message(file: Path) -> None:
    message = json.loads(comity("list", "--json", file).stdout.splitlines()[1])["message"]

    assert json.loads(comity("list", "--json", file, "--message", message).stdout)["message"] == message


def test_verify_counts_and_gives_the_last_link_to_compare(file: Path) -> None:
    result = comity("verify", file)

    last = file.read_text().splitlines()[-1].partition(" ")[0]
    first, second = result.stdout.splitlines()
    assert (result.exit_code, first) == (0, f"3 records hold; last link {last}")
    assert second == "no checkpoint was compared: a tail that was cut off, or a log written anew, would go unnoticed"


@pytest.mark.parametrize("command", ["verify", "list"])
def test_a_changed_audit_is_told_with_its_line(file: Path, command: str) -> None:
    file.write_bytes(file.read_bytes().replace(b"withheld", b"released", 1))

    result = comity(command, file)

    assert result.exit_code == 3
    assert result.stderr == f"{file}:2: does not follow from the line before\n"
    assert isinstance(result.exception, SystemExit)


@pytest.mark.parametrize("name", ["absent.log", "absent/audit.log", ""])
def test_an_audit_that_is_not_there_is_one_line(tmp_path: Path, name: str) -> None:
    result = comity("verify", tmp_path / name)

    assert result.exit_code == 3
    assert result.stderr.count("\n") == 1
    assert result.stderr.endswith(": No such file or directory\n")


def test_verify_compares_what_stands_beside_and_what_a_witness_kept(state: Path) -> None:
    result = comity("verify", state)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[1] == (
        "3 checkpoints beside it and 0 of witnesses agree; "
        "without --witness a tail cut off together with its checkpoints would go unnoticed"
    )

    result = comity("verify", state, "--witness", state.parent / "alpha.checkpoints")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[1] == "3 checkpoints beside it and 3 of witnesses agree; witnessed up to line 30"


def test_verify_reads_where_a_configuration_points(state: Path) -> None:
    config = state.parent / "alpha.toml"
    config.write_text(TABLE)

    result = comity("verify", config)

    assert (result.exit_code, result.stdout.partition(" ")[0]) == (0, "35")
    config.write_text("nonsense")
    assert comity("verify", config).exit_code == 2


def test_a_tail_that_was_cut_off_with_its_checkpoints_is_told_by_a_witness(state: Path) -> None:
    file = state / "audit.log"
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:25]))
    own = checkpoint_file(file)
    own.write_bytes(b"".join(own.read_bytes().splitlines(keepends=True)[:2]))
    witness = state.parent / "alpha.checkpoints"

    assert comity("verify", state).exit_code == 0
    result = comity("verify", state, "--witness", witness)

    assert result.exit_code == 3
    assert result.stderr == (
        f"{file}: ends at line 25, but there were 30 when alpha signed 2026-03-14T21:08:00Z ({witness}:3)\n"
    )


def test_a_log_written_anew_is_told_with_the_lines_in_question(state: Path) -> None:
    file = state / "audit.log"
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(rechained([*lines[:14], *lines[15:]])))

    result = comity("verify", state)

    assert result.exit_code == 3
    assert result.stderr.startswith(
        f"{file}: of lines 11 to 20 at least one is not what it was when alpha signed 2026-"
    )


def test_without_a_bundle_it_says_that_signatures_were_not_verified(state: Path) -> None:
    for path in (state / "witness" / "bundles").iterdir():
        path.unlink()

    result = comity("verify", state)

    assert result.exit_code == 0
    assert "signatures NOT verified (no bundle given)" in result.stdout


def test_a_bundle_that_does_not_name_the_signer_is_refused(state: Path, states: Mapping[str, Path]) -> None:
    (bravo,) = (states["alpha"] / "bundles").glob("bravo.*")

    result = comity("verify", state, "--bundle", bravo)

    assert result.exit_code == 3
    assert "audit.checkpoints:1: the checkpoint does not hold: unknown-signer" in result.stderr


def test_one_message_is_proved_to_somebody_who_has_a_bundle_alone(
    state: Path, states: Mapping[str, Path], tmp_path: Path
) -> None:
    message, proof = f"{7:032x}", tmp_path / "proof.json"
    (bundle,) = (states["alpha"] / "bundles").glob("alpha.*")
    assert comity("prove", message, state, "--out", proof).exit_code == 0

    result = comity("verify", "--proof", proof, "--bundle", bundle)

    assert result.exit_code == 0
    first, second, third = result.stdout.splitlines()
    assert first == f"1 records of message {message} hold: alpha/cell signed 30 lines, 2026-03-14T21:08:00Z"
    roots = read_bundle(bundle.read_bytes()).roots
    assert second == f"compare the fingerprint of alpha by voice: {fingerprint('alpha', roots)}"
    assert third.split()[:2] == ["2026-03-14T21:07:30Z", "delivered"]
    changed = json.loads(proof.read_text())
    changed["lines"][0]["text"] = changed["lines"][0]["text"].replace("delivered", "withheld")
    proof.write_text(json.dumps(changed))
    result = comity("verify", "--proof", proof, "--bundle", bundle)
    assert (result.exit_code, result.stderr) == (3, "line 7: does not lead to the root that alpha signed\n")


def test_a_proof_goes_to_standard_output_too(state: Path) -> None:
    result = comity("prove", f"{7:032x}", state)

    assert json.loads(result.stdout)["lines"][0]["number"] == 7


@pytest.mark.parametrize(
    ("number", "told"), [(99, "nothing about it was recorded"), (33, "line 33 about it came after")]
)
def test_what_cannot_be_proved_is_one_line(state: Path, number: int, told: str) -> None:
    result = comity("prove", f"{number:032x}", state)

    assert result.exit_code == 3
    assert told in result.stderr
    assert result.stderr.count("\n") == 1


def test_proofs_and_logs_are_not_verified_at_once(state: Path, tmp_path: Path) -> None:
    assert comity("verify").exit_code == 2
    assert comity("verify", state, "--proof", state).exit_code == 2
    absent = comity("verify", "--proof", tmp_path / "absent")
    assert (absent.exit_code, absent.stderr) == (3, f"{tmp_path}/absent: No such file or directory\n")


@pytest.fixture
def workers(states: Mapping[str, Path], tmp_path: Path) -> Path:
    """The state folder of a gateway with two workers, and the file in which a partner keeps the checkpoints of both."""
    folder = tmp_path / "shared"
    keyring = Keyring.open(states["alpha"], NOW)
    for worker, count in (("worker-0", 12), ("worker-1", 15)):
        signed(folder / worker / "audit.log", keyring, count, 10)
    keyring.close()
    kept = [checkpoint_file(folder / worker / "audit.log").read_bytes() for worker in ("worker-0", "worker-1")]
    (tmp_path / "alpha.checkpoints").write_bytes(b"".join(kept))
    return folder


def test_the_logs_of_workers_are_verified_together(workers: Path) -> None:
    result = comity("verify", workers, "--witness", workers.parent / "alpha.checkpoints")

    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    for worker, count, (first, second) in (("worker-0", 12, lines[:2]), ("worker-1", 15, lines[2:])):
        file = workers / worker / "audit.log"
        assert first.startswith(f"{file}: {count} records hold; last link ")
        assert second == f"{file}: 1 checkpoints beside it and 1 of witnesses agree; witnessed up to line 10"


def test_a_log_of_a_worker_that_is_gone_is_told(workers: Path) -> None:
    witness = workers.parent / "alpha.checkpoints"
    both = [workers / worker / "audit.log" for worker in ("worker-0", "worker-1")]
    third = workers.parent / "audit.log"
    third.write_bytes(both[1].read_bytes())
    both[1].unlink()

    alone = comity("verify", workers, "--witness", witness)
    assert (alone.exit_code, ":1: is not the first line of the log that alpha signed" in alone.stderr) == (3, True)
    assert comity("verify", workers, third, "--witness", witness).exit_code == 0
    (workers / "worker-1" / "audit.checkpoints").unlink()
    with Audit(both[1]):
        pass
    result = comity("verify", workers, "--witness", witness)
    assert result.exit_code == 3
    assert result.stderr == f"none of these is the log that alpha signed 2026-03-14T21:07:40Z ({witness}:2)\n"


def test_the_logs_of_workers_are_listed_as_one_and_proved_one_by_one(workers: Path) -> None:
    assert len(comity("list", workers).stdout.splitlines()) == 27
    for number, told in ((14, "line 14 about it came after"), (5, "several workers recorded it")):
        result = comity("prove", f"{number:032x}", workers)
        assert (result.exit_code, told in result.stderr) == (3, True)
    assert comity("prove", f"{5:032x}", workers / "worker-1").exit_code == 0
    assert "nothing about it" in comity("prove", f"{99:032x}", workers).stderr
