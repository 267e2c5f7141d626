"""The conformance kit finds what it is there to find: every rule is broken once on purpose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from msgspec.structs import replace

import adapters
from adapters import Adapter, DecodeError, Encoded, EncodeError, Fault
from gateway.formats.conformance import (
    check,
    check_contract,
    check_decoded,
    check_encodes,
    check_refuses,
    check_survives,
    differences,
    mutations,
    noise,
)
from gateway.formats.specimens import AT, FULL, sparse, specimen
from protocols.body import Chat, Contact, Track
from protocols.label import Label
from protocols.message import Authenticity, Derived, Loss, LossReason, Message, Original
from protocols.quantity import Affiliation, Kinematics, Position, Symbol

COT = adapters.load("cot")
TRACK = specimen(FULL[0])
CHAT = sparse(Chat(text="hello", room="All Chat Rooms"))


def broken(**parts: Any) -> Adapter:
    """CoT with some of its parts replaced."""
    whole = {name: getattr(COT, name) for name in ("EDITION", "MEDIA_TYPE", "READS", "WRITES", "decode", "encode")}
    return cast("Adapter", SimpleNamespace(**{"__doc__": "A format.", **whole, **parts}))


def raising(error: Exception) -> Callable[[object], Any]:
    def fail(_: object) -> Any:
        raise error

    return fail


@pytest.mark.parametrize(
    "parts",
    [
        {"__doc__": ""},
        {"EDITION": ""},
        {"MEDIA_TYPE": 7},
        {"READS": {"track"}},
        {"WRITES": frozenset({"gossip"})},
        {"decode": None},
        {"encode": "no"},
    ],
)
def test_a_broken_contract_is_found(parts: dict[str, Any]) -> None:
    assert check_contract(broken()) == []
    assert len(check_contract(broken(**parts))) == 1


@pytest.mark.parametrize(
    "changed",
    [
        replace(TRACK, origin="alpha/one"),
        replace(TRACK, authenticity=Authenticity.VERIFIED),
        replace(TRACK, label=Label(policy="X", classification="OPEN")),
        replace(TRACK, times=replace(TRACK.times, received=AT)),
        replace(TRACK, original=Original(format="cot", data=b"")),
    ],
)
def test_what_an_adapter_must_not_set_is_found(changed: Message) -> None:
    assert check_decoded(COT, [TRACK]) == []
    assert len(check_decoded(COT, [changed])) == 1
    assert len(check_decoded(broken(READS=frozenset({"chat"})), [TRACK])) == 1


@pytest.mark.parametrize(
    ("decode", "refuses", "survives"),
    [
        (raising(DecodeError(Fault.MALFORMED, "x")), 0, 0),
        (raising(ValueError("x")), 1, 1),
        (raising(MemoryError()), 1, 1),
        (lambda _: (), 1, 0),
    ],
)
def test_what_escapes_decode_is_found(decode: Callable[[object], Any], refuses: int, survives: int) -> None:
    adapter = broken(decode=decode)

    assert len(check_refuses(adapter, b"x")) == refuses
    assert len(check_survives(adapter, b"x")) == survives


def read_as(*messages: Message) -> Callable[[bytes], Sequence[Message]]:
    return lambda _: messages


def test_an_undeclared_loss_is_found() -> None:
    body = TRACK.body
    assert isinstance(body, Track)
    slower = replace(TRACK, body=replace(body, kinematics=Kinematics(speed_mps=1.0)))
    silent, honest = Encoded(b""), Encoded(b"", (Loss(field="kinematics", reason=LossReason.PRECISION),))
    computed = Encoded(b"", derived=(Derived(field="kinematics", source="x", rule="y"),))

    assert check_encodes(broken(encode=lambda _: silent, decode=read_as(TRACK)), TRACK) == []
    assert check_encodes(broken(encode=lambda _: silent, decode=read_as(slower)), TRACK) == [
        "track: undeclared difference in kinematics.climb_mps",
        "track: undeclared difference in kinematics.course_deg",
        "track: undeclared difference in kinematics.heading_deg",
        "track: undeclared difference in kinematics.speed_mps",
    ]
    assert check_encodes(broken(encode=lambda _: honest, decode=read_as(slower)), TRACK) == []
    assert check_encodes(broken(encode=lambda _: computed, decode=read_as(slower)), TRACK) == []


@pytest.mark.parametrize(
    "parts",
    [
        {"encode": raising(KeyError("x"))},
        {"encode": lambda _: Encoded(b"<")},
        {"decode": read_as(TRACK, TRACK)},
        {"decode": read_as()},
        {"WRITES": frozenset({"chat"})},
        {"decode": read_as(CHAT)},
    ],
)
def test_a_broken_way_there_and_back_is_found(parts: dict[str, Any]) -> None:
    assert check_encodes(COT, TRACK) == []
    assert len(check_encodes(broken(**parts), TRACK)) == 1


def test_a_refusal_is_no_finding() -> None:
    assert check_encodes(broken(encode=raising(EncodeError("no"))), TRACK) == []


def test_symbols_and_altitudes_are_compared_by_meaning() -> None:
    here = Position(latitude=1, longitude=2)
    coded = [
        Symbol(affiliation=Affiliation.FRIEND, cot_type="a-f-G-U-C"),
        Symbol(affiliation=Affiliation.FRIEND, sidc15="SFGPUC---------"),
        Symbol(affiliation=Affiliation.HOSTILE, cot_type="a-h-G-U-C"),
    ]
    first, second, third = (sparse(Contact(position=here, symbol=symbol)) for symbol in coded)

    assert differences(first, second) == []
    assert differences(first, third) == ["symbol"]
    assert differences(first, CHAT) == ["kind"]


@pytest.mark.parametrize("name", adapters.names())
def test_our_own_adapters_pass_everything_at_once(name: str) -> None:
    folder = Path(__file__).parents[2] / "fixtures" / name
    adapter = adapters.load(name)
    files = [path for path in sorted(folder.glob("*")) if path.suffix not in (".json", ".md") and adapter.READS]
    samples = [path.read_bytes() for path in files if not path.name.startswith("bad-")]
    bad = [path.read_bytes() for path in files if path.name.startswith("bad-")]

    assert check(adapter, samples, bad, seed=11) == []


def test_everything_at_once_finds_each_fault_once() -> None:
    silent = broken(encode=lambda _: Encoded(b"<event/>"))

    assert check(broken(EDITION="")) == ["EDITION must be a text"]
    assert "bad sample 0: decode accepts it" in check(broken(decode=read_as(TRACK)), bad=[b"x"])
    assert "decode refuses what encode wrote for a chat: missing-field: event@version" in check(silent)


def test_damage_and_noise_are_the_same_for_a_seed() -> None:
    samples = [b"<event uid='1'/>", b"{}"]

    assert list(mutations(samples, 50, seed=3)) == list(mutations(samples, 50, seed=3))
    assert list(mutations(samples, 50, seed=3)) != list(mutations(samples, 50, seed=4))
    assert len({*mutations(samples, 50, seed=3)} - {*samples}) > 40
    assert [len(data) for data in noise(20, seed=3)] == [len(data) for data in noise(20, seed=3)]
