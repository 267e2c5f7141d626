"""The origin's unit is told, in its own format, what a partner's gateway says became of its message."""

from __future__ import annotations

from msgspec.structs import replace

from gateway.config import Route
from gateway.keyring.ring import Keyring
from protocols.body import Receipt, ReceiptState
from protocols.custody import Control, Fate, Told, pack_control
from protocols.message import from_json
from tests.fakes import NOW, FakeFrame
from tests.gateway.line import Line, plain, say
from tests.gateway.test_relay import a_position

CELL = "alpha/cell"


def asking(line: Line) -> Line:
    """The table of the tests, whose reports ask for receipts, with a way back for them."""
    config = plain()
    back = Route(sources=("bravo/ops",), to=("alpha/patrols",), kinds=("receipt",), agreement="alpha-bravo")
    agreements = tuple(
        replace(each, kinds=(*each.kinds, "receipt")) if each.id == "alpha-bravo" else each
        for each in config.agreements
    )
    units = tuple(
        replace(unit, deliver="tak/to-patrols") if unit.id == "alpha/patrols" else unit for unit in config.units
    )
    routes = (*(replace(route, receipts=True) for route in config.routes), back)
    return Line(line.keyring, replace(config, agreements=agreements, units=units, routes=routes))


async def said(line: Line, bravo: Keyring, *told: Told, by: str = "bravo/ops", to: str = "alpha/patrols") -> None:
    """Bravo's gateway brings word."""
    record = pack_control(Control(told=told))
    sealed = bravo.seal(by, (to,), (record,), NOW)
    topic = "comity/1/alpha/bravo/"
    keys = [FakeFrame(f"{topic}k/{note.eid.hex()}", note.data) for note in sealed.announcements]
    await line.carry([*keys, FakeFrame(f"{topic}c", sealed.envelope)], by="coalition")


async def test_the_origin_gets_a_receipt_in_its_own_words(
    line: Line, coalition: dict[str, Keyring], formats: None
) -> None:
    del formats
    asks, report = asking(line), a_position(0, "HAWK")
    await asks.carry([say(report)])
    await said(
        asks,
        coalition["bravo"],
        Told(report.id, "alpha/patrols", "bravo/ops", Fate.REFUSED, "above-ceiling"),
    )

    (parcel,) = asks.national.sent
    receipt = from_json(parcel.data)
    assert (parcel.topic, receipt.origin) == ("tak/to-patrols", "bravo/ops")
    assert receipt.body == Receipt(of="HAWK", state=ReceiptState.REFUSED, reason="above-ceiling")
    assert ("receipt", "above-ceiling", "bravo/ops") in asks.audit.said()


async def test_word_of_somebody_elses_messages_or_units_is_no_receipt(
    line: Line, coalition: dict[str, Keyring], formats: None
) -> None:
    del formats
    asks, report = asking(line), a_position(0, "HAWK")
    await asks.carry([say(report)])
    await said(
        asks,
        coalition["bravo"],
        Told(report.id, "alpha/patrols", "charlie/map", Fate.DELIVERED),  # not bravo's to say
        Told(report.id, "charlie/map", "bravo/ops", Fate.DELIVERED),  # not of ours
        Told("0" * 32, "alpha/patrols", "bravo/ops", Fate.DELIVERED),  # nobody asked
    )

    assert asks.national.sent == []
    assert [each for each in asks.audit.said() if each[0] == "receipt"] == [("receipt", "delivered", "bravo/ops")]


async def test_without_being_asked_for_there_is_a_record_and_no_receipt(
    line: Line, coalition: dict[str, Keyring]
) -> None:
    report = a_position(0)
    await line.carry([say(report)])
    await said(line, coalition["bravo"], Told(report.id, "alpha/patrols", "bravo/ops", Fate.DELIVERED))

    assert line.national.sent == []
    assert ("receipt", "delivered", "bravo/ops") in line.audit.said()
