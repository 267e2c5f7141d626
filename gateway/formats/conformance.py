"""What every adapter must keep, as functions that say what it breaks: for the project's own tests and for strangers'.

A finding is one line for the adapter's author. No finding means that the rule holds for what was tried. Pure: the
inputs, the clock and the random seed are the caller's.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from math import isclose
from typing import get_args

import msgspec

from adapters import Adapter, DecodeError, Encoded, EncodeError, Fault
from gateway.formats.specimens import FULL, SPARSE, sparse, specimen
from protocols.body import Body
from protocols.message import Authenticity, Message
from protocols.symbols import to_cot

KINDS = frozenset(str(body.__struct_config__.tag) for body in get_args(Body))
TRIES = 300  # of random and of damaged input each
_NOT_COMPARED = frozenset({"id", "source", "loss", "derived", "version", "original", "authenticity", "origin"})
_GATEWAY_ONLY = ("times.received", "times.whole_seconds")


def check(adapter: Adapter, samples: Sequence[bytes] = (), bad: Sequence[bytes] = (), seed: int = 0) -> list[str]:
    """Everything at once: the contract, every specimen, the author's samples, hostile input. Each finding once."""
    findings = check_contract(adapter)
    if findings:
        return findings
    for body in (*FULL, *SPARSE):
        findings += [*check_encodes(adapter, specimen(body)), *check_encodes(adapter, sparse(body))]
    if adapter.READS:
        for data in (*noise(TRIES, seed), *(mutations(samples, TRIES, seed) if samples else ()), *samples):
            findings += check_survives(adapter, data)
        for data in samples:
            findings += check_home(adapter, data)
        for number, data in enumerate(bad):
            findings += [f"bad sample {number}: {finding}" for finding in check_refuses(adapter, data)]
    return list(dict.fromkeys(findings))


def check_home(adapter: Adapter, sample: bytes) -> list[str]:
    """Whether a real sample is read, and what it says comes home in the same format."""
    try:
        messages = adapter.decode(sample)
    except DecodeError as error:
        return [f"decode refuses a sample: {error}"]
    return [f for message in messages if message.kind in adapter.WRITES for f in check_encodes(adapter, message)]


def check_contract(adapter: Adapter) -> list[str]:
    """Whether the module is an adapter at all: its constants, its docstring, its kinds."""
    findings = [f"{name} is missing" for name in ("decode", "encode") if not callable(getattr(adapter, name, None))]
    for name in ("EDITION", "MEDIA_TYPE"):
        text = getattr(adapter, name, None)
        if not isinstance(text, str) or not text:
            findings.append(f"{name} must be a text")
    for name in ("READS", "WRITES"):
        kinds = getattr(adapter, name, None)
        if not isinstance(kinds, frozenset) or not kinds <= KINDS:
            findings.append(f"{name} must be a frozenset of kinds: {', '.join(sorted(KINDS))}")
    if not (getattr(adapter, "__doc__", None) or "").strip():
        findings.append("the module needs a docstring that names the specification and its edition")
    return findings


def check_decoded(adapter: Adapter, messages: Sequence[Message]) -> list[str]:
    """Whether what decode yields is an adapter's to say: never origin, label or the time of reception."""
    findings = []
    for message in messages:
        if message.kind not in adapter.READS:
            findings.append(f"decode yields {message.kind}, which READS does not name")
        if message.origin is not None or message.authenticity is not Authenticity.NONE:
            findings.append("decode sets origin or authenticity: only the gateway may")
        if message.label is not None:
            findings.append("decode sets a label: put the format's marking into source.label_hint")
        if message.times.received is not None:
            findings.append("decode sets times.received: an adapter has no clock")
        if message.original is not None:
            findings.append("decode sets original: the gateway decides what is kept")
    return findings


def check_refuses(adapter: Adapter, data: bytes) -> list[str]:
    """Whether an input that must be refused is refused, by DecodeError alone and with a bounded fault."""
    try:
        adapter.decode(data)
    except DecodeError as error:
        return [] if error.fault in frozenset(Fault) else ["DecodeError.fault must be a Fault"]
    except Exception as error:  # noqa: BLE001  # the rule under test is that nothing else escapes
        return [f"decode raises {type(error).__name__}, not DecodeError"]
    return ["decode accepts it"]


def check_survives(adapter: Adapter, data: bytes) -> list[str]:
    """Whether any input at all ends in Messages or DecodeError."""
    try:
        messages = adapter.decode(data)
    except DecodeError:
        return []
    except Exception as error:  # noqa: BLE001  # the rule under test is that nothing else escapes
        return [f"decode raises {type(error).__name__}, not DecodeError, on {data[:40]!r}..."]
    return check_decoded(adapter, messages)


