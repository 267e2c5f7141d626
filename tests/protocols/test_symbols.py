"""Symbols: expected codes written by hand from the standards' tables; the table itself against its source."""

from __future__ import annotations

import csv

import pytest

from protocols.quantity import Affiliation, Symbol
from protocols.symbols import (
    EXERCISE,
    SIMULATION,
    Coded,
    from_cot,
    from_sidc15,
    from_sidc20,
    to_cot,
    to_sidc15,
    to_sidc20,
)
from tests.adapters.oracles import STANDARDS
from tests.protocols.generate_symbols import generate

FRIEND, HOSTILE = Affiliation.FRIEND, Affiliation.HOSTILE
LEGACY = STANDARDS / "symbology" / "LegacyMappingTableCtoD.csv"


@pytest.mark.parametrize(
    ("cot_type", "code", "exact"),
    [
        ("a-f-G-U-C", "SFGPUC---------", True),
        ("a-f-G-U-C-I", "SFGPUCI--------", True),
        ("a-h-A-M-F", "SHAPMF---------", True),
        ("a-n-A-C-F", "SNAPCF---------", True),
        ("a-u-G", "SUGP-----------", True),
        ("a-p-S-C", "SPSPC----------", True),
        ("a-a-U-S", "SAUPS----------", True),
        ("a-j-P", "SJPP-----------", True),
        ("a-k-F", "SKFP-----------", True),
        ("a-f-G-E-V-A-T-M", "SFGPEVATM------", True),
        ("a-f-G-U-C-i-m", "SFGPUC---------", False),
        ("a-f-G-E-V-A-T-M-L-X-Y", "SFGPEVATML-----", False),
        ("a-f", "SFZP-----------", True),
        ("a-f-Q", "SFZP-----------", False),
        ("a-f-G-U;x", "SFGPU----------", False),
    ],
)
def test_cot_type_to_2525c(cot_type: str, code: str, exact: bool) -> None:  # noqa: FBT001  # a column of the table
    symbol = from_cot(cot_type)

    assert symbol is not None
    assert to_sidc15(symbol) == Coded(code, exact)


@pytest.mark.parametrize(
    ("code", "cot_type", "exact"),
    [
        ("SFGPUC---------", "a-f-G-U-C", True),
        ("SFGPUCI---*****", "a-f-G-U-C-I", True),
        ("sfgpuci--------", "a-f-G-U-C-I", True),
        ("SHAPMF---------", "a-h-A-M-F", True),
        ("SFGAUCI--------", "a-f-G-U-C-I", False),  # planned
        ("SFGPUCI----D---", "a-f-G-U-C-I", False),  # platoon
        ("SFGPUCI-----XNB", "a-f-G-U-C-I", False),  # country
        ("SDGPUCI--------", "a-f-G-U-C-I", True),  # exercise friend: the mode says the exercise
        ("IFGPSRU--------", "a-f", False),  # signals intelligence
        ("SFZP-----------", "a-f", False),
    ],
)
def test_2525c_to_cot_type(code: str, cot_type: str, exact: bool) -> None:  # noqa: FBT001  # a column of the table
    read = from_sidc15(code)

    assert read is not None
    assert to_cot(read.symbol) == Coded(cot_type, exact)


@pytest.mark.parametrize(
    ("letter", "affiliation", "exercise"),
    [
        ("P", Affiliation.PENDING, False),
        ("U", Affiliation.UNKNOWN, False),
        ("A", Affiliation.ASSUMED_FRIEND, False),
        ("F", Affiliation.FRIEND, False),
        ("N", Affiliation.NEUTRAL, False),
        ("S", Affiliation.SUSPECT, False),
        ("H", Affiliation.HOSTILE, False),
        ("G", Affiliation.PENDING, True),
        ("W", Affiliation.UNKNOWN, True),
        ("D", Affiliation.FRIEND, True),
        ("L", Affiliation.NEUTRAL, True),
        ("M", Affiliation.ASSUMED_FRIEND, True),
        ("J", Affiliation.JOKER, True),
        ("K", Affiliation.FAKER, True),
        ("O", Affiliation.NONE, False),
    ],
)
def test_identity_letters(letter: str, affiliation: Affiliation, exercise: bool) -> None:  # noqa: FBT001  # a column
    read = from_sidc15(f"S{letter}GP-----------")

    assert read is not None
    assert (read.symbol.affiliation, read.exercise) == (affiliation, exercise)
    written = to_sidc15(read.symbol, exercise=exercise)
    assert written is not None
    assert written.code[1] == letter


