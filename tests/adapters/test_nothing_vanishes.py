"""What a document says is in what is written of it, or the report says that it is not: judged by the documents alone.

The conformance kit compares Messages, so it cannot see what a decoder never reads. Here the document that came in is
compared with the one that goes out, without the kept original; and again with something added at every place.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator
from copy import deepcopy
from pathlib import Path

import pytest
from lxml import etree

import adapters
from adapters import DecodeError, EncodeError
from tests.adapters.facts import Fact, missing, of_sedap, of_tak, of_xml
from tests.adapters.oracles import STANDARDS, standards

FIXTURES = Path(__file__).parent.parent / "fixtures"
SAMPLES = {
    "cot": "cot/samples/*.xml",
    "tak": "tak-protocol/*.bin",
    "nffi": "nffi/samples/*.xml",
    "sedap": "sedap-express/*.txt",
    "cap": "cap/samples/*.xml",
}
PLACES = 30  # of one document
ATTRIBUTES = ("heard", "type", "uid", "name", "slope", "os", "point", "version", "production_time")
ELEMENTS = ("heard", "remarks", "contact", "link", "status", "track", "description", "note")
SECTIONS = ("track", "positionalData", "identificationData", "operStatusData", "deviceSpecificData")
WORDS = ("heron", "7", "true", "2026-05-04T09:10:11Z")
# The fields of a report that stand for a place in a document, where it does not name the place itself.
NAMED: dict[str, list[tuple[str, tuple[str, ...]]]] = {
    "cot": [
        (r"event@(access|caveat|releasableTo)", ("source.label_hint",)),
        (r"event(@\w+|/(?!point|detail).*)?", ("event",)),
        (r"event/point([@/].*)?", ("point",)),
        (r"event/detail(@.*)?", ("detail",)),
        (r"event@how", ("quality.how",)),
        (r"event@(time|start|stale)", ("times.observed", "times.valid_from", "times.valid_until")),
        (r".*/track@course", ("kinematics.course_deg",)),
        (r".*/track@speed", ("kinematics.speed_mps",)),
        (r".*/status@battery", ("battery_percent",)),
        (r".*/takv@(platform|version)", ("identity.system",)),
        (r".*/_flow-tags_@.*", ("provenance",)),
        (r".*/link@.*", ("references", "points")),
        (r".*/_medevac_@.*", ("security", "marking", "patients", "origins", "litter", "ambulatory", "frequency_mhz")),
        (r".*/fileshare@sizeInBytes", ("size_bytes",)),
        (r".*/(stroke|fill)?[cC]olor@(value|argb)", ("stroke", "fill")),
    ],
    "sedap": [
        (r"(CONTACT|TEXT|STATUS|ACKNOWLEDGE|HEARTBEAT|OWNUNIT)\.\d+|GRAPHIC", ("fields",)),
        (r"TEXT\.7", ("to",)),
        (r"\w+\.5", ("acknowledgement",)),
        (r"\w+\.6", ("mac",)),
        (r"GRAPHIC", ("stroke", "fill", "width", "title", "rotation_deg", "points")),
        (r"(OWNUNIT\.16|CONTACT\.25)", ("symbol",)),
        (r"STATUS\.1[2-6]", ("battery", "command_id", "command_state", "host", "media")),
        (r"TEXT\.10", ("body",)),
        (r"TEXT\.11", ("references",)),
    ],
    "nffi": [
        (r".*@sec\w+", ("source.label_hint",)),
        (r".*@\w+", ("attributes",)),
        (r"NFFIMessage/track/\w+", ("track",)),
        *((rf"NFFIMessage/track/{each}/.*", (each,)) for each in ("positionalData", "operStatusData")),
        *((rf"NFFIMessage/track/{each}/.*", (each,)) for each in ("identificationData", "deviceSpecificData")),
        (r".*/(latitude|longitude)@accuracy", ("position.circular_error_m",)),
        (r".*/unitShortName", ("identity.callsign",)),
        (r".*/phoneNumber", ("identity.phone",)),
        (r".*/terminalType", ("identity.device",)),
        (r".*/unitSymbol", ("symbol",)),
        (r".*/(bearing|speed)", ("kinematics",)),
        (r".*/alert", ("in_distress",)),
        (r"NFFIMessage(/track)?@.*", ("track",)),
        (r".*/statusCode", ("ready",)),
        (r".*/remarks", ("remarks",)),
        (r".*/(reliability|credibility)", ("quality",)),
    ],
    "cap": [
        (r"alert/references", ("references", "references.sent")),
        (r"alert/restriction", ("label",)),
        (r"alert/identifier", ("subject",)),
        (r".*@\w+", ("attribute",)),
        (r"alert(/(\w+|info/\w+))?(/\w+@\w+|/\w+)?", ("element",)),
        (r"alert/info/area(/.*)?", ("area.element",)),
        (r"alert/info/(parameter|eventCode|resource).*", ("parameter", "eventCode", "resource", "body")),
        (r"alert/info/(severity|urgency|certainty|onset|expires|effective)", ("certainty",)),
        (r".*/info/category", ("categories", "body")),
        (r".*/area/areaDesc", ("area", "area.description")),
        (r".*/area/polygon", ("area.polygons",)),
        (r".*/area/circle", ("area.circles",)),
        (r".*/area/altitude", ("area.altitude", "position.altitude_m")),
        (r".*/area/ceiling", ("area.ceiling",)),
        (r".*/area/geocode.*", ("area.geocodes",)),
        (r".*/(description|contact|event)", ("body",)),
    ],
}
# What says nothing, or the same in other words than ours.
NOTHING: dict[str, list[tuple[str, str]]] = {
    "cot": [
        (r"event/point@(hae|ce|le)", r"9{6,8}(\.0)?|(?i:nan)"),
        (r".*/track@(course|speed)", r"-1(\.0)?|360(\.0)?"),  # unknown, and north
        (r"event@version", r"2\.0"),  # which TAK Protocol has not
        (r".*/remarks/", r"is there"),  # empty
        (r".*/_medevac_@\w+", r"false"),  # what is not said is not so
        (r".*/__chat@chatRoom", r".*"),  # the name of chatroom in another spelling
        (r".*/precisionlocation@geopointsrc", r"\?\?\?"),
    ],
    "sedap": [
        (r"\w+\.1", r"[0-9A-Fa-f]{1,2}"),  # counts the lines of one way
        (r"\w+\.5", r"(?i)false"),
        (r"(TEXT\.9|GRAPHIC)", r"NONE|BASE64"),  # how the words are written
        (r"CONTACT\.8", r"(?i)false"),
    ],
    "nffi": [(r".*/identificationData/unitSymbol", r"\w{5,10}-*\**")],  # the last five say nothing, in many ways
    "cap": [(r".*/area/areaDesc", r"not described")],
}


def family(name: str) -> str:
    return "cot" if name == "tak" else name


def documents(name: str) -> Iterator[tuple[str, bytes]]:
    """Every document of a format that is at hand; of SEDAP-Express every line."""
    own = [p for p in sorted((FIXTURES / name).glob("*")) if p.suffix != ".json" and not p.name.startswith("bad-")]
    for path in [*own, *standards(SAMPLES[name])]:
        if name == "sedap":
            for number, line in enumerate(path.read_bytes().splitlines(), 1):
                yield f"{path.name}:{number}", line
        else:
            yield path.name, path.read_bytes()


def said_in(name: str, data: bytes) -> list[list[Fact]]:
    """The facts of each part of a document that becomes a message of its own, in order."""
    if name == "sedap":
        return [list(of_sedap(data.decode("latin-1")))]
    if name == "tak" and data[:1] != b"<":
        return [_somewhere(of_tak(data))]
    root = etree.fromstring(data)
    if name == "nffi":
        return [[_in_its_place(fact) for fact in of_xml(track, "NFFIMessage", empty=False)] for track in root]
    if name == "cap":
        return list(_blocks(root))
    return [_somewhere(of_xml(root))]


def _somewhere(facts: Iterable[Fact]) -> list[Fact]:
    """Without the point 0, 0 of unknown error, with which TAK says that there is none."""
    found = list(facts)
    point = {fact.where: fact.what for fact in found if fact.where.startswith("event/point@")}
    lat, lon, ce = (point.get(f"event/point@{name}", "0") for name in ("lat", "lon", "ce"))
    nowhere = float(lat) == 0 and float(lon) == 0 and float(ce) > 999_998
    return [_in_its_place(fact) for fact in found if not (nowhere and fact.where in point)]


def _blocks(root: etree._Element) -> Iterator[list[Fact]]:
    for place in range(max(1, len(root.findall("{*}info")))):
        alone = deepcopy(root)
        for other, info in enumerate(alone.findall("{*}info")):
            if other != place:
                alone.remove(info)
        yield [_in_its_place(fact) for fact in of_xml(alone, empty=False)]


def _in_its_place(fact: Fact) -> Fact:
    """NFFI 1.3 has in another section what 1.4 has moved; a height is rounded to a tenth of a millimetre.

    The remarks of a medical evacuation request are read from two places and written to one.
    """
    if fact.where == "event/detail/_medevac_@medline_remarks":
        return Fact("event/detail/remarks", fact.what)
    if fact.where.endswith("area/altitude") and fact.what.strip().replace(".", "").isdigit():
        return Fact(fact.where, f"{float(fact.what):.3f}")
    moved = re.fullmatch(r"(.*/)operStatusData/(alert|remarks)", fact.where)
    return fact if moved is None else Fact(f"{moved[1]}deviceSpecificData/{moved[2]}", fact.what)


def vanished(name: str, data: bytes) -> list[str]:
    """What is neither written again nor declared; nothing where the document or its writing is refused."""
    adapter = adapters.load(name)
    try:
        messages = adapter.decode(data)
    except DecodeError:
        return []
    parts = said_in(name, data)
    found = []
    for place, message in enumerate(messages):
        try:
            encoded = adapter.encode(message)
        except EncodeError:
            continue
        losses, derived = (*message.loss, *encoded.loss), (*message.derived, *encoded.derived)
        declared = {loss.field for loss in losses} | {each.field for each in derived}
        after = [fact for part in said_in(name, encoded.data) for fact in part]
        gone = missing(parts[min(place, len(parts) - 1)], after)
        told = [f for f in gone if _is_declared(family(name), f, declared) or _says_nothing(family(name), f)]
        found += [f"{message.kind}: {fact.where} = {fact.what[:60]!r}" for fact in gone if fact not in told]
    return found


def with_more(name: str, data: bytes, chance: random.Random) -> Iterator[bytes]:
    """The document with one thing more than it had: at random places, things that are rare or unknown."""
    if name == "sedap":
        yield from _with_more_fields(data, chance)
    elif data[:1] == b"<":
        for _ in range(PLACES):
            root = etree.fromstring(data)
            elements = list(root.iter("{*}*"))
            element = chance.choice(elements)
            what = chance.randrange(3)
            if name == "nffi" and (what == 2 or etree.QName(element).localname not in SECTIONS):
                what = 0  # what stands inside its values or between its elements is not looked for
            match what:
                case 0:
                    name_ = chance.choice([each for each in ATTRIBUTES if each not in element.attrib])
                    element.set(name_, chance.choice(WORDS))
                case 1:
                    space = f"{{{root.nsmap[None]}}}" if None in root.nsmap else ""
                    etree.SubElement(element, space + chance.choice(ELEMENTS), said="heron").text = "kestrel"
                case _:
                    element.text = (element.text or "") + " kestrel"
            yield etree.tostring(root)


def _with_more_fields(data: bytes, chance: random.Random) -> Iterator[bytes]:
    fields = data.decode("latin-1").split(";")
    fields += [""] * (chance.choice((8, 24, 32)) - len(fields))
    for place in [place for place, text in enumerate(fields) if not text]:
        for text in ("7", "TRUE", "heron", "QUJD", "sfgpu----------"):
            yield ";".join([*fields[:place], text, *fields[place + 1 :]]).rstrip(";").encode("latin-1")


def _is_declared(name: str, fact: Fact, declared: set[str]) -> bool:
    fields = [field for pattern, fields in NAMED[name] if re.fullmatch(pattern, fact.where) for field in fields]
    inner = fact.where.partition("/")[2].removeprefix("track/")
    return any(
        each in ("extras", fact.where, inner, fact.where.rpartition("/")[2])
        or each in fields
        or any(field.startswith(each + ".") for field in fields)
        or ("/" in each and re.match(re.escape(each) + "[@/]", inner))
        for each in declared
    )


def _says_nothing(name: str, fact: Fact) -> bool:
    return any(re.fullmatch(where, fact.where) and re.fullmatch(what, fact.what) for where, what in NOTHING[name])


@pytest.mark.parametrize("name", SAMPLES)
def test_what_a_document_says_is_written_again_or_declared(name: str) -> None:
    found = [f"{label}: {each}" for label, data in documents(name) for each in vanished(name, data)]

    assert found == []


@pytest.mark.parametrize("name", SAMPLES)
def test_what_is_added_to_a_document_is_written_again_or_declared(name: str) -> None:
    chance = random.Random(20260504)  # noqa: S311  # repeatable test inputs
    source = [*documents(name), *(documents("cot") if name == "tak" else ())]
    found = [
        f"{label}: {each}"
        for label, data in source
        for more in with_more(name, data, chance)
        for each in vanished(name, more)
    ]

    assert found == []


def test_the_samples_are_at_hand() -> None:
    if not STANDARDS.exists():
        pytest.skip("the standards' samples are not at hand: only our own were looked at")
    assert all(standards(pattern) for pattern in SAMPLES.values())
