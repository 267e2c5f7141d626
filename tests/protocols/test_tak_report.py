"""What is remembered of devices makes no report different: each is held against the reader of events."""

from __future__ import annotations

from itertools import product
from math import inf, nan

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocols.body import Track
from protocols.cot.event import CotError
from protocols.cot.read import read_message
from protocols.message import Message
from protocols.quantity import AltitudeDatum
from protocols.tak import MESH, event_of, read_frame
from protocols.tak_report import REMEMBERED_MAX, report_of
from protocols.wire import write_bytes, write_double, write_int, write_text

AT = 1_777_885_811_120  # 2026-05-04T09:10:11.120Z
FLOW = '<_flow-tags_ TAK-Server-1="2026-05-04T09:10:11Z" />'
USUAL = '<uid Droid="HERON 21"/>'
XML = [
    *("", USUAL, USUAL + FLOW, f"<archive/>{FLOW}<uid Droid='1'/>", FLOW, FLOW + FLOW, f"<x>{FLOW}</x>", f"]]{FLOW}>"),
    *(
        '<_flow-tags_ A="never"/>',
        '<_flow-tags_ A="1" A="2"/>',
        f"<!-- {FLOW} -->",
        f'<a b="{FLOW}"/>',
        "<_flow-tags_/>",
    ),
    *("<track course='9'/>" + FLOW, "<status battery='9' readiness='true'/>", "<remarks>text</remarks>" + FLOW, "<"),
    *(
        "<_flow-tags_ xmlns='2026-05-04T09:10:11Z'/>",
        "<_flow-tags_ B='2026-05-04T09:10:11Z' C=\"2026-05-04T09:10:12Z\"/>",
        "<link relation='p-p' uid='u-2' type='a-f-G'/>" + FLOW,
        "<contact callsign='XML'/>",
        "<emergency type='911 Alert'/>",
    ),
]
BOTH = write_double(1, 8.5) + write_double(2, 271.5)
TRACKS = [
    *(
        None,
        b"",
        BOTH,
        write_double(2, 271.5) + write_double(1, 8.5),
        write_double(1, 8.5),
        BOTH + write_double(1, 1.0),
    ),
    *(
        write_double(1, speed) + write_double(2, course)
        for speed, course in product((-1.0, 2e6, nan), (-1.0, 360.0, inf))
    ),
    *(write_double(1, 1.0) + write_double(2, course) for course in (359.9, 360.0, -0.0, nan)),
    *(write_double(1, speed) + write_double(2, 10.0) for speed in (999_999.5, 1e6, -1.0, nan)),
    *(b"\x09\xff", write_int(1, 5), write_double(2, 10.0) * 2, write_double(1, 10.0) * 2),
]
METRES = [0.0, 121.4, -22.5, 999_999.0, 1_000_000.5, 9_999_999.0, 35_786_000.0, nan, inf, -20_000.0]
TIMES = [0, 1, AT, AT + 375_000, 253_402_300_799_999, 253_402_300_800_000, 2**63, 2**64 - 1]
TYPES = ["a-f-G-U-C", "a-h-G", "a-u", "a-q-G", "a-f-G-U-C;x", "a-", "b-m-p-s-m", "t-k-d", "a b"]
TAKV = write_text(1, "SAMSUNG") + write_text(2, "ATAK-CIV") + write_text(3, "33") + write_text(4, "5.2")


def frame(  # what a report is made of
    *,
    kind: str = "a-f-G-U-C",
    texts: tuple[str, str, str] = ("m-g", "", ""),
    times: tuple[int, int, int] = (AT, AT, AT + 375_000),
    place: tuple[float, float] = (45.25, 19.875),
    metres: tuple[float, float, float] = (121.4, 4.9, 999_999.0),
    xml: str = USUAL + FLOW,
    messages: dict[int, bytes | None] | None = None,
) -> bytes:
    how, access, opex = texts
    doubles = enumerate((*place, *metres), start=10)
    given = {2: write_text(2, "HERON 21"), 6: TAKV, 7: BOTH} if messages is None else messages
    parts = [b"%c%c%b" % (n << 3 | 2, len(message), message) for n, message in given.items() if message is not None]
    event = (
        *(write_text(1, kind), write_text(2, access), write_text(4, opex), write_text(5, "u-1"), write_text(9, how)),
        *(write_int(number, time) for number, time in enumerate(times, start=6)),
        *(b"%c%b" % (number << 3 | 1, write_double(1, value)[1:] or bytes(8)) for number, value in doubles),
        write_bytes(15, b"".join((write_bytes(1, xml.encode()), *parts))),
    )
    return MESH + write_bytes(2, b"".join(event))


