"""A medical evacuation request as the nine lines that medics read (ATP-3.7.2). What was not said says so. Pure."""

from __future__ import annotations

from gateway.console.facts import Fact, Section, Teller
from gateway.console.figures import number, place_to
from protocols.body import Medevac, Patient
from protocols.quantity import Value


def nine_lines(body: Medevac, tell: Teller) -> tuple[Section, ...]:
    """The nine lines, then each casualty."""
    if not body.structured:
        remarks = tell.fact("text", body.remarks)
        note = Fact(name=tell.words("fact", "remarks"), value=tell.words("value", "unstructured"))
        return tell.section("nine-line", tell.fact("title", body.title), remarks, note, style="text")
    lines = (_one(body), _two(body), _three(body, tell), ", ".join(body.equipment) or None, _five(body, tell))
    more = (_six(body, tell), _seven(body, tell), _counts(body.origins, tell), _nine(body, tell))
    unsaid = tell.words("value", "not-stated")
    facts = [tell.fact(f"line-{place}", text or unsaid) for place, text in enumerate((*lines, *more), start=1)]
    extra = (tell.fact("title", body.title), tell.fact("remarks", body.remarks))
    sections = tell.section("nine-line", *facts, *extra, style="lines")
    for casualty in body.casualties:
        sections += _casualty(casualty, tell)
    return sections


def _one(body: Medevac) -> str | None:
    return None if body.position is None else place_to(body.position)


def _two(body: Medevac) -> str | None:
    frequency = None if body.frequency_mhz is None else f"{body.frequency_mhz:g} MHz"
    return ", ".join(filter(None, (body.requested_by.callsign, frequency))) or None


def _three(body: Medevac, tell: Teller) -> str | None:
    return _counts(body.patients, tell) or body.precedence_word


def _five(body: Medevac, tell: Teller) -> str | None:
    counts = (("litter", body.litter), ("ambulatory", body.ambulatory))
    return ", ".join(f"{count} {tell.words('value', name)}" for name, count in counts if count is not None) or None


def _six(body: Medevac, tell: Teller) -> str | None:
    return None if body.security is None else f"{body.security} · {tell.words('value', body.security)}"


def _seven(body: Medevac, tell: Teller) -> str | None:
    marking = None if body.marking is None else tell.words("value", body.marking)
    return ", ".join(filter(None, (marking, body.marking_detail))) or None


def _nine(body: Medevac, tell: Teller) -> str | None:
    slope = body.terrain_slope_direction and f"{tell.words('value', 'slope')} {body.terrain_slope_direction}"
    return ", ".join(filter(None, (*body.terrain, slope, *body.cbrn, body.zone_remarks))) or None


def _counts(counts: Value, tell: Teller) -> str | None:
    given = ((name, getattr(counts, name)) for name in counts.__struct_fields__)
    return (
        ", ".join(f"{number(count)} {tell.words('value', name)}" for name, count in given if count is not None) or None
    )


def _casualty(casualty: Patient, tell: Teller) -> tuple[Section, ...]:
    names = ("title", "zap", "mechanism", "injuries", "signs", "treatment")
    return tell.section("casualty", *(tell.fact(name, getattr(casualty, name)) for name in names))
