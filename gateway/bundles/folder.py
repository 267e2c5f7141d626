"""The folder of a link by hand: what was imported and waits for the gateway, and words for the next export.

``in`` holds portions of imported bundles, each a bundle by itself, written whole by ``comity bundle import``, removed
by the gateway when everything in one is settled. ``words/<partner>`` holds what the gateway would have told a partner's
gateway over a broker: announcements of its epochs and control records. Only sealed bytes lie here.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from gateway.durable import write_whole
from protocols.carrier import CarrierError, Contents, Kind, Part, pack, unpack
from protocols.envelope import LIFE_MAX_S, SKEW_S

PORTION: Final = 4_194_304  # bytes of one portion, about
CONTROL_KEPT: Final = 512  # control records kept for one partner; older ones are said anew when asked for
WORDS_AGE_S: Final = 30 * 86_400
KEYS_AGE_S: Final = LIFE_MAX_S + SKEW_S
_SUFFIX: Final = ".bundle"


class BundleFolder:
    """See the module's first lines. Methods raise OSError."""

    def __init__(self, folder: Path) -> None:
        self._in = folder / "in"
        self._aside = folder / "damaged"
        self._words = folder / "words"
        self._said = 0

    def prepare(self) -> None:
        """Make what is missing."""
        for each in (self._in, self._aside, self._words):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)

    def put(self, contents: Contents) -> int:
        """Leave what was imported for the gateway, announcements first; how many portions that is.

        The same again is the same files again.
        """
        self.prepare()
        count = 0
        keys_first = sorted(contents.parts, key=lambda part: part.kind is not Kind.KEYS)  # envelopes wait for them
        for count, parts in enumerate(together(keys_first, PORTION), 1):
            data = b"".join(pack(contents.header, parts))
            name = f"{contents.header.made_s:012d}-{contents.header.number:04d}-{count:06d}"
            write_whole(self._in / f"{name}-{hashlib.sha256(data).hexdigest()[:16]}{_SUFFIX}", (data,))
        return count

    def waiting(self) -> list[str]:
        """Portions that wait for the gateway, oldest first."""
        return sorted(path.name for path in self._in.iterdir() if path.suffix == _SUFFIX and path.name[0] != ".")

    def take(self, name: str) -> Contents | None:
        """A portion; None when it is damaged, and then it is put aside."""
        try:
            return unpack((self._in / name).read_bytes())
        except CarrierError:
            (self._in / name).replace(self._aside / name)
            return None

    def done(self, name: str) -> None:
        """Everything in a portion is settled."""
        (self._in / name).unlink(missing_ok=True)

    def keep(self, partner: str, part: Part) -> None:
        """Keep an announcement or a control record for the next export; the oldest ones go."""
        folder = self._words / partner
        folder.mkdir(mode=0o700, exist_ok=True)
        if part.kind is Kind.KEYS:
            name = f"k-{part.eid.hex()}"
        else:
            self._said += 1
            name = f"c-{time.time_ns():020d}-{self._said:06d}"
        write_whole(folder / name, (part.data,))
        self._tidy(folder)

    def words(self, partner: str) -> Iterator[Part]:
        """What is to be told a partner's gateway, announcements first."""
        for path in sorted((self._words / partner).glob("[kc]-*"), reverse=True):
            with suppress(FileNotFoundError):
                kind = Kind.KEYS if path.name[0] == "k" else Kind.CONTROL
                yield Part(kind, path.read_bytes(), bytes.fromhex(path.name[2:]) if kind is Kind.KEYS else b"")

    def _tidy(self, folder: Path) -> None:
        now = time.time()
        said = sorted(folder.glob("c-*"))
        over = said[:-CONTROL_KEPT] + [path for path in said if now - path.stat().st_mtime > WORDS_AGE_S]
        over += [path for path in folder.glob("k-*") if now - path.stat().st_mtime > KEYS_AGE_S]
        for path in over:
            path.unlink(missing_ok=True)


def together(parts: Iterable[Part], room: int) -> Iterator[list[Part]]:
    """As many parts together as there is room for in bytes, and at least one."""
    those: list[Part] = []
    size = 0
    for part in parts:
        if those and size + part.size > room:
            yield those
            those, size = [], 0
        those.append(part)
        size += part.size
    if those:
        yield those
