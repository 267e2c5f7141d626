"""The medical evacuation request (``_medevac_``), in the two dialects that exist and in the third, free text only.

ATAK writes line 6 and line 7 as indices from 0, TAKPacket as letters and words; both are told apart before anything is
read, and no count is ever turned into another count (FORMATS: NATO and US letters collide).
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from protocols import form
from protocols.body import Marking, Medevac, Patient, PatientCounts, PatientOrigins, Security
from protocols.cot.chat import place
from protocols.cot.detail import read_identity, write_identity, write_remarks
from protocols.cot.event import Details, Event, Node, children_of, number
from protocols.cot.markup import Element, Part, decimal
from protocols.xml import XmlError, parse

TYPE = "b-r-f-h-c"
ATAK, TAKPACKET = "atak", "takpacket"
PATIENTS_MAX = 256

_SECURITY = (Security.NO_ENEMY, Security.POSSIBLE_ENEMY, Security.ENEMY, Security.ESCORT_REQUIRED)
_MARKING = (Marking.PANELS, Marking.PYROTECHNIC, Marking.SMOKE, Marking.NONE, Marking.OTHER)
_MARKING_WORDS = {
    "panels": Marking.PANELS,
    "pyro": Marking.PYROTECHNIC,
    "pyrotechnic": Marking.PYROTECHNIC,
    "smoke": Marking.SMOKE,
    "none": Marking.NONE,
    "other": Marking.OTHER,
}
_TAKPACKET_ONLY = (
    "precedence",
    "blood",
    "terrain_trees",
    "terrain_wires",
    "non_us_military",
    "non_us_civilian",
    "urgent_surgical",
    "convenience",
)
_EQUIPMENT = {
    "equipment_none": "none",
    "hoist": "hoist",
    "extraction_equipment": "extraction",
    "ventilator": "ventilator",
    "blood": "blood",
}
_TERRAIN = {
    "terrain_none": "none",
    "terrain_slope": "slope",
    "terrain_rough": "rough",
    "terrain_loose": "loose",
    "terrain_trees": "trees",
    "terrain_wires": "wires",
}
_ZONE = {
    "zone_protected_coord": "protected_coordinate",
    "zone_prot_marker": "marker",
    "zone_prot_selection": "selection",
    "marked_by": "marked_by",
    "obstacles": "obstacles",
    "winds_are_from": "winds_from",
    "friendlies": "friendlies",
    "enemy": "enemy",
}
_COUNTS = {"urgent": "urgent", "priority": "priority", "routine": "routine"}
_MORE_COUNTS = {"urgent_surgical": "urgent_surgical", "convenience": "convenience"}
_ORIGINS = {
    "us_military": "us_military",
    "us_civilian": "us_civilian",
    "nonus_military": "non_us_military",
    "nonus_civilian": "non_us_civilian",
    "non_us_military": "non_us_military",
    "non_us_civilian": "non_us_civilian",
    "epw": "enemy_prisoner",
    "child": "child",
}
_MIST = {
    "title": "title",
    "z": "zap",
    "m": "mechanism",
    "i": "injuries",
    "s": "signs",
    "t": "treatment",
}

PATIENT_ATTRIBUTES = frozenset(_MIST)
ATTRIBUTES = frozenset(
    {*_TAKPACKET_ONLY, *_EQUIPMENT, *_TERRAIN, *_ZONE, *_COUNTS, *_MORE_COUNTS, *_ORIGINS}
    | {"title", "medline_remarks", "freq", "litter", "ambulatory", "security", "hlz_marking", "hlz_other"}
    | {"equipment_other", "equipment_detail", "terrain_other", "terrain_other_detail", "terrain_slope_dir"}
    | {"hlz_remarks"}
)  # those that are read


def dialect_of(node: Node) -> str:
    """Which dialect a ``_medevac_`` element is in: letters, words and TAKPacket's own names make it TAKPacket's."""
    security, marking = node.get("security") or "", node.get("hlz_marking") or ""
    words = (security and not security.isdigit()) or (marking and not marking.isdigit())
    return TAKPACKET if words or any(node.get(name) is not None for name in _TAKPACKET_ONLY) else ATAK


def read_medevac(event: Event, details: Details, unread: list[str]) -> Medevac:
    """A request. Without a ``_medevac_`` element it is only text, and nothing is read out of that text."""
    position, remarks, who = place(event.point), details.text("remarks"), read_identity(details)
    filled = None if remarks is None else form.read(remarks)
    if isinstance(filled, Medevac):
        return filled
    node = details.first.get("_medevac_")
    if node is None:
        return Medevac(position=position, remarks=remarks, requested_by=who, structured=False)
    structured = _read_element(node, unread)
    lines = [text for text in (structured.remarks, remarks) if text]
    if len(lines) > 1:
        unread.append("remarks")
    return replace(structured, position=position, remarks="\n".join(lines) or None, requested_by=who)


def _read_element(node: Node, unread: list[str]) -> Medevac:
    dialect = dialect_of(node)
    return Medevac(
        title=node.get("title") or None,
        frequency_mhz=_frequency(node, unread),
        precedence_word=node.get("precedence") or None,
        patients=PatientCounts(**_counts(node, _COUNTS | _MORE_COUNTS, "patients", unread)),
        origins=PatientOrigins(**_counts(node, _ORIGINS, "origins", unread)),
        equipment=_set_flags(node, _EQUIPMENT, "equipment_other", "equipment_detail"),
        litter=_count(node, "litter", "litter", unread),
        ambulatory=_count(node, "ambulatory", "ambulatory", unread),
        security=_security(node, dialect, unread),
        marking=_marking(node, dialect, unread),
        marking_detail=node.get("hlz_other") or None,
        terrain=_set_flags(node, _TERRAIN, "terrain_other", "terrain_other_detail"),
        terrain_slope_direction=node.get("terrain_slope_dir") or None,
        zone=tuple((key, value) for name, key in _ZONE.items() if (value := node.get(name))),
        zone_remarks=node.get("hlz_remarks") or None,
        casualties=_patients(node),
        remarks=node.get("medline_remarks") or None,
        code_variant=dialect,
    )


def write_medevac(body: Medevac) -> Part:
    """A request in the dialect that it came in, else in ATAK's. What those cannot say whole fills a form besides."""
    details = [*write_identity(body.requested_by)]
    if not body.structured:
        details += write_remarks(body.remarks)
        return Part(TYPE, details, body.position, how="h-e", stale_s=86_400)
    takpacket = body.code_variant == TAKPACKET
    attributes = _scalars(body)
    if takpacket:  # present even when empty: it is what tells the dialect
        attributes["precedence"] = body.precedence_word or ""
    attributes |= _write_security(body, takpacket=takpacket) | _write_flags(body, takpacket=takpacket)
    attributes |= _written_counts(body, takpacket=takpacket)
    zone = dict(body.zone)
    attributes |= {name: zone[key] for name, key in _ZONE.items() if key in zone}
    inner = "".join(Element("zMist", _write_patient(p)).xml() for p in body.casualties)
    medevac = Element("_medevac_", attributes, f"<zMistsMap>{inner}</zMistsMap>" if inner else "")
    form_text = None if _says_it_all(medevac, body) else form.write(body)
    return Part(TYPE, [*details, medevac, *write_remarks(form_text)], body.position, how="h-e", stale_s=86_400)


