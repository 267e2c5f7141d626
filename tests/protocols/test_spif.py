"""SPIF 2.1: what is read of a policy, and that nothing in it is passed over."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.label import CategoryType, Policy
from protocols.spif import SpifError, read_spif
from protocols.strict_xml import StrictFault
from protocols.tag import Applied, EquivalentClass, ForeignValue, Operation
from protocols.xml import SIZE_MAX
from tests.protocols.policies import FIXTURES, HOME, STANDARDS, food, needs_standards, public

TEXT = (FIXTURES / "home.spif.xml").read_text()


def changed(old: str, new: str) -> bytes:
    assert old in TEXT
    return TEXT.replace(old, new, 1).encode()


def fault(data: bytes) -> StrictFault:
    with pytest.raises(SpifError) as caught:
        read_spif(data)
    return caught.value.fault


def test_the_hierarchy_orders_the_classifications_not_the_file() -> None:
    assert HOME.name == "HOME"
    assert HOME.id == "2.25.1"
    assert HOME.classifications == ("OPEN", "GUARDED", "SECRET")
    assert [rule.lacv for rule in HOME.rules] == [10, 20, 30]
    assert not HOME.ignores_case


def test_tags_keep_their_set_their_type_and_their_order() -> None:
    assert [(tag.set, tag.name, tag.type, tag.enumerated) for tag in HOME.tags] == [
        ("Care", "Care", CategoryType.RESTRICTIVE, False),
        ("Release", "Nations", CategoryType.PERMISSIVE, True),
        ("Release", "Bodies", CategoryType.PERMISSIVE, False),
        ("About", "About", CategoryType.INFORMATIVE, False),
    ]
    assert [value.name for value in HOME.tags[0].values] == ["SOURCE", "MEDICAL", "HOME ONLY"]
    assert HOME.tags[0].values[0].excluded_classes == ("OPEN",)


def test_equivalents_name_the_other_policy_by_its_oid() -> None:
    guarded = HOME.rules[1]

    assert guarded.equivalents == (
        EquivalentClass(
            policy="2.25.2",
            lacv=2,
            applied=Applied.ENCRYPT,
            required=(ForeignValue(type=CategoryType.INFORMATIVE, lacv=1, set="Note"),),
        ),
    )


def test_a_policy_survives_the_configuration() -> None:
    assert msgspec.convert(msgspec.to_builtins(HOME), Policy) == HOME


@needs_standards
def test_the_nato_policy_is_read_whole() -> None:
    nato = public("nato-4774-policy.xml")

    assert nato.classifications == ("UNCLASSIFIED", "RESTRICTED", "CONFIDENTIAL", "SECRET", "TOP SECRET")
    assert [(tag.set, len(tag.values)) for tag in nato.tags] == [
        ("Additional Sensitivity", 9),
        ("Releasable To", 90),
        ("Only", 90),
        ("Administrative", 5),
        ("Context", 11),
    ]
    assert nato.ignores_case
    assert nato.tags[1].values[0].lacv == 4  # written 004


@needs_standards
def test_the_food_policy_is_no_spif_as_it_is_and_is_read_when_mended() -> None:
    data = (STANDARDS / "spif" / "food-policy.xml").read_bytes()
    luxury = food().rules[2]

    assert fault(data) is StrictFault.MALFORMED  # a misspelt end tag
    assert fault(data.replace(b"Categiry", b"Category")) is StrictFault.WRONG_NAMESPACE
    assert luxury.required[0].operation is Operation.ONE_OR_MORE
    assert [group.values for group in luxury.required[0].groups] == [("Sweet",), ("Meaty",), ("Chocolate",)]
    assert food().tags[1].values[2].excluded[0].values == ("Animal Rights", "British Flag", "Fluffy Animals")


@needs_standards
def test_the_acme_policy_has_elements_in_no_namespace_and_is_read_when_mended() -> None:
    data = (STANDARDS / "spif" / "ACME.xml").read_bytes()
    policy = read_spif(data.replace(b"<equivalentSec", b"<spif:equivalentSec"))

    assert fault(data) is StrictFault.WRONG_NAMESPACE
    assert policy.classifications == ("PUBLIC", "CONFIDENTIAL", "INTERNAL")
    assert policy.rules[1].required[0].groups[0].values == ("MOCK",)


@needs_standards
def test_the_tlp_policy_is_an_older_edition_and_is_read() -> None:
    policy = public("tlp.xml")

    assert policy.classifications == ("WHITE", "GREEN", "AMBER", "RED")
    assert policy.equivalents[0].id == "1.2.826.0.1.6726289.0.1"


BILLION_LAUGHS = (
    '<!DOCTYPE SPIF [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>' + TEXT.partition("?>")[2]
).encode()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", StrictFault.MALFORMED),
        (b" " * (SIZE_MAX + 1), StrictFault.TOO_LARGE),
        (BILLION_LAUGHS, StrictFault.UNSAFE),
        (changed("?>", '?><!DOCTYPE SPIF SYSTEM "http://127.0.0.1/x.dtd">'), StrictFault.UNSAFE),
        (TEXT.encode().replace(b"<code>", b"<code>" + b"<code>" * 80), StrictFault.MALFORMED),
        (changed("http://www.xmlspif.org/spif", "http://www.xmslpif.org/spif"), StrictFault.WRONG_NAMESPACE),
        (changed('schemaVersion="2.1"', 'schemaVersion="3.0"'), StrictFault.VERSION),
        (changed('schemaVersion="2.1" ', ""), StrictFault.VERSION),
        (changed("<securityPolicyId ", "<policyId "), StrictFault.UNKNOWN),
        (changed('<securityPolicyId name="HOME" id="2.25.1"/>', ""), StrictFault.MISSING),
        (changed(' id="2.25.1"/>', "/>"), StrictFault.MISSING),
        (changed("<excludedClass>OPEN</excludedClass>", "<excludedClas>OPEN</excludedClas>"), StrictFault.UNKNOWN),
        (changed("<excludedClass>OPEN</excludedClass>", "<excludedClass>NEVER</excludedClass>"), StrictFault.BAD_VALUE),
        (changed("<excludedClass>OPEN</excludedClass>", "<excludedClass/>"), StrictFault.BAD_VALUE),
        (changed("<excludedClass>OPEN</excludedClass>", "OPEN"), StrictFault.BAD_VALUE),
        (changed('name="MEDICAL" lacv="2"', 'name="MEDICAL" lacv="2" notAfter="20300101000000Z"'), StrictFault.UNKNOWN),
        (changed('name="MEDICAL" lacv="2"', 'name="MEDICAL" lacv="2" userInput="true"'), StrictFault.UNKNOWN),
        (changed('name="MEDICAL" lacv="2"', 'name="SOURCE" lacv="2"'), StrictFault.BAD_VALUE),
        (changed('name="MEDICAL" lacv="2"', 'name="MEDICAL" lacv="1"'), StrictFault.BAD_VALUE),
        (changed('name="MEDICAL" lacv="2"', 'name="MEDICAL" lacv="two"'), StrictFault.BAD_VALUE),
        (changed('name="MEDICAL" lacv="2"', 'name="MEDICAL" lacv="\u0662"'), StrictFault.BAD_VALUE),
        (changed('name="MEDICAL" lacv="2"', 'name="MEDICAL" lacv="2" requiredClass="NEVER"'), StrictFault.BAD_VALUE),
        (changed('hierarchy="9"', 'hierarchy="5"'), StrictFault.BAD_VALUE),
        (changed('name="SECRET"', 'name="OPEN"'), StrictFault.BAD_VALUE),
        (changed('tagType="restrictive"', 'tagType="notApplicable"'), StrictFault.BAD_VALUE),
        (changed('tagType="restrictive"', 'tagType="informative"'), StrictFault.BAD_VALUE),
        (changed('enumType="permissive"', 'enumType="loose"'), StrictFault.BAD_VALUE),
        (changed(' enumType="permissive"', ""), StrictFault.MISSING),
        (changed('policyRef="AWAY" lacv="3"', 'policyRef="ELSEWHERE" lacv="3"'), StrictFault.BAD_VALUE),
        (changed('applied="both"', 'applied="sometimes"'), StrictFault.BAD_VALUE),
        (changed('action="discard"', 'action="keep"'), StrictFault.BAD_VALUE),
        (changed('operation="all"', 'operation="some"'), StrictFault.BAD_VALUE),
        (changed("<code>pageTopBottom</code>", "<code>everywhere</code>"), StrictFault.BAD_VALUE),
        (changed('qualifierCode="prefix"', 'qualifierCode="finalSeparator"'), StrictFault.BAD_VALUE),
        (changed('id="2.25.1.2"', 'id="2.25.1.2" color="red"'), StrictFault.UNKNOWN),
        (changed('tagType="restrictive">', 'tagType="restrictive" singleSelection="perhaps">'), StrictFault.BAD_VALUE),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_refused(data: bytes, expected: StrictFault) -> None:
    assert fault(data) is expected


GROUP = '<categoryGroup tagSetRef="Care" tagType="restrictive" lacv="1"/>'
RULE = '<tagCategory name="XCC" lacv="3">'


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ('<excludedCategory tagSetRef="Release" tagType="permissive" all="true"/>', None),
        ('<excludedCategory tagSetRef="Release" tagType="permissive" lacv="2"/>', None),
        ('<excludedCategory tagSetRef="Release" tagType="permissive"/>', StrictFault.BAD_VALUE),
        ('<excludedCategory tagSetRef="Release" tagType="permissive" lacv="2" all="true"/>', StrictFault.BAD_VALUE),
        ('<excludedCategory tagSetRef="Release" tagType="permissive" lacv="9"/>', StrictFault.BAD_VALUE),
        ('<excludedCategory tagSetRef="Nowhere" tagType="permissive" all="true"/>', StrictFault.BAD_VALUE),
        ('<excludedCategory tagType="permissive" all="true"/>', StrictFault.MISSING),
        (f'<requiredCategory operation="onlyOne">{GROUP}</requiredCategory>', None),
        (f"<requiredCategory>{GROUP}</requiredCategory>", StrictFault.MISSING),
        ('<requiredCategory operation="all"/>', StrictFault.MISSING),
    ],
)  # fmt: skip
def test_references_within_a_policy_are_followed(rule: str, expected: StrictFault | None) -> None:
    data = changed(RULE, RULE + rule)

    if expected is None:
        assert read_spif(data).tags[1].values[2].name == "XCC"
    else:
        assert fault(data) is expected


def test_a_choice_of_values_in_another_policy_is_refused() -> None:
    group = '<categoryGroup tagSetRef="Note" tagType="tagType7" lacv="1"/>'

    assert fault(changed(f'operation="all">{group}', f'operation="onlyOne">{group}{group}')) is StrictFault.UNKNOWN

    assert len(read_spif(changed(f'operation="all">{group}', f'operation="onlyOne">{group}')).rules[1].equivalents) == 1
    both = read_spif(changed(f'operation="all">{group}', f'operation="all">{group}{group}'))
    assert len(both.rules[1].equivalents[0].required) == 2


def test_selection_limits_bound_a_label() -> None:
    opening = '<securityCategoryTag name="Care" tagType="restrictive"'

    assert read_spif(changed(opening, f'{opening} singleSelection="true"')).tags[0].most == 1
    assert read_spif(changed(opening, f'{opening} maxSelection="2" minSelection="1"')).tags[0].least == 1


@given(st.integers(0, len(TEXT)), st.integers(1, 60), st.text(max_size=8))
def test_a_damaged_policy_is_read_or_refused_with_a_reason(at: int, length: int, instead: str) -> None:
    try:
        read_spif((TEXT[:at] + instead + TEXT[at + length :]).encode(errors="replace"))
    except SpifError as error:
        told = str(error)
    else:
        told = ""

    assert len(told) < 160
