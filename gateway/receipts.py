"""Receipts for units of ours: what partners' gateways say became of their messages, in their own format.

Which messages ask for it, a route says. Which subject a message had is remembered here, for as many as there is room.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from gateway.dispatch import Copy
from gateway.intake import Report, Said
from protocols.body import Receipt, ReceiptState
from protocols.custody import OURS, Fate, Told
from protocols.label import Label
from protocols.message import Authenticity, Message, Mode, Precedence, Source, Times, message_id
from protocols.unit import partner_of

REMEMBERED: Final = 10_000  # messages whose receipts are still to come
_STATES: Final = {
    Fate.DELIVERED: ReceiptState.DELIVERED,
    Fate.READ: ReceiptState.READ,
    Fate.REFUSED: ReceiptState.REFUSED,
    Fate.EXPIRED: ReceiptState.EXPIRED,
}


class _Asked(NamedTuple):
    """What a receipt needs of the message that it is about."""

    subject: str
    origin: str
    label: Label | None
    precedence: Precedence | None
    mode: Mode
    exercise: str | None


class Receipts:
    """Messages that went by a route with receipts."""

    def __init__(self) -> None:
        self._asked: OrderedDict[tuple[str, str], _Asked] = OrderedDict()

    def ask(self, message: Message, copy: Copy) -> None:
        """A copy goes by a route whose origin is told what becomes of it; ``message`` is as the origin said it."""
        if not copy.way.receipts:
            return
        key = (copy.message.id, copy.way.destination.id)
        self._asked[key] = _Asked(
            message.subject, message.origin or "", message.label, message.precedence, message.mode, message.exercise
        )
        if len(self._asked) > REMEMBERED:
            self._asked.popitem(last=False)

    def answers(self, said: Sequence[Said], now: datetime) -> Iterator[tuple[Report, str]]:
        """Receipts for what partners' gateways brought word of, each with the unit that it is for."""
        for each in said:
            for told in each.control.told:
                receipt = self._answer(told, now)
                if receipt is not None and partner_of(told.destination) == partner_of(each.sender):
                    yield receipt, told.origin

    def _answer(self, told: Told, now: datetime) -> Report | None:
        """The receipt for the origin, from the unit that its message was for; None when nobody asked."""
        asked = self._asked.get((told.message, told.destination))
        if asked is None or asked.origin != told.origin:
            return None
        state = _STATES[told.fate]
        subject = f"{OURS}:{message_id('receipt', told.message, None, told.destination, state)}"
        return Report(
            Message(
                id=message_id("receipt", subject, None),
                subject=subject,
                body=Receipt(of=asked.subject, state=state, reason=told.reason),
                source=Source(format=OURS),
                times=Times(observed=now, created=now, received=now),
                origin=told.destination,
                authenticity=Authenticity.VERIFIED,
                label=asked.label,
                precedence=asked.precedence,
                mode=asked.mode,
                exercise=asked.exercise,
            )
        )