def both(data: bytes) -> tuple[Message | None, Message | None]:
    """What is said with what is remembered, and what the reader of events says; None where it refuses."""
    found = read_frame(data)
    assert found is not None
    report = report_of(*found, len(data))
    try:
        return report, read_message(event_of(*found), "tak", b"")
    except CotError:
        return report, None


PLACES = st.sampled_from([0.0, 45.25, -89.5, 90.5, 179.5, nan, inf])
CASES = st.fixed_dictionaries(
    {},
    optional={
        "kind": st.sampled_from(TYPES),
        "texts": st.tuples(
            st.sampled_from(["m-g", "", "h e"]), st.sampled_from(["", "XAA"]), st.sampled_from(["", "e-X", "q"])
        ),
        "times": st.tuples(*[st.sampled_from(TIMES)] * 3),
        "place": st.tuples(PLACES, PLACES),
        "metres": st.tuples(*[st.sampled_from(METRES)] * 3),
        "xml": st.sampled_from(XML),
        "messages": st.fixed_dictionaries(
            {
                2: st.sampled_from([None, b"", write_text(2, "A"), b"\x12\x01\xff"]),
                5: st.sampled_from([None, b"", write_int(1, 87), write_int(1, 101)]),
                6: st.sampled_from([None, b"", TAKV]),
                7: st.sampled_from(TRACKS),
            }
        ),
    },
)


@given(CASES)
@example({"xml": f"]]{FLOW}>"})
@example({"times": (AT, 1, 2**63)})
@example({"times": (AT, 0, AT)})
@example({"times": (AT, AT, 0)})
def test_a_report_says_what_the_event_says_the_first_time_and_again(case: dict[str, object]) -> None:
    data = frame(**case)  # type: ignore[arg-type]  # as the strategies make them
    for _ in range(2):
        report, expected = both(data)
        assert report is None or report == expected


@pytest.mark.parametrize("xml", XML)
@pytest.mark.parametrize("track", TRACKS)
def test_every_detail_with_every_movement(xml: str, track: bytes | None) -> None:
    report, expected = both(frame(xml=xml, messages={6: TAKV, 7: track}))

    assert report is None or report == expected


def test_what_is_said_every_time_is_read_every_time() -> None:
    first, _ = both(frame())
    second, expected = both(
        frame(
            times=(AT + 1000, AT + 900, AT + 2000),
            place=(-1.5, 2.5),
            metres=(999_999.0, 7.5, 8.5),
            xml=USUAL + FLOW.replace("09:10:11", "10:00:00"),
            messages={2: write_text(2, "HERON 21"), 6: TAKV, 7: b""},
        )
    )

    assert first is not None
    assert second is not None
    assert second == expected
    assert isinstance(second.body, Track)
    assert second.id != first.id
    assert second.body.identity is first.body.identity  # type: ignore[union-attr]  # both are tracks
    position, kinematics, times = second.body.position, second.body.kinematics, second.times
    assert (position.latitude, position.longitude, position.altitude_m) == (-1.5, 2.5, None)
    assert (position.circular_error_m, position.linear_error_m) == (7.5, 8.5)
    assert position.altitude_datum is AltitudeDatum.UNKNOWN
    assert (kinematics.course_deg, kinematics.speed_mps) == (0.0, 0.0)
    assert times.observed is not None
    assert times.observed.isoformat() == "2026-05-04T09:10:12.120000+00:00"
    assert times.valid_from is not None
    assert times.valid_from.isoformat() == "2026-05-04T09:10:12.020000+00:00"
    assert times.valid_until is not None
    assert times.valid_until.isoformat() == "2026-05-04T09:10:13.120000+00:00"
    assert [hop.at.isoformat() for hop in second.provenance if hop.at] == ["2026-05-04T10:00:00+00:00"]


def test_usual_reports_are_remembered_and_large_ones_are_not() -> None:
    assert both(frame())[0] is not None
    large, expected = both(frame(xml=f'<uid Droid="{"x" * REMEMBERED_MAX}"/>'))
    assert large is None
    assert expected is not None
