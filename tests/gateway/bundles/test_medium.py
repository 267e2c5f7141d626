"""Files on media that do not give everything back."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.bundles.medium import BLOCK, SECTOR, read_medium


def test_a_medium_without_faults_gives_all_of_a_file(tmp_path: Path) -> None:
    data = os.urandom(100 + 3 * BLOCK)
    (tmp_path / "out").write_bytes(data)
    assert read_medium(tmp_path / "out", 1 << 20) == data


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
