"""Confidentiality labels as XML (ADatP-4774, namespace ``...:confidentialitymetadatalabel:1:0``). Pure; strict.

What the standard does not foresee is refused, not passed over: an element that is not understood may be what keeps the
label from being wide. Three faults that real systems are known for are read and told (``LabelFlaw``), so that a policy
may say whether it takes such labels.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum

from lxml import etree

from protocols.category import Category, CategoryType, Label
from protocols.label import Policy
from protocols.moment import read_iso, write_iso
from protocols.quantity import Value, in_utc
from protocols.strict_xml import SPACES, Node, StrictError, StrictFault, Vocabulary
from protocols.xml import XmlElement, carries

LABEL_NAMESPACE = "urn:nato:stanag:4774:confidentialitymetadatalabel:1:0"
LABEL_MAX = 16_384  # bytes; the longest real one has 1 100
VALUES_MAX = 256  # values of all categories together
SUCCESSORS_MAX = 3
_OID = "urn:oid:"
_OID_URI = re.compile(r"urn:oid:[0-2](\.(0|[1-9][0-9]{0,38})){1,40}")
_WEIGHTS = {kind.value.upper(): kind for kind in CategoryType}
_BLANKS = str.maketrans("\t\r\n", "   ")
_SUCCESSOR = "SuccessorConfidentialityLabel"
_SUCCESSION = "SuccessionHandling"


class LabelRole(StrEnum):
    """Whose label it is, by the name of its element (ADatP-4774, page App 1-1)."""

    ORIGINATOR = "originatorConfidentialityLabel"
    ALTERNATIVE = "alternativeConfidentialityLabel"
    METADATA = "metadataConfidentialityLabel"


class LabelFlaw(StrEnum):
    """What is wrong with a label that can still be understood."""

    NO_CREATION_TIME = "no-creation-time"
    NO_REVIEW_TIME = "no-review-time"
    URL_FOR_URI = "url-for-uri"


class LabelXmlError(StrictError):
    """The label is refused."""


class IdType(StrEnum):
    """What an originator is named by (ADatP-4774, table 9)."""

    RFC822_NAME = "rfc822Name"
    DNS_NAME = "dNSName"
    DIRECTORY_NAME = "directoryName"
    URI = "uniformResourceIdentifier"
    IP_ADDRESS = "iPAddress"
    X400_ADDRESS = "x400Address"
    USER_PRINCIPAL_NAME = "userPrincipalName"
    JID = "jID"


class Originator(Value, frozen=True):
    """Who labelled. May name a person, so it never goes where identities are dropped."""

    type: IdType
    id: str


class XmlCategory(Value, frozen=True):
    """A category, with the OID of its tag set where the label says it."""

    type: CategoryType
    tag: str
    values: tuple[str, ...]
    id: str | None = None


class XmlLabel(Value, frozen=True):
    """A label with all that its XML says. ``policy_id`` is an OID. Times are in UTC."""

    role: LabelRole
    policy: str
    classification: str
    categories: tuple[XmlCategory, ...] = ()
    policy_id: str | None = None
    privacy_mark: str | None = None
    originator: Originator | None = None
    created: datetime | None = None
    review: datetime | None = None
    id: str | None = None
    succession: Succession | None = None
    flaws: tuple[LabelFlaw, ...] = ()

    def __post_init__(self) -> None:
        in_utc(self.created, self.review)

    @property
    def label(self) -> Label:
        """What decisions look at."""
        categories = (Category(type=each.type, tag=each.tag, values=each.values) for each in self.categories)
        return Label(policy=self.policy, classification=self.classification, categories=tuple(categories))


class Succession(Value, frozen=True):
    """From when on which label takes the place of this one."""

    at: datetime
    successor: XmlLabel

    def __post_init__(self) -> None:
        in_utc(self.at)


_SLAB = Vocabulary(LABEL_NAMESPACE, LabelXmlError)


def read_label(data: bytes) -> XmlLabel:
    """Read a label. Raise LabelXmlError when anything in it is not understood."""
    if len(data) > LABEL_MAX:
        raise LabelXmlError(StrictFault.TOO_LARGE, "label")
    root = _SLAB.parse(data, "label")
    name = _SLAB.name(root)
    if name not in set(LabelRole):
        raise LabelXmlError(StrictFault.UNKNOWN, name)
    return _label(root, LabelRole(name), SUCCESSORS_MAX)


def write_label(label: XmlLabel) -> bytes:
    """Write a label in its one canonical form (exclusive C14N; categories and values in order).

    Raise ValueError for one with flaws, and for text that XML cannot carry.
    """
    if label.flaws:
        raise ValueError("a label with flaws is not written")
    root = etree.Element(_q(label.role), nsmap={"slab": LABEL_NAMESPACE})
    _write(root, label)
    return bytes(etree.tostring(root, method="c14n", exclusive=True))


def admit(found: XmlLabel, policies: Mapping[str, Policy], now: datetime) -> Label | None:
    """The label that decisions are made by, in its policy's own spelling; None when it is not to be relied on.

    Only an originator's label is; the successor where its time has come; with flaws only where the policy takes such.
    """
    while found.succession is not None and found.succession.at <= now:
        found = found.succession.successor
    policy = next((each for each in policies.values() if each.is_called(found.policy)), None)
    if policy is None or found.role is not LabelRole.ORIGINATOR or (found.flaws and not policy.degraded):
        return None
    if found.policy_id not in {None, policy.id}:
        return None
    sets = {(tag.type, tag.set): tag.id for tag in policy.tags}
    if any(each.id not in {None, sets.get((each.type, each.tag))} for each in found.categories):
        return None
    return policy.canonical(found.label)


def _label(element: XmlElement, role: LabelRole, successors: int) -> XmlLabel:
    top = _SLAB.open(
        element, "Id ReviewDateTime", f"ConfidentialityInformation OriginatorID CreationDateTime {_SUCCESSION}"
    )
    information = _SLAB.open(
        top.only("ConfidentialityInformation"), "", "PolicyIdentifier Classification PrivacyMark Category"
    )
    policy = _SLAB.open(information.only("PolicyIdentifier"), "URI URL", text=True)
    _SLAB.open(information.only("Classification"), text=True)
    review = top.attributes.get("ReviewDateTime")
    created = _time_in(top, "CreationDateTime") if "CreationDateTime" in top.parts else None
    succession = _succession(top.only(_SUCCESSION), role, successors) if _SUCCESSION in top.parts else None
    flaws = {
        LabelFlaw.NO_CREATION_TIME: created is None,
        LabelFlaw.NO_REVIEW_TIME: review is None and succession is None,
        LabelFlaw.URL_FOR_URI: "URL" in policy.attributes,
    }
    return XmlLabel(
        role=role,
        policy=_token(information.only("PolicyIdentifier")),
        classification=_token(information.only("Classification")),
        categories=_categories(information.parts.get("Category", ())),
        policy_id=_oid(policy, "URL" if "URL" in policy.attributes else "URI"),
        privacy_mark=_text(information.only("PrivacyMark")) if "PrivacyMark" in information.parts else None,
        originator=_originator(top.only("OriginatorID")) if "OriginatorID" in top.parts else None,
        created=created,
        review=None if review is None else _time(review.strip(SPACES), "ReviewDateTime"),
        id=top.attributes.get("Id"),
        succession=succession,
        flaws=tuple(flaw for flaw, there in flaws.items() if there),
    )


def _text(element: XmlElement) -> str:
    if not element.text:
        raise LabelXmlError(StrictFault.MISSING, f"text of {_SLAB.name(element)}")
    return str(element.text)


def _token(element: XmlElement) -> str:
    """An xs:token: runs of blanks are one, and none at the ends."""
    words = [word for word in _text(element).translate(_BLANKS).split(" ") if word]
    if not words:
        raise LabelXmlError(StrictFault.MISSING, f"text of {_SLAB.name(element)}")
    return " ".join(words)


def _time_in(node: Node, part: str) -> datetime:
    """A child that is a time."""
    return _time(_text(node.only(part)).strip(SPACES), part)


def _time(text: str, where: str) -> datetime:
    """An xs:dateTime with its zone: without one it would be a guess."""
    try:
        return read_iso(text, zone=None)
    except ValueError:
        raise LabelXmlError(StrictFault.BAD_VALUE, where) from None


def _oid(node: Node, attribute: str) -> str | None:
    """The OID of a ``urn:oid:`` URI."""
    uri = node.attributes.get(attribute)
    if uri is None:
        return None
    if _OID_URI.fullmatch(uri) is None or {"URI", "URL"} <= set(node.attributes):
        raise node.bad(attribute)
    return uri.removeprefix(_OID)


def _categories(elements: Sequence[XmlElement]) -> tuple[XmlCategory, ...]:
    found: dict[tuple[CategoryType, str], XmlCategory] = {}
    for element in elements:
        node = _SLAB.open(element, "Type TagName URI", "GenericValue")
        kind, tag = _WEIGHTS.get(node.attributes.get("Type", "")), node.attributes.get("TagName")
        if kind is None or not tag:
            raise LabelXmlError(StrictFault.BAD_VALUE, "Category/@Type or @TagName")
        if (kind, tag) in found:  # to unite them or to intersect them would be a guess
            raise LabelXmlError(StrictFault.REPEATED, "Category")
        values = node.parts.get("GenericValue", ())
        for value in values:
            _SLAB.open(value, text=True)
        if not values:  # would admit nobody, or ask for nothing
            raise LabelXmlError(StrictFault.MISSING, "GenericValue")
        texts = tuple(sorted({_text(value) for value in values}))
        found[kind, tag] = XmlCategory(type=kind, tag=tag, values=texts, id=_oid(node, "URI"))
    if sum(len(each.values) for each in found.values()) > VALUES_MAX:
        raise LabelXmlError(StrictFault.TOO_LARGE, "GenericValue")
    return tuple(sorted(found.values(), key=_in_order))


def _in_order(category: XmlCategory) -> tuple[int, str]:
    return list(CategoryType).index(category.type), category.tag


def _originator(element: XmlElement) -> Originator:
    named = _SLAB.open(element, "IDType", text=True).attributes.get("IDType")
    if named not in set(IdType):
        raise LabelXmlError(StrictFault.BAD_VALUE, "OriginatorID/@IDType")
    return Originator(type=IdType(named), id=_text(element))


def _succession(element: XmlElement, role: LabelRole, successors: int) -> Succession:
    if not successors:
        raise LabelXmlError(StrictFault.TOO_LARGE, _SUCCESSION)
    node = _SLAB.open(element, "", f"SuccessionDateTime {_SUCCESSOR}")
    successor = _label(node.only(_SUCCESSOR), role, successors - 1)
    return Succession(at=_time_in(node, "SuccessionDateTime"), successor=successor)


def _write(element: XmlElement, label: XmlLabel) -> None:
    if label.id is not None:
        element.set("Id", _carried(label.id))
    if label.review is not None:
        element.set("ReviewDateTime", write_iso(label.review))
    _write_information(etree.SubElement(element, _q("ConfidentialityInformation")), label)
    if label.originator is not None:
        _add(element, "OriginatorID", label.originator.id).set("IDType", label.originator.type)
    if label.created is not None:
        _add(element, "CreationDateTime", write_iso(label.created))
    if label.succession is not None:
        succession = etree.SubElement(element, _q(_SUCCESSION))
        _add(succession, "SuccessionDateTime", write_iso(label.succession.at))
        _write(etree.SubElement(succession, _q(_SUCCESSOR)), label.succession.successor)


def _write_information(information: XmlElement, label: XmlLabel) -> None:
    policy = _add(information, "PolicyIdentifier", label.policy)
    if label.policy_id is not None:
        policy.set("URI", _OID + label.policy_id)
    _add(information, "Classification", label.classification)
    if label.privacy_mark is not None:
        _add(information, "PrivacyMark", label.privacy_mark)
    for category in sorted(label.categories, key=_in_order):
        written = etree.SubElement(information, _q("Category"))
        written.set("Type", category.type.value.upper())
        written.set("TagName", _carried(category.tag))
        if category.id is not None:
            written.set("URI", _OID + category.id)
        for value in sorted(set(category.values)):
            _add(written, "GenericValue", value)


def _add(element: XmlElement, name: str, text: str) -> XmlElement:
    child = etree.SubElement(element, _q(name))
    child.text = _carried(text)
    return child


def _carried(text: str) -> str:
    if not carries(text):
        raise ValueError("XML cannot carry the label")
    return text


def _q(name: str) -> str:
    return f"{{{LABEL_NAMESPACE}}}{name}"
