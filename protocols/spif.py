"""Reading a security policy from Open XML SPIF 2.0 and 2.1. Pure; strict.

An element or attribute that is not understood may be a restriction, so it is refused, not passed over; only what
carries no weight in a decision is skipped (``_NO_WEIGHT``). SPIF 3.0 has other marking elements and is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from protocols.category import CategoryType
from protocols.label import Policy
from protocols.strict_xml import Node, StrictError, StrictFault, Vocabulary
from protocols.tag import (
    CODES,
    PARTS,
    Applied,
    Classification,
    EquivalentClass,
    EquivalentPolicy,
    EquivalentValue,
    ForeignValue,
    Group,
    Look,
    Operation,
    Phrase,
    Qualifier,
    Requirement,
    Tag,
    TagValue,
)
from protocols.xml import XmlElement

SPIF_NAMESPACE = "http://www.xmlspif.org/spif"
VERSIONS = frozenset({"2.0", "2.1"})
NATO = "1.3.26.1.3.1"  # whose values are compared without regard to case (ADatP-4774, page 5-2)
NATO_CONTEXT = "1.3.26.1.4.4"  # the tag set that every label of that policy must have (page App 2-2)
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_LOCATION = "{http://www.w3.org/2001/XMLSchema-instance}schemaLocation"
_ABOUT = "schemaVersion version creationDate originatorDN keyIdentifier privilegeId rbacId userRefURI docRefURI"
_NO_WEIGHT = "defaultSecurityPolicyId updateInfo privacyMarks extensions"
_MARKINGS = "markingData markingQualifier"
_POLICY = "securityPolicyId securityClassifications securityCategoryTagSets equivalentPolicies"


class SpifError(StrictError):
    """The policy cannot be used."""


class _Place(NamedTuple):
    """Where a value has its number: tag set, type, and whether the tag is enumerated."""

    set: str
    type: CategoryType
    enumerated: bool


_SPIF = Vocabulary(SPIF_NAMESPACE, SpifError)
_Numbers = Mapping[_Place, Mapping[int, str]]
_Policies = Mapping[str, str]


def read_spif(data: bytes) -> Policy:
    """Read a policy. Raise SpifError when anything in it is not understood or contradicts itself."""
    root = _SPIF.parse(data, "document")
    try:
        return _policy(root)
    except SpifError:
        raise
    except ValueError as error:
        raise SpifError(StrictFault.BAD_VALUE, str(error)) from None


def _policy(root: XmlElement) -> Policy:
    if _SPIF.name(root) != "SPIF":
        raise SpifError(StrictFault.UNKNOWN, _SPIF.name(root))
    top = _SPIF.open(root, f"{_ABOUT} {_LOCATION}", f"{_POLICY} {_MARKINGS} {_NO_WEIGHT}")
    if top.attributes.get("schemaVersion") not in VERSIONS:
        raise SpifError(StrictFault.VERSION, "schemaVersion")
    identity = _SPIF.open(top.only("securityPolicyId"), "name id")
    listed = _SPIF.open(top.only("securityClassifications"), "", "securityClassification").parts
    sets = _inside(top, "securityCategoryTagSets", "securityCategoryTagSet")
    others = _inside(top, "equivalentPolicies", "equivalentPolicy")
    numbers = _numbers(sets)
    equivalents = tuple(_equivalent_policy(each) for each in others)
    policies = {each.name: each.id for each in equivalents}
    ranked = [_classification(each, numbers, policies) for each in listed.get("securityClassification", ())]
    ranked.sort(key=lambda pair: pair[0])
    if len({hierarchy for hierarchy, _ in ranked}) != len(ranked) or len(policies) != len(equivalents):
        raise SpifError(StrictFault.BAD_VALUE, "securityClassification/@hierarchy or equivalentPolicy/@name")
    return Policy(
        name=identity.need("name"),
        id=identity.need("id"),
        ignores_case=identity.need("id") == NATO,
        classifications=tuple(each.name for _, each in ranked),
        rules=tuple(each for _, each in ranked),
        tags=tuple(tag for each in sets for tag in _tags(each, numbers, policies)),
        equivalents=equivalents,
        look=_look(top),
    )


def _text(element: XmlElement) -> str:
    name = _SPIF.open(element, text=True).name
    text = (element.text or "").strip()
    if not text:
        raise SpifError(StrictFault.BAD_VALUE, name)
    return text


def _inside(top: Node, outer: str, inner: str) -> list[XmlElement]:
    """The children of an element that may be missing."""
    if outer not in top.parts:
        return []
    return list(_SPIF.open(top.only(outer), "", inner).parts.get(inner, ()))


def _open_tag(element: XmlElement) -> Node:
    return _SPIF.open(
        element,
        "name tagType enumType tag7Encoding singleSelection maxSelection minSelection",
        "tagCategory markingQualifier markingData",
    )


def _open_value(element: XmlElement) -> Node:
    return _SPIF.open(
        element,
        "name lacv requiredClass obsolete",  # an obsolete value is still good in a label that has it
        f"excludedClass requiredCategory excludedCategory equivalentSecCategoryTag {_MARKINGS}",
    )


def _kind(node: Node) -> tuple[CategoryType, bool]:
    """What weight a tag has, and whether it is an enumerated one (SPIF ``tagType`` and ``enumType``)."""
    named = node.need("tagType")
    if named == "tagType7":
        return CategoryType.INFORMATIVE, False
    enumerated = named == "enumerated"
    weight = node.need("enumType") if enumerated else named
    if weight not in {CategoryType.RESTRICTIVE, CategoryType.PERMISSIVE}:
        raise node.bad("tagType")
    return CategoryType(weight), enumerated


def _numbers(sets: Sequence[XmlElement]) -> _Numbers:
    """The name of each value by its number: references within a SPIF are by number."""
    found: dict[_Place, dict[int, str]] = {}
    for each in sets:
        of = _SPIF.open(each, "name id", "securityCategoryTag")
        for tag in map(_open_tag, of.parts.get("securityCategoryTag", ())):
            named = found.setdefault(_Place(of.need("name"), *_kind(tag)), {})
            for value in map(_open_value, tag.parts.get("tagCategory", ())):
                if named.setdefault(value.number("lacv"), value.need("name")) != value.need("name"):
                    raise SpifError(StrictFault.BAD_VALUE, "tagCategory/@lacv")
    return found


def _tags(element: XmlElement, numbers: _Numbers, policies: _Policies) -> Iterator[Tag]:
    of = _SPIF.open(element, "name id", "securityCategoryTag")
    least = int(of.need("id") == NATO_CONTEXT)
    for tag in map(_open_tag, of.parts.get("securityCategoryTag", ())):
        weight, enumerated = _kind(tag)
        most = 1 if tag.flag("singleSelection") else None
        yield Tag(
            set=of.need("name"),
            name=tag.need("name"),
            type=weight,
            values=tuple(_value(each, numbers, policies) for each in tag.parts.get("tagCategory", ())),
            id=of.need("id"),
            enumerated=enumerated,
            most=tag.number("maxSelection") if "maxSelection" in tag.attributes else most,
            least=tag.number("minSelection") if "minSelection" in tag.attributes else least,
            look=_look(tag),
        )


def _value(element: XmlElement, numbers: _Numbers, policies: _Policies) -> TagValue:
    value = _open_value(element)
    return TagValue(
        name=value.need("name"),
        lacv=value.number("lacv"),
        excluded_classes=tuple(_text(each) for each in value.parts.get("excludedClass", ())),
        required_class=value.attributes.get("requiredClass"),
        required=_requirements(value, numbers),
        excluded=tuple(_group(each, numbers) for each in value.parts.get("excludedCategory", ())),
        equivalents=tuple(
            _equivalent_value(each, policies) for each in value.parts.get("equivalentSecCategoryTag", ())
        ),
        look=_look(value),
    )


def _classification(element: XmlElement, numbers: _Numbers, policies: _Policies) -> tuple[int, Classification]:
    each = _SPIF.open(
        element,
        "name lacv hierarchy color obsolete",
        f"equivalentClassification requiredCategory {_MARKINGS}",
    )
    equivalents = each.parts.get("equivalentClassification", ())
    return each.number("hierarchy"), Classification(
        name=each.need("name"),
        lacv=each.number("lacv"),
        required=_requirements(each, numbers),
        equivalents=tuple(_equivalent_class(equivalent, policies) for equivalent in equivalents),
        look=_look(each),
    )


def _requirements(node: Node, numbers: _Numbers) -> tuple[Requirement, ...]:
    found = []
    for element in node.parts.get("requiredCategory", ()):
        each = _SPIF.open(element, "operation", "categoryGroup")
        groups = tuple(_group(group, numbers) for group in each.parts.get("categoryGroup", ()))
        if not groups:
            raise SpifError(StrictFault.MISSING, "requiredCategory/categoryGroup")
        found.append(Requirement(operation=each.one_of("operation", Operation), groups=groups))
    return tuple(found)


def _group(element: XmlElement, numbers: _Numbers) -> Group:
    each = _SPIF.open(element, "tagSetRef tagType enumType lacv all")
    place = _Place(each.need("tagSetRef"), *_kind(each))
    named, every = numbers.get(place, {}), each.flag("all")
    if every == ("lacv" in each.attributes):
        raise SpifError(StrictFault.BAD_VALUE, f"{each.name}: either lacv or all")
    values = tuple(named.values()) if every else tuple(filter(None, [named.get(each.number("lacv"))]))
    if not values:
        raise each.bad("tagSetRef")
    return Group(set=place.set, type=place.type, values=values)


def _equivalent_policy(element: XmlElement) -> EquivalentPolicy:
    each = _SPIF.open(element, "name id docRefURI", "requiredCategory")
    return EquivalentPolicy(name=each.need("name"), id=each.need("id"), required=_foreign(each))


def _equivalent_class(element: XmlElement, policies: _Policies) -> EquivalentClass:
    each = _SPIF.open(element, "policyRef lacv applied", "requiredCategory")
    return EquivalentClass(
        policy=_referred(each, policies),
        lacv=each.number("lacv"),
        applied=each.one_of("applied", Applied),
        required=_foreign(each),
    )


def _equivalent_value(element: XmlElement, policies: _Policies) -> EquivalentValue:
    each = _SPIF.open(element, "policyRef tagSetId tagType enumType lacv applied action")
    discarded = "action" in each.attributes
    if discarded and each.attributes["action"] != "discard":
        raise each.bad("action")
    value = None
    if not discarded:
        weight, enumerated = _kind(each)
        number = each.number("lacv")
        value = ForeignValue(type=weight, enumerated=enumerated, lacv=number, set_id=each.need("tagSetId"))
    return EquivalentValue(policy=_referred(each, policies), applied=each.one_of("applied", Applied), value=value)


def _foreign(node: Node) -> tuple[ForeignValue, ...]:
    """What every label has in the other policy; a choice between values is nothing that can be made here."""
    found = []
    for element in node.parts.get("requiredCategory", ()):
        required = _SPIF.open(element, "operation", "categoryGroup")
        groups = [
            _SPIF.open(each, "tagSetRef tagType enumType lacv") for each in required.parts.get("categoryGroup", ())
        ]
        if required.one_of("operation", Operation) is not Operation.ALL and len(groups) > 1:
            raise SpifError(StrictFault.UNKNOWN, "requiredCategory/@operation of an equivalent")
        for each in groups:
            weight, enumerated = _kind(each)
            number = each.number("lacv")
            found.append(ForeignValue(type=weight, enumerated=enumerated, lacv=number, set=each.need("tagSetRef")))
    return tuple(found)


def _referred(node: Node, policies: _Policies) -> str:
    """The OID of the policy that ``policyRef`` names."""
    try:
        return policies[node.need("policyRef")]
    except KeyError:
        raise node.bad("policyRef") from None


def _look(node: Node) -> Look:
    phrases, qualifiers = [], []
    for element in node.parts.get("markingData", ()):
        data = _SPIF.open(element, f"phrase {_LANGUAGE}", "code")
        codes = tuple(_text(code) for code in data.parts.get("code", ()))
        if not CODES.issuperset(codes):
            raise SpifError(StrictFault.BAD_VALUE, "markingData/code")
        phrase = Phrase(codes=codes, text=data.attributes.get("phrase"), language=data.attributes.get(_LANGUAGE))
        phrases.append(phrase)
    for element in node.parts.get("markingQualifier", ()):
        for each in _SPIF.open(element, "markingCode", "qualifier").parts.get("qualifier", ()):
            qualifier = _SPIF.open(each, f"markingQualifier qualifierCode {_LANGUAGE}")
            part, text = qualifier.need("qualifierCode"), qualifier.attributes.get("markingQualifier", "")
            if part not in PARTS:
                raise SpifError(StrictFault.BAD_VALUE, "qualifier/@qualifierCode")
            qualifiers.append(Qualifier(part=part, text=text, language=qualifier.attributes.get(_LANGUAGE)))
    return Look(phrases=tuple(phrases), qualifiers=tuple(qualifiers))
