"""The traps between formats, ranked by damage: one report, what each format must make of it, worked out by hand.

Speed 10 m/s is 36 km/h; 1800 m above sea level are 5905.511811 feet and no height above the ellipsoid.
"""

from __future__ import annotations

import pytest

import adapters
from adapters import DecodeError
from protocols.message import Message

SHIP = "OWNUNIT;5E;0191C643A8AF;66A3;R;;;45.25;19.875;1800;10;359.5;;;;HERON;SFGPUC---------"
FIRE = (
    '<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>A</identifier><sender>b</sender>'
    "<sent>2024-09-06T07:36:48-00:00</sent><status>Exercise</status><msgType>Alert</msgType><scope>Private</scope><info>"
    "<category>Fire</category><event>Fire</event><urgency>Past</urgency><severity>Minor</severity>"
    "<certainty>Observed</certainty><area><areaDesc>x</areaDesc>"
    "<polygon>45.2,19.8 45.3,19.8 45.3,19.9 45.2,19.8</polygon>"
    "<circle>45.25,19.85 1.5</circle></area></info></alert>"
)


def read(name: str, text: str) -> Message:
    (message,) = adapters.load(name).decode(text.encode())
    return message


def write(name: str, message: Message) -> str:
    return adapters.load(name).encode(message).data.decode("latin-1")


@pytest.mark.parametrize(
    ("trap", "name", "expected"),
    [
        ("speed in m/s", "cot", 'speed="10.0"'),
        ("speed in km/h", "nffi", "<speed>36.0</speed>"),
        ("speed in m/s", "geojson", '"speed":10.0'),
        ("speed in m/s", "sedap", ";10;359.5;"),
        ("sea level is not the ellipsoid", "cot", 'hae="9999999.0"'),
        ("sea level", "nffi", "<altitude>1800.0</altitude>"),
        ("sea level is no third coordinate", "geojson", '"coordinates":[19.875,45.25]'),
        ("sea level", "sedap", ";45.25;19.875;1800;"),
        ("milliseconds", "sedap", ";0191C643A8AF;"),
        ("milliseconds", "cot", 'time="2024-09-06T07:36:48.559Z"'),
        ("whole seconds", "nffi", "<dateTime>20240906073648</dateTime>"),
        ("one namespaced subject", "cot", 'uid="sedap:66A3:HERON"'),
        ("one namespaced subject", "geojson", '"id":"sedap:66A3:HERON"'),
        ("symbols", "cot", 'type="a-f-G-U-C"'),
    ],
)
def test_a_track(trap: str, name: str, expected: str) -> None:
    assert expected in write(name, read("sedap", SHIP)), trap


@pytest.mark.parametrize(
    ("trap", "name", "expected"),
    [
        ("longitude first", "geojson", "[[[19.8,45.2],[19.9,45.3],[19.8,45.3],[19.8,45.2]]]"),
        ("kilometres are metres", "geojson", '"circles":[[19.85,45.25,1500.0]]'),
        ("kilometres", "cap", "<circle>45.25,19.85 1.5</circle>"),
        ("never Z", "cap", "<sent>2024-09-06T07:36:48-00:00</sent>"),
        ("an exercise stays one", "cap", "<status>Exercise</status>"),
        ("an exercise stays one", "geojson", '"mode":"exercise"'),
        ("who may see it stays", "cap", "<scope>Private</scope>"),
        ("a relayed id", "sedap", ";COMITY;"),
        ("no comma in an id, but in a subject", "sedap", ";cap:b,A"),
    ],
)
def test_an_alert(trap: str, name: str, expected: str) -> None:
    assert expected in write(name, read("cap", FIRE)), trap


@pytest.mark.parametrize(
    ("trap", "name", "text"),
    [
        ("latitude and longitude exchanged", "sedap", SHIP.replace("45.25;19.875", "119.875;45.25")),
        ("sentinel 91", "sedap", SHIP.replace("45.25", "91")),
        ("sentinel 181", "sedap", SHIP.replace("19.875", "181")),
        ("sentinel 511", "sedap", SHIP.replace("359.5", "511")),
        ("sentinel 9999999", "sedap", SHIP.replace("45.25", "9999999")),
        ("not a number", "sedap", SHIP.replace("1800", "NaN")),
        ("1e-7 degrees", "sedap", SHIP.replace("45.25;19.875", "452500000;198750000")),
        ("centidegrees", "sedap", SHIP.replace("359.5", "35950")),
        ("a clock that was never set", "sedap", SHIP.replace("0191C643A8AF", "00000001")),
        ("a comma in an id", "cap", FIRE.replace(">A<", ">A,1<")),
        ("no zone", "cap", FIRE.replace("-00:00", "")),
        ("an entity", "cap", FIRE.replace("Fire<", "&x;<")),
    ],
)
def test_what_cannot_be_is_refused(trap: str, name: str, text: str) -> None:
    adapter = adapters.load(name)

    with pytest.raises(DecodeError) as refusal:
        adapter.decode(text.encode())

    assert len(str(refusal.value)) < 60, trap