def _says_it_all(medevac: Element, body: Medevac) -> bool:
    """Whether the element, read again, is the whole request."""
    unread: list[str] = []
    try:
        again = _read_element(parse(medevac.xml().encode()), unread)
    except XmlError:  # too large to be read again
        return False
    return not unread and replace(again, position=body.position, requested_by=body.requested_by) == body


def _frequency(node: Node, unread: list[str]) -> float | None:
    try:
        return number(node.get("freq"))
    except ValueError:
        unread.append("frequency_mhz")
        return None


def _count(node: Node, name: str, field: str, unread: list[str]) -> int | None:
    text = node.get(name)
    if not text:
        return None
    if len(text) > 9 or not (text.isascii() and text.isdigit()):
        unread.append(field)
        return None
    return int(text)


def _counts(node: Node, names: Mapping[str, str], prefix: str, unread: list[str]) -> dict[str, int]:
    counts = {}
    for name, key in names.items():
        value = _count(node, name, f"{prefix}.{key}", unread)
        if value is not None:
            counts[key] = value
    return counts


def _set_flags(node: Node, names: Mapping[str, str], other: str, detail: str) -> tuple[str, ...]:
    given = [word for name, word in names.items() if (node.get(name) or "").lower() in ("true", "1")]
    text = node.get(detail)
    if text or (node.get(other) or "").lower() in ("true", "1"):
        given.append(text or "other")
    return tuple(given)


