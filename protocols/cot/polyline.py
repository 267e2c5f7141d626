"""The other way to say the corners of a drawing: ``shape/polyline`` with a ``vertex`` each (MITRE shape sub-schema)."""

from __future__ import annotations

from protocols.cot.event import CotError, CotFault, Details, children_of
from protocols.xml import XmlElement


def polyline_of(details: Details, most: int) -> list[str]:
    """The corners of the first polyline, as links say theirs. Raise CotError where there are more than ``most``."""
    line = find_polyline(details)
    if line is not None and len(line) > most:
        raise CotError(CotFault.TOO_LARGE, "detail/shape/polyline")
    texts = []
    for vertex in () if line is None else children_of(line):
        text = f"{vertex.get('lat', '')},{vertex.get('lon', '')}"
        texts.append(f"{text},{hae}" if (hae := vertex.get("hae")) else text)
    return texts


def is_closed(details: Details) -> bool:
    """Whether a drawing ends where it began without saying that corner again."""
    line = find_polyline(details)
    return line is not None and (line.get("closed") or "").lower() in ("true", "1")


def find_polyline(details: Details) -> XmlElement | None:
    """The first polyline, where the corners are not links."""
    shape = details.first.get("shape")
    if shape is None or any(node.get("point") for node in details.links):
        return None
    return next((child for child in children_of(shape) if child.tag == "polyline"), None)
