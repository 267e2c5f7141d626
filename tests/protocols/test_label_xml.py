"""ADatP-4774 XML: what is read, what is refused and why, and that no change to a label makes it wider unnoticed."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from protocols.label import Clearance, Label, Policy, permits
from protocols.label_xml import (
    LABEL_MAX,
    LABEL_NAMESPACE,
    LabelFlaw,
    LabelRole,
    LabelXmlError,
    Originator,
    Succession,
    XmlCategory,
    XmlLabel,
    admit,
    read_label,
    write_label,
)
from protocols.label_xml import IdType as Id
from protocols.labelling import Labelling
from protocols.message import Message
from protocols.strict_xml import StrictFault
from protocols.xml import parse
from tests.fakes import NOW
from tests.gateway.reports import a_message
from tests.protocols.policies import HOME, STANDARDS, category, home, needs_standards, public

FULL = """<?xml version="1.0" encoding="UTF-8"?>
<slab:originatorConfidentialityLabel xmlns:slab="urn:nato:stanag:4774:confidentialitymetadatalabel:1:0"
    Id="l1" ReviewDateTime="2031-01-01T00:00:00Z">
  <slab:ConfidentialityInformation>
    <slab:PolicyIdentifier URI="urn:oid:2.25.1">HOME</slab:PolicyIdentifier>
    <slab:Classification>GUARDED</slab:Classification>
    <slab:PrivacyMark>HANDLE WITH CARE</slab:PrivacyMark>
    <slab:Category Type="PERMISSIVE" TagName="Release" URI="urn:oid:2.25.1.2">
      <slab:GenericValue>XBB</slab:GenericValue>
      <slab:GenericValue>XAA</slab:GenericValue>
    </slab:Category>
    <slab:Category Type="RESTRICTIVE" TagName="Care"><slab:GenericValue>SOURCE</slab:GenericValue></slab:Category>
  </slab:ConfidentialityInformation>
  <slab:OriginatorID IDType="rfc822Name">desk@example.org</slab:OriginatorID>
  <slab:CreationDateTime>2026-03-14T12:00:00.5+01:00</slab:CreationDateTime>
