"""What NFFI says that no field of a Message holds: kept for the way home, and held to the schema again there."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from lxml import etree

from adapters.nffi.names import STATUS_CODES
from protocols.message import Extra, Message
from protocols.xml import XmlElement, XmlError, parse

FORMAT = "nffi"
DETAIL = "detailData"
DETAIL_MAX = 8192  # characters of detailData that are kept
_ALPHANUMERIC = re.compile(r"[A-Za-z0-9]{0,30}", re.ASCII)
_NARROW_30 = re.compile(r"[A-Za-z0-9.,:*-]{0,30}", re.ASCII)
_NARROW_60 = re.compile(r"[A-Za-z0-9.,:*-]{0,60}", re.ASCII)
_NUMBER = re.compile(r"\d{1,12}(?:\.\d{1,12})?", re.ASCII)
_COUNT = re.compile(r"\d{1,5}", re.ASCII)

_FITS: Mapping[str, Callable[[str], bool]] = {  # NFFI 1.3, the types of these elements
    "positionalData/inclination": lambda text: _NUMBER.fullmatch(text) is not None and float(text) < 360,
    "operStatusData/footprint": lambda text: _NUMBER.fullmatch(text) is not None,
    "operStatusData/strength": lambda text: _COUNT.fullmatch(text) is not None and int(text) <= 65_535,
    "operStatusData/statusCode": lambda text: text in STATUS_CODES,
    "deviceSpecificData/additionalId": lambda text: _NARROW_30.fullmatch(text) is not None,
    "deviceSpecificData/serialNumber": lambda text: _ALPHANUMERIC.fullmatch(text) is not None,
    "deviceSpecificData/terminalId": lambda text: _ALPHANUMERIC.fullmatch(text) is not None,
    "deviceSpecificData/specialUserDefined": lambda text: _NARROW_60.fullmatch(text) is not None,
}
KEPT = ("inclination", "footprint", "strength", "serialNumber", "terminalId", "specialUserDefined")


def keep(section: str, name: str, text: str) -> Extra | None:
    """An element to keep, or None where it does not fit the schema and could not be written again."""
    path = f"{section}/{name}"
    return Extra(format=FORMAT, name=path, inner=text) if _FITS[path](text) else None


def keep_detail(detail: XmlElement) -> Extra | None:
    """The content of detailData, or None where that is too much."""
    inner = "".join([etree.tostring(child, encoding="unicode", with_tail=False) for child in detail])
    return Extra(format=FORMAT, name=DETAIL, inner=inner) if len(inner) <= DETAIL_MAX else None


def restored(message: Message) -> dict[str, dict[str, str]]:
    """The kept elements by section and name, each as XML; only what the schema allows there."""
    found: dict[str, dict[str, str]] = {}
    for extra in message.extras:
        if extra.format != FORMAT or extra.inner is None:
            continue
        section, _, name = extra.name.partition("/")
        if extra.name == DETAIL and _is_sound(extra.inner):
            found[DETAIL] = {DETAIL: extra.inner}
        elif extra.name in _FITS and _FITS[extra.name](extra.inner):
            found.setdefault(section, {})[name] = f"<{name}>{extra.inner}</{name}>"
    return found


def _is_sound(inner: str) -> bool:
    try:
        root = parse(f"<x>{inner}</x>".encode(errors="replace"))
    except XmlError:
        return False
    return not (root.text or "").strip() and len(inner) <= DETAIL_MAX
