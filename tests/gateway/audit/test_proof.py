"""One message proved to a third party: everything about it, nothing of any other, and nothing can be made up."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from msgspec.structs import replace

from gateway.audit import Audit, AuditError
from gateway.audit.checkpoints import Checkpoints, Rhythm
from gateway.audit.proof import Proof, ProvedLine, check_proof, prove, read_proof, write_proof
from gateway.audit.resume import checkpoint_file
from gateway.audit.statements import statements
from gateway.audit.vouchers import Vouchers
from gateway.keyring.holdings import Holdings
from gateway.keyring.keystore import key_file
from gateway.keyring.ring import Keyring
from protocols.envelope import Refusal, Reject
from protocols.record import Event
from tests.fakes import NOW
from tests.gateway.audit.logs import outcome, signed

NOW_S = int(NOW.timestamp())
COUNT, ABOUT = 23, (4, 5, 17)  # lines of the log, and those about the message that is asked for
MESSAGE = f"{7777:032x}"


class Log(NamedTuple):
    """A log with three lines about one message, its checkpoints and whoever can vouch for them."""

    file: Path
    checkpoints: list[bytes]
    vouchers: Vouchers


async def fill(file: Path, keyring: Keyring) -> None:
    with Audit(file) as audit:
        checkpoints = Checkpoints(audit, keyring, Rhythm(lines=1))
        for number in range(1, COUNT + 1):
            audit(outcome(7777, destination=f"bravo/ops-{number}") if number in ABOUT else outcome(number))
            audit.commit()
            if number in {10, 20}:
                await checkpoints.due(NOW)


@pytest.fixture(scope="module")
def log(states: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Log:
    file = tmp_path_factory.mktemp("log") / "audit.log"
    keyring = Keyring.open(states["alpha"], NOW)
    asyncio.run(fill(file, keyring))
    keyring.close()
    kept = [statement for _, statement in statements(checkpoint_file(file))]
    return Log(file, kept, Vouchers.read((states["alpha"] / "bundles").glob("alpha.*")))


@pytest.fixture(scope="module")
def proof(log: Log) -> Proof:
    return prove(log.file, log.checkpoints, MESSAGE)


def test_a_third_party_verifies_it_with_a_bundle_alone(log: Log, proof: Proof) -> None:
    shown = check_proof(read_proof(write_proof(proof)), log.vouchers)

    assert [entry.number for entry in shown.entries] == list(ABOUT)
    assert [entry.record.destination for entry in shown.entries] == [f"bravo/ops-{number}" for number in ABOUT]
    assert {entry.record.event for entry in shown.entries} == {Event.DELIVERED}
    assert (shown.attested.checkpoint.size, shown.attested.checkpoint.partner) == (20, "alpha")


def test_it_holds_nothing_of_other_records(log: Log, proof: Proof) -> None:
    data = write_proof(proof)
    lines = log.file.read_bytes().splitlines()

    for number, line in enumerate(lines, 1):
        _, salt, record = line.split(b" ", 2)
        if number not in ABOUT:
            assert salt not in data
            assert msgspec.json.decode(record)["message"].encode() not in data
            # guessing what a neighbour says is no use: without its salt no hash of it is among those given
            assert hashlib.sha256(b"\0" + record).digest() not in {each for one in proof.lines for each in one.path}
    assert len(data) < 20_000
    neighbour = hashlib.sha256(b"\0" + lines[2].partition(b" ")[2]).digest()  # line 3, beside line 4: salt and record
    assert proof.lines[0].path[0] == neighbour


def other(line: ProvedLine, **changes: object) -> ProvedLine:
    return replace(line, **changes)


def first(change: Callable[[ProvedLine], ProvedLine]) -> Callable[[Proof], Proof]:
    return lambda proof: replace(proof, lines=(change(proof.lines[0]), *proof.lines[1:]))


FORGERIES: dict[str, tuple[Callable[[Proof], Proof], str]] = {
    "another text": (
        first(lambda each: other(each, text=each.text.replace("delivered", "withheld"))),
        "line 4: does not",
    ),
    "another salt": (
        first(lambda each: other(each, text="0" * 32 + each.text[32:])),
        "line 4: does not lead to the root",
    ),
    "another place": (first(lambda each: other(each, number=3)), "line 3: does not lead to the root"),
    "a place that is not": (first(lambda each: other(each, number=21)), "line 21: no such leaf"),
    "no place": (first(lambda each: other(each, number=0)), "line 0: no such leaf"),
    "a shorter path": (first(lambda each: other(each, path=each.path[1:])), "line 4: the path is too short"),
    "a longer path": (first(lambda each: other(each, path=(*each.path, bytes(32)))), "line 4: the path is too long"),
    "another hash": (first(lambda each: other(each, path=(bytes(32), *each.path[1:]))), "line 4: does not lead"),
    "another message": (lambda proof: replace(proof, message="0" * 32), "line 4: is about another message"),
    "a line twice": (lambda proof: replace(proof, lines=(*proof.lines, proof.lines[0])), "stands there twice"),
}


@pytest.mark.parametrize("how", FORGERIES)
def test_what_was_made_up_is_refused(log: Log, proof: Proof, how: str) -> None:
    change, told = FORGERIES[how]

    with pytest.raises(AuditError, match=told):
        check_proof(change(proof), log.vouchers)


def test_another_checkpoint_proves_nothing(log: Log, proof: Proof) -> None:
    with pytest.raises(AuditError, match=r"line 4: (does not lead|the path)"):
        check_proof(replace(proof, checkpoint=log.checkpoints[0]), log.vouchers)


def test_only_a_bundle_that_names_the_signer_will_do(proof: Proof, states: Mapping[str, Path]) -> None:
    for given in ([], list((states["alpha"] / "bundles").glob("bravo.*"))):
        with pytest.raises(Reject) as caught:
            check_proof(proof, Vouchers.read(given))
        assert caught.value.code is Refusal.UNKNOWN_SIGNER


def test_a_key_that_was_withdrawn_since_proves_nothing(tmp_path: Path) -> None:
    state, now_s = tmp_path / "alpha", NOW_S
    held = Holdings.create(state, ["alpha/hq", "alpha/ops"], key_file(state / "secret.key"), now_s)
    keyring = Keyring.open(state, NOW)
    signed(tmp_path / "audit.log", keyring, 5, 5)
    keyring.close()
    before = held.bundle("alpha")
    kept = [statement for _, statement in statements(tmp_path / "audit.checkpoints")]
    proof = prove(tmp_path / "audit.log", kept, f"{3:032x}")
    check_proof(proof, Vouchers([before]))
    held.revoke("alpha/hq", now_s + 100)
    held.issue(now_s + 100)

    with pytest.raises(AuditError, match="the key that signed the checkpoint was withdrawn"):
        check_proof(proof, Vouchers([before, held.bundle("alpha")]))


def test_what_cannot_be_proved_is_told(log: Log) -> None:
    with pytest.raises(AuditError, match="no checkpoint of it was signed yet"):
        prove(log.file, [], MESSAGE)
    with pytest.raises(
        AuditError, match=r"nothing about it was recorded before the newest signed checkpoint \(20 lines\)"
    ):
        prove(log.file, log.checkpoints, "f" * 32)
    with pytest.raises(AuditError, match=r"line 22 about it came after the newest signed checkpoint"):
        prove(log.file, log.checkpoints, f"{22:032x}")
    with pytest.raises(AuditError, match=r"line 17 about it came after the newest signed checkpoint \(10 lines\)"):
        prove(log.file, log.checkpoints[:1], MESSAGE)


def test_a_log_shorter_than_its_checkpoint_proves_nothing(log: Log, tmp_path: Path) -> None:
    short = tmp_path / "audit.log"
    short.write_bytes(b"".join(log.file.read_bytes().splitlines(keepends=True)[:18]))

    with pytest.raises(AuditError, match="ends at line 18, but 20 lines were signed"):
        prove(short, log.checkpoints, MESSAGE)


NONE: dict[str, bytes] = {
    "nothing": b"",
    "noise": b"\xff\x00",
    "another thing": b'{"format":1}',
    "a field too many": b'{"format":1,"message":"m","checkpoint":"","lines":[],"more":1}',
    "no line": b'{"format":1,"message":"m","checkpoint":"","lines":[]}',
    "another format": b'{"format":2,"message":"m","checkpoint":"","lines":[{"number":1,"text":"","path":[]}]}',
    "deep": b"[" * 100_000,
}


@pytest.mark.parametrize("how", NONE)
def test_what_is_no_proof_is_refused(how: str) -> None:
    with pytest.raises(AuditError, match="not a proof"):
        read_proof(NONE[how])


def test_a_line_that_is_no_record_is_refused(log: Log) -> None:
    line = ProvedLine(number=1, text="x", path=())
    with pytest.raises(AuditError, match="line 1"):
        check_proof(Proof(format=1, message="m", checkpoint=log.checkpoints[0], lines=(line,)), log.vouchers)


def test_a_bundle_that_does_not_hold_vouches_for_nobody(states: Mapping[str, Path], tmp_path: Path) -> None:
    (good,) = (states["alpha"] / "bundles").glob("alpha.*")
    bad = tmp_path / "bad.bundle"
    bad.write_bytes(good.read_bytes()[:-1] + b"\0")

    with pytest.raises(AuditError, match=r"bad\.bundle: not a bundle that holds: bundle-"):
        Vouchers.read([bad])
    with pytest.raises(AuditError, match="No such file"):
        Vouchers.read([tmp_path / "absent"])
    assert len(Vouchers.read([good]).fingerprints("alpha")) == 1
    assert Vouchers.read([good]).fingerprints("bravo") == []
