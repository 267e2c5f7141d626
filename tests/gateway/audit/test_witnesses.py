"""A witness takes what a partner signed, and sees when it contradicts what the partner signed before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

import pytest

from gateway.audit import AuditError, witnesses
from gateway.audit.checkpoints import vouchers
from gateway.audit.statements import statements
from gateway.audit.vouchers import Vouchers
from gateway.audit.witnesses import Standing, Witnesses, witness_file
from gateway.keyring.ring import Keyring
from protocols.envelope import Refusal, Reject
from protocols.log_checkpoint import CheckpointFault, Growth, LogCheckpoint, pack_checkpoint, payload_of
from protocols.schedule import LOG_SIGNED
from protocols.transparency import Range, leaf_hash
from tests.fakes import NOW

HONEST = [b"%d" % number for number in range(100)]


def over(begin: int, end: int, texts: Sequence[bytes] = HONEST) -> Range:
    found = Range(begin)
    found.extend([leaf_hash(text) for text in texts[begin:end]])
    return found


class Partner:
    """Alpha, whose gateway may lie."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def states(
        self, size: int, since: int = 0, texts: Sequence[bytes] = HONEST, *, after_s: int = 0, log: bytes = b"l" * 16
    ) -> bytes:
        checkpoint = LogCheckpoint(
            format=1,
            partner=self._keyring.partner,
            log=log,
            size=size,
            root=over(0, size, texts).root(),
            chain=b"c" * 32,
            at=int(NOW.timestamp()) + after_s,
        )
        statement = self._keyring.attest(LOG_SIGNED, payload_of(checkpoint))
        return pack_checkpoint(statement, Growth(over(0, since, texts), over(since, size, texts)))


class Witness:
    """Bravo."""

    def __init__(self, keyring: Keyring, state: Path) -> None:
        self.state = state
        self.keyring = keyring
        self.kept = Witnesses(state)

    def sees(self, data: bytes, partner: str = "alpha", now: datetime = NOW) -> Standing:
        return self.kept.take(partner, data, self.keyring, now).standing

    def refuses(self, data: bytes, partner: str = "alpha") -> StrEnum:
        with pytest.raises(Reject) as caught:
            self.sees(data, partner)
        return caught.value.code

    def restarts(self) -> None:
        self.kept = Witnesses(self.state)

    def count(self) -> int:
        return len(list(statements(witness_file(self.state, "alpha"))))


@pytest.fixture
def alpha(coalition: dict[str, Keyring]) -> Partner:
    return Partner(coalition["alpha"])


@pytest.fixture
def bravo(coalition: dict[str, Keyring], tmp_path: Path) -> Witness:
    return Witness(coalition["bravo"], tmp_path)


@pytest.mark.parametrize("restarted", [False, True])
def test_a_log_that_only_grows_follows(alpha: Partner, bravo: Witness, *, restarted: bool) -> None:
    standings = []
    for size, since in ((5, 0), (9, 5), (9, 5), (64, 9), (100, 64)):
        standings.append(bravo.sees(alpha.states(size, since)))
        if restarted:
            bravo.restarts()

    assert standings == [Standing.FIRST, Standing.FOLLOWS, Standing.SAME, Standing.FOLLOWS, Standing.FOLLOWS]
    assert bravo.count() == 4
    newest = bravo.kept.latest("alpha")
    assert newest is not None
    assert newest.size == 100
    assert bravo.kept.latest("charlie") is None


REWRITTEN = [*HONEST[:3], b"other", *HONEST[4:]]
LIES = {
    "another root at the same size": (9, 5, 0, Standing.FORKED),
    "longer, rewritten below": (20, 9, 1, Standing.FORKED),
    "longer, rewritten below, told since an older one": (20, 5, 1, Standing.FORKED),
    "shorter, later": (7, 5, 1, Standing.SHRUNK),
    "another root at a size of before": (5, 0, 1, Standing.FORKED),
}


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("how", LIES)
def test_a_log_that_was_rewritten_is_an_alarm(alpha: Partner, bravo: Witness, how: str, *, restarted: bool) -> None:
    size, since, after_s, expected = LIES[how]
    bravo.sees(alpha.states(5))
    bravo.sees(alpha.states(9, 5))
    if restarted:
        bravo.restarts()

    seen = bravo.kept.take("alpha", alpha.states(size, since, REWRITTEN, after_s=after_s), bravo.keyring, NOW)

    assert (seen.standing, seen.alarm) == (expected, True)
    assert bravo.count() == 3  # the contradiction is the proof, so it is kept
    assert bravo.sees(alpha.states(12, 9, after_s=2)) is Standing.FOLLOWS or size == 20


