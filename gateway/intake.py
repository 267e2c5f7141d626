"""From a frame to reports that the gateway vouches for: decode or unseal, stamp the origin, map the label.

The origin is the unit whose topic the frame came by, or the unit whose signature was verified; never the payload.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Annotated, NamedTuple

import msgspec

from adapters import INPUT_MAX, DecodeError, load
from gateway.config import LocalUnit
from gateway.formats.home import keep
from gateway.keyring.ring import Announced, Keyring
from gateway.links import Frame
from gateway.routing import Table
from protocols.custody import Control, is_control, unpack_control
from protocols.envelope import Refusal, Reject, is_envelope, unpack_envelope
from protocols.fragment import Fragments, is_fragment
from protocols.label import Label
from protocols.labelling import NOTHING_KNOWN, Labelling, is_xml
from protocols.message import Authenticity, Message, unpack
from protocols.opening import Opened
from protocols.proof import is_proof
from protocols.record import Refused, Withheld
from protocols.thin import grow
from protocols.topics import Mailbox, Slot, is_topic, parse_mailbox
from protocols.unit import partner_of

NOWHERE = -1
_UNOPENED = frozenset(
    {Refusal.EXPIRED, Refusal.GENERATION_TOO_OLD, Refusal.EPOCH_CLOSED, Refusal.EPOCH_TOMBSTONED}
)  # no later try could end otherwise: whoever sealed it is told, and seals it anew


class Report(NamedTuple):
    """A message that the gateway vouches for; ``envelope`` is None for our own, else what it came in, and where.

    ``through``: the partner that passed it on, with its originator's proof. What was sealed with its original bytes is
    ``NOWHERE``, since nobody has looked at these: it cannot be passed on.
    """

    message: Message
    envelope: Opened | None = None
    objection: str | None = None
    place: int = 0
    through: str | None = None


class Said(NamedTuple):
    """A control record, under the verified signature of a unit."""

    sender: str
    control: Control


class Unproven(NamedTuple):
    """A message of a partner's envelope that is none, or not its originator's word, and why (bounded).

    ``message`` is its id where it has one, and ``units`` those of ours that it was for, so that its sender is told.
    """

    passer: str
    reason: str
    message: str | None = None
    units: tuple[str, ...] = ()


class _Named(msgspec.Struct, frozen=True, kw_only=True):
    """Of a message that we cannot read, what it is called."""

    id: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]


class Arrival(NamedTuple):
    """What a frame held: reports, or something of the sealing layer.

    ``opened`` are the envelopes that the reports came in, ``said`` control records of partners' gateways, ``unproven``
    what they held and is no report. ``waits`` is the epoch whose announcement an envelope waits for, ``announced``
    the epoch that an announcement opened, ``answer`` an announcement that a partner asked for.
    """

    reports: Sequence[Report] = ()
    opened: Sequence[Opened] = ()
    said: Sequence[Said] = ()
    unproven: Sequence[Unproven] = ()
    waits: bytes | None = None
    announced: bytes | None = None
    answer: Announced | None = None


class RefusalError(Exception):
    """A frame is not accepted; ``reason`` is bounded. ``eid``: of an envelope that we have had, or cannot open."""

    def __init__(
        self, reason: str, source: str | None = None, form: str | None = None, eid: bytes | None = None
    ) -> None:
        super().__init__(reason)
        self.reason, self.source, self.form, self.eid = reason, source, form, eid

    @property
    def unopened(self) -> bool:
        """Whether it belongs to an epoch in which we can open nothing any more."""
        return self.eid is not None and self.reason in _UNOPENED


class Intake:
    """Reads frames of one gateway."""

    def __init__(self, partner: str, table: Table, keyring: Keyring, *, alone: bool = True) -> None:
        """``alone``: no other process of this gateway began epochs that partners may ask for."""
        self._alone = alone
        self._partner = partner
        self._table = table
        self._labelling = Labelling(table.policies)
        self._keyring = keyring
        self._fragments = Fragments()

    def adopt(self, table: Table) -> None:
        """From now on topics and labels are read by this table."""
        self._table = table
        self._labelling = Labelling(table.policies)

    def read(self, link: str, frame: Frame, now: datetime) -> Arrival:
        """What a frame holds. Raise RefusalError when it is not accepted."""
        if not is_topic(frame.topic):
            raise RefusalError(Refused.BAD_TOPIC)
        mailbox = parse_mailbox(frame.topic)
        unit = self._table.unit_at(link, frame.topic) if mailbox is None else None
        source = unit.id if unit else None
        if len(frame.data) > INPUT_MAX:
            raise RefusalError(Refused.TOO_LARGE, source, unit.adapter if unit else None)
        if mailbox is not None and mailbox.to == self._partner:
            if not self._keyring.roster.knows(mailbox.sender):  # else whoever invents senders has our time and memory
                raise RefusalError(Refusal.UNKNOWN_SIGNER, mailbox.sender, "cse1")
            whole = self._whole(mailbox, frame.data)
            return Arrival() if whole is None else self._unseal(mailbox, whole, now)
        if unit is None:
            raise RefusalError(Refused.UNKNOWN_SOURCE)
        return self._decode(unit, frame.data, now)

    def settle(self, arrivals: Iterable[Arrival]) -> None:
        """Everything in these was handed over: their envelopes are never opened again, also after a restart."""
        for arrival in arrivals:
            for opened in arrival.opened:
                self._keyring.settle(opened.eid, opened.seq)

    def _decode(self, unit: LocalUnit, data: bytes, now: datetime) -> Arrival:
        try:
            messages = load(unit.adapter).decode(data)
            reports = [stamped(message, unit, now, self._labelling) for message in messages]
            if len(reports) == 1 and unit.id in self._table.originals:
                reports = [reports[0]._replace(message=keep(reports[0].message, unit.adapter, data))]
            return Arrival(reports)
        except DecodeError as error:
            raise RefusalError(error.fault, unit.id, unit.adapter) from None
        except Exception:  # noqa: BLE001  an adapter may be a stranger's: its bug must not stop the others
            raise RefusalError(Refused.ADAPTER_CRASHED, unit.id, unit.adapter) from None

    def _whole(self, mailbox: Mailbox, data: bytes) -> bytes | None:
        """What a frame holds, or completes; None for a part. What is lost with us is sent, or asked for, again."""
        if not is_fragment(data):
            return data
        try:
            return self._fragments.put(mailbox.sender, data)
        except ValueError:
            raise RefusalError(Refusal.MALFORMED, mailbox.sender, "cse1") from None

    def _unseal(self, mailbox: Mailbox, data: bytes, now: datetime) -> Arrival:
        try:
            if mailbox.slot is Slot.CONTROL and not is_envelope(data):
                return Arrival(answer=self._keyring.answer(data, now))
            if mailbox.slot is Slot.KEYS:
                opened = self._keyring.accept(data, now, mailbox.sender)
                return self._vouched(opened, mailbox, now)._replace(announced=_epoch(mailbox))
            envelope = self._keyring.unseal(data, now, mailbox.sender)
            if envelope is None:
                return Arrival(waits=unpack_envelope(data)[0].eid)
            return self._vouched((envelope,), mailbox, now)
        except Reject as error:
            if error.code is Refusal.UNKNOWN_EPOCH and not self._alone and mailbox.slot is Slot.CONTROL:
                return Arrival()  # asked of every worker; the one whose epoch it is answers
            eid = _epoch_of(data, mailbox) if error.code in {Refusal.REPLAY, *_UNOPENED} else None
            raise RefusalError(error.code, mailbox.sender, "cse1", eid) from None

    def _vouched(self, opened: Sequence[Opened], mailbox: Mailbox, now: datetime) -> Arrival:
        """What envelopes hold; a message whose label is not what its own XML says is objected to."""
        reports: list[Report] = []
        said: list[Said] = []
        unproven: list[Unproven] = []
        for envelope in opened:
            for held in self._held(envelope, mailbox, now):
                if isinstance(held, Said):
                    said.append(held)
                elif isinstance(held, Unproven):
                    unproven.append(held)
                elif self._labelling.is_bound(held.message, now):
                    reports.append(held)
                else:
                    reports.append(held._replace(objection=Withheld.UNKNOWN_LABEL))
        return Arrival(reports, opened, said, unproven)

    def _held(self, opened: Opened, mailbox: Mailbox, now: datetime) -> Iterator[Report | Said | Unproven]:
        """What an envelope holds whose signature holds. A topic that disagrees with the signer is an alarm."""
        if partner_of(opened.sender) != mailbox.sender:
            raise RefusalError(Refused.TOPIC_SIGNER_MISMATCH, opened.sender, "cse1")
        for at, data in enumerate(opened.messages):
            if is_proof(data):
                yield self._proven(opened, data, now)
                continue
            try:
                if is_control(data):
                    yield Said(opened.sender, unpack_control(data))
                    continue
                message = unpack(grow(data, opened.sender))
            except ValueError:
                yield self._refused(opened, data, Refused.BAD_MESSAGE)
                continue
            if message.origin != opened.sender:
                yield self._refused(opened, data, Refused.ORIGIN_MISMATCH)
                continue
            place = at if message.original is None else NOWHERE
            yield Report(_verified(message), opened, place=place)

    def _refused(self, opened: Opened, data: bytes, reason: Refused) -> Unproven:
        """What no later try could make better: it is taken, so that it does not come again, and its sender is told."""
        try:
            name = msgspec.msgpack.decode(data, type=_Named).id
        except ValueError:
            return Unproven(opened.sender, reason)
        return Unproven(opened.sender, reason, name, tuple(u for u in opened.audience if u in self._keyring.units))

    def _proven(self, opened: Opened, data: bytes, now: datetime) -> Report | Unproven:
        """What a partner passes on, if its originator said it; one that is not costs no other its way."""
        passer = partner_of(opened.sender)
        try:
            proven = self._keyring.proven(data, passer, now)
            message = unpack(grow(proven.message, proven.sender))
        except Reject as error:
            return Unproven(opened.sender, error.code)
        except ValueError:
            return Unproven(opened.sender, Refused.BAD_MESSAGE)
        if message.origin != proven.sender or partner_of(proven.sender) == self._partner:
            return Unproven(opened.sender, Refused.ORIGIN_MISMATCH)
        return Report(_verified(message), opened, through=passer)


def _epoch_of(data: bytes, mailbox: Mailbox) -> bytes | None:
    """The epoch of what was refused; of control records none, since they go but once."""
    if mailbox.slot is Slot.KEYS:
        return _epoch(mailbox) or None
    return unpack_envelope(data)[0].eid if mailbox.slot is Slot.DATA else None


def _epoch(mailbox: Mailbox) -> bytes:
    """The epoch that a key topic names; a topic that names none releases nothing."""
    try:
        return bytes.fromhex(mailbox.tail)
    except ValueError:
        return b""


def stamped(message: Message, unit: LocalUnit, now: datetime, labelling: Labelling = NOTHING_KNOWN) -> Report:
    """A message of a unit of ours with what the gateway vouches for: its origin, its label, when it came."""
    source = message.source
    label, hint = _label(source.label_hint, unit, now, labelling)
    precedence = message.precedence
    if precedence is None and message.kind in unit.precedence:
        precedence = unit.precedence[message.kind].precedence
    known = msgspec.structs.replace(
        message,
        source=source if hint == source.label_hint else msgspec.structs.replace(source, label_hint=hint),
        origin=unit.id,
        authenticity=Authenticity.ASSERTED,
        label=label,
        precedence=precedence,
        alternatives=labelling.alternatives(label),
        times=msgspec.structs.replace(message.times, received=now),
    )
    return Report(known, objection=Withheld.UNKNOWN_LABEL if label is None and hint is not None else None)


def _label(hint: str | None, unit: LocalUnit, now: datetime, labelling: Labelling) -> tuple[Label | None, str | None]:
    """The label of a message and its marking: by the unit's table, else what its XML says, else the unit's default."""
    if hint is None:
        return unit.default_label, None
    label = next((rule.label for rule in unit.labels if rule.hint == hint), None)
    if label is None and unit.label_xml and is_xml(hint):
        return labelling.read(hint, now)
    return label, hint


def _verified(message: Message) -> Message:
    """Another's message: bytes that are not ours are nobody's original here."""
    return msgspec.structs.replace(message, authenticity=Authenticity.VERIFIED, original=None)
