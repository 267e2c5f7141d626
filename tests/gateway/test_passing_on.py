"""Bravo's word reaches charlie through alpha as bravo's: proven, judged by everybody, once."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from gateway.config import Config
from gateway.keyring.ring import Keyring, Sealed
from protocols.envelope import Mode
from protocols.label import Category, CategoryType
from protocols.message import Extra, Message, Original, Source, from_json, pack
from protocols.proof import disclose
from protocols.record import Record
from tests.fakes import NOW, FakeFrame
from tests.gateway.line import Line, plainly, posted, sealed_by
from tests.gateway.passages import passer, third
from tests.gateway.reports import OPEN, a_chat, a_track

MAPPED = ("forwarded", None, "charlie/map")


def said(seconds: float = 0, **more: object) -> Message:
    """A position of bravo's, as bravo's gateway seals it."""
    return replace(a_track(seconds), origin="bravo/ops", source=Source(format="sedap"), **more)


def to_charlie(line: Line) -> list[FakeFrame]:
    """What alpha's gateway has sent to charlie, as it arrives there."""
    return [
        FakeFrame(each.topic, each.data) for each in line.coalition.sent if each.topic.startswith("comity/1/charlie/")
    ]


def records(line: Line) -> list[Record]:
    return [outcome.record for outcome in line.audit.outcomes if outcome.record.message is not None]


@pytest.fixture
def alpha(coalition: dict[str, Keyring], formats: None) -> Line:  # noqa: ARG001
    return Line(coalition["alpha"], plainly(passer()))


@pytest.fixture
def charlie(coalition: dict[str, Keyring], formats: None) -> Line:  # noqa: ARG001
    return Line(coalition["charlie"], plainly(third()))


async def carried(alpha: Line, bravo: Keyring, *messages: Message, mode: Mode = Mode.SIGNED) -> list[FakeFrame]:
    """Bravo seals messages for alpha's cell, and alpha's gateway does what it does with them."""
    sealed = bravo.seal("bravo/ops", ("alpha/cell",), [pack(each) for each in messages], NOW, mode)
    await alpha.carry(posted(sealed), by="coalition")
    return to_charlie(alpha)


async def test_the_third_partner_hears_it_as_its_originators_word(
    alpha: Line, charlie: Line, coalition: dict[str, Keyring]
) -> None:
    frames = await carried(alpha, coalition["bravo"], said(0), said(1))
    await charlie.carry(frames, by="coalition")

    assert [(event, reason, to) for event, reason, to in alpha.audit.said() if to == "charlie/map"] == [MAPPED] * 2
    assert charlie.audit.said() == [("delivered", None, "charlie/map")] * 2
    assert {(each.source, each.through, each.agreement) for each in records(charlie)} == {
        ("bravo/ops", "alpha", "alpha-tells-charlie")
    }
    assert {each.through for each in records(alpha) if each.destination == "charlie/map"} == {"alpha"}
    got = [from_json(each.data) for each in charlie.national.sent]
    assert [(each.id, each.origin) for each in got] == [(said(n).id, "bravo/ops") for n in range(2)]
    assert [frame.answer for frame in frames] == ["ack"] * len(frames)


async def test_nobody_on_the_way_reads_it(alpha: Line, coalition: dict[str, Keyring]) -> None:
    frames = await carried(alpha, coalition["bravo"], replace(a_chat(1), origin="bravo/ops", label=OPEN))

    assert frames
    assert not any(word in frame.data for frame in frames for word in (b"Road is clear", b"bravo/ops"))


@pytest.mark.parametrize("direct_first", [True, False])
async def test_the_direct_copy_and_the_one_passed_on_are_one(
    alpha: Line, charlie: Line, coalition: dict[str, Keyring], *, direct_first: bool
) -> None:
    frames = await carried(alpha, coalition["bravo"], said())
    own = posted(sealed_by(coalition["bravo"], "bravo/ops", [said()], "charlie/map"), to="charlie")
    await charlie.carry(*([own, frames] if direct_first else [frames, own]), by="coalition")

    delivered, other = sorted(charlie.audit.said(), key=lambda each: each[0])
    # charlie has no agreement with bravo itself: what comes directly is withheld, and so has not been heard yet
    assert delivered == ("delivered", None, "charlie/map")
    assert other == (("withheld", "no-agreement", None) if direct_first else ("refused", "duplicate", None))
    assert len(charlie.national.sent) == 1


async def test_what_is_passed_on_twice_is_heard_once(alpha: Line, charlie: Line, coalition: dict[str, Keyring]) -> None:
    frames = await carried(alpha, coalition["bravo"], said())
    record = proof_of(coalition, said())
    again = posted(sealed_by(coalition["alpha"], "alpha/cell", [record, record], "charlie/map"), "alpha", "charlie")
    await charlie.carry(frames, again, by="coalition")

    assert sorted(event for event, _, _ in charlie.audit.said()) == ["delivered", "refused", "refused"]
    assert len(charlie.national.sent) == 1


