"""CAP areas (CAP 1.2, 3.2.4) and back: "lat,lon" points, circles in kilometres, altitudes in feet.

A circle without radius is a point, the position of the report; a coarsened position is a circle of that radius.
"""

from __future__ import annotations

import re
from typing import NamedTuple, TypeVar

from lxml import etree

from adapters.cap import kept
from adapters.cap.names import (
    NOT_DESCRIBED,
    feet_of_metres,
    kilometres_of_metres,
    metres_of_feet,
    metres_of_kilometres,
)
from protocols.body import Area
from protocols.message import Loss, LossReason
from protocols.quantity import AltitudeDatum, Position
from protocols.xml import carries, escape

Read = TypeVar("Read")

_POINT = re.compile(r"[+-]?\d{1,3}(?:\.\d*)?,[+-]?\d{1,3}(?:\.\d*)?")
POINTS_MAX = 5_000  # corners and circles of one info block; no more are read
SHAPES_MAX = 1_000  # polygons, circles and codes of one info block
_NUMBER = re.compile(r"[+-]?\d{1,9}(?:\.\d{1,30})?")


_STRANGE = Loss(field="area.element", reason=LossReason.NO_FIELD)  # what no area has


class Place(NamedTuple):
    """Where an alert applies."""

    position: Position | None
    area: Area | None


def read_places(areas: list[etree._Element], losses: list[Loss]) -> Place:
    """Several areas become one with all their shapes; what is malformed is set aside."""
    shapes = _Shapes(losses)
    for area in areas:
        if kept.has_text(area):
            losses.append(_STRANGE)
        for child in area:
            shapes.add(child)
    if len(areas) > 1:
        losses.append(Loss(field="area", reason=LossReason.STRUCTURE, approximated=True))
    return shapes.place()


class _Shapes:
    """What the areas of one info block hold."""

    def __init__(self, losses: list[Loss]) -> None:
        self.losses = losses
        self.descriptions: list[str] = []
        self.polygons: list[tuple[tuple[float, float], ...]] = []
        self.circles: list[tuple[float, float, float]] = []
        self.geocodes: list[tuple[str, str]] = []
        self.altitudes: list[float] = []
        self.room = POINTS_MAX

    def add(self, child: etree._Element) -> None:
        """Read one element of an area."""
        name, text = etree.QName(child).localname, (child.text or "").strip()
        if len(child) and (name != "geocode" or text or any(len(part) or kept.is_text(part.tail) for part in child)):
            self.losses.append(_STRANGE)
        if name in ("polygon", "circle"):
            self.room -= 1 + text.count(",")
            if self.room < 0 or len(self.polygons) + len(self.circles) >= SHAPES_MAX:
                self.losses.append(Loss(field=f"area.{name}s", reason=LossReason.TOO_LONG))
                return
        if name == "areaDesc":
            self.descriptions += [text] if text and text != NOT_DESCRIBED else []
        elif name == "polygon":
            self._keep(self.polygons, _ring(text), "area.polygons")
        elif name == "circle":
            self._keep(self.circles, _circle(text), "area.circles")
        elif name == "geocode" and len(self.geocodes) >= SHAPES_MAX:
            self.losses.append(Loss(field="area.geocodes", reason=LossReason.TOO_LONG, approximated=True))
        elif name == "geocode":
            pair = [(part.text or "").strip() for part in child]
            self._keep(self.geocodes, (pair[0], pair[1]) if len(pair) == 2 else None, "area.geocodes")
        elif name == "altitude":
            self._keep(self.altitudes, _altitude(text), "area.altitude")
        else:
            field = "area.ceiling" if name == "ceiling" else "area.element"
            self.losses.append(Loss(field=field, reason=LossReason.NO_FIELD))

    def _keep(self, kept: list[Read], read: Read | None, field: str) -> None:
        if read is None:
            self.losses.append(Loss(field=field, reason=LossReason.UNREADABLE))
        else:
            kept.append(read)

    def place(self) -> Place:
        """The one circle without radius is the position, and an altitude is its altitude."""
        points = [circle for circle in self.circles if circle[2] == 0]
        position = None
        if len(points) == 1:
            self.circles.remove(points[0])
            position = _position(points[0], self.altitudes[0] if len(self.altitudes) == 1 else None)
        if self.altitudes and (position is None or position.altitude_m is None):
            self.losses.append(Loss(field="area.altitude", reason=LossReason.NO_FIELD))
        area = Area(
            description="; ".join(self.descriptions) or None,
            polygons=tuple(self.polygons),
            circles=tuple(self.circles),
            geocodes=tuple(self.geocodes),
        )
        return Place(position, None if area == Area() else area)