</slab:originatorConfidentialityLabel>
"""
CANONICAL = (
    b'<slab:originatorConfidentialityLabel xmlns:slab="urn:nato:stanag:4774:confidentialitymetadatalabel:1:0" '
    b'Id="l1" ReviewDateTime="2031-01-01T00:00:00.000Z"><slab:ConfidentialityInformation>'
    b'<slab:PolicyIdentifier URI="urn:oid:2.25.1">HOME</slab:PolicyIdentifier>'
    b"<slab:Classification>GUARDED</slab:Classification><slab:PrivacyMark>HANDLE WITH CARE</slab:PrivacyMark>"
    b'<slab:Category TagName="Care" Type="RESTRICTIVE"><slab:GenericValue>SOURCE</slab:GenericValue></slab:Category>'
    b'<slab:Category TagName="Release" Type="PERMISSIVE" URI="urn:oid:2.25.1.2">'
    b"<slab:GenericValue>XAA</slab:GenericValue><slab:GenericValue>XBB</slab:GenericValue></slab:Category>"
    b"</slab:ConfidentialityInformation>"
    b'<slab:OriginatorID IDType="rfc822Name">desk@example.org</slab:OriginatorID>'
    b"<slab:CreationDateTime>2026-03-14T11:00:00.500Z</slab:CreationDateTime></slab:originatorConfidentialityLabel>"
)
LABEL = home("GUARDED", category("restrictive", "Care", "SOURCE"), category("permissive", "Release", "XAA", "XBB"))
POLICIES = {"HOME": HOME}


def changed(old: str, new: str) -> bytes:
    assert old in FULL
    return FULL.replace(old, new).encode()


def fault(data: bytes) -> StrictFault:
    with pytest.raises(LabelXmlError) as caught:
        read_label(data)
    return caught.value.fault


def test_everything_that_a_label_says_is_read() -> None:
    found = read_label(FULL.encode())

    assert found == XmlLabel(
        role=LabelRole.ORIGINATOR,
        policy="HOME",
        policy_id="2.25.1",
        classification="GUARDED",
        privacy_mark="HANDLE WITH CARE",
        categories=(
            XmlCategory(type=LABEL.categories[0].type, tag="Care", values=("SOURCE",)),
            XmlCategory(type=LABEL.categories[1].type, tag="Release", values=("XAA", "XBB"), id="2.25.1.2"),
        ),
        originator=Originator(type=Id.RFC822_NAME, id="desk@example.org"),
        created=datetime(2026, 3, 14, 11, 0, 0, 500_000, tzinfo=UTC),
        review=datetime(2031, 1, 1, tzinfo=UTC),
        id="l1",
    )
    assert admit(found, POLICIES, NOW) == LABEL


def test_a_label_has_one_canonical_form() -> None:
    assert write_label(read_label(FULL.encode())) == CANONICAL
    assert write_label(read_label(CANONICAL)) == CANONICAL


@pytest.mark.parametrize("role", LabelRole)
def test_each_of_the_three_roots_is_read_and_written_but_only_the_originators_decides(role: LabelRole) -> None:
    found = read_label(changed("originatorConfidentialityLabel", role))

    assert found.role is role
    assert read_label(write_label(found)) == found
    assert (admit(found, POLICIES, NOW) == LABEL) is (role is LabelRole.ORIGINATOR)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", StrictFault.MALFORMED),
        (b"<a>" * 70 + b"</a>" * 70, StrictFault.UNSAFE),
        (FULL.encode()[:-9], StrictFault.MALFORMED),
        (FULL.encode() + b" " * LABEL_MAX, StrictFault.TOO_LARGE),
        (changed("GUARDED", "GUARDED&foo;"), StrictFault.MALFORMED),
        (FULL.replace("?>", '?><!DOCTYPE a [<!ENTITY x "OPEN">]>').replace("GUARDED", "&x;").encode(),
         StrictFault.UNSAFE),
        (FULL.replace("?>", '?><!DOCTYPE a SYSTEM "file:///etc/passwd">').encode(), StrictFault.UNSAFE),
        (changed("slab:PolicyIdentifier", "xi:include"), StrictFault.MALFORMED),
        (changed(LABEL_NAMESPACE, "urn:other"), StrictFault.WRONG_NAMESPACE),
        (FULL.replace("slab:", "").replace("xmlns:slab", "old").encode(), StrictFault.WRONG_NAMESPACE),
        (FULL.replace("xmlns:slab", "xmlns:4774").replace("slab:", "").encode(), StrictFault.MALFORMED),
        (changed("<slab:Classification>", '<slab:Classification URI="urn:oid:2.25.9">'), StrictFault.UNKNOWN),
        (changed("slab:PrivacyMark", "slab:PrivacyNote"), StrictFault.UNKNOWN),
        (changed("originatorConfidentialityLabel", "ConfidentialityLabel"), StrictFault.UNKNOWN),
        (changed('Id="l1"', 'Id="l1" other="1"'), StrictFault.UNKNOWN),
        (changed("slab:GenericValue>SOURCE</slab:GenericValue", "slab:IntegerValue>1</slab:IntegerValue"),
         StrictFault.UNKNOWN),
        (changed('Type="RESTRICTIVE"', 'Type="restrictive"'), StrictFault.BAD_VALUE),
        (changed('Type="RESTRICTIVE"', 'Type="OTHER"'), StrictFault.BAD_VALUE),
        (changed('Type="RESTRICTIVE" ', ""), StrictFault.BAD_VALUE),
        (changed(' TagName="Care"', ""), StrictFault.BAD_VALUE),
        (changed('TagName="Care"', 'tagName="Care"'), StrictFault.UNKNOWN),
        (changed("<slab:GenericValue>SOURCE</slab:GenericValue>", ""), StrictFault.MISSING),
        (changed("<slab:GenericValue>SOURCE</slab:GenericValue>", "<slab:GenericValue/>"), StrictFault.MISSING),
        (changed("<slab:GenericValue>SOURCE</slab:GenericValue>", "SOURCE"), StrictFault.BAD_VALUE),
        (changed(">GUARDED<", "> <"), StrictFault.MISSING),
        (changed("<slab:Classification>GUARDED</slab:Classification>", ""), StrictFault.MISSING),
        (changed("<slab:Classification>GUARDED</slab:Classification>",
                 "<slab:Classification>OPEN</slab:Classification><slab:Classification>GUARDED</slab:Classification>"),
         StrictFault.REPEATED),
        (changed('Type="RESTRICTIVE" TagName="Care"', 'Type="PERMISSIVE" TagName="Release"'), StrictFault.REPEATED),
        (changed('urn:oid:2.25.1"', '2.25.1"'), StrictFault.BAD_VALUE),
        (changed('urn:oid:2.25.1"', 'urn:oid:2.25.01"'), StrictFault.BAD_VALUE),
        (changed('URI="urn:oid:2.25.1"', 'URI="urn:oid:2.25.1" URL="urn:oid:2.25.2"'), StrictFault.BAD_VALUE),
        (changed('IDType="rfc822Name"', 'IDType="nickname"'), StrictFault.BAD_VALUE),
        (changed("+01:00", ""), StrictFault.BAD_VALUE),
        (changed("2031-01-01T00:00:00Z", "2031-02-30T00:00:00Z"), StrictFault.BAD_VALUE),
        (changed(">GUARDED<", ">GUARDED<slab:GenericValue>x</slab:GenericValue><"), StrictFault.UNKNOWN),
    ],
)  # fmt: skip
def test_what_the_standard_does_not_foresee_is_refused(data: bytes, expected: StrictFault) -> None:
    assert fault(data) is expected


@needs_standards
def test_the_malformed_public_sample_is_refused_and_so_is_its_mended_twin() -> None:
    data = (STANDARDS / "malformed" / "sparrow_label1.xml").read_bytes()

    assert fault(data) is StrictFault.MALFORMED
    assert fault(data.replace(b"xmlns:4774", b"xmlns:s4774")) is StrictFault.WRONG_NAMESPACE


@needs_standards
@pytest.mark.parametrize("path", sorted((STANDARDS / "samples").glob("food-*.xml")), ids=lambda path: path.name)
def test_labels_in_another_namespace_are_refused(path: object) -> None:
    assert fault(path.read_bytes()) is StrictFault.WRONG_NAMESPACE  # type: ignore[attr-defined]


@needs_standards
def test_the_example_label_is_admitted_by_its_policy() -> None:
    found = read_label((STANDARDS / "samples" / "EXAMPLE-restricted.slab.xml").read_bytes())

    assert found.flaws == ()
    assert admit(found, {"EXAMPLE": public("EXAMPLE.xml")}, NOW) == found.label


@needs_standards
@pytest.mark.parametrize("number", ["1", "2", "3", "4"])
def test_the_labels_of_table_17_lack_their_times_and_are_admitted_only_where_the_policy_says_so(number: str) -> None:
    found = read_label((STANDARDS / "samples" / f"nato-4774-17-{number}.slab.xml").read_bytes())
    nato = public("nato-4774-policy.xml")
    lenient = msgspec.structs.replace(nato, degraded=True)

    assert {LabelFlaw.NO_CREATION_TIME, LabelFlaw.NO_REVIEW_TIME} <= set(found.flaws)
    assert (LabelFlaw.URL_FOR_URI in found.flaws) is (number == "1")
    assert admit(found, {"NATO": nato}, NOW) is None
    assert admit(found, {"NATO": lenient}, NOW) is not None
    with pytest.raises(ValueError, match="flaws"):
        write_label(found)


@pytest.mark.parametrize(
    "data",
    [
        changed('urn:oid:2.25.1"', 'urn:oid:2.25.2"'),
        changed('urn:oid:2.25.1.2"', 'urn:oid:2.25.1.1"'),
        changed(">HOME<", ">home<"),
        changed(">HOME<", ">AWAY<"),
        changed(">GUARDED<", ">Guarded<"),
        changed(">SOURCE<", ">SOURCE <"),
        changed(">SOURCE<", ">SECRET SOURCE<"),
        changed("Care", "Release"),
        changed(' ReviewDateTime="2031-01-01T00:00:00Z"', ""),
        changed("<slab:CreationDateTime>2026-03-14T12:00:00.5+01:00</slab:CreationDateTime>", ""),
        changed(">GUARDED<", ">OPEN<"),  # SOURCE may not stand with OPEN
    ],
)
def test_what_the_policy_does_not_know_is_not_admitted(data: bytes) -> None:
    assert admit(read_label(data), POLICIES, NOW) is None


def test_no_policy_of_that_id_admits_nothing() -> None:
    nameless = Policy(name="HOME", classifications=("GUARDED",), restrictive=("Care",), permissive=("Release",))

    assert admit(read_label(FULL.encode()), {"HOME": nameless}, NOW) is None
    assert admit(read_label(FULL.encode()), {}, NOW) is None


def test_blanks_around_a_token_are_none_of_its_own() -> None:
    assert admit(read_label(changed(">GUARDED<", ">\n  GUARDED\t<")), POLICIES, NOW) == LABEL


def test_a_comment_cuts_no_word_short() -> None:
    assert read_label(changed(">GUARDED<", ">GUAR<!-- OPEN -->DED<")).classification == "GUARDED"


def test_case_is_of_no_weight_only_where_the_policy_says_so() -> None:
    shouting = read_label(changed(">GUARDED<", ">guarded<").replace(b">HOME<", b">Home<").replace(b"SOURCE", b"source"))
    careless = msgspec.structs.replace(HOME, ignores_case=True)

    assert admit(shouting, POLICIES, NOW) is None
    assert admit(shouting, {"HOME": careless}, NOW) == LABEL
    kelvin = read_label(changed(">XBB<", ">X\u212a<"))  # the Kelvin sign is no K
    with_k = msgspec.structs.replace(
        careless, tags=(*careless.tags[:1], msgspec.structs.replace(
            careless.tags[1], values=(*careless.tags[1].values, msgspec.structs.replace(
                careless.tags[1].values[0], name="XK", lacv=9)))))  # fmt: skip
    assert admit(kelvin, {"HOME": with_k}, NOW) is None


def test_the_successor_takes_over_at_its_time() -> None:
    first = read_label(FULL.encode())
    later = msgspec.structs.replace(first, classification="SECRET", id=None)
    label = msgspec.structs.replace(first, review=None, succession=Succession(at=NOW, successor=later))
    again = read_label(write_label(label))

    assert again == label
    assert admit(again, POLICIES, NOW - timedelta(microseconds=1)) == LABEL
    assert admit(again, POLICIES, NOW) == msgspec.structs.replace(LABEL, classification="SECRET")


def test_successors_without_end_are_refused() -> None:
    label = read_label(FULL.encode())
    for _ in range(4):
        label = msgspec.structs.replace(label, succession=Succession(at=NOW, successor=label))

    assert fault(write_label(label)) is StrictFault.TOO_LARGE


def test_what_xml_cannot_carry_is_not_written() -> None:
    with pytest.raises(ValueError, match="cannot carry"):
        write_label(msgspec.structs.replace(read_label(FULL.encode()), privacy_mark="\x00"))


EVERYBODY = [
    Clearance(
        policy="HOME",
        classification=rank,
        restrictive=held,
        categories=(category("permissive", "Release", *readers),) if readers else (),
    )
    for rank in HOME.classifications
    for held in [(), ("SOURCE",), ("SOURCE", "MEDICAL", "HOME ONLY")]
    for readers in [(), ("XAA",), ("XBB",), ("XAA", "MISSION")]
]


def readers_of(label: Label | None) -> set[int]:
    """Who of everybody may see a label; nobody without one."""
    if label is None:
        return set()
    return {n for n, each in enumerate(EVERYBODY) if permits(HOME, label, each, "bravo") is None}


def stripped() -> list[bytes]:
    """The label with any one element, attribute or text taken out."""
    whole = parse(FULL.encode())
    found = []
    for number, _ in enumerate(whole.iter()):
        if number:
            twin = copy.deepcopy(whole)
            element = list(twin.iter())[number]
            element.getparent().remove(element)  # type: ignore[union-attr]
            found.append(etree.tostring(twin))
        for name in list(list(whole.iter())[number].keys()):
            twin = copy.deepcopy(whole)
            del list(twin.iter())[number].attrib[name]
            found.append(etree.tostring(twin))
        twin = copy.deepcopy(whole)
        list(twin.iter())[number].text = None
        found.append(etree.tostring(twin))
    return found


def bound(label: Label, data: bytes) -> Label | None:
    """What is left of a label after a gateway saw it beside its XML."""
    source = msgspec.structs.replace(a_message().source, label_hint=data.decode())
    message: Message = a_message(label=label, source=source)
    return label if Labelling(POLICIES).is_bound(message, NOW) else None


def test_stripping_any_part_never_lets_more_people_read() -> None:
    original = readers_of(LABEL)
    read = 0
    for data in stripped():
        assert bound(LABEL, data) in {None, LABEL}
        assert readers_of(bound(LABEL, data)) <= original
        try:
            label = admit(read_label(data), POLICIES, NOW)
        except LabelXmlError:
            continue
        read += 1
        assert label is None or label == LABEL or bound(LABEL, data) is None
    assert original
    assert read > 5


@given(st.sampled_from(["OPEN", "SECRET", "LOW"]), st.sampled_from(["XAA", "MISSION", "SOURCE"]))
def test_rewriting_a_label_beside_its_xml_is_noticed(classification: str, value: str) -> None:
    for other in (
        msgspec.structs.replace(LABEL, classification=classification),
        msgspec.structs.replace(LABEL, categories=LABEL.categories[:1]),
        msgspec.structs.replace(LABEL, categories=LABEL.categories[1:]),
        msgspec.structs.replace(LABEL, categories=(category("permissive", "Release", value),)),
    ):
        assert bound(other, FULL.encode()) is None
        assert bound(LABEL, FULL.encode()) == LABEL


@given(st.permutations(range(5)), st.permutations(range(2)))
def test_the_order_of_parts_is_of_no_weight(parts: list[int], values: list[int]) -> None:
    twin = parse(FULL.encode())
    information = twin[0]
    information[:] = [information[number] for number in parts]
    several = next(each for each in information if len(each) == 2)
    several[:] = [several[number] for number in values]
    twin[:] = reversed(twin)

    assert admit(read_label(etree.tostring(twin)), POLICIES, NOW) == LABEL
    assert write_label(read_label(etree.tostring(twin))) == CANONICAL


@given(st.binary(max_size=300))
def test_noise_is_refused_with_a_reason(data: bytes) -> None:
    for each in (data, FULL.encode()[:200] + data, data + FULL.encode()[300:]):
        with pytest.raises(LabelXmlError):
            read_label(each)


TEXTS = st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\ufffe\uffff"), min_size=1)
TOKENS = TEXTS.map(lambda text: " ".join(word for word in text.split(" ") if word)).filter(bool)


@given(TOKENS, TOKENS, TEXTS, st.sets(TEXTS, min_size=1, max_size=4), st.datetimes(timezones=st.just(UTC)))
def test_what_is_written_is_read_as_it_was(
    policy: str, classification: str, mark: str, values: set[str], at: datetime
) -> None:
    label = XmlLabel(
        role=LabelRole.METADATA,
        policy=policy,
        classification=classification,
        privacy_mark=mark,
        categories=(XmlCategory(type=LABEL.categories[0].type, tag=mark, values=tuple(sorted(values))),),
        created=at,
        review=at,
    )

    assert read_label(write_label(label)) == label