def proof_of(coalition: dict[str, Keyring], *messages: Message, place: int = 0) -> bytes:
    """The record by which alpha's cell can pass on what bravo sealed for it."""
    sealed: Sealed = sealed_by(coalition["bravo"], "bravo/ops", messages, "alpha/cell")
    for note in sealed.announcements:
        if note.partner == "alpha":
            coalition["alpha"].accept(note.data, NOW)
    opened = coalition["alpha"].unseal(sealed.envelope, NOW)
    assert opened is not None
    return disclose(opened, place)


def spoilt(record: bytes) -> bytes:
    return record[:-1] + bytes((record[-1] ^ 1,))


async def test_a_forged_word_is_refused_and_costs_no_other_its_way(
    charlie: Line, coalition: dict[str, Keyring]
) -> None:
    good, bad = proof_of(coalition, said(0)), spoilt(proof_of(coalition, said(1)))
    frames = posted(sealed_by(coalition["alpha"], "alpha/cell", [bad, good], "charlie/map"), "alpha", "charlie")
    await charlie.carry(frames, by="coalition")

    assert charlie.audit.said() == [("refused", "bad-signature", None), ("delivered", None, "charlie/map")]
    assert [outcome.record.source for outcome in charlie.audit.outcomes] == ["alpha/cell", "bravo/ops"]


async def test_a_word_without_proof_is_refused(charlie: Line, coalition: dict[str, Keyring]) -> None:
    sealed = sealed_by(coalition["alpha"], "alpha/cell", [said()], "charlie/map")
    await charlie.carry(posted(sealed, "alpha", "charlie"), by="coalition")

    assert charlie.audit.said() == [("refused", "origin-mismatch", "charlie/map")]
    assert charlie.national.sent == []


async def test_a_proof_in_a_proof_goes_no_further(charlie: Line, coalition: dict[str, Keyring]) -> None:
    inner = proof_of(coalition, said())
    sealed = sealed_by(coalition["bravo"], "bravo/ops", [inner], "alpha/cell")
    opened = coalition["alpha"].unseal(sealed.envelope, NOW)
    assert opened is not None
    nested = disclose(opened, 0)
    frames = posted(sealed_by(coalition["alpha"], "alpha/cell", [nested], "charlie/map"), "alpha", "charlie")
    await charlie.carry(frames, by="coalition")

    assert charlie.audit.said() == [("refused", "bad-message", None)]


async def test_our_own_word_does_not_come_back_through_others(alpha: Line, coalition: dict[str, Keyring]) -> None:
    sealed = sealed_by(coalition["alpha"], "alpha/patrols", [a_track(0)], "bravo/ops")
    for note in sealed.announcements:
        if note.partner == "bravo":
            coalition["bravo"].accept(note.data, NOW)
    opened = coalition["bravo"].unseal(sealed.envelope, NOW)
    assert opened is not None
    back = sealed_by(coalition["bravo"], "bravo/ops", [disclose(opened, 0)], "alpha/cell")
    await alpha.carry(posted(back), by="coalition")

    assert alpha.audit.said() == [("refused", "origin-mismatch", None)]


NAMED = replace(OPEN, categories=(Category(type=CategoryType.PERMISSIVE, tag="Releasable To", values=("alpha",)),))


@pytest.mark.parametrize(
    ("message", "mode", "reason"),
    [
        (said(label=replace(OPEN, classification="RESTRICTED")), Mode.SIGNED, "above-ceiling"),
        (said(label=NAMED), Mode.SIGNED, "not-releasable-to"),
        (said(extras=(Extra(format="sedap", name="x"),)), Mode.SIGNED, "proof-lost"),
        (said(original=Original(format="sedap", data=b"CONTACT;")), Mode.SIGNED, "proof-lost"),
        (said(), Mode.PAIRWISE, "proof-lost"),
    ],
)
async def test_what_may_not_go_on_stays(
    alpha: Line, coalition: dict[str, Keyring], message: Message, mode: Mode, reason: str
) -> None:
    assert await carried(alpha, coalition["bravo"], message, mode=mode) == []
    assert ("withheld", reason, "charlie/map") in alpha.audit.said()
    assert ("delivered", None, "alpha/cell") in alpha.audit.said()


async def test_without_its_originators_leave_nothing_is_passed_on(
    coalition: dict[str, Keyring],
    formats: None,  # noqa: ARG001
) -> None:
    given = passer()
    unasked = replace(given, agreements=(replace(given.agreements[0], onward=()), *given.agreements[1:]))
    alpha = Line(coalition["alpha"], plainly(unasked))

    assert await carried(alpha, coalition["bravo"], said()) == []
    assert ("withheld", "re-export-denied", "charlie/map") in alpha.audit.said()


def elsewhere(config: Config) -> Config:
    """Charlie's table without the route by which it is told."""
    return replace(config, routes=())


async def test_who_did_not_ask_for_it_withholds_it(coalition: dict[str, Keyring], formats: None, alpha: Line) -> None:  # noqa: ARG001
    charlie = Line(coalition["charlie"], plainly(elsewhere(third())))
    await charlie.carry(await carried(alpha, coalition["bravo"], said()), by="coalition")

    assert charlie.audit.said() == [("withheld", "re-export-denied", None)]
    assert charlie.national.sent == []
