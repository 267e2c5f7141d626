"""Files that are whole and on the disk, or are not there at all."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.durable import sync_folder, write_private, write_whole


def _mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def test_what_is_written_is_there_alone(tmp_path: Path) -> None:
    file = tmp_path / "out"
    assert write_whole(file, [b"one", b"", b"three"]) == 8
    assert file.read_bytes() == b"onethree"
    assert [each.name for each in tmp_path.iterdir()] == ["out"]


def test_a_write_that_breaks_off_leaves_what_was_there(tmp_path: Path) -> None:
    file = tmp_path / "out"
    file.write_bytes(b"before")

    def breaks() -> Iterator[bytes]:
        yield b"half"
        raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output"):
        write_whole(file, breaks())
    assert file.read_bytes() == b"before"
    assert [each.name for each in tmp_path.iterdir()] == ["out"]


def test_the_file_is_on_the_disk_before_it_has_its_name_and_the_name_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a power cut leaves cannot be had here, so the order of what the system is asked for is looked at."""
    file = tmp_path / "out"
    file.write_bytes(b"before")
    seen: list[tuple[str, bytes]] = []
    genuine = os.fsync

    def fsync(descriptor: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        seen.append((kind, file.read_bytes()))
        genuine(descriptor)

    monkeypatch.setattr("gateway.durable.os.fsync", fsync)
    write_whole(file, (b"after",))
    assert seen == [("file", b"before"), ("folder", b"after")]


def test_a_private_file_is_its_owners_alone_also_where_one_was_that_others_read(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(b"before")
    file.chmod(0o644)
    write_private(file, b"after")
    assert (file.read_bytes(), _mode(file)) == (b"after", 0o600)


def test_other_files_are_as_private_as_the_process_makes_them(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "out", (b"public",))
    finally:
        os.umask(before)
    assert _mode(tmp_path / "out") == 0o640


def test_only_a_folder_has_names_to_bring_to_the_disk(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    sync_folder(tmp_path)
    with pytest.raises(NotADirectoryError):
        sync_folder(tmp_path / "file")
