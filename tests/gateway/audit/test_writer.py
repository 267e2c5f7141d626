"""The audit holds, or says where it does not; what cannot be written is not passed on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.audit import Audit, AuditError, read
from protocols.label import Label
from tests.disks import files_at_most
from tests.gateway.audit.logs import numbers, outcome, rechained, written


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "audit.log"


def test_what_is_written_is_read(file: Path) -> None:
    written(file, 1, 2, 3)

    assert numbers(file) == [1, 2, 3]
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_every_line_is_salted_and_chained_to_the_one_before(file: Path) -> None:
    written(file, 1, 1)
    first, second = (line.split(b" ", 2) for line in file.read_bytes().splitlines())
    leaves = [hashlib.sha256(b"\0" + salt + b" " + record).digest() for _, salt, record in (first, second)]
    link = hashlib.sha256(b"\2" + bytes(32) + leaves[0])
    next_link = hashlib.sha256(b"\2" + link.digest() + leaves[1])

    assert [first[0].decode(), second[0].decode()] == [link.hexdigest(), next_link.hexdigest()]
    assert first[2] == second[2]
    assert first[1] != second[1]  # the same record twice is not the same leaf
    assert len(bytes.fromhex(first[1].decode())) == 16


def test_nothing_reaches_the_file_before_commit_and_leaving_commits(file: Path) -> None:
    with Audit(file) as audit:
        audit(outcome(1))
        assert file.read_bytes() == b""
        audit.commit()
        assert numbers(file) == [1]
        audit(outcome(2))

    assert numbers(file) == [1, 2]


def test_a_restart_goes_on_where_the_file_ends(file: Path) -> None:
    written(file, 1, 2)
    written(file)
    written(file, 3)

    assert numbers(file) == [1, 2, 3]


def test_an_empty_audit_holds(file: Path) -> None:
    written(file)

    assert numbers(file) == []


def forged(lines: list[bytes]) -> list[bytes]:
    """The second record changed, and its own link computed anew: the third does not follow any more."""
    changed = lines[1].replace(b"delivered", b"withheld")
    return [lines[0], rechained([lines[0], changed])[1].rstrip(b"\n"), *lines[2:]]


TAMPERED: dict[str, tuple[Callable[[list[bytes]], list[bytes]], int]] = {
    "changed": (lambda lines: [lines[0], lines[1].replace(b"alpha", b"bravo"), *lines[2:]], 2),
    "changed and linked anew": (forged, 3),
    "first removed": (lambda lines: lines[1:], 1),
    "middle removed": (lambda lines: [*lines[:2], *lines[3:]], 3),
    "moved": (lambda lines: [lines[0], lines[2], lines[1], lines[3]], 2),
    "repeated": (lambda lines: [lines[0], lines[0], *lines[1:]], 2),
    "with another separator": (lambda lines: [lines[0], lines[1][:64] + b"\t" + lines[1][65:], *lines[2:]], 2),
    "emptied": (lambda lines: [lines[0], b"", *lines[2:]], 2),
    "added": (lambda lines: [*lines, b"0" * 64 + b" " + b"0" * 32 + b" {}"], 5),
    "without a record": (
        lambda lines: [*lines[:3], rechained([*lines[:3], b"0" * 64 + b" " + b"0" * 32 + b" "])[3][:-1]],
        4,
    ),
    "torn": (lambda lines: [*lines[:3], lines[3][:100]], 4),
    "noise": (lambda lines: [*lines, b"\xff\xfe \x00"], 5),
}


@pytest.mark.parametrize("how", TAMPERED)
def test_what_was_done_to_the_file_is_found_at_its_line(file: Path, how: str) -> None:
    change, line = TAMPERED[how]
    written(file, 1, 2, 3, 4)
    file.write_bytes(b"\n".join(change(file.read_bytes().splitlines())) + b"\n")

    with pytest.raises(AuditError, match=rf"audit\.log:{line}: does not follow"):
        list(read(file))


def test_a_line_that_follows_but_is_no_record_is_found(file: Path) -> None:
    file.parent.mkdir()
    file.write_bytes(rechained([b"0" * 64 + b" " + b"0" * 32 + b' {"event":"nonsense"}\n'])[0])

    with pytest.raises(AuditError, match=r"audit\.log:1: not a record"):
        list(read(file))


@pytest.mark.parametrize("keep", [1, 64, 65, 100, -1])
def test_a_line_torn_by_a_crash_is_cut_off_and_the_chain_goes_on(file: Path, keep: int) -> None:
    written(file, 1, 2)
    whole = file.read_bytes()
    torn = whole.splitlines(keepends=True)[1][:keep]
    file.write_bytes(whole + torn)

    written(file, 3)

    assert numbers(file) == [1, 2, 3]
    assert file.read_bytes().startswith(whole)
    assert file.read_bytes().count(b"\n") == 3


def test_a_first_line_torn_by_a_crash_leaves_an_empty_audit(file: Path) -> None:
    written(file, 1)
    file.write_bytes(file.read_bytes()[:50])

    written(file, 2)

    assert numbers(file) == [2]


@pytest.mark.parametrize("torn", [b"", b"x" * 200_000])
def test_lines_longer_than_what_is_read_at_once_are_found(file: Path, torn: bytes) -> None:
    long = Label(policy="P" * 150_000, classification="C")
    with Audit(file) as audit:
        audit(outcome(1))
        audit(outcome(2, label=long))
    with file.open("ab") as end:
        end.write(torn)

    written(file, 3)

    assert numbers(file) == [1, 2, 3]
    assert file.read_bytes().endswith(b"}\n")


def test_a_disk_that_fills_up_in_the_middle_of_a_record_is_an_error_and_leaves_no_half(file: Path) -> None:
    written(file, 1)
    size = file.stat().st_size
    audit = Audit(file)
    with audit:
        audit(outcome(2))
        with files_at_most(size + 50), pytest.raises(AuditError, match=r"audit\.log"):
            audit.write()
        assert file.stat().st_size == size
        audit.commit()  # there is room again: nothing was forgotten

    assert numbers(file) == [1, 2]


def test_a_full_disk_is_told_and_the_files_are_closed(file: Path) -> None:
    descriptors = Path("/proc/self/fd")
    before = len(list(descriptors.iterdir()))
    with files_at_most(0), pytest.raises(AuditError, match="File too large"), Audit(file) as audit:
        audit(outcome(1))

    assert len(list(descriptors.iterdir())) == before


def test_an_audit_that_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"a file, not a folder")

    with pytest.raises(AuditError, match=r"^audit .*audit\.log: "), Audit(tmp_path / "state" / "audit.log"):
        pass


def test_an_absent_audit_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(AuditError, match="No such file"):
        list(read(tmp_path / "absent.log"))


def test_two_gateways_never_write_one_audit(file: Path) -> None:
    with Audit(file) as audit:
        audit(outcome(1))
        with pytest.raises(AuditError, match="another gateway is writing it"), Audit(file):
            pass
        audit(outcome(2))

    written(file, 3)
    assert numbers(file) == [1, 2, 3]
