"""The versions of a table that were in force, so that the one before can be brought back: the TOML and its SPIFs.

``000001.toml`` in the folder, and beside it ``000001.0.xml`` and so on, the SPIFs in the order in which it names them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from gateway.config import Loaded, spifs

VERSIONS = "tables"  # folder of the versions, in the state directory
VERSIONS_MAX = 100


class Version(NamedTuple):
    """A table as it was: its text, and the SPIFs that it names."""

    text: bytes
    beside: tuple[tuple[str, bytes], ...] = ()


def version_of(loaded: Loaded) -> Version:
    """A table that was read."""
    return Version(loaded.text, tuple(loaded.beside.items()))


def keep(folder: Path, version: Version) -> None:
    """Keep a version that comes into force; the oldest beyond the bound go."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    kept = sorted(folder.glob("*.toml"))
    if kept and _read(kept[-1]) == version:
        return
    number = int(kept[-1].stem) + 1 if kept else 1
    for place, (_, data) in enumerate(version.beside):
        _write(folder / f"{number:06}.{place}.xml", data)
    _write(folder / f"{number:06}.toml", version.text)
    for old in kept[: max(0, len(kept) + 1 - VERSIONS_MAX)]:
        for file in folder.glob(f"{old.stem}.*"):
            file.unlink(missing_ok=True)  # another worker may have been first


def previous(folder: Path, current: Version, fits: Callable[[Version], bool] = lambda _: True) -> Version | None:
    """The newest version that was in force before the current one, and that ``fits``, or None."""
    versions = [_read(file) for file in sorted(folder.glob("*.toml"), reverse=True)]
    place = versions.index(current) + 1 if current in versions else 0
    return next((version for version in versions[place:] if version != current and fits(version)), None)


def _read(file: Path) -> Version:
    text = file.read_bytes()
    beside = [(name, file.with_suffix(f".{place}.xml")) for place, name in enumerate(spifs(text))]
    return Version(text, tuple((name, path.read_bytes()) for name, path in beside if path.exists()))


def _write(file: Path, data: bytes) -> None:
    file.write_bytes(data)
    file.chmod(0o600)
