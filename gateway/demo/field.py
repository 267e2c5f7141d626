"""What the field units of the demonstration publish, in their own formats. Pure: a moment in, bytes out.

Written as the units' own systems write it, not by our adapters, so that the demonstration decodes foreign input.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from math import atan2, cos, degrees, hypot, radians
from typing import NamedTuple

METRES_PER_DEGREE = 111_320.0


class Publication(NamedTuple):
    """One thing a field unit says: at which partner's broker, on which topic."""

    partner: str
    topic: str
    data: bytes


class Fix(NamedTuple):
    """Where a patrol is, and how it moves."""

    latitude: float
    longitude: float
    course_deg: float
    speed_mps: float


class Patrol(NamedTuple):
    """A unit that goes round a closed way at a steady speed."""

    name: str
    speed_mps: float
    way: tuple[tuple[float, float], ...]

    def at(self, seconds: float) -> Fix:
        """Where it is so many seconds after it set out."""
        legs = list(zip(self.way, (*self.way[1:], self.way[0]), strict=True))
        lengths = [_metres(*start, *end) for start, end in legs]
        left = self.speed_mps * seconds % sum(lengths)
        for (start, end), length in zip(legs, lengths, strict=True):
            if left <= length:
                share = left / length
                north, east = end[0] - start[0], (end[1] - start[1]) * cos(radians(start[0]))
                return Fix(
                    start[0] + (end[0] - start[0]) * share,
                    start[1] + (end[1] - start[1]) * share,
                    degrees(atan2(east, north)) % 360,
                    self.speed_mps,
                )
            left -= length
        return Fix(*self.way[0], 0.0, self.speed_mps)


_HILLS = ((47.062, 8.282), (47.071, 8.301), (47.066, 8.329), (47.053, 8.318), (47.051, 8.291))
_LAKE = ((47.031, 8.332), (47.022, 8.351), (47.010, 8.340), (47.015, 8.317))
_ROAD = ((47.085, 8.235), (47.079, 8.262), (47.090, 8.288), (47.101, 8.270), (47.098, 8.243))
_PASS = ((46.998, 8.262), (47.006, 8.281), (46.996, 8.299), (46.985, 8.288))

ALPHA = (
    Patrol("HAWK-1", 1.4, _HILLS),
    Patrol("HAWK-2", 8.3, _ROAD),
    Patrol("HAWK-3", 1.2, _PASS),
    Patrol("HERON", 4.6, _LAKE),
)
BRAVO_SEDAP = (Patrol("OTTER 1", 5.1, _LAKE[::-1]), Patrol("LYNX 2", 9.7, _ROAD[::-1]))
BRAVO_NFFI = (Patrol("BADGER-7", 6.9, _PASS[::-1]),)


def positions(now: datetime, elapsed_s: float) -> Iterator[Publication]:
    """One position of every patrol."""
    for patrol in ALPHA:
        yield Publication("alpha", f"tak/alpha/{patrol.name.lower()}", _cot_track(patrol, now, elapsed_s))
    for number, patrol in enumerate(BRAVO_SEDAP):
        line = _sedap_own_unit(patrol, number, now, elapsed_s)
        yield Publication("bravo", f"sedap/bravo/{number + 1}", line)
    for patrol in BRAVO_NFFI:
        yield Publication("bravo", "nffi/bravo/ops", _nffi_track(patrol, now, elapsed_s))


