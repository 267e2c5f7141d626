"""What a message says, in words and with units: sections of facts for a page, and its gist in a line. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, cast

import msgspec

from gateway.console import figures
from gateway.console.facts import Fact, Section, Teller
from gateway.console.nine_line import nine_lines
from gateway.console.words import Words, plain
from protocols.body import Alert, Area, Body, Chat, Contact, Delete, Identity, Medevac, Receipt, Report, Status, Track
from protocols.message import Message
from protocols.quantity import Kinematics, Position, Symbol

GIST_MAX = 120  # characters of a message in one row
_RINGS_SHOWN = 8

_Sections: TypeAlias = tuple[Section, ...]


def meaning(message: Message, words: Words) -> _Sections:
    """Everything that a message says, the most important first."""
    tell = Teller(words)
    telling = _TELLINGS.get(type(message.body), _whatever)
    return telling(message.body, tell) + _message(message, tell) + _times(message, tell)


def gist(message: Message, words: Words) -> str:
    """What a message says, in a few words: who or what, then the point of it."""
    return plain(" · ".join(filter(None, _gist(message.body, words))), GIST_MAX)


def _gist(body: Body, words: Words) -> tuple[str | None, ...]:  # noqa: PLR0911 - one return for each kind
    match body:
        case Track() | Contact():
            # A hemisphere never stands alone at the beginning of a line.
            where = figures.place_to(body.position).replace("° ", "°\u00a0")
            return body.identity.callsign, where, figures.bearing(body.kinematics.course_deg, words)
        case Chat():
            return body.sender.callsign, body.text
        case Alert():
            state = words("value", "cancelled") if body.cancelled else None
            return state, body.raised_by.callsign, body.headline or body.event
        case Medevac():
            return body.requested_by.callsign, body.title, body.remarks
        case Report():
            return body.event, body.narrative
        case Delete():
            return (body.target,)
        case Receipt():
            return body.state, body.of
        case Status():
            return body.technical, body.operational, body.text
        case _:
            return ()


def _track(body: Body, tell: Teller) -> _Sections:
    track = cast("Track", body)
    state = (
        tell.fact("battery", track.battery_percent, " %"),
        tell.answer("ready", track.ready),
        tell.answer("distress", track.in_distress, strong=bool(track.in_distress)),
        tell.fact("remarks", track.remarks),
    )
    return _mover(track, tell) + tell.section("state", *state)


def _contact(body: Body, tell: Teller) -> _Sections:
    contact = cast("Contact", body)
    size = (contact.length_m, contact.width_m, contact.height_m)
    seen = (
        tell.several("sensors", contact.sensors),
        tell.fact("mmsi", contact.mmsi),
        tell.fact("icao", contact.icao),
        tell.fact("size", " x ".join(f"{figures.number(side)} m" for side in size if side is not None)),
        tell.fact("remarks", contact.remarks),
    )
    return _mover(contact, tell) + tell.section("state", *seen)


def _mover(body: Track | Contact, tell: Teller) -> _Sections:
    return (
        _identity(body.identity, tell)
        + _position(body.position, tell)
        + _movement(body.kinematics, tell)
        + _symbol(body.symbol, tell)
    )


def _chat(body: Body, tell: Teller) -> _Sections:
    chat = cast("Chat", body)
    room = chat.room or tell.words("value", "direct")
    about = (
        tell.fact("room", room),
        tell.several("to", chat.to),
        tell.fact("language", chat.language),
        tell.fact("thread", chat.thread),
    )
    text = tell.section("text", tell.fact("text", chat.text, strong=True), style="text")
    return text + _identity(chat.sender, tell) + tell.section("content", *about) + _position(chat.position, tell)


def _alert(body: Body, tell: Teller) -> _Sections:
    alert = cast("Alert", body)
    facts = (
        tell.fact("status", tell.words("value", "cancelled" if alert.cancelled else "active"), strong=True),
        tell.fact("event", alert.event, strong=True),
        tell.fact("severity", alert.severity),
        tell.fact("urgency", alert.urgency),
        tell.fact("certainty", alert.certainty),
        tell.several("categories", alert.categories),
        tell.fact("headline", alert.headline),
        tell.fact("description", alert.description),
        tell.fact("instruction", alert.instruction, strong=True),
        tell.fact("language", alert.language),
    )
    where = _position(alert.position, tell) + _area(alert.area, tell)
    return tell.section("alert", *facts) + where + _identity(alert.raised_by, tell)


def _medevac(body: Body, tell: Teller) -> _Sections:
    medevac = cast("Medevac", body)
    return nine_lines(medevac, tell) + _position(medevac.position, tell) + _identity(medevac.requested_by, tell)


def _report(body: Body, tell: Teller) -> _Sections:
    report = cast("Report", body)
    what = (
        tell.fact("event", report.event, strong=True),
        tell.fact("status", report.status),
        tell.fact("occurred", None if report.occurred is None else figures.moment(report.occurred)),
        tell.fact("narrative", report.narrative),
        tell.fact("language", report.language),
    )
    people = ("killed", "injured", "missing", "displaced", "evacuated")
    counts = tell.section("consequences", *(tell.fact(name, getattr(report, name)) for name in people))
    where = _position(report.position, tell) + _area(report.area, tell)
    return tell.section("report", *what) + counts + where + _identity(report.reported_by, tell)


def _status(body: Body, tell: Teller) -> _Sections:
    status = cast("Status", body)
    supplies = (("fuel", status.fuel), ("ammunition", status.ammunition))
    return tell.section(
        "state",
        tell.fact("technical", status.technical),
        tell.fact("operational", status.operational),
        tell.fact("battery", status.battery_percent, " %"),
        *(tell.several(name, (f"{what} {share:g} %" for what, share in kept)) for name, kept in supplies),
        tell.fact("text", status.text),
    )


def _receipt(body: Body, tell: Teller) -> _Sections:
    receipt = cast("Receipt", body)
    facts = (tell.fact("status", receipt.state), tell.fact("of", receipt.of), tell.fact("reason", receipt.reason))
    return tell.section("receipt", *facts)


def _delete(body: Body, tell: Teller) -> _Sections:
    delete = cast("Delete", body)
    facts = (tell.fact("target", delete.target, strong=True), tell.answer("hard", delete.hard))
    return tell.section("withdrawal", *facts)


def _whatever(body: Body, tell: Teller) -> _Sections:
    """Every plain field of a body that has no telling of its own, by its own name."""
    plain_fields = msgspec.structs.asdict(body).items()
    facts = (
        Fact(name=name.replace("_", " "), value=plain(f"{value}"))
        for name, value in plain_fields
        if isinstance(value, (str, int, float)) and value != ""
    )
    return tell.section("content", *facts)


def _position(position: Position | None, tell: Teller) -> _Sections:
    if position is None:
        return ()
    within = tell.words("value", "to-within")
    coarsened = position.coarsened_to_m
    errors = [f"± {figures.length(error)}" for error in (position.circular_error_m, position.linear_error_m) if error]
    return tell.section(
        "position",
        tell.fact("position", figures.place_to(position), strong=True),
        tell.fact("altitude", figures.altitude(position, tell.words)),
        tell.fact("error", ", ".join(errors)),
        tell.fact("fix", position.fix_source),
        tell.fact("coarsened", None if coarsened is None else f"{within} {figures.length(coarsened)}", strong=True),
    )


def _movement(movement: Kinematics, tell: Teller) -> _Sections:
    climb = movement.climb_mps
    return tell.section(
        "movement",
        tell.fact("course", figures.bearing(movement.course_deg, tell.words)),
        tell.fact("heading", figures.bearing(movement.heading_deg, tell.words)),
        tell.fact("speed", figures.speed(movement.speed_mps)),
        tell.fact("climb", None if climb is None else f"{climb:+.1f} m/s"),
    )


def _identity(identity: Identity, tell: Teller) -> _Sections:
    facts = [tell.fact("callsign", identity.callsign, strong=True)]
    rest = ("team", "role", "system", "device", "phone", "endpoint")
    return tell.section("identity", *facts, *(tell.fact(name, getattr(identity, name)) for name in rest))


def _symbol(symbol: Symbol | None, tell: Teller) -> _Sections:
    if symbol is None:
        return ()
    codes = (tell.fact(name, getattr(symbol, name)) for name in ("cot_type", "sidc15", "sidc20"))
    return tell.section("symbol", tell.word("affiliation", "affiliation", symbol.affiliation), *codes)


def _area(area: Area | None, tell: Teller) -> _Sections:
    if area is None:
        return ()
    rings = (
        tell.fact("polygon", ",  ".join(figures.place(*point) for point in ring[:_RINGS_SHOWN]))
        for ring in area.polygons[:_RINGS_SHOWN]
    )
    circles = (
        tell.fact("circle", f"{figures.place(latitude, longitude)}, {figures.length(radius_m)}")
        for latitude, longitude, radius_m in area.circles[:_RINGS_SHOWN]
    )
    codes = (tell.fact("geocode", f"{system} {code}") for system, code in area.geocodes[:_RINGS_SHOWN])
    return tell.section("area", tell.fact("area", area.description), *rings, *circles, *codes)


def _message(message: Message, tell: Teller) -> _Sections:
    source, quality = message.source, message.quality
    urgent = message.precedence is not None and message.precedence > 2
    precedence = None if message.precedence is None else str(int(message.precedence))
    read_from = " ".join(filter(None, (source.format, source.version, source.dialect)))
    rating = " ".join(filter(None, (quality.reliability, quality.credibility)))
    return tell.section(
        "message",
        tell.fact("subject", message.subject),
        tell.fact("origin", message.origin),
        tell.word("authenticity", "authenticity", message.authenticity),
        tell.word("precedence", "precedence", precedence, strong=urgent),
        tell.word("mode", "mode", message.mode),
        tell.fact("exercise", message.exercise),
        tell.fact("format", read_from),
        tell.fact("system", source.system),
        tell.fact("marking", source.label_hint),
        tell.several("addressees", message.addressees),
        tell.several("references", (f"{reference.relation} {reference.subject}" for reference in message.references)),
        tell.several("passed", (hop.system for hop in message.provenance)),
        tell.fact("how", quality.how),
        tell.fact("reliability", rating),
        tell.fact("id", message.id),
    )


def _times(message: Message, tell: Teller) -> _Sections:
    times, words = message.times, tell.words
    since = None if times.valid_from is None else f"{words('value', 'from')} {figures.moment(times.valid_from)}"
    until = None if times.valid_until is None else f"{words('value', 'until')} {figures.moment(times.valid_until)}"
    moments = (("observed", times.observed), ("created", times.created), ("received", times.received))
    return tell.section(
        "times",
        *(tell.fact(name, None if time is None else figures.moment(time)) for name, time in moments),
        tell.fact("valid", " ".join(filter(None, (since, until)))),
    )


_TELLINGS: dict[type, Callable[[Body, Teller], _Sections]] = {
    Track: _track,
    Contact: _contact,
    Chat: _chat,
    Alert: _alert,
    Medevac: _medevac,
    Report: _report,
    Status: _status,
    Receipt: _receipt,
    Delete: _delete,
}
