"""Vectors that are refused: for each code three ways or more to earn it, made with random keys."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import msgpack
from msgspec.structs import replace

from protocols.envelope import Entry, Mode, Refusal, Terms, pack_body, pack_terms
from protocols.identity import CLASSIC, HYBRID
from protocols.roster import Recipient as To
from protocols.sealing import Epoch
from protocols.tick import Proof
from tests.protocols.forge import forged, restated
from tests.vectors.make import CREATED, Cast
from tests.vectors.vector import Vector

DAY = 86_400
Case = Callable[[int], Vector]
CASES: dict[Refusal, list[Case]] = {code: [] for code in Refusal}


def case(*codes: Refusal) -> Callable[[Case], Case]:
    def enter(build: Case) -> Case:
        for code in codes:
            CASES[code].append(build)
        return build

    return enter


def built(suite: int, size: int = 1, mode: Mode = Mode.SIGNED, envelope: bytes | None = None, **changes: Any) -> Vector:
    """One epoch, one envelope, and what the caller changes of the vector."""
    cast = Cast.new(suite, size)
    sent = cast.epoch(mode)
    return vector_of(cast, sent, sent.seal([b"message"], CREATED) if envelope is None else envelope, **changes)


def vector_of(cast: Cast, sent: Epoch, envelope: bytes, announcement: bytes | None = None, **changes: Any) -> Vector:
    told = sent.announcement() if announcement is None else announcement
    vector = replace(cast.vector("", "", [told], envelope), signers=cast.signers()[:1])
    return replace(vector, **changes)


def altered(change: Callable[[Terms], Terms], size: int = 1) -> Case:
    """An announcement whose signer says something else of its epoch."""

    def build(suite: int) -> Vector:
        cast = Cast.new(suite, size)
        sent = cast.epoch()
        return vector_of(cast, sent, sent.seal([b"x"], CREATED), restated(sent, change))

    return build


def sealed(plain: Callable[[Epoch], bytes], mode: Mode = Mode.SIGNED, kind: int = 2) -> Case:
    """An envelope with any plaintext under the real key."""

    def build(suite: int) -> Vector:
        cast = Cast.new(suite, 1)
        sent = cast.epoch(mode)
        return vector_of(cast, sent, forged(sent, plain(sent), kind=kind))

    return build


def header(**changes: int) -> Case:
    """An envelope whose header says something else."""

    def build(suite: int) -> Vector:
        cast = Cast.new(suite, 1)
        sent = cast.epoch()
        return vector_of(cast, sent, forged(sent, bytes(64) + pack_body(0, [b"x"]), **changes))

    return build


def edited(edit: Callable[[bytearray], None]) -> Case:
    """An honest envelope with some bytes changed on the way."""

    def build(suite: int) -> Vector:
        cast = Cast.new(suite, 1)
        sent = cast.epoch()
        envelope = bytearray(sent.seal([b"message"], CREATED))
        edit(envelope)
        return vector_of(cast, sent, bytes(envelope))

    return build


def announcing(edit: Callable[[list[Any]], None], size: int = 2) -> Case:
    """An honest announcement with a field changed on the way."""

    def build(suite: int) -> Vector:
        cast = Cast.new(suite, size)
        sent = cast.epoch()
        fields = msgpack.unpackb(sent.announcement())
        edit(fields)
        return vector_of(cast, sent, sent.seal([b"x"], CREATED), msgpack.packb(fields))

    return build


def put(place: int, value: Any) -> Callable[[list[Any]], None]:
    def edit(fields: list[Any]) -> None:
        fields[place] = value

    return edit


def flip(place: int) -> Callable[[list[Any]], None]:
    def edit(fields: list[Any]) -> None:
        changed = bytearray(fields[place])
        changed[-1] ^= 1
        fields[place] = bytes(changed)

    return edit


def flip_other_slot(fields: list[Any]) -> None:
    fields[3][1] = fields[3][1][:-1] + bytes((fields[3][1][-1] ^ 1,))


def set_byte(at: int, value: int) -> Callable[[bytearray], None]:
    def edit(envelope: bytearray) -> None:
        envelope[at] = value

    return edit


def cut(envelope: bytearray) -> None:
    del envelope[-1]


def longer_number(envelope: bytearray) -> None:
    envelope[2] += 1
    envelope[17:18] = b"\xcc\x00"


def unknown_eid(envelope: bytearray) -> None:
    envelope[8:16] = os.urandom(8)


def refused(code: Refusal, *cases: Case) -> None:
    CASES[code].extend(cases)


def large(fill: int) -> Case:
    return lambda suite: built(suite, announcements=[(bytes((fill,)) * 131_073).hex()])


refused(Refusal.TOO_LARGE, large(0), large(0x92), large(0xFF))
refused(Refusal.MALFORMED, edited(cut), edited(longer_number), announcing(put(2, bytes(15))))
refused(Refusal.UNKNOWN_EPOCH, lambda suite: built(suite, announcements=[]), edited(unknown_eid), edited(unknown_eid))
refused(
    Refusal.SUITE_MISMATCH,
    lambda suite: edited(set_byte(4, 3 - suite))(suite),
    announcing(put(0, 3)),
    lambda suite: altered(lambda t: t._replace(suite=3 - suite))(suite),
)


@case(Refusal.REVOKED)
def _revoked(suite: int) -> Vector:
    cast = Cast.new(suite, 2)
    sent = cast.epoch()
    kid = cast.sender.signing.kid.hex()
    return vector_of(cast, sent, sent.seal([b"x"], CREATED), revoked=[kid])


refused(Refusal.REVOKED, _revoked, _revoked)
refused(
    Refusal.SEQ_OVER_LIMIT,
    header(seq=1 << 20),
    header(seq=(1 << 32) - 1),
    lambda suite: replace(altered(lambda t: t._replace(envelopes=1))(suite), **_second(suite)),
)


def _second(suite: int) -> dict[str, Any]:
    """The second envelope of an epoch that was announced for one."""
    cast = Cast.new(suite, 1)
    sent = cast.epoch()
    told = restated(sent, lambda t: t._replace(envelopes=1))
    sent.seal([b"first"], CREATED)
    vector = vector_of(cast, sent, sent.seal([b"second"], CREATED), told)
    return {name: getattr(vector, name) for name in ("recipient", "signers", "announcements", "envelope")}


refused(
    Refusal.EXPIRED,
    lambda suite: built(suite, now=CREATED + DAY + 301),
    altered(lambda t: t._replace(created=CREATED + 306)),
    altered(lambda t: t._replace(not_after=t.created + DAY + 1)),
    sealed(lambda _: pack_body((DAY + 301) * 1000, [b"x"]), Mode.PAIRWISE),
)


@case(Refusal.REPLAY, Refusal.REPLAY, Refusal.REPLAY)
def _replayed(suite: int) -> Vector:
    vector = built(suite)
    return replace(vector, before=[vector.envelope])


@case(Refusal.GENERATION_TOO_OLD, Refusal.GENERATION_TOO_OLD, Refusal.GENERATION_TOO_OLD)
def _before_joining(suite: int) -> Vector:
    cast = Cast.new(suite, 2)
    sent = cast.epoch()
    early = sent.seal([b"early"], CREATED)
    to = [To(Entry(unit.uid, unit.sealing[0].kid), unit.sealing[0].public, 1 << 32) for unit in cast.audience]
    sent.reannounce(to, CREATED + 1)
    return vector_of(cast, sent, early)


refused(Refusal.GENERATION_TOO_FAR, header(generation=2049), header(generation=5000), header(generation=(1 << 32) - 1))
refused(Refusal.BAD_TAG, edited(set_byte(16, 1)), edited(set_byte(17, 1)), header(generation=1))
refused(
    Refusal.BAD_SIGNATURE,
    sealed(lambda _: bytes(64) + pack_body(0, [b"x"])),
    sealed(lambda _: os.urandom(64) + pack_body(0, [b"x"])),
    sealed(lambda sent: sent.signer.key.sign(b"another") + pack_body(0, [b"x"])),
    sealed(lambda _: bytes(64 + 3309) + msgpack.packb([0, 0, 0, bytes(32), False]), kind=3),
    sealed(lambda _: Proof(bytes(64), 0, ()).pack() + pack_body(0, [b"x"]), Mode.TICK),
)
refused(
    Refusal.MALFORMED_BODY,
    sealed(lambda _: bytes(64) + b"\x92\x00\x90"),
    sealed(lambda _: bytes(64) + b"\x92\xcc\x00\x91\xc4\x00"),
    sealed(lambda _: b"", Mode.PAIRWISE),
    sealed(lambda _: bytes(64 + 3309) + b"\x90", kind=3),
)
refused(Refusal.UNKNOWN_TYPE, edited(set_byte(5, 4)), edited(set_byte(5, 1)), announcing(put(1, 2)))


@case(Refusal.NOT_FOR_ME, Refusal.NOT_FOR_ME, Refusal.NOT_FOR_ME)
def _for_another(suite: int) -> Vector:
    return replace(built(suite, 2), recipient=built(suite).recipient)


refused(Refusal.BAD_BOX, announcing(flip(5)), announcing(flip(4)), announcing(flip_other_slot))


def extension(fields: dict[str, Any]) -> Case:
    def build(suite: int) -> Vector:
        cast = Cast.new(suite, 1)
        sent = cast.epoch()
        terms = msgpack.unpackb(pack_terms(sent._terms))
        terms[13] = fields
        told = restated(sent, lambda t: t, packed=msgpack.packb(terms))
        return vector_of(cast, sent, sent.seal([b"x"], CREATED), told)

    return build


refused(Refusal.CRITICAL_EXTENSION, extension({"a": 1}), extension({"relay": True, "x": b""}), extension({"": None}))
refused(
    Refusal.UNKNOWN_SIGNER,
    lambda suite: built(suite, signers=[]),
    lambda suite: built(suite, signers=built(suite).signers),
    altered(lambda t: t._replace(sig_kid=bytes(8))),
)
refused(
    Refusal.SUITE_BELOW_FLOOR,
    *[lambda suite: built(suite, floor={"alpha": [3 - suite]})] * 3,
)
refused(
    Refusal.SIGNER_MISMATCH,
    altered(lambda t: t._replace(sender="alpha/lno-2")),
    altered(lambda t: t._replace(sender="bravo/unit-00")),
    altered(lambda t: t._replace(sender="x")),
)


@case(Refusal.EPOCH_TOMBSTONED, Refusal.EPOCH_TOMBSTONED, Refusal.EPOCH_TOMBSTONED)
def _closed_before(suite: int) -> Vector:
    """The refused announcement is what is told; an envelope of that epoch alone is refused as epoch-closed."""
    cast = Cast.new(suite, 1)
    sent, other = cast.epoch(), cast.epoch()
    return vector_of(cast, sent, other.seal([b"x"], CREATED), closed=[sent.eid.hex()])


two = (Entry("bravo/unit-00", bytes(8)), Entry("charlie/unit-01", bytes(8)))
refused(
    Refusal.PAIRWISE_AUDIENCE,
    altered(lambda t: t._replace(mode=Mode.PAIRWISE), 2),
    altered(lambda t: t._replace(mode=Mode.PAIRWISE, audience=two)),
    altered(lambda t: t._replace(mode=Mode.PAIRWISE), 5),
)
refused(
    Refusal.SLOT_AUDIENCE_MISMATCH,
    altered(lambda t: t._replace(audience=two)),
    altered(lambda t: t._replace(audience=t.audience[1:]), 2),
    altered(lambda t: t._replace(audience=(t.audience[0]._replace(kem_kid=bytes(8)),))),
)
refused(
    Refusal.BAD_COMMITMENT,
    altered(lambda t: t._replace(commitment=bytes(32))),
    altered(lambda t: t._replace(base=1)),
    altered(lambda t: t._replace(commitment=t.commitment[::-1])),
)
refused(
    Refusal.BAD_PATH,
    sealed(lambda _: bytes(66), Mode.TICK),
    sealed(lambda _: bytes(66) + b"\x11" + bytes(17 * 32), Mode.TICK),
    sealed(lambda _: Proof(bytes(64), 2, (bytes(32),)).pack() + pack_body(0, [b"x"]), Mode.TICK),
    sealed(lambda _: Proof(bytes(64), 1, (bytes(32),)).pack() + pack_body(0, [b"x"]), Mode.TICK),
)


@case(Refusal.HEAD_MISMATCH, Refusal.HEAD_MISMATCH, Refusal.HEAD_MISMATCH)
def _contradicted(suite: int) -> Vector:
    cast = Cast.new(suite, 1)
    sent = cast.epoch()
    first = sent.seal([b"x"], CREATED)
    sent._roots.update(b"another")
    return vector_of(cast, sent, sent.head(CREATED + 1), before=[first.hex()])


@case(Refusal.EPOCH_CLOSED, Refusal.EPOCH_CLOSED)
def _after_the_final_head(suite: int) -> Vector:
    cast = Cast.new(suite, 1)
    sent = cast.epoch()
    final = sent.head(CREATED, final=True)
    sent.closed = False
    return vector_of(cast, sent, sent.seal([b"x"], CREATED), before=[final.hex()])


@case(Refusal.EPOCH_CLOSED)
def _of_a_closed_epoch(suite: int) -> Vector:
    cast = Cast.new(suite, 1)
    sent = cast.epoch()
    return vector_of(cast, sent, sent.seal([b"x"], CREATED), announcements=[], closed=[sent.eid.hex()])


@case(Refusal.EPOCH_EXHAUSTED, Refusal.EPOCH_EXHAUSTED, Refusal.EPOCH_EXHAUSTED)
def _too_many(suite: int) -> Vector:
    cast = Cast.new(suite, 1)
    first, second = cast.epoch(), cast.epoch()
    told = [first.announcement().hex(), second.announcement().hex()]
    return vector_of(cast, second, second.seal([b"x"], CREATED), announcements=told, limits=(1, 0))


def refusals() -> Iterator[Vector]:
    """Every case, in turn in both suites, and the first of each code in the other one too."""
    for code, cases in CASES.items():
        numbers = count()
        for number, build in enumerate((*cases, cases[0])):
            suite = HYBRID if number % 3 == 1 else CLASSIC
            name = f"refuse-{code}-{next(numbers)}-suite{suite}"
            yield replace(build(suite), name=name, expect=str(code))
