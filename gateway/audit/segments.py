"""The files of a log in order, and its lines, each checked against the one before.

``audit.log`` is being written. A full file was renamed by the number of its first line, ``audit.000000000001.log``; the
chain goes on from file to file. Nothing here ever deletes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from os.path import samestat
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from gateway.audit.lines import CHAIN, GENESIS, LINE_MIN, AuditError, Line, leaf_of, link
from gateway.table.sharing import FOLDER

NAME: Final = "audit.log"  # in a state folder
_DIGITS: Final = 12
_BUFFER: Final = 1 << 20


class Segment(NamedTuple):
    """One file of a log and the number of its first line; None for the one being written: its name does not tell."""

    path: Path
    first: int | None


class Spot(NamedTuple):
    """A place in a log: so many lines lie before it, the chain at the last of them, and where it is in which file.

    ``first`` is the number of the first line of that file, ``offset`` in bytes.
    """

    size: int = 0
    chain: bytes = GENESIS
    first: int = 1
    offset: int = 0


BEGINNING: Final = Spot()


class BrokenError(AuditError):
    """A line that does not follow; ``spot`` is where the last good one ends, ``path`` the file of the bad one."""

    def __init__(self, text: str, spot: Spot, path: Path) -> None:
        super().__init__(text)
        self.spot = spot
        self.path = path


def aside(file: Path, first: int) -> Path:
    """What a full file is called."""
    return file.with_name(f"{file.stem}.{first:0{_DIGITS}}{file.suffix}")


def logs_in(path: Path) -> list[Path]:
    """The logs that are meant: the one in a state folder and those of its workers, or the file itself."""
    if not path.is_dir():
        return [path]
    found = [path / NAME, *sorted(path.glob(f"{FOLDER}*/{NAME}"))]
    return [each for each in found if each.exists()] or found[:1]


def segments(file: Path) -> list[Segment]:
    """The files of a log that are there, in order. Raise AuditError."""
    name = re.compile(rf"{re.escape(file.stem)}\.(\d{{{_DIGITS}}}){re.escape(file.suffix)}")
    try:
        matches = [(found, path) for path in file.parent.iterdir() if (found := name.fullmatch(path.name))]
    except OSError as error:
        raise AuditError(f"{file}: {error.strerror}") from None
    full = [Segment(path, int(found[1])) for found, path in sorted(matches, key=lambda each: int(each[0][1]))]
    return [*full, Segment(file, None)] if file.exists() else full


class Walk:
    """Goes through the lines of a log from a place on. ``spot`` is where it stands after the last."""

    def __init__(self, file: Path, start: Spot = BEGINNING) -> None:
        self._file = file
        self._start = start
        self.spot = start
        self.torn = 0  # bytes of an unfinished last line: being written, or cut by a crash and never committed

    def __iter__(self) -> Iterator[Line]:
        """Every line. Raise AuditError, and BrokenError at the first that does not follow."""
        with ExitStack() as stack:
            growing = self._growing(stack)  # before the others are listed: a writer may rename it at any moment
            files = [each for each in segments(self._file) if each.first is not None]
            if growing is not None and not any(_same(growing, each.path) for each in files):
                files.append(Segment(self._file, None))
            wanted = [each for each in files if each.first is None or each.first >= self._start.first]
            if not wanted:
                raise AuditError(f"{self._file}: No such file or directory")
            for segment in wanted:
                if segment is not wanted[0]:
                    self.spot = Spot(self.spot.size, self.spot.chain, self.spot.size + 1)
                if segment.first not in {None, self.spot.first}:
                    missing = f"line {self.spot.first} is missing, this file begins later: put the one before it back"
                    raise AuditError(f"{segment.path}: {missing}")
                file = growing if segment.first is None else None
                yield from self._lines(segment.path, file, last=segment is wanted[-1])

    def _growing(self, stack: ExitStack) -> BinaryIO | None:
        """The file that is being written; None between two files."""
        try:
            return stack.enter_context(self._file.open("rb", buffering=_BUFFER))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise AuditError(f"{self._file}: {error.strerror}") from None

    def _lines(self, path: Path, opened: BinaryIO | None, *, last: bool) -> Iterator[Line]:
        size, chain, first, offset = self.spot
        try:
            with opened or path.open("rb", buffering=_BUFFER) as file:
                file.seek(offset)
                for line in file:
                    if not line.endswith(b"\n") and last:
                        self.torn = len(line)
                        break
                    text = line[CHAIN + 1 : -1]
                    leaf = leaf_of(text)
                    following = link(chain, leaf)
                    if (
                        line[CHAIN : CHAIN + 1] != b" "
                        or len(line) < LINE_MIN
                        or line[:CHAIN] != following.hex().encode()
                    ):
                        raise _broken(path, Spot(size, chain, first, offset))
                    size, chain, offset = size + 1, following, offset + len(line)
                    yield Line(size, chain, leaf, text)
        except OSError as error:
            raise AuditError(f"{path}: {error.strerror}") from None
        self.spot = Spot(size, chain, first, offset)


def _same(opened: BinaryIO, path: Path) -> bool:
    """Whether an open file is the one of this name."""
    return path.exists() and samestat(path.stat(), os.fstat(opened.fileno()))


def _broken(path: Path, spot: Spot) -> BrokenError:
    number = spot.size - spot.first + 2
    return BrokenError(f"{path}:{number}: does not follow from the line before", spot, path)
