"""What the tests of CAP share: a document, a message read, and what writing it lost."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec
from lxml import etree

from adapters import cap
from protocols.body import (
    Alert,
    Medevac,
    Report,
)
from protocols.message import Message, Mode, Source, Times, message_id

STANDARD = Path(__file__).parents[2].parent / "shared" / "standards" / "cap"


AT = datetime(2026, 3, 15, 14, 22, 10, tzinfo=UTC)


COT = Source(format="cot", version="2.0")


AREA = (
    "<area><areaDesc>Valley</areaDesc>"
    "<polygon>34.5,69.1 34.6,69.1 34.6,69.2 34.5,69.1</polygon><circle>34.55,69.15 2.5</circle>"
    "<geocode><valueName>UGC</valueName><value>NVC013</value></geocode></area>"
)


INFO = (
    "<info><language>en-GB</language><category>Met</category><category>Safety</category><event>Flood</event>"
    "<urgency>Immediate</urgency><severity>Severe</severity><certainty>Likely</certainty>"
    "<onset>2026-03-15T16:00:00+01:00</onset><expires>2026-03-15T20:00:00+02:00</expires>"
    "<senderName>Civil Protection</senderName><headline>Flood</headline><description>Rising.</description>"
    f"<instruction>Go up.</instruction><contact>+1 555</contact>{AREA}</info>"
)


def document(
    info: str = INFO,
    *,
    kind: str = "Alert",
    status: str = "Actual",
    scope: str = "<scope>Public</scope>",
    more: str = "",
    sent: str = "2026-03-15T15:22:10+01:00",
    identifier: str = "A-1",
    sender: str = "cp@example.org",
    version: str = "1.2",
) -> bytes:
    return (
        f'<alert xmlns="urn:oasis:names:tc:emergency:cap:{version}"><identifier>{identifier}</identifier>'
        f"<sender>{sender}</sender><sent>{sent}</sent><status>{status}</status><msgType>{kind}</msgType>"
        f"{scope}{more}{info}</alert>"
    ).encode()


def read(data: bytes) -> Message:
    (message,) = cap.decode(data)
    return message


def again(message: Message) -> Message:
    return read(cap.encode(message).data)


def texts(message: Message, name: str) -> list[str | None]:
    root = etree.fromstring(cap.encode(message).data)
    return [element.text for element in root.iter("{urn:oasis:names:tc:emergency:cap:1.2}" + name)]


def lost(message: Message) -> set[tuple[str, str]]:
    return {(loss.field, loss.reason.value) for loss in cap.encode(message).loss}


def alert(body: Alert | Medevac | Report, subject: str = "ANDROID-3f2a", **more: object) -> Message:
    times = Times(observed=AT, created=AT)
    plain = Message(
        id=message_id(type(body).__struct_config__.tag, subject, AT),  # type: ignore[arg-type]
        subject=subject,
        body=body,
        source=COT,
        times=times,
        mode=Mode.OPERATION,
    )
    return msgspec.structs.replace(plain, **more)
