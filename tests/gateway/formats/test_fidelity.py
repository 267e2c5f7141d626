"""What a translation keeps, found by running every adapter against every other."""

from __future__ import annotations

import pytest

import adapters
from gateway.formats.fidelity import Cell, account, matrix
from gateway.formats.specimens import FULL, sparse, specimen
from protocols.body import Track
from protocols.quantity import Kinematics, Position

ALL = {name: adapters.load(name) for name in adapters.names()}
CELLS = tuple(matrix(ALL))


def cell(source: str, target: str, kind: str) -> Cell:
    (found,) = (c for c in CELLS if (c.source, c.target, c.kind) == (source, target, kind))
    return found


def test_no_pair_of_formats_loses_anything_that_it_does_not_declare() -> None:
    assert {(c.source, c.target, c.kind, c.undeclared) for c in CELLS if c.undeclared} == set()


def test_every_format_that_reads_is_a_source_and_every_format_a_target() -> None:
    assert {c.source for c in CELLS} == {name for name, adapter in ALL.items() if adapter.READS}
    assert {c.target for c in CELLS} == set(ALL)


def test_a_position_from_cot_in_nffi() -> None:
    found = cell("cot", "nffi", "track").account

    assert found is not None
    assert {"position.latitude", "position.longitude", "kinematics.speed_mps", "symbol.cot_type"} <= set(found.kept)
    assert {"position.altitude_m", "battery_percent", "identity.team", "times.valid_until"} <= set(found.dropped)
    assert "times.observed" in found.approximated  # whole seconds


def test_what_cannot_be_said_has_no_account() -> None:
    assert cell("cot", "nffi", "chat").account is None


def test_the_account_of_one_message() -> None:
    message = sparse(Track(position=Position(latitude=1, longitude=2), kinematics=Kinematics(climb_mps=1.5)))
    found = account(message, adapters.load("cot").encode(message))

    assert {"position.latitude", "position.longitude", "times.observed"} <= set(found.kept)
    assert found.dropped == ("kinematics.climb_mps",)
    assert "symbol" in found.derived


@pytest.mark.parametrize("body", FULL, ids=lambda b: type(b).__name__)
def test_cot_and_tak_keep_the_same(body: object) -> None:
    message = specimen(body)  # type: ignore[arg-type]  # every specimen is a body
    try:
        xml = adapters.load("cot").encode(message)
    except adapters.EncodeError:
        return
    assert account(message, adapters.load("tak").encode(message)) == account(message, xml)
