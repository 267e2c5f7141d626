"""From copies to parcels: in the unit's own format for a local unit, sealed into an Envelope for a remote one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import groupby
from typing import NamedTuple

from msgspec.structs import replace

from adapters import Encoded, EncodeError, load
from gateway.config import LocalUnit
from gateway.keyring.outgoing import Outgoing
from gateway.keyring.ring import Announced, Channel, Keyring, Posting, Sealed
from gateway.links import Parcel
from gateway.release import delay
from gateway.routing import Table, Way
from protocols.custody import Numbered
from protocols.envelope import Mode, Reject
from protocols.message import MESSAGE_MAX, Loss, LossReason, Message, Precedence, pack
from protocols.record import Attention, Event, Refused, Withheld
from protocols.thin import shrink
from protocols.topics import control_topic, data_topic, key_topic
from protocols.unit import partner_of

CONTROL = 6  # above every precedence: keys and custody, without which nothing else is of use
BUNDLE_MAX = 32  # messages of one envelope; 256 are allowed, past 32 little is gained
BUNDLE_BYTES = 524_288  # of one envelope's messages, so that every gateway takes it as one frame


class Copy(NamedTuple):
    """One message in the form that may go to one destination."""

    message: Message
    way: Way


class Passage(NamedTuple):
    """A partner's message that we pass on: ``proof`` is what goes, ``audience`` are the units it was sealed for."""

    message: Message
    way: Way
    proof: bytes
    audience: tuple[str, ...]


class Consignment(NamedTuple):
    """A parcel for a destination, and the copies that it delivers; announcements and checkpoints deliver none.

    ``to`` is a partner, or a unit of ours. ``precedence`` is STANAG 4406's, or ``CONTROL`` above it. ``custody`` is the
    number of an envelope that the partner's gateway has to say it has taken. ``note`` is the epoch that an announcement
    opens, ``epoch`` the one without which it, or a checkpoint, is of no use. ``reason`` is why it goes there, where
    that is out of the ordinary; ``due`` when it may, at the earliest. ``last`` is the link by which what an
    announcement is for went in vain: it takes the same one next.
    """

    to: str
    parcel: Parcel
    event: Event
    copies: tuple[Copy, ...] = ()
    form: str | None = None
    loss: tuple[Loss, ...] = ()
    precedence: int = CONTROL
    custody: Numbered | None = None
    note: bytes | None = None
    epoch: bytes | None = None
    reason: Attention | None = None
    due: datetime | None = None
    last: str | None = None


class Unsent(NamedTuple):
    """A copy that cannot be said or sealed, and why (bounded)."""

    copy: Copy
    reason: str


class _Packed(NamedTuple):
    """One message in its wire form, and the copies of it for other partners."""

    data: bytes
    copies: tuple[Copy, ...]


class _Key(NamedTuple):
    """Messages that may share an envelope: of one sender, for one audience, of one precedence, of one delay.

    What is passed on goes apart, by its originator, so that what is wrong with one costs no other.
    """

    sender: str
    audience: tuple[str, ...]
    precedence: int
    origin: str
    wait: timedelta


class _Outbox:
    """Messages by key, as many together as may be without any unit hearing a sender out of order.

    Order is kept within a precedence: what is more urgent goes first on purpose.
    """

    def __init__(self) -> None:
        self.items: list[tuple[_Key, list[_Packed]]] = []
        self._open: dict[_Key, list[_Packed]] = {}

    def put(self, key: _Key, item: _Packed) -> None:
        """Add one message; what the same units were told before goes before it, as a delete after its report must."""
        for other in list(self._open):
            alike = (other.sender, other.precedence) == (key.sender, key.precedence)
            if alike and other != key and not set(other.audience).isdisjoint(key.audience):
                del self._open[other]
        if key not in self._open:
            self._open[key] = []
            self.items.append((key, self._open[key]))
        self._open[key].append(item)


