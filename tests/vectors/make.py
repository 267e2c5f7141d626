"""Fresh vectors from our own code: random keys, both suites, every mode, audiences and bundles of many sizes."""

from __future__ import annotations

import os
import random
from typing import NamedTuple

from msgspec.structs import replace

from protocols.envelope import Entry, Mode
from protocols.identity import HYBRID, SUITES, SealingKey, SigningKey, UnitKeys
from protocols.roster import Recipient as To
from protocols.sealing import Epoch, Profile, seal_slice
from protocols.sealing import Signer as From
from tests.vectors.vector import Recipient, Signer, Vector

pick = random.SystemRandom()
CREATED = 1_800_000_000
AUDIENCES = (1, 2, 3, 5, 8, 20)
RECORDS = (1, 2, 8, 32, 128, 256)


class Cast(NamedTuple):
    """A sender and its audience."""

    suite: int
    sender: UnitKeys
    audience: tuple[UnitKeys, ...]

    @classmethod
    def new(cls, suite: int, size: int) -> Cast:
        partners = ("bravo", "charlie")
        uids = [f"{partners[i % len(partners)]}/unit-{i:02}" for i in range(size)]
        return cls(suite, UnitKeys.new("alpha/lno-1", os.urandom, (suite,)), tuple(_unit(uid, suite) for uid in uids))

    def epoch(self, mode: Mode = Mode.SIGNED, created: float = CREATED) -> Epoch:
        to = [To(Entry(unit.uid, unit.sealing[0].kid), unit.sealing[0].public, 1 << 32) for unit in self.audience]
        return Epoch(From(self.sender.uid, self.sender.signing), to, Profile(self.suite, mode), created, os.urandom)

    def signers(self) -> list[Signer]:
        return [signer(unit) for unit in (self.sender, *self.audience)]

    def vector(self, name: str, expect: str, announcements: list[bytes], envelope: bytes, reader: int = 0) -> Vector:
        """The receiver knows everybody."""
        return Vector(
            name=name,
            expect=expect,
            now=CREATED + 5,
            recipient=recipient(self.audience[reader], self.suite),
            signers=self.signers(),
            announcements=[announcement.hex() for announcement in announcements],
            envelope=envelope.hex(),
        )


def _unit(uid: str, suite: int) -> UnitKeys:
    return UnitKeys(uid, SigningKey.new(os.urandom), (SealingKey.new(suite, os.urandom),))


def signer(unit: UnitKeys) -> Signer:
    key = unit.sealing[0]
    public = unit.signing.public
    return Signer(
        uid=unit.uid,
        partner=unit.uid.partition("/")[0],
        suite=key.suite,
        ed25519=public.ed25519.hex(),
        mldsa65=public.mldsa.hex(),
        kem=key.public.key.hex(),
    )


def recipient(unit: UnitKeys, suite: int) -> Recipient:
    seed = unit.sealing[0].seed.hex()
    return Recipient(uid=unit.uid, partner=unit.uid.partition("/")[0], suite=suite, kem_seed=seed)


def opening(number: int) -> Vector:
    """One vector that opens; the number picks suite, mode, sizes, announcement form and skips."""
    suite = SUITES[number % 2]
    mode = (Mode.SIGNED, Mode.SIGNED, Mode.PAIRWISE)[number % 3]
    size = 1 if mode is Mode.PAIRWISE else AUDIENCES[number // 2 % len(AUDIENCES)]
    cast = Cast.new(suite, size)
    epoch = cast.epoch(mode)
    reader = pick.randrange(size)
    whole = number % 4 < 2
    announcement = epoch.announcement() if whole else epoch.announcement_for(cast.audience[reader].uid.split("/")[0])
    now = CREATED + pick.random()
    for _ in range((0, 1, 3, 300)[number % 4]):  # envelopes that this receiver never sees: gaps and new generations
        epoch.draft([b"skipped"], now)
    later = now + (0, 61)[number // 4 % 2]
    records = RECORDS[number % len(RECORDS)]
    messages = [os.urandom(pick.choice((0, 1, 37) if records > 32 else (0, 37, 300, 1200))) for _ in range(records)]
    envelope = epoch.seal(messages, later)
    form = "whole" if whole else "split"
    name = f"open-{number:03}-suite{suite}-{mode.name.lower()}-{size}-{records}-{form}"
    vector = cast.vector(name, "open", [announcement], envelope, reader)
    return replace(vector, now=CREATED + 65, messages=[message.hex() for message in messages])


def of_a_slice(suite: int, size: int) -> Vector:
    """An envelope of MODE_TICK, one of ``size`` under one signature."""
    cast = Cast.new(suite, 1)
    epoch = cast.epoch(Mode.TICK)
    drafts = [epoch.draft([b"message %d" % number], CREATED) for number in range(size)]
    place = pick.randrange(size)
    envelope = seal_slice(drafts, cast.sender.signing)[place]
    vector = cast.vector(f"open-slice-{size}-suite{suite}", "open", [epoch.announcement()], envelope)
    return replace(vector, messages=[(b"message %d" % place).hex()])


def of_a_head(suite: int, mode: Mode) -> Vector:
    """A checkpoint over three envelopes, of which two came before it."""
    cast = Cast.new(suite, 1)
    epoch = cast.epoch(mode)
    before = [epoch.seal([b"message"], CREATED).hex() for _ in range(3)]
    name = f"open-head-{mode.name.lower()}-suite{suite}"
    vector = cast.vector(name, "open", [epoch.announcement()], epoch.head(CREATED + 1, final=suite == HYBRID))
    return replace(vector, before=before[:2], messages=[])
