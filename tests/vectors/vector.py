"""One CSE1 test vector: a receiver, whom it knows, what arrives, and what has to come of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from protocols.envelope import Refusal, Reject
from protocols.identity import SealingKey
from protocols.opening import BOUNDS, Bounds, Inbox, Tombstone
from protocols.partner import Bundle, Root, SealingEntry, SigningEntry, Unit
from protocols.roster import Roster

DAY = 86_400


class Recipient(msgspec.Struct, frozen=True, kw_only=True):
    uid: str
    partner: str
    suite: int
    kem_seed: str


class Signer(msgspec.Struct, frozen=True, kw_only=True):
    uid: str
    partner: str
    suite: int
    ed25519: str
    mldsa65: str
    kem: str


class Vector(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes are hexadecimal. What the last six say is absent where it is empty.

    ``before``: envelopes that are opened first. ``revoked``: ids of keys that the receiver knows to be withdrawn.
    ``floor``: suites of a partner, where not those of its signers. ``closed``: epochs that the receiver has closed.
    ``limits``: live epochs and closed epochs of one signer that the receiver bears.
    """

    name: str
    expect: str
    now: float
    recipient: Recipient
    signers: list[Signer]
    announcements: list[str]
    envelope: str
    messages: list[str] | None = None
    revoked: list[str] = []
    floor: dict[str, list[int]] = {}
    before: list[str] = []
    closed: list[str] = []
    limits: tuple[int, int] | None = None


class Outcome(NamedTuple):
    code: str
    messages: list[bytes]


def read(path: Path) -> Vector:
    return msgspec.convert(json.loads(path.read_bytes()), Vector)


def inbox(vector: Vector) -> Inbox:
    """The receiver of a vector."""
    now = int(vector.now)
    start, end = max(0, now - 20 * DAY), now + 10 * DAY
    partners: dict[str, list[Signer]] = {}
    for signer in vector.signers:
        partners.setdefault(signer.partner, []).append(signer)
    bundles = [_bundle(name, signers, vector, (start, end)) for name, signers in partners.items()]
    key = SealingKey(vector.recipient.suite, bytes.fromhex(vector.recipient.kem_seed))
    roster = Roster(bundles, [bytes.fromhex(kid) for kid in vector.revoked])
    bounds = BOUNDS if vector.limits is None else Bounds(*vector.limits)
    opened = Inbox(roster, {vector.recipient.uid: [key]}, bounds=bounds)
    for eid in vector.closed:
        opened.bury(bytes.fromhex(eid), Tombstone(end, b"", Refusal.EPOCH_CLOSED))
    return opened


def _bundle(partner: str, signers: Iterable[Signer], vector: Vector, span: tuple[int, int]) -> Bundle:
    held = list(signers)
    root = Root(ed25519=bytes(32), mldsa65=bytes(1952))
    floor = vector.floor.get(partner) or sorted({signer.suite for signer in held})
    units = tuple(_unit(signer, span) for signer in held)
    return Bundle(
        format=1,
        partner=partner,
        version=1,
        issued=span[0],
        expires=span[1],
        roots=(root,),
        threshold=1,
        units=units,
        floor=tuple(floor),
    )


def _unit(signer: Signer, span: tuple[int, int]) -> Unit:
    dates = {"not_before": span[0], "not_after": span[1]}
    signing = SigningEntry(ed25519=bytes.fromhex(signer.ed25519), mldsa65=bytes.fromhex(signer.mldsa65), **dates)
    sealing = SealingEntry(suite=signer.suite, key=bytes.fromhex(signer.kem), **dates)
    return Unit(uid=signer.uid, signing=(signing,), sealing=(sealing,), suites=(signer.suite,))


def outcome(vector: Vector) -> Outcome:
    """What our own code makes of a vector: the refusal of an announcement explains an unknown epoch."""
    receiver, refused = inbox(vector), None
    for announcement in vector.announcements:
        try:
            receiver.accept(bytes.fromhex(announcement), vector.now)
        except Reject as refusal:
            refused = str(refusal.code)
    for envelope in vector.before:
        receiver.open(bytes.fromhex(envelope), vector.now)
    try:
        opened = receiver.open(bytes.fromhex(vector.envelope), vector.now)
    except Reject as refusal:
        unknown = refusal.code is Refusal.UNKNOWN_EPOCH and refused is not None
        return Outcome(refused if unknown and refused else str(refusal.code), [])
    return Outcome("open", list(opened.messages))


def disagreement(vector: Vector) -> str | None:
    """What our code does otherwise than the vector expects, or None."""
    got = outcome(vector)
    if got.code != vector.expect:
        return f"expected {vector.expect}, got {got.code}"
    if got.code == "open" and got.messages != [bytes.fromhex(message) for message in vector.messages or ()]:
        return "the messages differ"
    return None


def write(vector: Vector, folder: Path) -> None:
    fields: dict[str, Any] = msgspec.to_builtins(vector)
    optional = ("revoked", "floor", "before", "closed", "limits")
    text = {name: value for name, value in fields.items() if value or name not in optional}
    if vector.messages is None:
        del text["messages"]
    (folder / f"{vector.name}.json").write_text(json.dumps(text, indent=1) + "\n")