def _pair(text: str) -> tuple[float, float] | None:
    if _POINT.fullmatch(text) is None:
        return None
    latitude, longitude = (float(part) for part in text.split(","))
    return (latitude, longitude) if abs(latitude) <= 90 and abs(longitude) <= 180 else None


def _ring(text: str) -> tuple[tuple[float, float], ...] | None:
    pairs = [_pair(point) for point in text.split()]
    ring = tuple(pair for pair in pairs if pair is not None)
    return ring if len(ring) == len(pairs) >= 4 and ring[0] == ring[-1] else None


def _circle(text: str) -> tuple[float, float, float] | None:
    point, _, radius = text.partition(" ")
    pair = _pair(point)
    if pair is None or _NUMBER.fullmatch(radius.strip()) is None:
        return None
    metres = metres_of_kilometres(radius.strip())
    return (*pair, metres) if metres >= 0 else None


def _altitude(text: str) -> float | None:
    metres = metres_of_feet(text) if _NUMBER.fullmatch(text) is not None else None
    return metres if metres is not None and -12_000 <= metres <= 100_000_000 else None


def _position(point: tuple[float, float, float], altitude: float | None) -> Position | None:
    if altitude is None:
        return Position(latitude=point[0], longitude=point[1])
    return Position(latitude=point[0], longitude=point[1], altitude_m=altitude, altitude_datum=AltitudeDatum.MSL)


def write_places(position: Position | None, area: Area | None, losses: list[Loss]) -> str:
    """One area element, or nothing where there is neither a position nor an area."""
    if position is None and area is None:
        return ""
    whole = area or Area()
    if whole.description is not None and not _comes_back(whole.description):
        losses.append(Loss(field="area.description", reason=LossReason.CHARSET, approximated=True))
    if not all(_comes_back(text) for pair in whole.geocodes for text in pair):
        losses.append(Loss(field="area.geocodes", reason=LossReason.CHARSET, approximated=True))
    parts = [f"<areaDesc>{escape(whole.description or NOT_DESCRIBED)}</areaDesc>"]
    for ring in whole.polygons:
        points = " ".join(f"{_decimal(latitude)},{_decimal(longitude)}" for latitude, longitude in ring)
        parts.append(f"<polygon>{points}</polygon>")
    circles = [] if position is None else [_point_circle(position, losses)]
    for latitude, longitude, radius_m in whole.circles:
        circles.append(f"{_decimal(latitude)},{_decimal(longitude)} {kilometres_of_metres(radius_m)}")
    parts += [f"<circle>{circle}</circle>" for circle in circles]
    for name, value in whole.geocodes:
        parts.append(f"<geocode><valueName>{escape(name)}</valueName><value>{escape(value)}</value></geocode>")
    if position is not None:
        parts.append(_height(position, losses))
    return f"<area>{''.join(parts)}</area>"


def _comes_back(text: str) -> bool:
    """Whether a short text is read as it was written: without white space around it, in characters of XML."""
    return text == text.strip() and text != NOT_DESCRIBED and carries(text)


def _point_circle(position: Position, losses: list[Loss]) -> str:
    radius_m = position.coarsened_to_m or 0.0
    if radius_m:
        losses.append(Loss(field="position", reason=LossReason.STRUCTURE, approximated=True))
    return f"{_decimal(position.latitude)},{_decimal(position.longitude)} {kilometres_of_metres(radius_m)}"


def _height(position: Position, losses: list[Loss]) -> str:
    if position.altitude_m is None:
        return ""
    if position.altitude_datum is not AltitudeDatum.MSL:
        losses.append(Loss(field="position.altitude_m", reason=LossReason.DATUM))
        return ""
    feet = feet_of_metres(position.altitude_m)
    if metres_of_feet(feet) != position.altitude_m:
        losses.append(Loss(field="position.altitude_m", reason=LossReason.PRECISION, approximated=True))
    return f"<altitude>{feet}</altitude>"


def _decimal(degrees: float) -> str:
    text = repr(float(degrees))
    return f"{degrees:.12f}" if "e" in text else text
