"""Statements are appended whole, and a line that a crash left unfinished is no statement."""

from __future__ import annotations

import os
from base64 import b64encode
from pathlib import Path

import pytest

from gateway.audit import AuditError, statements


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "witness" / "bravo.checkpoints"


def test_what_was_appended_is_read(path: Path) -> None:
    for number in range(3):
        statements.append(path, b"statement %d" % number, 1_800_000_000 + number)

    assert list(statements.statements(path)) == [(n + 1, b"statement %d" % n) for n in range(3)]
    assert statements.latest(path) == [b"statement 0", b"statement 1", b"statement 2"]
    assert path.read_bytes().startswith(b"1800000000 " + b64encode(b"statement 0") + b"\n1800000001 ")
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_an_unfinished_line_is_cut_off(path: Path) -> None:
    statements.append(path, b"one", 1)
    with path.open("ab") as file:
        file.write(b"2 dHdvdHdvdHdvdHdvdHdv")
    assert [text for _, text in statements.statements(path)] == statements.latest(path) == [b"one"]

    statements.append(path, b"three", 3)
    assert path.read_bytes() == b"1 b25l\n3 dGhyZWU=\n"


def test_of_many_only_the_newest_are_read_at_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(10):
        statements.append(path, b"%d" % number, 1)
    monkeypatch.setattr(statements, "_TAIL", 30)

    assert statements.latest(path) == [b"6", b"7", b"8", b"9"]
    statements.append(path, b"10", 1)
    assert len(list(statements.statements(path))) == 11


def test_what_is_no_statement_is_told(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"1 b25l\n2 !\n")

    with pytest.raises(AuditError, match=r"bravo\.checkpoints:2: not a checkpoint"):
        list(statements.statements(path))
    with pytest.raises(AuditError, match=r"bravo\.checkpoints: not a checkpoint"):
        statements.latest(path)
    assert statements.latest(path.with_name("absent")) == []
    with pytest.raises(AuditError, match="Is a directory"):
        statements.latest(path.parent)
    with pytest.raises(AuditError, match="Is a directory"):
        list(statements.statements(path.parent))


def test_a_disk_that_fills_up_leaves_no_half(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    statements.append(path, b"one", 1)
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: pwrite(fd, data[:5], at))

    with pytest.raises(OSError, match="disk full"):
        statements.append(path, b"two", 2)
    assert path.read_bytes() == b"1 b25l\n"
