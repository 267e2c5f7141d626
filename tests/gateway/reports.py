"""Messages and ways as the straight line meets them, one line each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gateway.config import LocalUnit
from gateway.routing import Way
from protocols.agreement import Agreement, Direction
from protocols.body import Body, Chat, Delete, Identity, Track
from protocols.label import Clearance, Label, Policy
from protocols.message import Message, Source, Times, message_id
from protocols.quantity import Position
from protocols.unit import LiaisonUnit
from tests.fakes import NOW

MISSION = Policy(
    name="MISSION",
    classifications=("UNCLASSIFIED", "RESTRICTED", "CONFIDENTIAL"),
    restrictive=("Sensitivity",),
    permissive=("Releasable To",),
)
POLICIES = {"MISSION": MISSION}
OPEN = Label(policy="MISSION", classification="UNCLASSIFIED")
HERE = Position(latitude=47.0612, longitude=8.2833)


def cleared(classification: str = "CONFIDENTIAL", *held: str) -> Clearance:
    """A clearance of the mission's policy."""
    return Clearance(policy="MISSION", classification=classification, restrictive=held)


def a_message(body: Body | None = None, **more: object) -> Message:
    """A message of alpha's patrols, as intake would have stamped it."""
    given = {
        "id": "0" * 32,
        "subject": "S-1",
        "body": body or Track(position=HERE, identity=Identity(callsign="HAWK-1")),
        "source": Source(format="cot"),
        "origin": "alpha/patrols",
        "label": OPEN,
        "times": Times(observed=NOW, received=NOW),
    } | more
    return Message(**given)  # type: ignore[arg-type]


def a_track(seconds: float, subject: str = "S-1", *, whole: bool = False, **more: object) -> Message:
    """A position so many seconds after the fixed moment; ``whole``: in a format that cannot say fractions."""
    observed = NOW + timedelta(seconds=seconds)
    observed = observed.replace(microsecond=0) if whole else observed
    given = {
        "id": message_id("position", subject, observed),
        "subject": subject,
        "times": Times(observed=observed, whole_seconds=whole),
    }
    return a_message(Track(position=HERE), **given | more)


def a_chat(number: int, **more: object) -> Message:
    """A text, one of many."""
    return a_message(Chat(text="Road is clear."), id=f"{number:032x}", subject=f"GeoChat.{number}", **more)


def a_delete(target: str, **more: object) -> Message:
    """A report taken back."""
    return a_message(Delete(target=target), id=message_id("delete", target, NOW), subject=target, **more)


def an_agreement(**more: object) -> Agreement:
    """Alpha to bravo, positions and texts, in force."""
    given = {
        "id": "alpha-bravo",
        "partners": ("alpha", "bravo", "charlie"),
        "kinds": ("track", "chat", "delete"),
        "directions": (Direction(sender="alpha", to="bravo"),),
        "highest": cleared(),
        "valid_from": datetime(2026, 1, 1, tzinfo=UTC),
        "valid_until": datetime(2027, 1, 1, tzinfo=UTC),
    } | more
    return Agreement(**given)  # type: ignore[arg-type]


def a_way(agreement: Agreement | None = None, to: str = "bravo/ops", clearance: Clearance | None = None) -> Way:
    """A way to a partner's unit."""
    return Way(LiaisonUnit(id=to, clearance=clearance or cleared()), agreement or an_agreement(), signed=True)


def a_local_way(agreement: Agreement | None = None, to: str = "bravo/ops", deliver: str | None = "out") -> Way:
    """A way to a unit of ours."""
    unit = LocalUnit(id=to, clearance=cleared(), adapter="cot", link="national", deliver=deliver)
    return Way(unit, agreement or an_agreement(), signed=True)