class Plan:
    """Copies sorted out: what can go to units of ours, what is to be sealed, what cannot go."""

    def __init__(self) -> None:
        self.ready: list[Consignment] = []
        self.unsent: list[Unsent] = []
        self.remote = _Outbox()


class Dispatch:
    """Packs the copies of one gateway."""

    def __init__(self, partner: str, table: Table, keyring: Keyring) -> None:
        self._partner = partner
        self._keyring = keyring
        self._closed: set[bytes] = set()
        self.adopt(table)

    def adopt(self, table: Table) -> None:
        """From now on destinations are reached as this table says."""
        self._table = table
        self._thin = table.thin

    def links_to(self, destination: str) -> Sequence[str]:
        """The links by which a partner, or a unit of ours, is reached, the first one first; none when it is not."""
        try:
            return self._table.links_to(destination)
        except KeyError:  # a later table does not have it any more, and something waits for it
            return ()

    def plan(self, copies: Sequence[Copy | Passage], now: datetime) -> Plan:
        """Sort copies out, in their order."""
        plan = Plan()
        for message, same in groupby(copies, key=lambda copy: copy.message):
            abroad = []
            for copy in same:
                if isinstance(copy, Passage) or copy.way.local is None:
                    abroad.append(copy)
                    continue
                parcel = encode(copy, copy.way.local)
                if isinstance(parcel, Consignment):
                    plan.ready.append(parcel._replace(due=_due(delay(copy.message, copy.way), now)))
                else:
                    plan.unsent.append(parcel)
            for wait in dict.fromkeys(delay(message, copy.way) for copy in abroad):
                self._pack(plan, message, [copy for copy in abroad if delay(message, copy.way) == wait], wait)
        return plan

    def _pack(self, plan: Plan, message: Message, abroad: Sequence[Copy | Passage], wait: timedelta) -> None:
        """A message for other partners: ours in its wire form, another's with its proof, sealed by who was sent it."""
        first, origin = abroad[0], message.origin or ""
        data, sender = pack(message if message.original is None else replace(message, original=None)), origin
        if isinstance(first, Passage):
            data, sender = first.proof, min(self._keyring.units.intersection(first.audience), default="")
        elif len(data) <= MESSAGE_MAX and any(copy.way.destination.partner in self._thin for copy in abroad):
            data = shrink(data, origin)
        copies = tuple(Copy(each.message, each.way) for each in abroad)
        if len(data) > MESSAGE_MAX:
            plan.unsent += [Unsent(copy, Refused.TOO_LARGE) for copy in copies]
        else:
            audience = tuple(sorted(copy.way.destination.id for copy in copies))
            plan.remote.put(_Key(sender, audience, precedence_of(message), origin, wait), _Packed(data, copies))

    def prepare(self, plan: Plan, now: datetime) -> Iterator[list[Consignment]]:
        """Begin the epochs that a plan needs, in steps between which an event loop gives way; gives announcements."""
        for key in dict.fromkeys((key.sender, key.audience) for key, _ in plan.remote.items):
            channel = Channel(key[0], frozenset(key[1]), Mode.SIGNED)
            with suppress(Reject):  # whoever cannot be sealed for is told when it comes to sealing
                for step in self._keyring.prepare((channel,), now):
                    yield self.answers(step, now)

    def seal(self, plan: Plan, now: datetime) -> tuple[list[Consignment], list[Unsent]]:
        """Parcels in the order of the copies, and the copies that cannot go."""
        ready, unsent = list(plan.ready), list(plan.unsent)
        for key, items in plan.remote.items:
            for bundle in _bundles(items):
                sealed, refused = self._seal_for_whom_it_can(key, bundle, now)
                ready += sealed
                unsent += refused
        return ready, unsent

    def pack(self, copies: Sequence[Copy | Passage], now: datetime) -> tuple[list[Consignment], list[Unsent]]:
        """Plan and seal at once."""
        return self.seal(self.plan(copies, now), now)

    def close(self, eids: Iterable[bytes]) -> None:
        """Nothing leaves under these epochs any more."""
        self._closed.update(eids)

    def is_closed(self, eid: bytes) -> bool:
        """Whether nothing leaves under an epoch any more: somebody of its audience may read no more, or it is over."""
        return eid in self._closed

    @property
    def epochs(self) -> Outgoing:
        """The epochs that our units seal in."""
        return self._keyring.outgoing

    def reseal(self, waited: Consignment, now: datetime) -> list[Consignment]:
        """What waited under a closed epoch, sealed anew for those of its audience who may still read it.

        Announcements first, the envelope last. Raise Reject: nobody is left; or unknown-epoch, for an envelope from
        before a restart, which cannot be opened any more, not even by us.
        """
        sealed = self._keyring.reseal(waited.parcel.data, now)
        left = tuple(copy for copy in waited.copies if self.reaches(copy.way.destination.id, now))
        return [*self.answers(sealed.announcements, now), self._post(waited._replace(copies=left), sealed)]

    def reaches(self, unit: str, now: datetime) -> bool:
        """Whether something can be sealed to a unit now."""
        return self._keyring.reaches(unit, now)

    def control(self, unit: str, peer: str, record: bytes, now: datetime) -> list[Consignment]:
        """A control record of a unit of ours for a unit of a partner. Raise Reject."""
        sealed = self._keyring.seal(unit, (peer,), (record,), now)
        partner = partner_of(peer)
        parcel = Parcel(control_topic(partner, self._partner), sealed.envelope)
        return [*self.answers(sealed.announcements, now), Consignment(partner, parcel, Event.FORWARDED)]

    def answers(self, announcements: Sequence[Announced], now: datetime) -> list[Consignment]:
        """Announcements, new or asked for again, for the partners' key topics."""
        return [self._announce(note, now) for note in announcements]

    def due(self, now: datetime) -> list[Consignment]:
        """What the sealing layer owes besides the traffic: renewed epochs, checkpoints, requests for missing keys."""
        upkeep = self._keyring.upkeep(now, self._thin)
        self._closed.difference_update(upkeep.lapsed)
        self.close(upkeep.spent)
        found = self.answers(upkeep.announcements, now)
        found += self._checkpoints(upkeep.heads)
        for request in upkeep.requests:
            parcel = Parcel(control_topic(request.partner, self._partner), request.data)
            found.append(Consignment(request.partner, parcel, Event.FORWARDED))
        return found

    def final(self, now: datetime) -> list[Consignment]:
        """The last checkpoint of every epoch: partners see what was sent, and that nothing follows."""
        return self._checkpoints(self._keyring.finish(now))

    def _checkpoints(self, postings: Sequence[Posting]) -> list[Consignment]:
        found = []
        for posting in postings:
            for partner in posting.partners:
                parcel = Parcel(data_topic(partner, self._partner, posting.eid), posting.envelope)
                found.append(Consignment(partner, parcel, Event.FORWARDED, epoch=posting.eid))
        return found

    def _seal_for_whom_it_can(
        self, key: _Key, bundle: Sequence[_Packed], now: datetime
    ) -> tuple[list[Consignment], list[Unsent]]:
        """A unit that is revoked, or unknown, keeps the message from itself and from nobody else."""
        try:
            return list(self._seal(key, bundle, now)), []
        except Reject as error:
            code = error.code
        left = tuple(uid for uid in key.audience if self._keyring.reaches(uid, now))
        if not left or left == key.audience:
            return [], [Unsent(copy, code) for each in bundle for copy in each.copies]
        kept = [_Packed(each.data, tuple(c for c in each.copies if c.way.destination.id in left)) for each in bundle]
        unsent = [Unsent(c, code) for each in bundle for c in each.copies if c.way.destination.id not in left]
        ready, refused = self._seal_for_whom_it_can(key._replace(audience=left), kept, now)
        return ready, unsent + refused

    def _seal(self, key: _Key, bundle: Sequence[_Packed], now: datetime) -> Iterator[Consignment]:
        """One envelope for the whole audience, posted to each partner's mailbox; a new epoch is announced first."""
        sealed = self._keyring.seal(key.sender, key.audience, [each.data for each in bundle], now)
        yield from self.answers(sealed.announcements, now)
        partners = dict.fromkeys(copy.way.destination.partner for each in bundle for copy in each.copies)
        for partner in partners:
            copies = tuple(c for each in bundle for c in each.copies if c.way.destination.partner == partner)
            terms = (Event.FORWARDED, copies, "cse1", (), key.precedence)
            draft = Consignment(partner, Parcel("", b""), *terms, due=_due(key.wait, now))
            yield self._post(draft, sealed)

    def _post(self, draft: Consignment, sealed: Sealed) -> Consignment:
        """An envelope for a partner's mailbox."""
        parcel = Parcel(data_topic(draft.to, self._partner, sealed.eid), sealed.envelope)
        return draft._replace(parcel=parcel, custody=Numbered(sealed.eid, sealed.seq))

    def _announce(self, note: Announced, now: datetime) -> Consignment:
        """Retained, until the epoch ends: whoever comes later, or comes back, still finds the key."""
        lifetime = max(1, int((note.expires - now).total_seconds()))
        parcel = Parcel(key_topic(note.partner, self._partner, note.eid), note.data, retain=True, expires_s=lifetime)
        return Consignment(note.partner, parcel, Event.FORWARDED, note=note.eid, epoch=note.eid)


