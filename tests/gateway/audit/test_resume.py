"""A writer goes on where the log ends; what a crash spoilt is put aside, and what was signed is never given up."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from gateway.audit import Audit, AuditError, read
from gateway.audit import resume as module
from gateway.audit.place import find_place, place_file
from gateway.audit.resume import checkpoint_file, last_signed
from gateway.audit.segments import segments
from gateway.audit.verification import claims, verify
from gateway.keyring.ring import Keyring
from tests.gateway.audit.logs import numbers, outcome, rechained, signed, written


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "audit.log"


def lines_of(file: Path) -> list[bytes]:
    return file.read_bytes().splitlines(keepends=True)


def root(file: Path) -> bytes:
    """The root of the tree as a writer that starts now has it."""
    with Audit(file) as audit:
        point = audit.point()
    assert point is not None
    past, recent = point.growth
    return past.joined(recent).root()


def spoil(data: bytes) -> bytes:
    return data[:-1] + bytes((data[-1] ^ 1,))


def rewrite(place: bytes, **changes: object) -> bytes:
    """A place that says something else, its own digest computed anew."""
    names = ("log", "size", "chain", "first", "offset", "settled", "past", "recent")
    fields = dict(zip(names, msgspec.msgpack.decode(place[32:]), strict=True)) | changes
    content = msgspec.msgpack.encode(list(fields.values()))
    return hashlib.sha256(content).digest() + content


PLACES: dict[str, Callable[[bytes], bytes]] = {
    "as it was": bytes,
    "empty": lambda _: b"",
    "damaged": spoil,
    "noise": lambda _: b"\xff" * 100,
    "of other bytes": lambda data: rewrite(data, offset=500),
    "beyond the end": lambda data: rewrite(data, offset=1 << 40),
    "of another chain": lambda data: rewrite(data, chain=bytes(32)),
    "with hashes too few": lambda data: rewrite(data, recent=[]),
    "of another size": lambda data: rewrite(data, size=1 << 60),
    "of no log": lambda data: rewrite(data, log=b""),
    "of another shape": lambda data: rewrite(data, past={}),
}


@pytest.mark.parametrize("how", PLACES)
def test_a_place_that_is_in_doubt_is_not_believed(file: Path, how: str) -> None:
    written(file, *range(1, 31), segment_bytes=1000)
    expected = root(file)
    place_file(file).write_bytes(PLACES[how](place_file(file).read_bytes()))

    assert (find_place(file) is not None) == (how == "as it was")
    assert root(file) == expected
    written(file, 31)
    assert numbers(file) == list(range(1, 32))


def test_with_its_place_only_newer_lines_are_read(file: Path) -> None:
    written(file, 1, 2, 3)
    place = place_file(file).read_bytes()
    written(file, 4, 5)
    expected = root(file)
    place_file(file).write_bytes(place)
    damaged = file.read_bytes()
    file.write_bytes(damaged.replace(b"delivered", b"withheld!", 1))  # the first line, which is known

    assert root(file) == expected
    with pytest.raises(AuditError, match=r"audit\.log:1: does not follow"):
        list(read(file))


def test_what_a_power_cut_spoilt_is_put_aside_and_the_log_goes_on(file: Path) -> None:
    written(file, *range(1, 6))
    place = place_file(file).read_bytes()
    written(file, *range(6, 11))
    lines = lines_of(file)
    lost = bytes(len(lines[7])) + lines[8] + lines[9]  # a block that never reached the disk reads as zeros
    file.write_bytes(b"".join(lines[:7]) + lost)
    place_file(file).write_bytes(place)

    with Audit(file) as audit:
        assert audit.lost == len(lost)
        audit(outcome(99))

    assert numbers(file) == [1, 2, 3, 4, 5, 6, 7, 99]
    (aside,) = file.parent.glob("audit.torn-8-*")
    assert aside.read_bytes() == lost
    assert aside.stat().st_mode & 0o777 == 0o600


def test_what_is_spoilt_far_from_the_end_stops_the_writer(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(file, *range(1, 11))
    place_file(file).unlink()
    damaged = file.read_bytes().replace(b"delivered", bytes(9), 1)
    file.write_bytes(damaged)
    monkeypatch.setattr(module, "LOST_MAX", 1000)

    with pytest.raises(AuditError, match=r"audit\.log:1: does not follow"), Audit(file):
        pass
    assert file.read_bytes() == damaged


def test_a_bad_line_in_a_full_file_stops_the_writer(file: Path) -> None:
    written(file, *range(1, 11), segment_bytes=1000)
    place_file(file).unlink()
    full = segments(file)[0].path
    full.write_bytes(full.read_bytes().replace(b"delivered", b"withheld!", 1))

    with pytest.raises(AuditError, match=r"audit\.000000000001\.log:1: does not follow"), Audit(file):
        pass


def test_a_full_file_that_is_gone_stops_the_writer(file: Path) -> None:
    written(file, *range(1, 16), segment_bytes=1000)
    place_file(file).unlink()
    segments(file)[0].path.unlink()

    with (
        pytest.raises(AuditError, match="line 1 is missing, this file begins later: put the one before it back"),
        Audit(file),
    ):
        pass


def test_a_whole_line_that_does_not_follow_stops_the_writer(file: Path) -> None:
    written(file, *range(1, 11), segment_bytes=1000)
    place_file(file).unlink()
    segments(file)[0].path.unlink()
    left = file.read_bytes()

    with pytest.raises(AuditError, match=r"audit\.log:1: does not follow"), Audit(file):
        pass
    assert file.read_bytes() == left


def test_a_crash_between_two_files_goes_on_in_a_new_one(file: Path) -> None:
    written(file, *range(1, 6))
    file.rename(file.with_name("audit.000000000001.log"))

    written(file, 6)

    assert numbers(file) == [1, 2, 3, 4, 5, 6]
    assert [each.first for each in segments(file)] == [1, None]


def test_a_signed_line_that_was_cut_off_stops_the_writer(file: Path, coalition: dict[str, Keyring]) -> None:
    signed(file, coalition["alpha"], 12, 10)
    file.write_bytes(b"".join(lines_of(file)[:9]))

    with pytest.raises(AuditError, match="ends at line 9, but 10 lines were signed 2026-03-14T21:07:40Z"), Audit(file):
        pass


@pytest.mark.parametrize("with_place", [True, False])
def test_a_log_written_anew_below_its_checkpoint_stops_the_writer(
    file: Path, coalition: dict[str, Keyring], *, with_place: bool
) -> None:
    signed(file, coalition["alpha"], 12, 10)
    lines = lines_of(file)
    file.write_bytes(b"".join(rechained([lines[0], lines[2], lines[1], *lines[3:]])))
    if not with_place:
        place_file(file).unlink()

    with pytest.raises(AuditError, match="lines 1 to 10 are not what was signed 2026-03-14T21:07:40Z"), Audit(file):
        pass


def test_a_changed_line_that_was_signed_stops_the_writer(file: Path, coalition: dict[str, Keyring]) -> None:
    signed(file, coalition["alpha"], 12, 10)
    place_file(file).unlink()
    file.write_bytes(file.read_bytes().replace(b"delivered", b"withheld!", 1))

    with pytest.raises(AuditError, match=r"audit\.log:1: does not follow"), Audit(file):
        pass


@pytest.mark.parametrize("with_place", [True, False])
def test_growth_is_counted_from_the_last_checkpoint_also_after_a_restart(
    file: Path, coalition: dict[str, Keyring], *, with_place: bool
) -> None:
    signed(file, coalition["alpha"], 12, 5, 10)
    if not with_place:
        place_file(file).unlink()
    with Audit(file) as audit:
        audit(outcome(13))
        audit.commit()
        point = audit.point()

    assert point is not None
    assert (point.size, point.growth.past.end, point.growth.recent.begin) == (13, 10, 10)
    assert verify(file, claims(checkpoint_file(file), None, own=True)).signed == 10


def test_a_place_from_before_the_last_checkpoint_is_gone_on_from(file: Path, coalition: dict[str, Keyring]) -> None:
    written(file, 1, 2, 3)
    place = place_file(file).read_bytes()
    signed(file, coalition["alpha"], 5, 4)  # eight lines, seven of them signed
    place_file(file).write_bytes(place)

    with Audit(file) as audit:
        point = audit.point()
    assert point is not None
    assert (point.size, point.growth.past.end) == (8, 7)


def test_a_file_that_holds_no_checkpoint_stops_the_writer(file: Path) -> None:
    written(file, 1)
    checkpoint_file(file).write_bytes(b"1 AAAA\n")

    with pytest.raises(AuditError, match=r"audit\.checkpoints: the last line is not a checkpoint"), Audit(file):
        pass


def test_a_log_without_a_checkpoint_has_none(file: Path) -> None:
    written(file, 1)

    assert last_signed(file) is None


def test_a_place_whose_past_is_not_what_was_signed_is_not_believed(file: Path, coalition: dict[str, Keyring]) -> None:
    signed(file, coalition["alpha"], 12, 10)
    expected = root(file)
    place_file(file).write_bytes(rewrite(place_file(file).read_bytes(), past=[bytes(32), bytes(32)]))

    assert find_place(file) is not None  # in itself it could be
    assert root(file) == expected


def test_a_spoilt_line_that_was_signed_is_not_given_up(file: Path, coalition: dict[str, Keyring]) -> None:
    signed(file, coalition["alpha"], 12, 10)
    place_file(file).unlink()
    lines = lines_of(file)
    file.write_bytes(b"".join([*lines[:9], bytes(len(lines[9])), *lines[10:]]))

    with pytest.raises(AuditError, match=r"audit\.log:10: does not follow"), Audit(file):
        pass
    file.write_bytes(b"".join([*lines[:10], bytes(len(lines[10])), *lines[11:]]))
    with Audit(file) as audit:
        assert audit.size == 10
