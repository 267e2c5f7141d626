"""What a check finds in a table that would start: lapsed, unsigned, unreachable, shadowed, dead, and no leak."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from gateway import release
from gateway.config import Config, parse
from gateway.review.findings import differences, review
from gateway.review.proof import prove
from protocols.agreement import Ceiling
from protocols.body import Area
from protocols.message import Mode
from tests.gateway.passages import passer, third
from tests.gateway.tables import a_config, changed

NOW = datetime(2026, 3, 1, tzinfo=UTC)
OPEN = '{ policy = "MISSION", classification = "UNCLASSIFIED" }'
SECRET = '{ policy = "MISSION", classification = "CONFIDENTIAL" }'


MUTE = "$.units[1].receive: no route leads from it, so nothing that it says goes anywhere"  # the tests' table has it


def lines(config: Config, now: datetime = NOW) -> list[str]:
    return [finding.line for finding in review(config, now) if finding.line != MUTE]


def test_a_table_without_anything_to_say_about() -> None:
    assert lines(a_config()) == []


def test_what_ends_soon_or_has_ended() -> None:
    terms = "valid_until = 2027-01-01T00:00:00Z\n"
    config = a_config((f"{terms}transformation", f"{terms}review = 2026-06-01T00:00:00Z\ntransformation"))

    assert lines(config, datetime(2026, 12, 20, tzinfo=UTC)) == [
        "$.agreements[0]: expires within 14 days; renew it",
        "$.agreements[1]: expires within 14 days; renew it",
        "$.agreements[1]: its review date has passed",
        "$.agreements[2]: expires within 14 days; renew it",
    ]
    found = list(review(config, datetime(2027, 1, 1, tzinfo=UTC)))
    assert [finding.line for finding in found if finding.fatal] == [
        f"$.agreements[{index}]: expired, so nothing passes under it; renew it or remove it" for index in range(3)
    ]


def test_what_has_not_begun() -> None:
    assert lines(a_config(), datetime(2025, 12, 1, tzinfo=UTC))[0] == (
        "$.agreements[0]: begins 2026-01-01; nothing passes under it before"
    )


def test_what_is_not_signed_is_refused() -> None:
    missing = {"alpha-bravo": ("bravo",), "alpha-charlie": ()}
    (finding,) = (each for each in review(a_config(), NOW, missing) if each.line != MUTE)

    assert finding.fatal
    assert finding.line.startswith("$.agreements[0]: not signed by bravo, so closed")


UNIT = f'[[units]]\nid = "alpha/spare"\nclearance = {OPEN}\nadapter = "cot"\nlink = "national"\n'
PEER = '[[peers]]\nid = "bravo/ops"'


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ((PEER, UNIT + PEER), "$.units[2]: no route names it"),
        ((PEER, f'[[peers]]\nid = "bravo/spare"\nclearance = {OPEN}\n\n{PEER}'), "$.peers[0]: no route names it"),
        (('to = ["alpha/cell", "alpha/patrols"]', 'to = ["alpha/cell"]'), "$.units[0].deliver: no route leads to it"),
    ],
)
def test_what_nobody_reaches(change: tuple[str, str], line: str) -> None:
    (found,) = lines(a_config(change))

    assert found.startswith(line)


def test_a_unit_whose_words_go_nowhere() -> None:
    spare = UNIT + 'receive = ["spare/alpha"]\ndeliver = "tak/spare"\n\n'
    config = a_config((PEER, spare + PEER), ('to = ["alpha/cell"]', 'to = ["alpha/cell", "alpha/spare"]'))

    assert lines(config) == ["$.units[2].receive: no route leads from it, so nothing that it says goes anywhere"]


ROUTE = '[[routes]]\nfrom = ["alpha/patrols"]\nto = ["charlie/map"]'
AGAIN = '[[routes]]\nfrom = ["alpha/patrols"]\nto = ["bravo/ops"]\nkinds = ["chat"]\nagreement = "alpha-bravo"\n\n'


def test_a_route_of_which_nothing_is_left_is_shadowed() -> None:
    assert lines(a_config((ROUTE, AGAIN + ROUTE))) == [
        "$.routes[1]: shadowed by $.routes[0], which takes all of it first; remove one"
    ]


NARROWER: list[dict[str, object]] = [
    {"precedence": Ceiling.FLASH},
    {"area": Area(circles=((47.0, 8.0, 1_000.0),))},
    {"modes": (Mode.OPERATION,)},
    {"valid_until": datetime(2026, 12, 1, tzinfo=UTC)},
    {"valid_from": datetime(2026, 2, 1, tzinfo=UTC)},
]


@pytest.mark.parametrize("terms", NARROWER, ids=str)
def test_a_stricter_agreement_behind_a_wider_one_is_shadowed_and_not_before_it(terms: dict[str, object]) -> None:
    config = a_config()
    wide = config.routes[0]
    narrow = replace(wide, agreement="narrow")
    agreements = (*config.agreements, replace(config.agreements[0], id="narrow", **terms))
    config = replace(config, agreements=agreements)

    behind = lines(replace(config, routes=(wide, narrow, *config.routes[1:])))
    before = lines(replace(config, routes=(narrow, wide, *config.routes[1:])))

    assert "$.routes[1]: shadowed by $.routes[0], which takes all of it first; remove one" in behind
    assert not any("shadowed" in line for line in before)


def test_a_route_of_other_units_or_kinds_is_not_shadowed() -> None:
    more = ROUTE.replace("charlie/map", "alpha/cell") + '\nkinds = ["chat"]\nagreement = "alpha-inside"\n\n'

    assert not any("shadowed" in line for line in lines(a_config((ROUTE, more + ROUTE))))


def test_a_route_on_which_nothing_can_pass_is_refused() -> None:
    marks = "access=UNCLASSIFIED"
    config = a_config((f'hint = "{marks}", label = {OPEN}', f'hint = "{marks}", label = {SECRET}'))

    (finding,) = [each for each in review(config, NOW) if each.fatal]

    assert finding.line == (
        "$.routes[1]: nothing can pass from alpha/patrols to charlie/map: above-ceiling; mend that or remove it"
    )


def test_a_unit_without_any_label_is_refused() -> None:
    text = changed()
    begin, end = text.index("labels = ["), text.index("]\n\n[[units]]", text.index("labels = [")) + 2
    (finding, *_) = [each for each in review(parse((text[:begin] + text[end:]).encode()), NOW) if each.fatal]

    assert finding.line == "$.routes[0]: alpha/patrols has no label for anything; give it labels or a default"


def test_formats_that_have_nothing_in_common() -> None:
    config = a_config()
    units = (config.units[0], replace(config.units[1], adapter="cap"))

    assert lines(replace(config, units=units)) == [
        "$.routes[2]: the formats of alpha/patrols and alpha/cell have no kind of it in common",
        "$.routes[3]: the formats of bravo/ops and alpha/cell have no kind of it in common",
    ]


def test_an_agreement_that_nothing_uses() -> None:
    config = a_config()

    assert "$.agreements[2]: no route uses it" in lines(replace(config, routes=config.routes[:2]))


def test_an_agreement_in_two_wordings_is_refused() -> None:
    one, other = a_config(), a_config(("valid_until = 2027-01-01", "valid_until = 2027-01-02"))

    (finding,) = differences({"alpha.toml": one, "bravo.toml": other})

    assert finding.fatal
    assert finding.line == ('bravo.toml: $.agreements[0]: "alpha-bravo" reads otherwise in alpha.toml; word both alike')
    assert list(differences({"alpha.toml": one, "again.toml": a_config()})) == []


def test_no_route_releases_above_its_agreement() -> None:
    proven = prove(a_config())

    assert proven.leaks == ()
    assert proven.tried > 100


@pytest.mark.parametrize("config", [passer(), third()])
def test_no_passage_releases_above_either_agreement(config: Config) -> None:
    proven = prove(config)

    assert proven.leaks == ()
    assert proven.tried > 25
    assert lines(config) == [each for each in lines(config) if "passes" not in each and "nothing can" not in each]


def test_a_passage_on_which_nothing_can_pass() -> None:
    config = passer()
    deaf = replace(config, agreements=(replace(config.agreements[0], kinds=("alert",)), *config.agreements[1:]))

    assert any("nothing can pass from bravo/ops to charlie/map: kind-not-agreed" in line for line in lines(deaf))


DOUBLED = {"labelled", "clearance"}  # what these keep back in this table, another rule does too
RULES = [rule.name for rule in release.STANDING]


@pytest.mark.parametrize("rule", [name for name in RULES if name not in DOUBLED])
def test_without_any_one_rule_there_is_a_leak(monkeypatch: pytest.MonkeyPatch, rule: str) -> None:
    monkeypatch.setattr(release, "STANDING", tuple(each for each in release.STANDING if each.name != rule))
    config = a_config()
    low = replace(config.agreements[0], highest=config.agreements[1].highest, precedence=Ceiling.ROUTINE)
    config = replace(config, agreements=(low, *config.agreements[1:]))

    leaks = {leak.what for each in (config, passer(), third()) for leak in prove(each).leaks}

    assert leaks, rule


def test_a_leak_through_a_third_partner_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        release, "STANDING", tuple(each for each in release.STANDING if each.name not in {"re-export", "direction"})
    )

    told = [finding.line for finding in review(a_config(), NOW) if finding.fatal]

    assert (
        "$.agreements: alpha/patrols to bravo/ops lets out what charlie reports, "
        'which "alpha-bravo" does not allow; do not run this table'
    ) in told
    assert any("what a partner sealed for others" in line for line in told)
