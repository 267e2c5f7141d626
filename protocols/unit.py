"""Partners and liaison units: who takes part, and who can be addressed. Pure."""

from __future__ import annotations

import re
from enum import StrEnum

from protocols.duty import Shift
from protocols.label import Clearance
from protocols.quantity import Value

_PARTNER = re.compile(r"[a-z][a-z0-9-]{0,30}")
_UNIT = re.compile(r"[a-z][a-z0-9-]{0,30}/[a-z0-9][a-z0-9-]{0,62}")


class PartnerKind(StrEnum):
    """What a partner is."""

    NATION = "nation"
    BODY = "body"
    NGO = "ngo"


class Partner(Value, frozen=True):
    """A force or organisation. Never a network address."""

    id: str
    kind: PartnerKind
    languages: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not is_partner_id(self.id):
            raise ValueError("a partner id is a-z, 0-9 and -, starts with a letter, at most 31 characters")


class LiaisonUnit(Value, frozen=True):
    """An addressable cell, team or system of a partner: an end of the encryption. Never a person.

    ``duty`` are its hours by the clock of its ``time_zone`` (an IANA name); without any it is always on duty.
    ``alternates`` are units of the same partner that stand in for it, in order.
    """

    id: str
    clearance: Clearance
    role: str | None = None
    languages: tuple[str, ...] = ()
    duty: tuple[Shift, ...] = ()
    time_zone: str | None = None
    alternates: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not is_unit_id(self.id):
            raise ValueError("a unit id is partner/unit, each a-z, 0-9 and -")

    @property
    def partner(self) -> str:
        """The id of the partner it belongs to."""
        return partner_of(self.id)


def is_partner_id(text: str) -> bool:
    """Whether a text can be a partner's id, and so a topic level."""
    return _PARTNER.fullmatch(text) is not None


def is_unit_id(text: str) -> bool:
    """Whether a text can be a unit's id."""
    return _UNIT.fullmatch(text) is not None


def partner_of(unit: str) -> str:
    """The partner part of a unit id."""
    return unit.partition("/")[0]