def _security(node: Node, dialect: str, unread: list[str]) -> Security | None:
    text = node.get("security")
    if not text:
        return None
    if dialect == ATAK and text in ("0", "1", "2", "3"):
        return _SECURITY[int(text)]
    if dialect == TAKPACKET and text in ("N", "P", "E", "X"):
        return Security(text)
    unread.append("security")
    return None


def _marking(node: Node, dialect: str, unread: list[str]) -> Marking | None:
    text = node.get("hlz_marking")
    if not text:
        return None
    if dialect == ATAK and text in ("0", "1", "2", "3", "4"):
        return _MARKING[int(text)]
    if dialect == TAKPACKET and text.lower() in _MARKING_WORDS:
        return _MARKING_WORDS[text.lower()]
    unread.append("marking")
    return None


def _patients(node: Node) -> tuple[Patient, ...]:
    rows = [row for child in children_of(node) if child.tag == "zMistsMap" for row in child if row.tag == "zMist"]
    return tuple(
        Patient(**{key: text for name, key in _MIST.items() if (text := row.get(name))}) for row in rows[:PATIENTS_MAX]
    )


def _write_patient(patient: Patient) -> dict[str, str]:
    return {name: text for name, key in _MIST.items() if (text := getattr(patient, key))}


def _scalars(body: Medevac) -> dict[str, str]:
    values = {
        "title": body.title,
        "freq": None if body.frequency_mhz is None else decimal(body.frequency_mhz),
        "litter": None if body.litter is None else str(body.litter),
        "ambulatory": None if body.ambulatory is None else str(body.ambulatory),
        "terrain_slope_dir": body.terrain_slope_direction,
        "hlz_other": body.marking_detail,
        "hlz_remarks": body.zone_remarks,
        "medline_remarks": body.remarks,
    }
    return {name: value for name, value in values.items() if value is not None}


def _write_security(body: Medevac, *, takpacket: bool) -> dict[str, str]:
    written = {}
    if body.security is not None:
        written["security"] = body.security.value if takpacket else str(_SECURITY.index(body.security))
    if body.marking is not None:
        word = "pyro" if body.marking is Marking.PYROTECHNIC else body.marking.value
        written["hlz_marking"] = word.capitalize() if takpacket else str(_MARKING.index(body.marking))
    return written


def _write_flags(body: Medevac, *, takpacket: bool) -> dict[str, str]:
    written: dict[str, str] = {}
    groups = (
        (body.equipment, _EQUIPMENT, "equipment_other", "equipment_detail"),
        (body.terrain, _TERRAIN, "terrain_other", "terrain_other_detail"),
    )
    for words, names, other, detail in groups:
        known = {word: name for name, word in names.items() if takpacket or name not in _TAKPACKET_ONLY}
        written |= {known[word]: "true" for word in words if word in known}
        rest = [word for word in words if word not in known]
        if rest:
            written[other] = "true"
            if rest != ["other"]:
                written[detail] = ", ".join(rest)
    return written


def _written_counts(body: Medevac, *, takpacket: bool) -> dict[str, str]:
    written = {}
    for name, key in (_COUNTS | _MORE_COUNTS if takpacket else _COUNTS).items():
        count = getattr(body.patients, key)
        if count is not None:
            written[name] = str(count)
    for name, key in _ORIGINS.items():
        count = getattr(body.origins, key)
        if count is not None and not name.startswith("nonus_" if takpacket else "non_us_"):
            written[name] = str(count)
    return written