def incidents(now: datetime, elapsed_s: float, step: int) -> Iterator[Publication]:
    """What else happens, by step (one a second): the story of the demonstration, told again every 20 steps."""
    moment = _Moment(now, elapsed_s, str(step // _STEPS))
    for place, (partner, topic), data in _STORY:
        if place == step % _STEPS:
            yield Publication(partner, topic, data(moment))


def _metres(north_1: float, east_1: float, north_2: float, east_2: float) -> float:
    return hypot(north_2 - north_1, (east_2 - east_1) * cos(radians(north_1))) * METRES_PER_DEGREE


def _z(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _cot_event(head: dict[str, str], point: str, detail: str, moment: datetime, stale_s: int = 120) -> bytes:
    names = "".join(f' {name}="{value}"' for name, value in head.items())
    times = f'time="{_z(moment)}" start="{_z(moment)}" stale="{_z(moment + timedelta(seconds=stale_s))}"'
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><event version="2.0"{names} {times}>'
        f"{point}<detail>{detail}</detail></event>"
    ).encode()


def _point(fix: Fix) -> str:
    return f'<point lat="{fix.latitude:.6f}" lon="{fix.longitude:.6f}" hae="512.0" ce="6.5" le="9999999"/>'


def _cot_track(patrol: Patrol, now: datetime, elapsed_s: float, access: str | None = "UNCLASSIFIED") -> bytes:
    fix = patrol.at(elapsed_s)
    detail = (
        f'<contact callsign="{patrol.name}" endpoint="*:-1:stcp"/><__group name="Cyan" role="Team Member"/>'
        f'<status battery="81"/><track course="{fix.course_deg:.1f}" speed="{fix.speed_mps:.1f}"/>'
    )
    head = {"uid": f"ANDROID-{patrol.name}", "type": "a-f-G-U-C", "how": "m-g"}
    return _cot_event(head | ({"access": access} if access else {}), _point(fix), detail, now)


def _cot_chat(sender: str, text: str, now: datetime) -> bytes:
    uid = f"ANDROID-{sender}"
    detail = (
        f'<__chat senderCallsign="{sender}" chatroom="All Chat Rooms" id="All Chat Rooms" parent="RootContactGroup" '
        f'groupOwner="false"><chatgrp uid0="{uid}" uid1="All Chat Rooms" id="All Chat Rooms"/></__chat>'
        f'<link uid="{uid}" relation="p-p" type="a-f-G-U-C"/>'
        f'<remarks source="BAO.F.ATAK.{uid}" time="{_z(now)}">{text}</remarks>'
    )
    head = {
        "uid": f"GeoChat.{uid}.All Chat Rooms.{now:%H%M%S%f}",
        "type": "b-t-f",
        "how": "h-g-i-g-o",
        "access": "UNCLASSIFIED",
    }
    return _cot_event(head, _point(Fix(47.0662, 8.3291, 0, 0)), detail, now)


def _cot_medevac(serial: str, now: datetime) -> bytes:
    detail = (
        '<contact callsign="HAWK-3"/><_medevac_ title="MEDEVAC.HAWK-3" casevac="false" freq="38.9" urgent="1" '
        'priority="1" routine="0" hoist="true" litter="1" ambulatory="1" security="1" hlz_marking="2" '
        'us_military="0" us_civilian="0" nonus_military="1" nonus_civilian="1" epw="0" child="0" '
        'terrain_slope="true" terrain_slope_dir="NE" medline_remarks="Vehicle accident, two injured"/>'
    )
    head = {"uid": f"medevac-{serial}", "type": "b-r-f-h-c", "how": "h-e", "access": "UNCLASSIFIED"}
    return _cot_event(head, _point(Fix(47.0021, 8.2862, 0, 0)), detail, now, 3600)


def _cot_emergency(now: datetime, *, cancel: bool) -> bytes:
    uid = "ANDROID-HAWK-1"
    what = (
        '<emergency cancel="true">HAWK-1</emergency>'
        if cancel
        else '<emergency type="911 Alert">HAWK-1</emergency><contact callsign="HAWK-1-Alert"/>'
    )
    head = {
        "uid": f"{uid}-9-1-1",
        "type": "b-a-o-can" if cancel else "b-a-o-tbl",
        "how": "m-g",
        "access": "UNCLASSIFIED",
    }
    detail = f'<link uid="{uid}" relation="p-p" type="a-f-G-U-C"/>{what}'
    return _cot_event(head, _point(Fix(47.0655, 8.3033, 0, 0)), detail, now)


def _sedap_head(name: str, number: int, sender: str, now: datetime) -> str:
    return f"{name};{number % 128:02X};{int(now.timestamp() * 1000):012X};{sender};U;;"


def _sedap_own_unit(patrol: Patrol, number: int, now: datetime, elapsed_s: float) -> bytes:
    fix = patrol.at(elapsed_s)
    head = _sedap_head("OWNUNIT", number, patrol.name, now)
    return (
        f"{head};{fix.latitude:.6f};{fix.longitude:.6f};437;{fix.speed_mps:.1f};{fix.course_deg:.1f};;;;"
        f"{patrol.name};SFGPUCV--------\n"
    ).encode("iso-8859-1")


def _sedap_text(sender: str, text: str, now: datetime) -> bytes:
    return f'{_sedap_head("TEXT", now.second, sender, now)};;4;NONE;"{text}"\n'.encode("iso-8859-1")


def _nffi_track(patrol: Patrol, now: datetime, elapsed_s: float) -> bytes:
    fix = patrol.at(elapsed_s)
    return (
        '<?xml version="1.0" encoding="UTF-8"?><NFFIMessage xmlns="urn:nato:fft:protocols:nffi13"><track>'
        '<positionalData secPolicyName="MISSION" secClassification="RESTRICTED"><trackSource><sourceSystem>'
        f"<country>BRV</country><system>BRAVO-C2</system></sourceSystem><transponderId>{patrol.name}</transponderId>"
        f"</trackSource><dateTime>{now:%Y%m%d%H%M%S}</dateTime><coordinates><latitude>{fix.latitude:.6f}</latitude>"
        f"<longitude>{fix.longitude:.6f}</longitude><altitude>702</altitude></coordinates>"
        f"<bearing>{fix.course_deg:.1f}</bearing><speed>{fix.speed_mps * 3.6:.1f}</speed></positionalData>"
        f"<identificationData><unitSymbol>SFGPUCI--------</unitSymbol><unitShortName>{patrol.name}</unitShortName>"
        "</identificationData></track></NFFIMessage>"
    ).encode()


def _cap_alert(serial: str, now: datetime, kind: str) -> bytes:
    first = f"flood-{serial}"
    sent = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S-00:00")
    identifier = first if kind == "Alert" else f"{first}-cancel"
    references = "" if kind == "Alert" else f"<references>desk@charlie.example,{first},{sent}</references>"
    return (
        '<?xml version="1.0" encoding="UTF-8"?><alert xmlns="urn:oasis:names:tc:emergency:cap:1.2">'
        f"<identifier>{identifier}</identifier><sender>desk@charlie.example</sender><sent>{sent}</sent>"
        f"<status>Actual</status><msgType>{kind}</msgType><scope>Public</scope>{references}<info>"
        "<language>en-GB</language><category>Met</category><event>Flood</event><urgency>Expected</urgency>"
        "<severity>Severe</severity><certainty>Likely</certainty><headline>River rising at the lower bridge</headline>"
        "<description>Water is expected to reach the road within two hours.</description>"
        "<area><areaDesc>Lower bridge</areaDesc><circle>47.0301,8.3311 2.5</circle></area></info></alert>"
    ).encode()


class _Moment(NamedTuple):
    """When something happens, and the number of the round it belongs to."""

    now: datetime
    elapsed_s: float
    serial: str


def _marked(patrol: Patrol, moment: _Moment, access: str | None) -> bytes:
    """One more position, a moment after the regular one, with another marking."""
    return _cot_track(patrol, moment.now + timedelta(milliseconds=5), moment.elapsed_s, access)


_HAWK_1, _HAWK_2, _HAWK_3 = (("alpha", f"tak/alpha/hawk-{number}") for number in (1, 2, 3))
_OTTER, _LYNX, _DESK = ("bravo", "sedap/bravo/1"), ("bravo", "sedap/bravo/2"), ("charlie", "cap/charlie/desk")
_STEPS = 20
_STORY: tuple[tuple[int, tuple[str, str], Callable[[_Moment], bytes]], ...] = (
    (1, _HAWK_1, lambda at: _cot_chat("HAWK-1", "Road is clear to the bridge.", at.now)),
    (2, _OTTER, lambda at: _sedap_text("OTTER 1", "Copied. Moving to the ferry.", at.now)),
    (3, _HAWK_3, lambda at: _cot_medevac(at.serial, at.now)),
    (4, _DESK, lambda at: _cap_alert(at.serial, at.now, "Alert")),
    (5, _HAWK_2, lambda _: b"<event version='2.0' uid='HAWK-2' type='a-f-G'><point"),  # cut short by the radio
    (6, _HAWK_2, lambda at: _cot_track(ALPHA[1], at.now, at.elapsed_s)),  # said twice: the same report again
    (7, _HAWK_1, lambda at: _cot_emergency(at.now, cancel=False)),
    (8, _HAWK_1, lambda at: _marked(ALPHA[0], at, None)),  # no marking at all
    (9, _HAWK_3, lambda at: _marked(ALPHA[2], at, "CONFIDENTIAL")),  # above what the relief organisation may see
    (10, _HAWK_1, lambda at: _cot_emergency(at.now, cancel=True)),
    (12, _DESK, lambda at: _cap_alert(at.serial, at.now, "Cancel")),
    (13, _LYNX, lambda _: b"OWNUNIT;07;0;LYNX 2;R;;;947.1;8.3;0\n"),  # a latitude that cannot be
)
