"""An agreement is open only while every partner that it names has signed it as it stands."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from gateway.countersigned import FOLDER, Countersigned
from gateway.keyring.holdings import Holdings
from gateway.keyring.keystore import key_file
from protocols.agreement import Agreement, Direction, Transformation
from protocols.countersign import AgreementFault, canonical, countersign, read_countersigned
from protocols.envelope import Reject
from protocols.identity import SigningKey
from tests.fakes import NOW
from tests.gateway.line import make_coalition
from tests.gateway.reports import an_agreement, cleared

NAMED = an_agreement(partners=("alpha", "bravo"))


@pytest.fixture(scope="module")
def coalition(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Holdings]:
    folders = make_coalition(tmp_path_factory.mktemp("coalition"))
    return {name: Holdings.open(folder, key_file(folder / "secret.key")) for name, folder in folders.items()}


@pytest.fixture
def kept(tmp_path: Path, coalition: dict[str, Holdings]) -> Countersigned:
    return Countersigned(tmp_path, coalition["alpha"].pins())


def signed(kept: Countersigned, coalition: dict[str, Holdings], *partners: str) -> Countersigned:
    for partner in partners:
        assert kept.keep(NAMED, coalition[partner].countersign(NAMED)) == partner
    return kept


def test_nothing_is_in_force_that_nobody_signed(kept: Countersigned) -> None:
    assert kept.in_force([NAMED]) == frozenset()
    assert kept.signatures(NAMED).missing == ("alpha", "bravo")


def test_one_signature_of_two_is_not_enough(kept: Countersigned, coalition: dict[str, Holdings]) -> None:
    signed(kept, coalition, "bravo")

    assert kept.in_force([NAMED]) == frozenset()
    assert kept.signatures(NAMED) == (("bravo",), ("alpha",))


def test_all_signatures_put_it_in_force(kept: Countersigned, coalition: dict[str, Holdings]) -> None:
    signed(kept, coalition, "alpha", "bravo")

    assert kept.in_force([NAMED, an_agreement(id="other")]) == frozenset({"alpha-bravo"})


CHANGES: list[dict[str, object]] = [
    {"kinds": ("track", "chat", "delete", "alert")},
    {"kinds": ("track",)},
    {"highest": cleared("RESTRICTED")},
    {"valid_until": NAMED.valid_until.replace(year=2028)},
    {"directions": (*NAMED.directions, Direction(sender="bravo", to="alpha"))},
    {"transformation": Transformation(coarsen_m=1.0)},
    {"review": NOW},
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_a_changed_word_closes_it(
    kept: Countersigned, coalition: dict[str, Holdings], change: dict[str, object]
) -> None:
    signed(kept, coalition, "alpha", "bravo")
    assert kept.in_force([NAMED])

    altered = replace(NAMED, **change)

    assert kept.in_force([altered]) == frozenset()
    with pytest.raises(Reject) as refused:
        kept.keep(altered, coalition["alpha"].countersign(NAMED))
    assert refused.value.code is AgreementFault.OTHER_WORDS


def test_the_order_in_which_a_table_lists_things_is_no_change() -> None:
    turned = replace(
        NAMED,
        partners=("bravo", "alpha", "bravo"),
        kinds=tuple(reversed(NAMED.kinds)),
        modes=tuple(reversed(NAMED.modes)),
    )

    assert canonical(turned) == canonical(NAMED)
    assert canonical(turned) != canonical(replace(NAMED, partners=("alpha", "bravo", "charlie")))


def test_a_partner_cannot_sign_for_another(kept: Countersigned, coalition: dict[str, Holdings], tmp_path: Path) -> None:
    signed(kept, coalition, "alpha")
    (tmp_path / FOLDER / "alpha-bravo.bravo.signed").write_bytes(coalition["alpha"].countersign(NAMED))

    assert kept.signatures(NAMED).missing == ("bravo",)
    with pytest.raises(Reject) as refused:
        kept.keep(NAMED, coalition["charlie"].countersign(NAMED))
    assert refused.value.code is AgreementFault.STRANGER


def test_one_flipped_bit_is_no_signature(kept: Countersigned, coalition: dict[str, Holdings], tmp_path: Path) -> None:
    signed(kept, coalition, "alpha", "bravo")
    file = tmp_path / FOLDER / "alpha-bravo.bravo.signed"
    data = file.read_bytes()
    for at in (10, len(data) // 2, len(data) - 1):
        file.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        assert kept.in_force([NAMED]) == frozenset()
    file.write_bytes(data)
    assert kept.in_force([NAMED]) == {"alpha-bravo"}
    file.unlink()
    assert kept.in_force([NAMED]) == frozenset()


def test_a_withdrawn_partner_or_another_root_closes_it(kept: Countersigned, coalition: dict[str, Holdings]) -> None:
    signed(kept, coalition, "alpha", "bravo")
    pins = coalition["alpha"].pins()
    assert kept.in_force([NAMED]) == {"alpha-bravo"}

    kept.know(pin for pin in pins if pin.partner != "bravo")
    assert kept.in_force([NAMED]) == frozenset()
    stranger = next(pin for pin in pins if pin.partner == "charlie")
    kept.know(replace(pin, roots=stranger.roots) if pin.partner == "bravo" else pin for pin in pins)
    assert kept.in_force([NAMED]) == frozenset()
    kept.know(replace(pin, roots=(*pin.roots, *stranger.roots), threshold=2) for pin in pins)
    assert kept.in_force([NAMED]) == frozenset()
    kept.know(pins)
    assert kept.in_force([NAMED]) == {"alpha-bravo"}


def test_a_partner_with_two_roots_signs_with_as_many_as_it_promised(
    coalition: dict[str, Holdings], tmp_path: Path
) -> None:
    second = SigningKey.new(lambda count: b"\7" * count)
    first = coalition["alpha"]._root()
    pin = next(pin for pin in coalition["alpha"].pins() if pin.partner == "alpha")
    roots = (*pin.roots, type(pin.roots[0])(ed25519=second.public.ed25519, mldsa65=second.public.mldsa))
    inside: Agreement = an_agreement(partners=("alpha",), directions=(Direction(sender="alpha", to="alpha"),))
    kept = Countersigned(tmp_path, [replace(pin, roots=roots, threshold=2)])

    with pytest.raises(Reject):
        kept.keep(inside, countersign(inside, [first]))
    assert kept.keep(inside, countersign(inside, [first, second])) == "alpha"
    assert kept.in_force([inside]) == {"alpha-bravo"}


def test_a_file_says_which_agreement_it_is_about(coalition: dict[str, Holdings]) -> None:
    assert read_countersigned(coalition["bravo"].countersign(NAMED)) == read_countersigned(
        countersign(NAMED, [coalition["bravo"]._root()])
    )
    assert read_countersigned(coalition["bravo"].countersign(NAMED)).id == "alpha-bravo"


@pytest.mark.parametrize("name", ["../alpha", "", "Alpha", "a/b", "-a", "a" * 64, "a.b"])
def test_an_agreements_name_can_be_a_files_name(name: str) -> None:
    with pytest.raises(ValueError, match="id"):
        an_agreement(id=name)