def check_encodes(adapter: Adapter, message: Message) -> list[str]:  # noqa: PLR0911  # one return a rule
    """Whether a message is written and read back with no difference that is not declared, or refused by EncodeError."""
    try:
        encoded = adapter.encode(message)
    except EncodeError:
        return []
    except Exception as error:  # noqa: BLE001  # the rule under test is that nothing else escapes
        return [f"encode raises {type(error).__name__}, not EncodeError, for a {message.kind}"]
    if message.kind not in adapter.WRITES:
        return [f"encode writes {message.kind}, which WRITES does not name"]
    if not adapter.READS:
        return []
    try:
        again = adapter.decode(encoded.data)
    except DecodeError as error:
        return [f"decode refuses what encode wrote for a {message.kind}: {error}"]
    if len(again) != 1:
        return [f"one {message.kind} was written, {len(again)} messages were read back"]
    return [f"{message.kind}: undeclared difference in {path}" for path in undeclared(message, again[0], encoded)]


def undeclared(before: Message, after: Message, encoded: Encoded) -> list[str]:
    """The paths in which two messages differ without a loss or a derivation that says so."""
    declared = {loss.field for loss in encoded.loss} | {derived.field for derived in encoded.derived}
    return [path for path in differences(before, after) if not _covered(path, declared)]


def differences(before: Message, after: Message) -> list[str]:
    """The paths in which two messages differ in meaning.

    A symbol is compared by what it says, not by the coding that it is written in; an altitude with its datum.
    """
    if before.kind != after.kind:
        return ["kind"]
    return sorted(set(_different(_meaning(before), _meaning(after), "")))


def mutations(samples: Sequence[bytes], count: int, seed: int) -> Iterator[bytes]:
    """Damaged copies of samples: bits flipped, pieces cut, doubled, swapped between samples. The same for a seed."""
    chance = random.Random(seed)  # noqa: S311  # repeatable test inputs
    for _ in range(count):
        data = bytearray(chance.choice(samples))
        for _ in range(chance.randint(1, 4)):
            _damage(data, samples, chance)
        yield bytes(data)


def noise(count: int, seed: int) -> Iterator[bytes]:
    """Random bytes of random length. The same for a seed."""
    chance = random.Random(seed)  # noqa: S311  # repeatable test inputs
    for _ in range(count):
        yield chance.randbytes(chance.choice((0, 1, 2, 7, 40, 300, 4000)))


def _damage(data: bytearray, samples: Sequence[bytes], chance: random.Random) -> None:
    if not data:
        return
    start = chance.randrange(len(data))
    end = min(len(data), start + chance.randint(1, 24))
    match chance.randrange(5):
        case 0:
            data[start] ^= 1 << chance.randrange(8)
        case 1:
            del data[start:end]
        case 2:
            data[start:start] = data[start:end] * chance.randint(1, 20)
        case 3:
            other = chance.choice(samples)
            at = chance.randrange(len(other) or 1)
            data[start:end] = other[at : at + 24]
        case _:
            data[start:end] = chance.choice(
                (b"NaN", b"-1", b"1e400", b"\0", b"9" * 30, b"\xff\xfe", b"&x;", b"<a>", b"")
            )


def _meaning(message: Message) -> dict[str, object]:
    fields = msgspec.to_builtins(message)
    body = fields.pop("body")
    symbol = getattr(message.body, "symbol", None)
    if symbol is not None:
        body["symbol"] = to_cot(symbol).code
    position = body.get("position")
    if position is not None and "altitude_m" in position:
        position["altitude_m"] = (position["altitude_m"], position.pop("altitude_datum", None))
    return {name: value for name, value in chain(body.items(), fields.items()) if name not in _NOT_COMPARED}


def _different(before: object, after: object, path: str) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in before.keys() | after.keys():
            inner = f"{path}.{name}" if path else str(name)
            if inner not in _GATEWAY_ONLY:
                yield from _different(before.get(name), after.get(name), inner)
    elif isinstance(before, dict) or isinstance(after, dict):
        for name in before if isinstance(before, dict) else after:  # type: ignore[attr-defined]  # one of them is
            yield from _different(_of(before, name), _of(after, name), f"{path}.{name}")
    elif not _same(before, after):
        yield path


def _of(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, dict) else None


def _same(before: object, after: object) -> bool:
    if isinstance(before, float) and isinstance(after, float):
        return isclose(before, after, rel_tol=1e-12)  # a unit's conversion may differ in the last binary digit
    return before == after or (_empty(before) and _empty(after))


def _empty(value: object) -> bool:
    return value is None or value in ((), [], {}, "")  # an empty text says nothing either


def _covered(path: str, declared: Iterable[str]) -> bool:
    return any(path == field or path.startswith(field + ".") for field in declared)
