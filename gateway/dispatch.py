"""From copies to parcels: in the unit's own format for a local unit, sealed into an Envelope for a remote one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import NamedTuple

from adapters import EncodeError, load
from gateway.config import LocalUnit
from gateway.keyring.ring import Announced, Keyring, Posting
from gateway.links import Parcel
from gateway.routing import Table, Way
from protocols.envelope import Reject
from protocols.message import MESSAGE_MAX, Loss, Message, pack
from protocols.record import Event, Refused, Withheld
from protocols.topics import control_topic, data_topic, key_topic

BUNDLE_MAX = 32  # messages of one envelope; SEALING.md 2.3 allows 256, past 32 little is gained
BUNDLE_BYTES = 524_288  # of one envelope's messages, so that every gateway takes it as one frame


class Copy(NamedTuple):
    """One message in the form that may go to one destination."""

    message: Message
    way: Way


class Consignment(NamedTuple):
    """A parcel for a link, and the copies that it delivers; announcements deliver none."""

    link: str
    parcel: Parcel
    event: Event
    copies: tuple[Copy, ...] = ()
    form: str | None = None
    loss: tuple[Loss, ...] = ()


class Unsent(NamedTuple):
    """A copy that cannot be said or sealed, and why (bounded)."""

    copy: Copy
    reason: str


class _Packed(NamedTuple):
    """One message in its wire form, and the copies of it for other partners."""

    data: bytes
    copies: tuple[Copy, ...]


class _Outbox:
    """Messages by sender and audience, as many together as may be without any unit hearing a sender out of order."""

    def __init__(self) -> None:
        self.items: list[tuple[str, tuple[str, ...], list[_Packed]]] = []
        self._open: dict[tuple[str, tuple[str, ...]], list[_Packed]] = {}

    def put(self, sender: str, audience: tuple[str, ...], item: _Packed) -> None:
        """Add one message; what the same units were told before goes before it, as a delete after its report must."""
        key = (sender, audience)
        for other in list(self._open):
            if other != key and other[0] == sender and not set(other[1]).isdisjoint(audience):
                del self._open[other]
        if key not in self._open:
            self._open[key] = []
            self.items.append((*key, self._open[key]))
        self._open[key].append(item)


class Dispatch:
    """Packs the copies of one gateway."""

    def __init__(self, partner: str, table: Table, keyring: Keyring) -> None:
        self._partner = partner
        self._keyring = keyring
        self._link_to = table.link_to

    def adopt(self, table: Table) -> None:
        """From now on partners are reached as this table says."""
        self._link_to = table.link_to

    def pack(self, copies: Sequence[Copy], now: datetime) -> tuple[list[Consignment], list[Unsent]]:
        """Parcels in the order of the copies, and the copies that cannot go."""
        ready: list[Consignment] = []
        unsent: list[Unsent] = []
        remote = _Outbox()
        for message, same in groupby(copies, key=lambda copy: copy.message):
            together = tuple(same)
            for copy in together:
                if copy.way.local is None:
                    continue
                parcel = encode(copy, copy.way.local)
                if isinstance(parcel, Consignment):
                    ready.append(parcel)
                else:
                    unsent.append(parcel)
            if abroad := tuple(copy for copy in together if copy.way.local is None):
                audience = tuple(sorted(copy.way.destination.id for copy in abroad))
                data = pack(message)
                if len(data) > MESSAGE_MAX:
                    unsent += [Unsent(copy, Refused.TOO_LARGE) for copy in abroad]
                else:
                    remote.put(message.origin or "", audience, _Packed(data, abroad))
        for sender, audience, items in remote.items:
            for bundle in _bundles(items):
                sealed, refused = self._seal_for_whom_it_can(sender, audience, bundle, now)
                ready += sealed
                unsent += refused
        return ready, unsent

    def answers(self, announcements: Sequence[Announced], now: datetime) -> list[Consignment]:
        """Announcements, new or asked for again, for the partners' key topics."""
        return [self._announce(note, now) for note in announcements]

    def due(self, now: datetime) -> list[Consignment]:
        """What the sealing layer owes besides the traffic: renewed epochs, checkpoints, requests for missing keys."""
        upkeep = self._keyring.upkeep(now)
        found = self.answers(upkeep.announcements, now)
        found += self._checkpoints(upkeep.heads)
        for request in upkeep.requests:
            parcel = Parcel(control_topic(request.partner, self._partner), request.data)
            found.append(Consignment(self._link_to[request.partner], parcel, Event.FORWARDED))
        return found

    def final(self, now: datetime) -> list[Consignment]:
        """The last checkpoint of every epoch: partners see what was sent, and that nothing follows."""
        return self._checkpoints(self._keyring.finish(now))

    def _checkpoints(self, postings: Sequence[Posting]) -> list[Consignment]:
        found = []
        for posting in postings:
            for partner in posting.partners:
                parcel = Parcel(data_topic(partner, self._partner, posting.eid), posting.envelope)
                found.append(Consignment(self._link_to[partner], parcel, Event.FORWARDED))
        return found

    def _seal_for_whom_it_can(
        self, sender: str, audience: tuple[str, ...], bundle: Sequence[_Packed], now: datetime
    ) -> tuple[list[Consignment], list[Unsent]]:
        """A unit that is revoked, or unknown, keeps the message from itself and from nobody else."""
        try:
            return list(self._seal(sender, audience, bundle, now)), []
        except Reject as error:
            code = error.code
        left = tuple(uid for uid in audience if self._keyring.reaches(uid, now))
        if not left or left == audience:
            return [], [Unsent(copy, code) for each in bundle for copy in each.copies]
        kept = [_Packed(each.data, tuple(c for c in each.copies if c.way.destination.id in left)) for each in bundle]
        unsent = [Unsent(c, code) for each in bundle for c in each.copies if c.way.destination.id not in left]
        ready, refused = self._seal_for_whom_it_can(sender, left, kept, now)
        return ready, unsent + refused

    def _seal(
        self, sender: str, audience: tuple[str, ...], bundle: Sequence[_Packed], now: datetime
    ) -> Iterator[Consignment]:
        """One envelope for the whole audience, posted to each partner's mailbox; a new epoch is announced first."""
        sealed = self._keyring.seal(sender, audience, [each.data for each in bundle], now)
        yield from self.answers(sealed.announcements, now)
        partners = dict.fromkeys(copy.way.destination.partner for each in bundle for copy in each.copies)
        for partner in partners:
            copies = tuple(c for each in bundle for c in each.copies if c.way.destination.partner == partner)
            topic = data_topic(partner, self._partner, sealed.eid)
            yield Consignment(self._link_to[partner], Parcel(topic, sealed.envelope), Event.FORWARDED, copies, "cse1")

    def _announce(self, note: Announced, now: datetime) -> Consignment:
        """Retained, until the epoch ends: whoever comes later, or comes back, still finds the key."""
        lifetime = max(1, int((note.expires - now).total_seconds()))
        parcel = Parcel(key_topic(note.partner, self._partner, note.eid), note.data, retain=True, expires_s=lifetime)
        return Consignment(self._link_to[note.partner], parcel, Event.FORWARDED)


def encode(copy: Copy, unit: LocalUnit) -> Consignment | Unsent:
    """A copy in the format of a unit of ours."""
    if unit.deliver is None:
        return Unsent(copy, Withheld.NO_ROUTE)
    adapter = load(unit.adapter)
    try:
        encoded = adapter.encode(copy.message)
    except EncodeError:
        return Unsent(copy, Withheld.FORMAT_CANNOT_SAY)
    except Exception:  # noqa: BLE001  an adapter may be a stranger's: its bug must not stop the others
        return Unsent(copy, Refused.ADAPTER_CRASHED)
    parcel = Parcel(unit.deliver, encoded.data, media_type=adapter.MEDIA_TYPE)
    return Consignment(unit.link, parcel, Event.DELIVERED, (copy,), unit.adapter, encoded.loss)


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
