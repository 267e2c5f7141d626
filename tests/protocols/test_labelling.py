"""Markings that are XML: read under the policies of a table, carried in one form, held against the label they made."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from protocols.label import Label
from protocols.label_xml import Succession, read_label, write_label
from protocols.labelling import MEMO_MAX, NOTHING_KNOWN, SEEN_MAX, Labelling, is_xml
from protocols.message import Message, Times
from tests.fakes import NOW
from tests.gateway.reports import a_message
from tests.protocols.policies import AWAY, HOME, category, home
from tests.protocols.test_label_xml import CANONICAL, FULL, LABEL

KNOWN = Labelling({"HOME": HOME, "AWAY": AWAY})


def marked(hint: str | None, label: Label | None = LABEL, **more: Times) -> Message:
    source = msgspec.structs.replace(a_message().source, label_hint=hint)
    return msgspec.structs.replace(a_message(source=source, label=label), **more)


@pytest.mark.parametrize(
    ("hint", "xml"), [("<x", True), (" \r\n<x", True), ("\ufeff<x", True), ("a<x", False), ("", False)]
)
def test_only_xml_begins_like_xml(hint: str, *, xml: bool) -> None:
    assert is_xml(hint) is xml


def test_a_label_is_read_and_carried_in_its_canonical_form() -> None:
    assert KNOWN.read(FULL, NOW) == (LABEL, CANONICAL.decode())


@pytest.mark.parametrize(
    "hint", ["<x/>", "<", FULL.replace("GUARDED", "HIGHEST"), FULL.replace("HOME", "NATO"), "\ud800"]
)
def test_what_is_not_admitted_makes_no_label_and_stays_as_it_was(hint: str) -> None:
    assert KNOWN.read(hint, NOW) == (None, hint)
    assert NOTHING_KNOWN.read(FULL, NOW) == (None, FULL)


def test_a_label_with_flaws_is_not_mended() -> None:
    flawed = FULL.replace(' ReviewDateTime="2031-01-01T00:00:00Z"', "")
    lenient = Labelling({"HOME": msgspec.structs.replace(HOME, degraded=True)})

    assert KNOWN.read(flawed, NOW) == (None, flawed)
    assert lenient.read(flawed, NOW) == (LABEL, flawed)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (marked(None), True),
        (marked("access=RESTRICTED"), True),
        (marked(FULL), True),
        (marked(FULL, label=None), True),  # unlabelled: withheld as such
        (marked(FULL, label=home("OPEN")), False),
        (marked("<x/>"), False),
        (marked(FULL.replace("GUARDED", "SECRET")), False),
        (marked(FULL, label=Label(policy="NATO", classification="SECRET")), True),  # a policy that we do not have
    ],
)
def test_a_label_is_bound_to_the_xml_that_it_was_read_from(message: Message, *, expected: bool) -> None:
    assert KNOWN.is_bound(message, NOW) is expected


def test_a_succession_on_the_way_unbinds_nothing() -> None:
    first = read_label(FULL.encode())
    lower = msgspec.structs.replace(first, classification="SECRET", id=None)
    xml = write_label(msgspec.structs.replace(first, review=None, succession=Succession(at=NOW, successor=lower)))
    before = marked(xml.decode(), times=msgspec.structs.replace(a_message().times, received=NOW - timedelta(seconds=1)))

    assert KNOWN.is_bound(before, NOW + timedelta(days=1))
    assert not KNOWN.is_bound(marked(xml.decode()), NOW)


def test_alternatives_are_remembered_and_bounded() -> None:
    assert KNOWN.alternatives(None) == ()
    assert NOTHING_KNOWN.alternatives(LABEL) == ()
    assert KNOWN.alternatives(home("OPEN")) == (Label(policy="AWAY", classification="LOW"),)
    assert KNOWN.alternatives(home("OPEN")) is KNOWN.alternatives(home("OPEN"))
    for number in range(MEMO_MAX + 5):
        KNOWN.alternatives(home("OPEN", category("informative", "About", str(number))))
    assert len(KNOWN._alternatives) <= MEMO_MAX


def test_xml_labels_are_remembered_but_not_what_time_they_are_read_at() -> None:
    first = read_label(FULL.encode())
    later = msgspec.structs.replace(first, classification="SECRET", id=None)
    xml = write_label(msgspec.structs.replace(first, review=None, succession=Succession(at=NOW, successor=later)))
    known = Labelling({"HOME": HOME})

    assert known.read(xml.decode(), NOW - timedelta(seconds=1)) == (LABEL, xml.decode())
    assert known.read(xml.decode(), NOW) == (msgspec.structs.replace(LABEL, classification="SECRET"), xml.decode())
    for number in range(SEEN_MAX + 5):
        known.read(f"<x{number}/>", NOW)
    assert len(known._seen) <= SEEN_MAX
