"""Reports of a device that is known are read exactly as if they were its first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.body import Track
from protocols.cot import report as known_reports
from protocols.cot.event import CotError, parse_event
from protocols.cot.read import read_message
from protocols.cot.report import DEVICES_MAX, read_xml
from protocols.message import Message, to_json
from tests.adapters.oracles import standards

FIXTURES = Path(__file__).parent.parent / "fixtures" / "cot"
REPORT = (FIXTURES / "track-atak.xml").read_bytes()
SAMPLES = [*standards("cot/samples/*.xml"), *sorted(FIXTURES.glob("*.xml"))]
SAID = {  # what the fixture says, each once
    "time": b"time='2026-05-04T09:10:11.120Z'",
    "stale": b"'2026-05-04T09:16:26.120Z'",
    "lat": b"'45.267135'",
    "hae": b"'121.4'",
    "le": b"'9999999.0'",
    "course": b"'271.5'",
    "speed": b"'8.5'",
    "tag": b"'2026-05-04T09:10:11Z'",
    "callsign": b"'HERON 21'/>\n    <uid",
    "battery": b"'87'",
}
TIMES = ["2026-05-05T00:00:00Z", "2026-13-05T00:00:00Z", "2026-05-05T24:00:00Z", "2026-05-05T00:00:00.123456Z"]
TIMES += ["2026-05-05T00:00:00.1234567Z", "2026-05-05T00:00:00+02:00", "2026-05-05t00:00:00z", "2026-05-05", "now", ""]
NUMBERS = ["1", "0", "-0.0", "-1", "-1.0", "90.000001", "180.5", "360", "360.0", "359.999999999", "999999", "1000000.5"]
NUMBERS += [
    "-0",
    "-00",
    "-0.00",
    "9999999.0",
    "NaN",
    "1e3",
    "1_0",
    "+1.5",
    ".5",
    "007",
    "123456789012",
    "1234567890123",
    "-12001.5",
    "",
    "x",
]
HOSTILE = [
    "' time='",
    "'/><!-- ",
    "&amp;",
    "&lt;",
    "&x;",
    "<",
    "\x00",
    "é",
    "'><a/></x><x y='",
    "]]>",
    '"',
    "lat='1.5'",
]
VALUES = st.sampled_from([*TIMES, *NUMBERS, *HOSTILE])


@pytest.fixture(autouse=True)
def _strangers() -> Iterator[None]:
    known_reports.forget()
    yield
    known_reports.forget()


def anew(data: bytes) -> Message | None:
    """What is read of an event by itself; None where it is refused."""
    try:
        return read_message(parse_event(data), "cot", data)
    except CotError:
        return None


def known(data: bytes) -> Message | None:
    try:
        return read_xml(data, "cot")
    except CotError:
        return None


def shown(message: Message | None) -> bytes:
    return b"refused" if message is None else to_json(message)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_every_sample_is_the_same_each_time_that_it_comes(path: Path) -> None:
    data = path.read_bytes()
    expected = shown(anew(data))

    assert [shown(known(data)) for _ in range(4)] == [expected] * 4


def test_a_report_of_a_known_device_is_read_by_what_is_new() -> None:
    for _ in range(2):
        known(REPORT)
    new = REPORT.replace(b"45.267135", b"-45.5").replace(b"09:10:11.120Z", b"10:11:12Z").replace(b"'8.5'", b"'0'")
    message = known_reports._report(new, "cot")

    assert message is not None
    assert isinstance(message.body, Track)
    assert message.body.position.latitude == -45.5
    assert message.body.kinematics.speed_mps == 0.0
    assert message.body.identity.callsign == "HERON 21"
    assert message == anew(new)


def changed(name: str, value: str) -> bytes:
    said = SAID[name]
    return REPORT.replace(said, said.partition(b"'")[0] + b"'" + value.encode() + b"'" + said.rpartition(b"'")[2])


@pytest.mark.parametrize("name", SAID)
def test_whatever_a_known_device_says_next_is_read_as_if_it_were_its_first(name: str) -> None:
    for _ in range(3):
        known(REPORT)
    for value in (*TIMES, *NUMBERS, *HOSTILE):
        data = changed(name, value)
        assert [shown(known(data)) for _ in range(3)] == [shown(anew(data))] * 3


@settings(deadline=None)
@given(st.sampled_from(sorted(SAID)), st.lists(VALUES, min_size=1, max_size=4).map("".join))
def test_so_is_whatever_else_it_says(name: str, value: str) -> None:
    for _ in range(3):
        known(REPORT)
    data = changed(name, value)
    assert [shown(known(data)) for _ in range(3)] == [shown(anew(data))] * 3


def test_a_known_device_that_leaves_out_a_quote_is_refused() -> None:
    for _ in range(3):
        known(REPORT)
    for torn in (b"'45.267135\"", b"\"45.267135'", b"45.267135", b"'45.267135"):
        assert known(REPORT.replace(b"'45.267135'", torn)) is None
    assert known(REPORT.replace(b"'45.267135'", b'"45.267135"')) == anew(REPORT)


@settings(deadline=None)
@given(
    st.sampled_from(
        ["<!-- %s -->", "<remarks>%s</remarks>", "<x %s/>", "<x><y %s/></x>", "<![CDATA[%s]]>", "<?p %s?>"]
    ),
    st.lists(st.sampled_from(["lat='1.5'", "speed='2'", "a='2026-05-05T00:00:00Z'", "hae='7.25'", " "]), max_size=2),
    st.sampled_from(["<detail>", "<point", "</event>", "<event"]),
)
def test_numbers_elsewhere_are_not_taken_for_those_of_the_report(form: str, said: list[str], before: str) -> None:
    piece = (form % " ".join(said)).encode()
    data = REPORT.replace(before.encode(), piece + before.encode(), 1)
    other = data.replace(b"lat='1.5'", b"lat='3.5'").replace(b"'7.25'", b"'8.25'").replace(b"speed='2'", b"speed='4'")
    for each in (data, data, data, other, other.replace(b"45.267135", b"1.5")):
        assert shown(known(each)) == shown(anew(each))


def test_strangers_do_not_fill_the_memory() -> None:
    for number in range(DEVICES_MAX + 10):
        known(REPORT.replace(b"ANDROID-7f31c2a09be41d55", b"S-%d" % number))

    assert known_reports.remembered() <= DEVICES_MAX
    assert known(REPORT) == anew(REPORT)
