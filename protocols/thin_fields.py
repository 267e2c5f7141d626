"""A Message without its names of fields: what is absent costs a bit, what a receiver can compute costs nothing. Pure.

What stands in a Message, struct by struct, is frozen in ``thin_dictionary``: a field that a later model adds has no
place here, so a message that uses it travels whole (``UnusualError``) and every other one stays readable for everybody.
Left out are an id that follows from kind, subject and time, and an origin that is the unit which seals.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

from protocols.message import message_id
from protocols.thin_streams import BrokenError, Reader, UnusualError, Writer

Tree: TypeAlias = Any  # what MessagePack says: maps, lists, texts, numbers, bytes, times
Spec: TypeAlias = str | tuple[Any, ...]  # what stands in a place, as ``thin_dictionary`` writes it
Struct: TypeAlias = tuple[tuple[str, bool, Spec], ...]  # a struct's fields: name, whether it is always there, what

_POSITIONS = frozenset({"track", "contact"})  # one unit's own track is another's contact: one family of ids
_ID, _ORIGIN = 1, 2  # what was left out


class Form(NamedTuple):
    """How what stands in one place is written and read."""

    write: Callable[[Writer, Tree], None]
    read: Callable[[Reader], Tree]


class Fields:
    """The form that a table of structs means."""

    def __init__(self, structs: Mapping[str, Struct]) -> None:
        self._structs = structs
        self._message = self._form(("struct", "Message"))

    def spread(self, message: Tree, sender: str) -> Writer:
        """The streams of a message as MessagePack says it. Raise UnusualError."""
        if not isinstance(message, dict):
            raise UnusualError
        left = dict(message)
        out, left_out = Writer(), 0
        if left.get("id") == _computed_id(left):
            del left["id"]
            left_out |= _ID
        if left.get("origin") == sender:
            del left["origin"]
            left_out |= _ORIGIN
        out.small(left_out)
        self._message.write(out, left)
        return out

    def gather(self, streams: Reader, sender: str) -> Tree:
        """The message of two streams. Raise BrokenError."""
        left_out = streams.small()
        message = self._message.read(streams)
        if not streams.ended:
            raise BrokenError
        if left_out & _ORIGIN:
            message["origin"] = sender
        return {"id": _computed_id(message), **message} if left_out & _ID else message

    def _form(self, spec: Spec) -> Form:
        """What a specification means."""
        match spec:
            case str():
                return _SIMPLE[spec]
            case ("choice", *values):
                return _choice(values)
            case ("many", of):
                return _many(self._form(of))
            case ("fixed", *parts):
                return _fixed([self._form(part) for part in parts])
            case ("struct", name):
                return self._struct(self._structs[name])
            case ("kinds", *kinds):
                return _kinds({tag: self._struct(self._structs[name]) for tag, name in kinds})
        raise ValueError(f"no such form: {spec}")

    def _struct(self, fields: Struct) -> Form:
        return _struct([(name, required, self._form(spec)) for name, required, spec in fields])


def _computed_id(message: Tree) -> str | None:
    """What ``message_id`` gives for a message without discriminators; None where something lacks."""
    match message:
        case {"subject": str(subject), "body": {"kind": str(kind)}}:
            times = message.get("times")
            observed = times.get("observed") if isinstance(times, dict) else None
            known = observed if isinstance(observed, datetime) else None
            return message_id("position" if kind in _POSITIONS else kind, subject, known)
    return None


def _choice(values: Sequence[str]) -> Form:
    places = {value: place for place, value in enumerate(values)}

    def write(out: Writer, value: Tree) -> None:
        place = places.get(value) if isinstance(value, str) else None
        if place is None:
            raise UnusualError
        out.small(place)

    def read(streams: Reader) -> Tree:
        place = streams.small()
        if place >= len(values):
            raise BrokenError
        return values[place]

    return Form(write, read)


def _many(of: Form) -> Form:
    def write(out: Writer, value: Tree) -> None:
        if not isinstance(value, list):
            raise UnusualError
        out.small(len(value))
        for each in value:
            of.write(out, each)

    def read(streams: Reader) -> Tree:
        return [of.read(streams) for _ in range(streams.small())]

    return Form(write, read)


def _fixed(parts: Sequence[Form]) -> Form:
    def write(out: Writer, value: Tree) -> None:
        if not isinstance(value, list) or len(value) != len(parts):
            raise UnusualError
        for part, each in zip(parts, value, strict=True):
            part.write(out, each)

    def read(streams: Reader) -> Tree:
        return [part.read(streams) for part in parts]

    return Form(write, read)


def _struct(forms: Sequence[tuple[str, bool, Form]]) -> Form:
    """A struct: which of the fields that may lack are there, a bit each, and then those that are."""
    optional = [name for name, required, _ in forms if not required]
    bits = {name: 0 if required else 1 << optional.index(name) for name, required, _ in forms}
    placed = [(name, bits[name], form) for name, _, form in forms]

    def write(out: Writer, value: Tree) -> None:
        if not isinstance(value, dict):
            raise UnusualError
        there = 0
        for name in value:
            bit = bits.get(name)
            if bit is None:
                raise UnusualError
            there |= bit
        out.small(there)
        for name, bit, form in placed:
            if name in value:
                form.write(out, value[name])
            elif not bit:
                raise UnusualError

    def read(streams: Reader) -> Tree:
        there = streams.small()
        return {name: form.read(streams) for name, bit, form in placed if not bit or there & bit}

    return Form(write, read)


def _kinds(structs: dict[str, Form]) -> Form:
    """One of several structs, named by its field ``kind``."""
    tags = list(structs)
    places = {tag: place for place, tag in enumerate(tags)}

    def write(out: Writer, value: Tree) -> None:
        tag = value.get("kind") if isinstance(value, dict) else None
        if not isinstance(tag, str) or tag not in places:
            raise UnusualError
        out.small(places[tag])
        structs[tag].write(out, {name: each for name, each in value.items() if name != "kind"})

    def read(streams: Reader) -> Tree:
        place = streams.small()
        if place >= len(tags):
            raise BrokenError
        return {"kind": tags[place], **structs[tags[place]].read(streams)}

    return Form(write, read)


def _write_flag(out: Writer, value: Tree) -> None:
    if not isinstance(value, bool):
        raise UnusualError
    out.small(value)


_SIMPLE = {
    "text": Form(Writer.text, Reader.text),
    "real": Form(Writer.real, Reader.real),
    "whole": Form(Writer.whole, Reader.whole),
    "time": Form(Writer.time, Reader.time),
    "raw": Form(Writer.raw, Reader.raw),
    "flag": Form(_write_flag, lambda streams: bool(streams.small())),
}
