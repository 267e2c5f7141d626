"""What may be told to whom, and in which form. Pure decisions; fails closed.

``check`` applies the rules in a fixed order and gives the first that keeps the message back. ``transform`` makes the
form that the agreement allows out.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from math import cos, floor, radians
from typing import NamedTuple

import msgspec

from gateway.routing import Way
from protocols.agreement import Agreement, Transformation
from protocols.body import Area, Body, Delete, Identity, Receipt
from protocols.geometry import within
from protocols.label import Label, Policy, permits
from protocols.message import Loss, LossReason, Message, Quality
from protocols.quantity import Position
from protocols.record import Withheld
from protocols.unit import partner_of

METRES_PER_DEGREE = 111_320.0  # of latitude, WGS84 mean
PEOPLE = ("identity", "sender", "raised_by", "requested_by", "reported_by")  # fields that hold an Identity
NAMING = ("remarks", "casualties", "title", "thread", "to", "mmsi", "icao")  # fields that may name people or things


class Verdict(NamedTuple):
    """Released when ``reason`` is None; otherwise the one rule that keeps it back."""

    reason: Withheld | None

    @property
    def released(self) -> bool:
        """Whether the message may go."""
        return self.reason is None


def check(message: Message, way: Way, policies: Mapping[str, Policy], now: datetime) -> Verdict:
    """Whether a message may go this way. ``message.origin`` is the unit that the gateway vouches for."""
    return Verdict(
        _agreed(message, way, now) or _label(message.label, way, policies) or _content(message, way.agreement, now)
    )


def _agreed(message: Message, way: Way, now: datetime) -> Withheld | None:
    agreement = way.agreement
    if now < agreement.valid_from:
        return Withheld.AGREEMENT_NOT_YET
    if now >= agreement.valid_until:
        return Withheld.AGREEMENT_EXPIRED
    if not agreement.goes(partner_of(message.origin or ""), way.destination.partner):
        return Withheld.DIRECTION_NOT_AGREED
    if message.kind not in agreement.kinds:
        return Withheld.TASK_DENIED if message.kind == "task" else Withheld.KIND_NOT_AGREED
    return None if message.mode in agreement.modes else Withheld.MODE_MISMATCH


def _label(label: Label | None, way: Way, policies: Mapping[str, Policy]) -> Withheld | None:
    if label is None:
        return Withheld.UNLABELLED
    policy = policies.get(label.policy)
    if policy is None:
        return Withheld.UNKNOWN_LABEL
    holder = way.destination.partner
    refusal = permits(policy, label, way.agreement.highest, holder)
    refusal = refusal or permits(policy, label, way.destination.clearance, holder)
    return Withheld(refusal) if refusal else None


def _content(message: Message, agreement: Agreement, now: datetime) -> Withheld | None:
    if message.times.valid_until is not None and message.times.valid_until < now:
        return Withheld.EXPIRED
    if message.precedence is not None and message.precedence > agreement.precedence:
        return Withheld.PRECEDENCE_TOO_HIGH
    if agreement.area is not None and not _inside(message.body, agreement.area):
        return Withheld.OUTSIDE_AREA
    return None


def _inside(body: Body, area: Area) -> bool:
    """A body without a position has no place to be outside of; one with a position must lie in the area."""
    position = getattr(body, "position", None)
    return position is None or within(position, area)


def transform(message: Message, agreement: Agreement, pseudonym_key: bytes) -> Message:
    """The form of a message that an agreement lets out; what was taken is declared as loss."""
    wanted = agreement.transformation
    if wanted == Transformation():
        return message
    lost: list[str] = []
    body = _stripped(message.body, wanted, lost)
    changes: dict[str, object] = {"original": None}
    if wanted.drop_identities:
        subject = pseudonym(pseudonym_key, message.subject)
        changes |= {
            "subject": subject,
            "id": pseudonym(pseudonym_key, message.id),
            "addressees": (),
            "references": (),
            "provenance": (),
            "quality": Quality(how=message.quality.how),
            "source": msgspec.structs.replace(message.source, system=None),
        }
        lost += ["subject", "identity"]
        if isinstance(body, Delete):
            body = msgspec.structs.replace(body, target=pseudonym(pseudonym_key, body.target))
        elif isinstance(body, Receipt):
            body = msgspec.structs.replace(body, of=pseudonym(pseudonym_key, body.of))
    losses = tuple(Loss(field=field, reason=LossReason.POLICY) for field in lost)
    return msgspec.structs.replace(message, body=body, loss=message.loss + losses, **changes)


def _stripped(body: Body, wanted: Transformation, lost: list[str]) -> Body:
    changes: dict[str, object] = {}
    defaults = {field.name: field.default for field in msgspec.structs.fields(body)}
    for field in (*wanted.strip, *(NAMING if wanted.drop_identities else ())):
        default = defaults.get(field, msgspec.NODEFAULT)
        if default is not msgspec.NODEFAULT and getattr(body, field) != default:
            changes[field] = default
            lost.append(field)
    if wanted.drop_identities:
        changes |= {field: Identity() for field in PEOPLE if field in defaults}
    position = getattr(body, "position", None)
    if wanted.coarsen_m is not None and position is not None:
        changes["position"] = coarsen(position, wanted.coarsen_m)
        lost.append("position")
    return msgspec.structs.replace(body, **changes) if changes else body


def coarsen(position: Position, grid_m: float) -> Position:
    """The centre of the grid cell that a position lies in: all positions of a cell become one, altitude is dropped.

    The cell is ``grid_m`` high, and at its own latitude ``grid_m`` wide; the error given is half its diagonal.
    """
    step = grid_m / METRES_PER_DEGREE
    latitude = max(-90.0, min(90.0, (floor(position.latitude / step) + 0.5) * step))
    wide = step / max(cos(radians(latitude)), 1e-6)
    longitude = max(-180.0, min(180.0, (floor(position.longitude / wide) + 0.5) * wide))
    error = max(position.circular_error_m or 0.0, grid_m * 0.7072)
    return Position(latitude=latitude, longitude=longitude, circular_error_m=error, coarsened_to_m=grid_m)


def pseudonym(key: bytes, subject: str) -> str:
    """A stable name that says nothing about the subject without the gateway's key (HMAC-SHA-256, 16 bytes)."""
    return hmac.new(key, subject.encode(), hashlib.sha256).hexdigest()[:32]
