"""Reports without anybody's name: what of each kind says nothing about who, and so may stay. Pure; fails closed.

Only what stands in ``KEPT`` survives, so a field that is added to a kind is taken until somebody lists it here. Free
text never survives; codes and the name of an event do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec.structs import replace

from protocols.body import Alert, Area, Body, Contact, Delete, Graphic, Medevac, Receipt, Report, Status, Track

KEPT: Mapping[type[Body], tuple[str, ...]] = {
    Track: ("position", "symbol", "kinematics", "battery_percent", "ready", "in_distress"),
    Contact: ("position", "symbol", "kinematics", "length_m", "width_m", "height_m"),
    Alert: (
        "event", "categories", "severity", "urgency", "certainty", "language", "position", "area", "cancelled",
    ),
    Medevac: (
        "position", "frequency_mhz", "precedence_word", "patients", "origins", "equipment", "litter", "ambulatory",
        "security", "marking", "terrain", "cbrn", "code_variant", "structured",
    ),
    Report: (
        "event", "position", "area", "occurred", "killed", "injured", "missing", "displaced", "evacuated", "language",
    ),
    Status: ("battery_percent",),
    Graphic: ("shape", "points", "major_m", "minor_m", "rotation_deg"),
    Receipt: ("of", "state"),
    Delete: ("target", "hard"),
}  # fmt: skip
SUBJECTS = ("of", "target")  # fields that hold another report's subject


def can_be_anonymous(kind: type[Body]) -> bool:
    """Whether anything is left of a kind without names: a chat, a file, a task or opaque bytes are text throughout."""
    return kind in KEPT


def anonymous(body: Body, alias: Callable[[str], str]) -> Body:
    """A report without names; ``alias`` gives a subject's pseudonym. Raise ValueError where nothing would be left."""
    kind = type(body)
    if not can_be_anonymous(kind):
        raise ValueError("this kind of report cannot go without names")
    values = {name: getattr(body, name) for name in KEPT[kind]}
    for name in SUBJECTS:
        if name in values:
            values[name] = alias(values[name])
    if (position := values.get("position")) is not None:
        values["position"] = replace(position, fix_source=None)
    if "points" in values:
        values["points"] = tuple(replace(point, fix_source=None) for point in values["points"])
    if (area := values.get("area")) is not None:
        values["area"] = Area(polygons=area.polygons, circles=area.circles)
    return kind(**values)
