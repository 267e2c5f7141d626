"""The info block of a CAP alert (CAP 1.2, 3.2.2) for an alert, a medical evacuation request or a report."""

from __future__ import annotations

import re
from enum import StrEnum

from adapters import EncodeError
from adapters.cap.area import write_places
from adapters.cap.draft import Draft
from adapters.cap.names import CATEGORIES, KIND, NO_INFO, NO_ONSET, TIME, native
from protocols import form
from protocols.body import Alert, Identity, Medevac, Report
from protocols.message import Derived, LossReason
from protocols.moment import is_whole, write_iso

_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*")
_POSITION = tuple(f"position.{name}" for name in ("latitude", "longitude", "altitude_m", "altitude_datum"))


def write_info(draft: Draft, body: Alert | Medevac | Report) -> str:
    """The one info block of a document; none where the alert was read without one and says nothing more."""
    if _had_none(draft, body):
        draft.carried.add("event")
        return ""
    block = _alert(draft, body) if isinstance(body, Alert) else _filled(draft, body)
    return f"<info>{block}</info>"


def _had_none(draft: Draft, body: Alert | Medevac | Report) -> bool:
    without = any(each.field == "event" and each.rule == NO_INFO for each in draft.message.derived)
    return without and isinstance(body, Alert) and body == Alert(event=body.event, cancelled=body.cancelled)


def _alert(draft: Draft, body: Alert) -> str:
    draft.carried.update(("event", "area", *_POSITION, "position.coarsened_to_m"))
    event = body.event.strip()
    if not event:
        raise EncodeError("CAP needs the name of an event")
    if event != body.event:
        draft.lose("event", LossReason.CHARSET, approximated=True)
    if body.area is not None and any(radius == 0 for _, _, radius in body.area.circles):
        draft.lose("area.circles", LossReason.STRUCTURE, approximated=True)
    parts = [
        _language(draft, body.language),
        _categories(draft, body.categories),
        draft.words("event", event, "event"),
        draft.kept("responseType"),
        _coded(draft, "urgency", body.urgency),
        _coded(draft, "severity", body.severity),
        _coded(draft, "certainty", body.certainty),
        draft.kept("audience", "eventCode"),
        _times(draft),
        draft.words("senderName", body.raised_by.callsign, "raised_by.callsign"),
        draft.words("headline", body.headline, "headline"),
        draft.words("description", body.description, "description"),
        draft.words("instruction", body.instruction, "instruction"),
        draft.kept("web"),
        draft.words("contact", body.raised_by.phone, "raised_by.phone"),
        draft.kept("parameter"),
        _parameters(draft, None),
        draft.kept("resource"),
        write_places(body.position, body.area, draft.losses),
    ]
    return "".join(parts)


def _filled(draft: Draft, body: Medevac | Report) -> str:
    """A request or a report: its words as a filled form, its place also as an area for maps."""
    draft.carried.update(type(body).__struct_fields__)
    draft.lose("body", LossReason.STRUCTURE, approximated=True)
    medevac = isinstance(body, Medevac)
    area = body.area if isinstance(body, Report) else None
    parts = [
        _language(draft, body.language if isinstance(body, Report) else None),
        "".join(f"<category>{word}</category>" for word in (("Rescue", "Health") if medevac else ("Safety",))),
        draft.words("event", body.event if isinstance(body, Report) else "Medical evacuation request"),
        *(_coded(draft, name, None) for name in ("urgency", "severity", "certainty")),
        _times(draft),
        draft.words("senderName", _person(body).callsign),
        draft.words("description", form.write(body), "body"),
        _parameters(draft, "medevac" if medevac else "report"),
        write_places(body.position, area, []),
    ]
    return "".join(parts)


def _person(body: Medevac | Report) -> Identity:
    return body.requested_by if isinstance(body, Medevac) else body.reported_by


def _language(draft: Draft, language: str | None) -> str:
    draft.carried.add("language")
    if language is not None and not _LANGUAGE.fullmatch(language):
        draft.lose("language", LossReason.NO_CODE)
        return ""
    return draft.words("language", language)


def _categories(draft: Draft, categories: tuple[str, ...]) -> str:
    """One at least is mandatory."""
    draft.carried.add("categories")
    known = [word for word in categories if word in CATEGORIES]
    if len(known) != len(categories):
        draft.lose("categories", LossReason.NO_CODE, approximated=bool(known))
    if not known:
        draft.derived.append(Derived(field="categories", source="event", rule="mandatory-is-other"))
    return "".join(f"<category>{word}</category>" for word in known or ["Other"])


def _coded(draft: Draft, name: str, word: StrEnum | None) -> str:
    """Urgency, severity and certainty are mandatory; not said is Unknown."""
    draft.carried.add(name)
    if word is None:
        draft.derived.append(Derived(field=name, source=name, rule="mandatory-is-unknown"))
    return f"<{name}>{'Unknown' if word is None else word.value.title()}</{name}>"


def _times(draft: Draft) -> str:
    times = draft.message.times
    effective = any(each.field == "times.valid_from" and each.rule == NO_ONSET for each in draft.message.derived)
    start = draft.time("effective" if effective else "onset", times.valid_from, "times.valid_from")
    return start + draft.time("expires", times.valid_until, "times.valid_until")


def _parameters(draft: Draft, kind: str | None) -> str:
    """What only a gateway reads back: the kind, and a time of observation that the alert's own does not say."""
    written = [(KIND, kind)] if kind is not None else []
    times = draft.message.times
    observed = times.observed
    if observed is None or times.created is None:
        known = "created" if observed is None else "observed"
        missing = "observed" if observed is None else "created"
        draft.derived.append(Derived(field=f"times.{missing}", source=f"times.{known}", rule="the-only-time-known"))
    if observed is not None and observed != draft.sent.replace(microsecond=0):
        if native(draft.message.subject) is None:
            written.append((TIME, write_iso(observed)))
        else:
            draft.lose("times.observed", LossReason.PRECISION, approximated=True)
    if not is_whole(draft.sent) and (native(draft.message.subject) is not None or observed != draft.sent):
        draft.lose("times.created", LossReason.PRECISION, approximated=True)
    return "".join(
        f"<parameter><valueName>{name}</valueName><value>{value}</value></parameter>" for name, value in written
    )