def test_what_comes_late_or_after_a_gap_is_no_alarm(alpha: Partner, bravo: Witness) -> None:
    bravo.sees(alpha.states(5))
    seen = [
        bravo.sees(alpha.states(30, 20, after_s=20)),  # the one of 20 lines never came
        bravo.sees(alpha.states(20, 5, after_s=10)),  # and now it does
        bravo.sees(alpha.states(31, 20, after_s=30)),
        bravo.sees(alpha.states(40, 30, after_s=40)),
    ]

    assert seen == [Standing.UNLINKED, Standing.LATE, Standing.FOLLOWS, Standing.FOLLOWS]
    assert not any(each in witnesses.ALARMS for each in seen)


def test_another_log_is_told_once(alpha: Partner, bravo: Witness) -> None:
    bravo.sees(alpha.states(50))

    assert bravo.sees(alpha.states(3, log=b"m" * 16)) is Standing.ANOTHER
    assert bravo.sees(alpha.states(5, 3, log=b"m" * 16)) is Standing.FOLLOWS
    assert bravo.sees(alpha.states(51, 50)) is Standing.FOLLOWS


def test_logs_without_end_are_refused(alpha: Partner, bravo: Witness) -> None:
    for number in range(witnesses.LOGS_MAX):
        bravo.sees(alpha.states(1, log=bytes((number,)) * 16))

    assert bravo.refuses(alpha.states(1, log=b"x" * 16)) is CheckpointFault.TOO_MANY
    assert bravo.sees(alpha.states(2, 1, log=b"\1" * 16)) is Standing.FOLLOWS


def test_a_file_that_is_full_takes_no_more(alpha: Partner, bravo: Witness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(witnesses, "FILE_MAX", 6000)
    for size in (1, 2):
        bravo.sees(alpha.states(size, size - 1))

    assert bravo.refuses(alpha.states(3, 2)) is CheckpointFault.TOO_MANY
    assert bravo.count() == 2


def test_only_a_partners_own_checkpoint_is_taken_from_it(
    alpha: Partner, bravo: Witness, coalition: dict[str, Keyring]
) -> None:
    data = alpha.states(5)

    assert bravo.refuses(data, "charlie") is CheckpointFault.WRONG_PARTNER
    forged = Partner(coalition["charlie"]).states(5).replace(b"charlie", b"alpha\0\0")
    assert bravo.refuses(forged) is not None
    assert bravo.refuses(data[:-1]) is CheckpointFault.MALFORMED
    assert bravo.refuses(alpha.states(5, after_s=301)) is CheckpointFault.FROM_THE_FUTURE
    bravo.keyring.roster._revoked.add(coalition["alpha"]._units["alpha/cell"].signing.kid)
    assert bravo.refuses(data) is Refusal.REVOKED
    assert not witness_file(bravo.state, "alpha").exists()


def test_what_cannot_be_kept_was_not_taken(alpha: Partner, bravo: Witness) -> None:
    bravo.sees(alpha.states(5))
    file = witness_file(bravo.state, "alpha")
    held = file.read_bytes()
    file.unlink()
    file.mkdir()
    with pytest.raises(IsADirectoryError):
        bravo.sees(alpha.states(9, 5))
    file.rmdir()
    file.write_bytes(held)

    assert bravo.sees(alpha.states(9, 5)) is Standing.FOLLOWS
    file.write_bytes(b"damaged\n")
    bravo.restarts()
    for _ in range(2):
        with pytest.raises(AuditError, match=r"alpha\.checkpoints: not a checkpoint"):
            bravo.sees(alpha.states(9, 5))


def test_the_bundle_that_vouches_is_kept_beside(alpha: Partner, bravo: Witness) -> None:
    now = NOW + timedelta(days=20)
    bravo.sees(alpha.states(5), now=now)

    (kept,) = vouchers(bravo.state).iterdir()
    assert kept.read_bytes() == bravo.keyring.bundle_file("alpha")
    (statement,) = (each for _, each in statements(witness_file(bravo.state, "alpha")))
    assert Vouchers.read([kept]).attest(statement).checkpoint.size == 5