@pytest.mark.parametrize(
    "code", ["", "SFG", "S1GP-----------", "SXGP-----------", "SFGP-----------x", "SFGPé----------"]
)
def test_refuses_what_is_no_2525c_code(code: str) -> None:
    assert from_sidc15(code) is None


@pytest.mark.parametrize(
    ("charlie", "delta", "exact"),
    [
        ("SFGPUCI--------", "10031000001211000000", True),
        ("SHAPMF---------", "10060100001101000000", True),
        ("SFGPUCI----D---", "10031000141211000000", True),
        ("SFGAUCI---AH---", "10031012181211000000", True),
        ("SFGPUCA--------", "10031000001205000000", False),  # the table: 2525D goes back to UCAT
        ("SFGPUCIL-------", "10031000001211000019", True),
        ("SFGPUCI-----XNB", "10031000001211000000", False),  # 2525D has no country in twenty digits
        ("SFGPQQQQQQ-----", "10030000000000000000", False),
    ],
)
def test_2525c_to_2525d(charlie: str, delta: str, exact: bool) -> None:  # noqa: FBT001  # a column of the table
    read = from_sidc15(charlie)

    assert read is not None
    assert to_sidc20(read.symbol) == Coded(delta, exact)


@pytest.mark.parametrize(
    ("delta", "charlie", "exact"),
    [
        ("10031000001211000000", "SFGPUCI--------", True),
        ("10031012181211000000", "SFGAUCI---AH---", True),
        ("10061500330000000000", None, False),
        ("10031000001211009999", "SFGPUCI--------", False),
        ("10039900000000000000", None, False),
    ],
)
def test_2525d_to_2525c(delta: str, charlie: str | None, exact: bool) -> None:  # noqa: FBT001  # a column of the table
    read = from_sidc20(delta)

    assert read is not None
    coded = to_sidc15(read.symbol)
    assert coded is not None
    if charlie is not None:
        assert coded.code == charlie
    assert coded.exact is exact or charlie is None


def test_context_of_2525d() -> None:
    joker, simulated = from_sidc20("10151000001211000000"), from_sidc20("10231000001211000000")

    assert joker is not None
    assert (joker.symbol.affiliation, joker.exercise) == (Affiliation.JOKER, True)
    assert simulated is not None
    assert (simulated.symbol.affiliation, simulated.simulation) == (FRIEND, True)
    assert to_sidc20(joker.symbol, context=EXERCISE) == Coded("10151000001211000000", exact=True)
    assert to_sidc20(joker.symbol) is None
    assert to_sidc20(simulated.symbol, context=SIMULATION) == Coded("10231000001211000000", exact=True)


def test_a_code_that_contradicts_the_affiliation_is_corrected() -> None:
    symbol = Symbol(
        affiliation=HOSTILE, sidc15="SFGPUCI--------", sidc20="10031000001211000000", cot_type="a-f-G-U-C-I"
    )

    assert to_cot(symbol).code == "a-h-G-U-C-I"
    assert (to_sidc15(symbol) or Coded("", exact=False)).code == "SHGPUCI--------"
    assert (to_sidc20(symbol) or Coded("", exact=False)).code == "10061000001211000000"


def test_an_affiliation_that_a_coding_lacks_is_not_replaced_by_another() -> None:
    assert to_sidc15(Symbol(affiliation=Affiliation.OTHER, cot_type="a-x-G")) is None
    assert to_sidc20(Symbol(affiliation=Affiliation.NONE, cot_type="a-o-G")) is None
    assert to_sidc15(Symbol(affiliation=HOSTILE, cot_type="a-h-G"), exercise=True) is None


@pytest.mark.skipif(not LEGACY.exists(), reason="the reference table is not at hand")
def test_every_row_that_the_standard_calls_exact_comes_back() -> None:
    rows = 0
    with LEGACY.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            code = row["2525Charlie"][:10].ljust(15, "-")
            if row["Remarks"] != "pass" or row["2525Charlie1stTen"][1] != "*" or code[3] != "P":
                continue
            there = to_sidc20(Symbol(affiliation=FRIEND, sidc15=code))
            assert there is not None
            assert there.exact, code
            back = to_sidc15(Symbol(affiliation=Affiliation.PENDING, sidc20=there.code))
            assert back is not None
            assert back.code[2:10] == code[2:10]
            rows += 1
    assert rows > 1000


@pytest.mark.skipif(not LEGACY.exists(), reason="the reference tables are not at hand")
def test_the_generated_tables_are_what_the_generator_writes() -> None:
    for path, text in generate(STANDARDS).items():
        assert path.read_text() == text