def _due(wait: timedelta, now: datetime) -> datetime | None:
    return now + wait if wait else None


def precedence_of(message: Message) -> int:
    """A message that says no precedence is routine."""
    return Precedence.ROUTINE if message.precedence is None else message.precedence


def encode(copy: Copy, unit: LocalUnit) -> Consignment | Unsent:
    """A copy in the format of a unit of ours."""
    if unit.deliver is None:
        return Unsent(copy, Withheld.NO_ROUTE)
    adapter = load(unit.adapter)
    try:
        original = copy.message.original
        if original is not None and original.format == unit.adapter:
            encoded = Encoded(original.data)  # nothing that the agreement takes away was in it
        else:
            encoded = adapter.encode(copy.message)
    except EncodeError:
        return Unsent(copy, Withheld.FORMAT_CANNOT_SAY)
    except Exception:  # noqa: BLE001  an adapter may be a stranger's: its bug must not stop the others
        return Unsent(copy, Refused.ADAPTER_CRASHED)
    if copy.way.never_lose and any(_is_dear(loss, copy.way) for loss in (*copy.message.loss, *encoded.loss)):
        return Unsent(copy, Withheld.WOULD_LOSE)
    parcel = Parcel(unit.deliver, encoded.data, media_type=adapter.MEDIA_TYPE, id=copy_id(copy))
    precedence = precedence_of(copy.message)
    return Consignment(unit.id, parcel, Event.DELIVERED, (copy,), unit.adapter, encoded.loss, precedence)


def _is_dear(loss: Loss, way: Way) -> bool:
    """Whether a route lets nothing go without this field, or without what it is part of, or holds."""
    if loss.reason is LossReason.POLICY:
        return False
    return any(
        loss.field == name or loss.field.startswith(f"{name}.") or name.startswith(f"{loss.field}.")
        for name in way.never_lose
    )


def copy_id(copy: Copy) -> str:
    """The same for one message and one destination, also after a restart: by it a repeat is known."""
    return hashlib.sha256(f"copy\0{copy.message.id}\0{copy.way.destination.id}".encode()).hexdigest()[:32]


def _bundles(items: Sequence[_Packed]) -> Iterator[Sequence[_Packed]]:
    """The same in portions for one envelope each, bounded in messages and bytes."""
    bundle: list[_Packed] = []
    size = 0
    for item in items:
        if bundle and (len(bundle) == BUNDLE_MAX or size + len(item.data) > BUNDLE_BYTES):
            yield bundle
            bundle, size = [], 0
        bundle.append(item)
        size += len(item.data)
    if bundle:
        yield bundle
