from __future__ import annotations

from msgspec.structs import replace

from protocols.enrolment import read_enrolment, sign_enrolment
from protocols.statement import BundleFault
from tests.protocols.cast import ALPHA, BRAVO, keys, refuses, unit


def test_a_unit_enrols_with_the_keys_it_holds() -> None:
    asked = unit(keys(BRAVO))

    assert read_enrolment(sign_enrolment(asked, keys(BRAVO).signing)) == asked


def test_every_key_that_is_stated_has_to_sign() -> None:
    two = replace(unit(keys(BRAVO)), signing=(*unit(keys(BRAVO)).signing, *unit(keys(ALPHA)).signing))

    assert read_enrolment(sign_enrolment(two, keys(BRAVO).signing, keys(ALPHA).signing)) == two
    with refuses(BundleFault.WRONG_ROOT):
        read_enrolment(sign_enrolment(two, keys(BRAVO).signing))


def test_nobody_enrols_a_key_that_somebody_else_holds() -> None:
    with refuses(BundleFault.WRONG_ROOT):
        read_enrolment(sign_enrolment(unit(keys(BRAVO)), keys(ALPHA).signing))
    with refuses(BundleFault.WRONG_ROOT):
        read_enrolment(sign_enrolment(replace(unit(keys(BRAVO)), signing=()), keys(BRAVO).signing))


def test_an_altered_enrolment_is_refused() -> None:
    data = bytearray(sign_enrolment(unit(keys(BRAVO)), keys(BRAVO).signing))
    data[-20] ^= 1

    with refuses(BundleFault.BAD_SIGNATURE):
        read_enrolment(bytes(data))
