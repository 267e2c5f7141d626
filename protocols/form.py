"""An alert, an evacuation request, a report or a receipt as a filled form: lines for people that Comity reads back.

For formats that have only free text. The first line says what it is, each further line is ``Label: value``; a label is
the field's path (``Patients / urgent: 2``), a value with several lines goes on with two blanks. Nothing is invented on
the way back: text that is not exactly a form is no form, and a form that was cut is no form. Pure.
"""

from __future__ import annotations

import re
from typing import TypeAlias, TypeGuard

import msgspec

from protocols.body import TEXT_MAX, Alert, Body, Medevac, Receipt, Report

Filled: TypeAlias = Alert | Medevac | Report | Receipt

MARK = " (Comity form 1)"
CUT = "(cut)"
_TITLES: dict[str, type[Filled]] = {
    "ALERT": Alert,
    "ALERT CANCELLED": Alert,
    "MEDEVAC REQUEST": Medevac,
    "REPORT": Report,
    "RECEIPT": Receipt,
}
_MEANINGS = {  # codes that not every reader knows by heart: the meaning is written behind, and not read
    "security": {"N": "no enemy", "P": "possible enemy", "E": "enemy in area", "X": "enemy, escort required"},
}
_WORDS = ("description", "instruction", "headline", "narrative", "remarks", "zone_remarks", "reason")
_SHORT = 60  # bytes of words that are not worth cutting
_FURTHER = re.compile(r"\n(?!  )")  # the end of a line that the next one does not go on with
_ITEMS_MAX = 500  # of one list


def is_filled(body: Body) -> TypeGuard[Filled]:
    """Whether a body is of a kind that has a form."""
    return isinstance(body, Alert | Medevac | Report | Receipt)


def write(body: Filled) -> str:
    """Fill the form for a body."""
    values = msgspec.to_builtins(body)
    del values["kind"]
    title = {Alert: "ALERT", Medevac: "MEDEVAC REQUEST", Report: "REPORT", Receipt: "RECEIPT"}[type(body)]
    if values.pop("cancelled", False):
        title = "ALERT CANCELLED"
    lines = [title + MARK]
    _lines(values, [], lines)
    return "\n".join(lines)


def fit(body: Filled, room: int) -> tuple[str, frozenset[str]]:
    """Fill the form in at most so many bytes of UTF-8, and name the fields that were shortened for that.

    The longest words are cut first, then an area is left out: counts, places and names stay whole. What is still too
    long is cut as a text, which then is no form any more; that is named by ``kind`` and every field with a value.
    """
    cut: set[str] = set()
    while (over := len(write(body).encode()) - room) > 0:
        words = {name: value for name in _WORDS if isinstance(value := getattr(body, name, None), str)}
        longest = max(words, key=lambda name: len(words[name].encode()), default="")
        if longest and len(words[longest].encode()) > _SHORT:
            kept = words[longest].encode()[: max(_SHORT - 3, len(words[longest].encode()) - over - 3)]
            body = msgspec.structs.replace(body, **{longest: kept.decode(errors="ignore").rstrip() + "…"})
            cut.add(longest)
        elif getattr(body, "area", None) is not None:
            body = msgspec.structs.replace(body, area=None)
            cut.add("area")
        else:
            text = write(body).encode()[: room - len(CUT) - 1].decode(errors="ignore")
            return "\n".join((text.rpartition("\n")[0], CUT)), frozenset({"kind", *msgspec.to_builtins(body)} | cut)
    return write(body), frozenset(cut)


def read(text: str) -> Filled | None:
    """Read a form back; None when the text is not one, whole and unchanged."""
    title, _, rest = text.partition("\n")
    kind = _TITLES.get(title.removesuffix(MARK)) if title.endswith(MARK) else None
    if kind is None or len(text) > TEXT_MAX:
        return None
    try:
        values = _listed(_tree(rest))
        if title.startswith("ALERT CANCELLED") and isinstance(values, dict):
            values["cancelled"] = "true"
        return msgspec.convert(values, kind, strict=False)
    except ValueError:  # msgspec.ValidationError is one
        return None


def _lines(value: object, path: list[str], lines: list[str]) -> None:
    if isinstance(value, dict):
        for name, inner in value.items():
            _lines(inner, [*path, name], lines)
    elif isinstance(value, list | tuple) and path[-2:-1] not in (["polygons"], ["circles"]):
        for place, inner in enumerate(value, 1):
            _lines(inner, [*path, str(place)], lines)
    else:
        label = " / ".join(path).replace("_", " ")
        text = _said(value, path[-1]).replace("\n", "\n  ")
        lines.append(f"{label[0].upper()}{label[1:]}: {text}")


def _said(value: object, name: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return " ".join(",".join(map(str, item)) if isinstance(item, list | tuple) else str(item) for item in value)
    meaning = _MEANINGS.get(name, {}).get(str(value))
    return str(value) if meaning is None else f"{value} ({meaning})"


def _tree(rest: str) -> dict[str, object]:
    """Lines to a tree of names; raise ValueError on anything that ``_lines`` does not write."""
    tree: dict[str, object] = {}
    for line in _FURTHER.split(rest) if rest else ():
        label, separator, text = line.partition(": ")
        path = [name.replace(" ", "_") for name in (label[:1].lower() + label[1:]).split(" / ")]
        if not separator or len(path) > 5:
            raise ValueError("not a line of a form")
        place = tree
        for name in path[:-1]:
            inner = place.setdefault(name, {})
            place = inner if isinstance(inner, dict) else {path[-1]: ""}
        if path[-1] in place:
            raise ValueError("a label twice")
        place[path[-1]] = _meant(text.replace("\n  ", "\n"), path)
    return tree


def _meant(text: str, path: list[str]) -> object:
    if path[-2:-1] == ["polygons"]:
        return [point.split(",") for point in text.split(" ")]
    if path[-2:-1] == ["circles"]:
        return text.split(" ")
    return text.partition(" (")[0] if path[-1] in _MEANINGS else text


def _listed(value: object) -> object:
    """Turn ``{"1": a, "2": b}`` into ``[a, b]``; a gap in the numbers is refused."""
    if not isinstance(value, dict):
        return value
    if not value or not all(name.isdecimal() for name in value):
        return {name: _listed(inner) for name, inner in value.items()}
    if list(value) != [str(place) for place in range(1, len(value) + 1)] or len(value) > _ITEMS_MAX:
        raise ValueError("a list with gaps")
    return [_listed(inner) for inner in value.values()]
