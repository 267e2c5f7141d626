"""Files on media that do not give everything back, and that are pulled out while they are written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.bundles.medium import BLOCK, SECTOR, read_medium, write_medium


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    file = tmp_path / "out"
    pieces = [os.urandom(100), b"", os.urandom(3 * BLOCK)]
    assert write_medium(file, pieces) == 100 + 3 * BLOCK
    assert read_medium(file, 1 << 20) == b"".join(pieces)
    assert [each.name for each in tmp_path.iterdir()] == ["out"]


def test_a_write_that_breaks_off_leaves_what_was_there(tmp_path: Path) -> None:
    file = tmp_path / "out"
    file.write_bytes(b"before")

    def breaks() -> Iterator[bytes]:
        yield b"half"
        raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output"):
        write_medium(file, breaks())
    assert file.read_bytes() == b"before"
    assert [each.name for each in tmp_path.iterdir()] == ["out"]


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "out"
    with file.open("wb") as out:
        out.truncate((1 << 20) + 1)
    with pytest.raises(ValueError, match="larger than 1 MiB"):
        read_medium(file, 1 << 20)


def test_what_cannot_be_read_stands_as_zeros(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A medium with a bad sector cannot be had here, so the system call that fails on one is played."""
    file, bad = tmp_path / "out", BLOCK + 2 * SECTOR
    data = os.urandom(2 * BLOCK + 10)
    file.write_bytes(data)
    genuine = os.pread

    def pread(descriptor: int, length: int, at: int) -> bytes:
        if at <= bad < at + length:
            raise OSError(5, "Input/output error")
        return genuine(descriptor, length, at)

    monkeypatch.setattr("gateway.bundles.medium.os.pread", pread)
    found = read_medium(file, 1 << 20)
    assert found == data[:bad] + bytes(SECTOR) + data[bad + SECTOR :]
