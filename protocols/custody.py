"""What gateways tell each other about custody: envelopes that are safe at the other end, and how messages ended. Pure.

A control record travels like a message, sealed in an envelope of a unit for the unit whose envelopes it is about, on
the partner's control mailbox. Custody is cumulative for each epoch, so that a lost control record costs nothing;
envelopes of control records are not themselves under custody.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Annotated, Final, NamedTuple

import msgspec

from protocols.envelope import ENVELOPES_MAX
from protocols.replay import Gap, Received

VERSION: Final = 1
OURS: Final = "comity"  # the format of what gateways themselves say
CONTROL_MAX: Final = 65_536  # bytes of one control record
TAKEN_MAX: Final = 256  # epochs that one record speaks of
GAPS_MAX: Final = 128  # runs of missing envelopes that one record names of an epoch
SCANNED_MAX: Final = 4096  # runs that are looked at to say so
TOLD_MAX: Final = 256  # messages whose end one record tells
_ARRAYS: Final = frozenset({*range(0x90, 0xA0), 0xDC, 0xDD})  # first bytes of MessagePack arrays; a Message is a map


class Fate(StrEnum):
    """What became of a message at one destination, as the gateway there says."""

    DELIVERED = "delivered"  # the unit has it
    READ = "read"  # the unit acknowledged it
    REFUSED = "refused"  # the gateway did not release it to the unit, or did not accept it; ``reason`` says why
    EXPIRED = "expired"  # it was not delivered, or not acknowledged, while it was worth something


_Eid = Annotated[bytes, msgspec.Meta(min_length=8, max_length=8)]
_Number = Annotated[int, msgspec.Meta(ge=0, le=ENVELOPES_MAX)]
_Unit = Annotated[str, msgspec.Meta(min_length=3, max_length=128)]


class Taken(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Custody of one epoch: every envelope numbered below ``below`` was taken, but for those in ``gaps``.

    ``below`` 0 says that nothing of it can be opened, now or later: what waits is to be sealed anew, in another epoch.
    A gap is (first, past the last). Gaps are in order, so that what is missing for ever, as a checkpoint that a broker
    lost, costs a few bytes and never keeps what came after it from being confirmed.
    """

    eid: _Eid
    below: _Number
    gaps: Annotated[tuple[tuple[_Number, _Number], ...], msgspec.Meta(max_length=GAPS_MAX)] = ()

    def __contains__(self, seq: int) -> bool:
        """Whether an envelope was taken."""
        return 0 <= seq < self.below and not any(first <= seq < past for first, past in self.gaps)

    def ranges(self) -> Iterator[tuple[int, int]]:
        """What was taken, as (first, last), both included."""
        first = 0
        for start, past in sorted(self.gaps):
            if first < start:
                yield first, min(start, self.below) - 1
            first = max(first, past)
        if first < self.below:
            yield first, self.below - 1


class Told(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The end of one message at one destination. ``reason`` is a bounded code."""

    message: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    origin: _Unit
    destination: _Unit
    fate: Fate
    reason: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,47}$")] | None = None


class Control(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One control record. ``checkpoint`` is a signed checkpoint of the sender's audit, for us to keep as a witness.

    One that says nothing is a heartbeat.
    """

    version: Annotated[int, msgspec.Meta(ge=VERSION, le=VERSION)] = VERSION
    taken: Annotated[tuple[Taken, ...], msgspec.Meta(max_length=TAKEN_MAX)] = ()
    told: Annotated[tuple[Told, ...], msgspec.Meta(max_length=TOLD_MAX)] = ()
    checkpoint: Annotated[bytes, msgspec.Meta(max_length=CONTROL_MAX)] | None = None


class Numbered(NamedTuple):
    """An envelope by its epoch and number."""

    eid: bytes
    seq: int


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Control).decode


def is_control(record: bytes) -> bool:
    """Whether a record of an envelope is a control record rather than a Message."""
    return bool(record) and record[0] in _ARRAYS


def pack_control(control: Control) -> bytes:
    """The record as it is sealed."""
    return _pack(control)


def unpack_control(record: bytes) -> Control:
    """Read a control record. Raise ValueError when it is not one."""
    if len(record) > CONTROL_MAX:
        raise ValueError("control record too large")
    return _unpack(record)


def taken(eid: bytes, received: Received) -> Taken:
    """What to say of an epoch of which these envelopes are safe.

    Where too many are missing the oldest gaps are told as one, with what was taken between them, so that what is new
    can always be confirmed.
    """
    below = received.highest + 1
    gaps = received.gaps(received.contiguous, below, SCANNED_MAX + 1)
    if len(gaps) > SCANNED_MAX:
        below = gaps.pop().start
    if len(gaps) > GAPS_MAX:
        gaps = [Gap(gaps[0].start, gaps[-GAPS_MAX].stop), *gaps[1 - GAPS_MAX :]]
    return Taken(eid, below, tuple((gap.start, gap.stop) for gap in gaps))


def portions(taken: Iterable[Taken], told: Sequence[Told], checkpoint: bytes | None = None) -> Iterator[Control]:
    """As many control records as it takes to say all of this, each within its bounds."""
    epochs = tuple(taken)
    count = max(1, -(-len(epochs) // TAKEN_MAX), -(-len(told) // TOLD_MAX))
    for number in range(count):
        yield Control(
            taken=epochs[number * TAKEN_MAX : (number + 1) * TAKEN_MAX],
            told=tuple(told[number * TOLD_MAX : (number + 1) * TOLD_MAX]),
            checkpoint=None if number else checkpoint,
        )
