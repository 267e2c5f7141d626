"""Labels through the gateway: policies from SPIF files, labels written as XML, judged under the receiver's policy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace

from gateway.config import Config, ConfigError, faults, load, parse
from gateway.intake import stamped
from gateway.keyring.ring import Keyring
from gateway.release import check
from protocols.label import Clearance, Label, Policy
from protocols.labelling import Labelling
from protocols.message import Authenticity, Message, Source
from protocols.record import Withheld
from tests.fakes import NOW
from tests.gateway.line import Line, plain, posted, say, sealed_by
from tests.gateway.reports import MISSION, a_message, a_track, a_way, an_agreement
from tests.gateway.tables import TABLE
from tests.protocols.policies import AWAY, FIXTURES, HOME, category, home
from tests.protocols.test_label_xml import CANONICAL, FULL, LABEL

POLICIES = {"MISSION": MISSION, "HOME": HOME, "AWAY": AWAY}
MIDDLE = Label(
    policy="AWAY",
    classification="MIDDLE",
    categories=(
        category("restrictive", "Handling", "ORIGIN"),
        category("permissive", "Readers", "ALPHA", "BRAVO"),
        category("informative", "Note", "IMPORTED"),
    ),
)
CLEARED = Clearance(
    policy="AWAY",
    classification="MIDDLE",
    restrictive=("ORIGIN",),
    categories=(category("permissive", "Readers", "BRAVO"),),
)


def table_with(policy: str, *changes: tuple[str, str]) -> str:
    """The table of the tests with one more policy."""
    text = TABLE.replace("[[policies]]", f"[[policies]]\n{policy}\n\n[[policies]]", 1)
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return text


def refusals(text: str, folder: Path | None) -> list[str]:
    try:
        return list(faults(parse(text.encode(), folder)))
    except ConfigError as error:
        return list(error.faults)


def test_a_policy_is_read_from_the_file_beside_the_table(tmp_path: Path) -> None:
    shutil.copy(FIXTURES / "home.spif.xml", tmp_path)
    file = tmp_path / "gateway.toml"
    file.write_text(table_with('spif = "home.spif.xml"\ndegraded = true'))

    assert load(file).config.policies[0] == replace(HOME, degraded=True)


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ('spif = "nowhere.xml"', "$.policies[0].spif: No such file or directory"),
        ('spif = "broken.xml"', "$.policies[0].spif: not a policy that can be relied on (malformed: document)"),
        ('spif = "home.spif.xml"\nname = "OTHER"', "$.policies[0].name: stands in the SPIF; leave it out here"),
        ('spif = "home.spif.xml"\nclassifications = ["X"]', "$.policies[0].classifications: stands in the SPIF"),
        ('spif = "home.spif.xml"\ndegraded = "yes"', "$.policies[0].degraded: Expected `bool`, got `str`"),
        ("spif = 1", "$.policies[0].spif: not the name of a file beside this one"),
        ('name = "P"\nclassifications = ["A"]\nlooks = 1', "$.policies[0]: Object contains unknown field `looks`"),
        ('name = "mission"\nclassifications = ["A"]\nignores_case = true', "$.policies[1].name: another policy"),
        ('name = "MISSION"\nclassifications = ["A"]', '$.policies[1]: "MISSION" is already taken'),
        (
            'spif = "home.spif.xml"\n[[policies]]\nname = "A"\nid = "2.25.1"\nclassifications = ["A"]',
            '$.policies[1]: "2.25.1" is already taken',
        ),
    ],
)
def test_a_policy_that_cannot_be_relied_on_is_a_fault_of_the_table(tmp_path: Path, entry: str, told: str) -> None:
    shutil.copy(FIXTURES / "home.spif.xml", tmp_path)
    (tmp_path / "broken.xml").write_text("<SPIF")

    found = refusals(table_with(entry), tmp_path)

    assert found[0].startswith(told)


def test_a_spif_needs_a_file_that_it_lies_beside() -> None:
    assert refusals(table_with('spif = "home.spif.xml"'), None) == [
        "$.policies[0].spif: not the name of a file beside this one"
    ]


RELEASED = (
    '{{ policy = "HOME", classification = "SECRET", categories = [{{ type = "permissive", tag = "Release", '
    'values = ["{}"] }}] }}'
)


@pytest.mark.parametrize(
    ("clearance", "told"),
    [
        ('{ policy = "MISSION", classification = "RESTRICTED", restrictive = ["MEDICAL"] }', None),
        ('{ policy = "HOME", classification = "SECRET", restrictive = ["MEDICAL"] }', None),
        ('{ policy = "HOME", classification = "SECRET", restrictive = ["CODEWORD"] }', "a category or value"),
        ('{ policy = "HOME", classification = "SECRET", classifications = ["LOW"] }', "a category or value"),
        (RELEASED.format("XAA"), None),
        (RELEASED.format("XZZ"), "a category or value"),
    ],
)
def test_a_clearance_must_be_one_of_its_policy(clearance: str, told: str | None) -> None:
    bravo = '[[peers]]\nid = "bravo/ops"\nclearance = { policy = "MISSION", classification = "RESTRICTED" }'
    change = (bravo, f'[[peers]]\nid = "bravo/ops"\nclearance = {clearance}')
    found = refusals(table_with('spif = "home.spif.xml"', change), FIXTURES)

    assert [fault.startswith(f"$.peers[0].clearance: {told}") for fault in found] == ([True] if told else [])


def test_a_label_in_another_spelling_than_the_policys_is_a_fault() -> None:
    spelt = '{ policy = "home", classification = "OPEN" }'
    default = 'default_label = { policy = "MISSION", classification = "UNCLASSIFIED" }'
    entry = 'spif = "home.spif.xml"\nignores_case = true'
    (fault,) = refusals(table_with(entry, (default, f"default_label = {spelt}")), FIXTURES)

    assert fault.startswith("$.units[1]: a label that no policy")


def xml_config(*policies: Policy, label_xml: bool = True) -> Config:
    config = plain()
    units = tuple(replace(unit, label_xml=label_xml) for unit in config.units)
    return replace(config, policies=(*config.policies, *policies), units=units)


def marked(hint: str) -> Message:
    return a_track(0, source=Source(format="plain", label_hint=hint))


def test_a_label_written_as_xml_is_read_carried_in_one_form_and_given_its_alternatives(
    coalition: dict[str, Keyring], formats: None
) -> None:
    del formats
    line = Line(coalition["alpha"], xml_config(HOME, AWAY))
    boast = replace(marked(FULL), label=home("OPEN"), alternatives=(Label(policy="AWAY", classification="LOW"),))

    (report,) = line.intake.read("national", say(boast), NOW).reports

    assert report.objection is None
    assert report.message.label == LABEL
    assert report.message.source.label_hint == CANONICAL.decode()
    assert report.message.alternatives == (MIDDLE,)


@pytest.mark.parametrize(
    ("hint", "config"),
    [
        (FULL, xml_config(HOME, label_xml=False)),
        (FULL, xml_config(AWAY)),
        (FULL.replace("GUARDED", "HIGHEST"), xml_config(HOME)),
        (FULL.replace(' ReviewDateTime="2031-01-01T00:00:00Z"', ""), xml_config(HOME)),
        ("<x/>", xml_config(HOME)),
    ],
    ids=["not taken from this unit", "no such policy", "unknown", "flawed", "no label"],
)
def test_xml_that_makes_no_label_is_refused(
    coalition: dict[str, Keyring], formats: None, hint: str, config: Config
) -> None:
    del formats
    line = Line(coalition["alpha"], config)

    (report,) = line.intake.read("national", say(marked(hint)), NOW).reports

    assert report.message.label is None
    assert report.objection is Withheld.UNKNOWN_LABEL


def test_a_table_comes_before_the_xml() -> None:
    unit = xml_config(HOME).units[0]
    ruled = replace(unit, labels=(replace(unit.labels[0], hint="<x/>"),))

    assert stamped(marked("<x/>"), ruled, NOW, Labelling(POLICIES)).message.label == unit.labels[0].label


@pytest.mark.parametrize(
    ("label", "objection"),
    [(LABEL, None), (home("OPEN"), Withheld.UNKNOWN_LABEL), (replace(LABEL, categories=()), Withheld.UNKNOWN_LABEL)],
    ids=["as its XML says", "downgraded", "stripped"],
)
def test_a_partners_label_must_be_what_its_own_xml_says(
    coalition: dict[str, Keyring], formats: None, label: Label, objection: Withheld | None
) -> None:
    del formats
    line = Line(coalition["alpha"], xml_config(HOME))
    told = replace(marked(CANONICAL.decode()), origin="bravo/ops", label=label)
    key, envelope = posted(sealed_by(coalition["bravo"], "bravo/ops", [told], "alpha/cell"))
    line.intake.read("coalition", key, NOW)

    (report,) = line.intake.read("coalition", envelope, NOW).reports

    assert report.message.label == label
    assert report.objection is objection


def under(message: Message, highest: Clearance, cleared: Clearance, policies: dict[str, Policy]) -> Withheld | None:
    inward = a_way(an_agreement(highest=highest), clearance=cleared)
    return check(message, inward, policies, NOW).reason


HIGH = Clearance(policy="HOME", classification="SECRET", restrictive=("SOURCE",), categories=(
    category("permissive", "Release", "XAA"),))  # fmt: skip


def test_a_receiver_of_another_policy_is_judged_under_its_own() -> None:
    message = a_message(label=LABEL)

    assert under(message, CLEARED, CLEARED, POLICIES) is None
    assert under(message, HIGH, CLEARED, POLICIES) is None  # each clearance under its own policy
    assert under(message, HIGH, replace(CLEARED, classification="LOW"), POLICIES) is Withheld.ABOVE_CEILING
    assert under(message, replace(CLEARED, restrictive=()), CLEARED, POLICIES) is Withheld.CATEGORY_NOT_HELD
    assert under(message, CLEARED, replace(CLEARED, categories=()), POLICIES) is Withheld.NOT_RELEASABLE_TO
    assert under(a_message(label=home("OPEN", category("restrictive", "Care", "MEDICAL"))), CLEARED, CLEARED,
                 POLICIES) is Withheld.UNKNOWN_LABEL  # fmt: skip


def test_an_alternative_is_believed_only_of_a_partner_and_only_where_we_lack_the_policy() -> None:
    low = Label(policy="AWAY", classification="LOW")
    ours = a_message(label=LABEL, alternatives=(low,))
    theirs = replace(ours, authenticity=Authenticity.VERIFIED)
    true = replace(theirs, alternatives=(MIDDLE,))
    strangers = {"AWAY": AWAY}

    def inside(message: Message, policies: dict[str, Policy]) -> Withheld | None:
        way = a_way(an_agreement(highest=CLEARED), clearance=CLEARED)
        local = replace(plain().units[1], id="bravo/ops", clearance=CLEARED)
        return check(message, way._replace(destination=local), policies, NOW).reason

    assert inside(ours, strangers) is Withheld.UNKNOWN_LABEL
    assert inside(theirs, strangers) is None
    assert inside(true, strangers) is None
    assert inside(theirs, POLICIES) is Withheld.UNKNOWN_LABEL  # contradicts what we know
    assert inside(true, POLICIES) is None
    assert inside(replace(theirs, alternatives=()), strangers) is Withheld.UNKNOWN_LABEL
