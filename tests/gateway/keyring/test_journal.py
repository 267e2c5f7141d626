from __future__ import annotations

from pathlib import Path

import pytest

from gateway.keyring import journal as module
from gateway.keyring.journal import LOG, SNAPSHOT, Journal
from gateway.keyring.keystore import KeyringError

NOW = 1_800_000_000
LATER = NOW + 86_400
ONE, TWO = b"epoch--1", b"epoch--2"


def reopened(folder: Path, now_s: float = NOW) -> Journal:
    return Journal(folder, now_s)


def test_what_was_settled_comes_back(tmp_path: Path) -> None:
    journal = Journal(tmp_path, NOW)
    journal.epoch(ONE, LATER)
    journal.epoch(ONE, LATER)
    for seq in (0, 1, 5):
        journal.opened(ONE, seq)
    for seq in (0, 5):
        journal.settle(ONE, seq)
    journal.close()

    again = reopened(tmp_path)

    assert again.settled() == {ONE: bytes([0b100001])}
    assert again.doubtful(ONE, 1)
    assert not again.doubtful(ONE, 0)
    assert not again.doubtful(ONE, 2)
    assert not again.doubtful(TWO, 1)
    again.close()


def test_doubt_is_about_what_was_opened_before_the_start(tmp_path: Path) -> None:
    journal = Journal(tmp_path, NOW)
    journal.epoch(ONE, LATER)
    journal.opened(ONE, 3)

    assert not journal.doubtful(ONE, 3)
    journal.close()


def test_it_lasts_through_a_snapshot_and_a_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOG_MAX", 1000)
    journal = Journal(tmp_path, NOW)
    journal.epoch(ONE, LATER)
    for seq in range(500):
        journal.opened(ONE, seq)
        journal.settle(ONE, seq)
    assert (tmp_path / LOG).stat().st_size <= 1000 + 16
    journal.close()

    assert reopened(tmp_path).settled()[ONE] == b"\xff" * 62 + b"\x0f"


def test_a_torn_record_is_what_a_crash_leaves(tmp_path: Path) -> None:
    journal = Journal(tmp_path, NOW)
    journal.epoch(ONE, LATER)
    journal.settle(ONE, 0)
    journal.settle(ONE, 1)
    journal.close()
    log = tmp_path / LOG
    log.write_bytes(log.read_bytes()[:-5])

    assert reopened(tmp_path).settled() == {ONE: b"\x01"}


def test_expired_epochs_are_forgotten_and_closed_ones_stay_closed(tmp_path: Path) -> None:
    journal = Journal(tmp_path, NOW)
    journal.epoch(ONE, NOW + 10)
    journal.epoch(TWO, LATER)
    journal.settle(ONE, 0)
    journal.bury(TWO, LATER)
    journal.settle(TWO, 0)
    journal.close()

    again = reopened(tmp_path, NOW + 11)

    assert again.settled() == {}
    assert again.buried() == {TWO: LATER}
    again.close()
    assert reopened(tmp_path, LATER + 1).buried() == {}


def test_records_of_an_epoch_that_was_forgotten_are_left_out(tmp_path: Path) -> None:
    journal = Journal(tmp_path, NOW)
    journal.epoch(ONE, LATER)
    journal.opened(ONE, 0)
    journal.close()
    log = tmp_path / LOG
    log.write_bytes(log.read_bytes()[16:] + b"?" + bytes(15))

    assert reopened(tmp_path).settled() == {}


@pytest.mark.parametrize("damage", [b"", b"\xc1", b"\x90", b"\x92\x01\x01", b"\x93\x90\x90\x90"])
def test_a_damaged_snapshot_stops_the_start(tmp_path: Path, damage: bytes) -> None:
    reopened(tmp_path).close()
    (tmp_path / SNAPSHOT).write_bytes(damage)

    with pytest.raises(KeyringError, match=r"replay journal in .* is damaged"):
        reopened(tmp_path)


def test_a_number_beyond_an_epoch_in_the_log_is_damage(tmp_path: Path) -> None:
    journal = Journal(tmp_path, NOW)
    journal.epoch(ONE, LATER)
    journal.close()
    with (tmp_path / LOG).open("ab") as log:
        log.write(b"O" + ONE + b"\xff\xff\xff\xff" + bytes(3))

    with pytest.raises(KeyringError, match="damaged"):
        reopened(tmp_path)


def test_no_key_is_in_the_journal(tmp_path: Path) -> None:
    journal = Journal(tmp_path, NOW)
    journal.epoch(ONE, LATER)
    journal.settle(ONE, 7)
    journal.close()

    expected = b"E" + ONE + LATER.to_bytes(4, "big") + bytes(3) + b"S" + ONE + b"\0\0\0\7" + bytes(3)
    assert (tmp_path / LOG).read_bytes() == expected


def test_a_second_process_appends_and_leaves_the_log_to_the_first(tmp_path: Path) -> None:
    first = Journal(tmp_path, NOW)
    first.epoch(ONE, LATER)
    second = reopened(tmp_path)
    second.epoch(TWO, LATER)
    second.settle(TWO, 3)
    first.settle(ONE, 4)
    second.close()
    first.close()

    assert reopened(tmp_path).settled() == {ONE: b"\x10", TWO: b"\x08"}
