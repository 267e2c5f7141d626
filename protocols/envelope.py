"""The byte forms of CSE1, the sealed envelope between liaison units: read and written here, with no key in sight.

Every length is checked before anything is parsed, every MessagePack item has a limit, and bytes whose re-encoding
would differ are refused: what is hashed and signed is always what was received. The only error is ``Reject``.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from itertools import pairwise
from typing import Final, NamedTuple

import msgpack
import msgspec

ENVELOPE_MAX: Final = 1 << 20  # bytes of one envelope
RECORD_MAX: Final = 262_144  # bytes of one message inside it
RECORDS_MAX: Final = 256  # messages in one envelope
AUDIENCE_MAX: Final = 64  # units one epoch is sealed for
ANNOUNCEMENT_MAX: Final = 131_072  # bytes; 64 hybrid slots and their box come to 86 kB
ENVELOPES_MAX: Final = 1 << 20  # envelopes in one epoch
UID_MAX: Final = 128  # characters of a unit's id, ``partner/unit``
POLICY_MAX: Final = 128  # characters of a policy id
LIFE_MAX_S: Final = 86_400  # seconds an epoch may live
SKEW_S: Final = 300  # seconds two honest clocks may differ

DATA: Final = 2
HEAD: Final = 3
ANNOUNCEMENT: Final = 1
TAG: Final = 16  # bytes of an AES-GCM tag
DIGEST: Final = 32
ED25519_SIGNATURE: Final = 64
MLDSA_SIGNATURE: Final = 3309

_HEADER_MIN, _HEADER_MAX = 15, 31
_UINTS = {0xCC: (2, 0x80), 0xCD: (3, 1 << 8), 0xCE: (5, 1 << 16), 0xCF: (9, 1 << 32)}  # first byte: size, smallest
_EXTENSIONS_MAX = 16
_BYTES = {bytes}


class Refusal(StrEnum):
    """Why the sealing layer refuses. Bounded, and the only text that leaves this layer."""

    TOO_LARGE = "too-large"
    MALFORMED = "malformed"
    UNKNOWN_EPOCH = "unknown-epoch"
    SUITE_MISMATCH = "suite-mismatch"
    REVOKED = "revoked"
    SEQ_OVER_LIMIT = "seq-over-limit"
    EXPIRED = "expired"
    REPLAY = "replay"
    GENERATION_TOO_OLD = "generation-too-old"
    GENERATION_TOO_FAR = "generation-too-far"
    BAD_TAG = "bad-tag"
    BAD_SIGNATURE = "bad-signature"
    MALFORMED_BODY = "malformed-body"
    UNKNOWN_TYPE = "unknown-type"
    NOT_FOR_ME = "not-for-me"
    BAD_BOX = "bad-box"
    CRITICAL_EXTENSION = "critical-extension"
    UNKNOWN_SIGNER = "unknown-signer"
    SUITE_BELOW_FLOOR = "suite-below-floor"
    SIGNER_MISMATCH = "signer-mismatch"
    EPOCH_TOMBSTONED = "epoch-tombstoned"
    PAIRWISE_AUDIENCE = "pairwise-audience"
    SLOT_AUDIENCE_MISMATCH = "slot-audience-mismatch"
    BAD_COMMITMENT = "bad-commitment"
    BAD_PATH = "bad-path"
    HEAD_MISMATCH = "head-mismatch"
    EPOCH_CLOSED = "epoch-closed"
    EPOCH_EXHAUSTED = "epoch-exhausted"


class Reject(Exception):  # noqa: N818 - a refusal is an outcome of this protocol, named as its specification does
    """Something is refused; ``code`` says why, and nothing else does."""

    @property
    def code(self) -> StrEnum:
        """The reason, of a bounded set."""
        code: StrEnum = self.args[0]
        return code


class Mode(IntEnum):
    """What vouches for an envelope, as the signed announcement says: never the envelope itself."""

    SIGNED = 0  # one Ed25519 signature inside each envelope
    PAIRWISE = 1  # the key alone, allowed for an audience of exactly one
    TICK = 2  # one signature over the envelopes of a slice of time


class Header(msgspec.Struct, frozen=True, gc=False):
    """The protected header of an envelope; ``raw`` is the associated data, as received."""

    raw: bytes
    suite: int
    type: int
    eid: bytes
    generation: int
    seq: int


class Announcement(NamedTuple):
    """A key announcement as the broker sees it. A slot of 32 bytes stands for another partner's, by its digest."""

    suite: int
    rnd: bytes
    slots: tuple[bytes, ...]
    nonce: bytes
    box: bytes


class Entry(NamedTuple):
    """One unit that an epoch is sealed for, and the id of the key it is sealed to."""

    uid: str
    kem_kid: bytes


class Terms(NamedTuple):
    """What a signed announcement says about its epoch. Times are Unix seconds."""

    suite: int
    rnd: bytes
    base: int
    sender: str
    sig_kid: bytes
    created: int
    not_after: int
    envelopes: int
    mode: Mode
    commitment: bytes
    audience: tuple[Entry, ...]
    policy: str | None


class Attested(NamedTuple):
    """What the box of an announcement holds."""

    terms: bytes
    ed25519: bytes
    mldsa: bytes


def pack_header(suite: int, kind: int, eid: bytes, generation: int, seq: int) -> bytes:
    """The protected header, 15 to 23 bytes within the limits of an epoch."""
    return bytes((0x95, suite, kind, 0xC4, 8)) + eid + _uint(generation) + _uint(seq)


def pack_envelope(header: bytes, ciphertext: bytes) -> bytes:
    """An envelope from its header and its ciphertext with tag. Raise Reject (too-large)."""
    size = len(ciphertext)
    if size < 0x100:
        prefix = bytes((0xC4, size))
    elif size < 0x10000:
        prefix = b"\xc5" + size.to_bytes(2, "big")
    else:
        prefix = b"\xc6" + size.to_bytes(4, "big")
    envelope = b"\x92\xc4" + bytes((len(header),)) + header + prefix + ciphertext
    if len(envelope) > ENVELOPE_MAX:
        raise Reject(Refusal.TOO_LARGE)
    return envelope


def is_envelope(data: bytes) -> bool:
    """Whether something looks like an envelope rather than a key request, which shares its mailbox and outer form."""
    return data[:2] == b"\x92\xc4" and data[3:4] == b"\x95"


def unpack_envelope(envelope: bytes) -> tuple[Header, bytes]:
    """The header and ciphertext of an envelope; the very first check of a stranger's bytes, so by hand and cheap."""
    size = len(envelope)
    if size > ENVELOPE_MAX:
        raise Reject(Refusal.TOO_LARGE)
    if size < 3 + _HEADER_MIN + 2 + TAG or not envelope.startswith(b"\x92\xc4"):
        raise Reject(Refusal.MALFORMED)
    end = 3 + envelope[2]
    return unpack_header(envelope[3:end]), _last_bin(envelope, end)


def unpack_header(raw: bytes) -> Header:
    """Read a protected header. Raise Reject (malformed, unknown-type)."""
    size = len(raw)
    if not _HEADER_MIN <= size <= _HEADER_MAX or raw[0] != 0x95 or raw[3:5] != b"\xc4\x08":
        raise Reject(Refusal.MALFORMED)
    generation, seq = raw[13], raw[14]
    if size > _HEADER_MIN or generation > 0x7F or seq > 0x7F:
        generation, at = _read_uint(raw, 13)
        seq, end = _read_uint(raw, at)
        if end != size:
            raise Reject(Refusal.MALFORMED)
    suite, kind = raw[1], raw[2]
    if suite > 0x7F or kind > 0x7F:
        raise Reject(Refusal.MALFORMED)
    if kind not in (DATA, HEAD):
        raise Reject(Refusal.UNKNOWN_TYPE)
    return Header(raw, suite, kind, raw[5:13], generation, seq)


def pack_body(t_ms: int, messages: list[bytes]) -> bytes:
    """The body of a data envelope. Raise Reject (too-large) beyond the limits, (malformed-body) when empty."""
    if not messages:
        raise Reject(Refusal.MALFORMED_BODY)
    if len(messages) > RECORDS_MAX or max(map(len, messages)) > RECORD_MAX:
        raise Reject(Refusal.TOO_LARGE)
    return pack((t_ms, messages))


def unpack_body(body: bytes) -> tuple[int, list[bytes]]:
    """The milliseconds since the epoch's creation and the messages. Raise Reject (malformed-body)."""
    fields = unpack_strict(body, Refusal.MALFORMED_BODY)
    if type(fields) is not list or len(fields) != 2:
        raise Reject(Refusal.MALFORMED_BODY)
    t_ms, messages = fields
    if type(t_ms) is not int or t_ms < 0 or type(messages) is not list or not messages:
        raise Reject(Refusal.MALFORMED_BODY)
    if set(map(type, messages)) != _BYTES or max(map(len, messages)) > RECORD_MAX:
        raise Reject(Refusal.MALFORMED_BODY)
    return t_ms, messages


def pack_announcement(announcement: Announcement) -> bytes:
    """An announcement as it is published."""
    suite, rnd, slots, nonce, box = announcement
    return pack((suite, ANNOUNCEMENT, rnd, slots, nonce, box))


def unpack_announcement(data: bytes, slot_sizes: dict[int, int]) -> Announcement:
    """Read an announcement. ``slot_sizes``: bytes of a whole slot, for each suite that is understood.

    Raise Reject: too-large, malformed, unknown-type, suite-mismatch for a suite that is not understood.
    """
    if len(data) > ANNOUNCEMENT_MAX:
        raise Reject(Refusal.TOO_LARGE)
    fields = unpack_strict(data, Refusal.MALFORMED)
    if type(fields) is not list or len(fields) != 6 or type(fields[0]) is not int or type(fields[1]) is not int:
        raise Reject(Refusal.MALFORMED)
    suite, kind, rnd, slots, nonce, box = fields
    if kind != ANNOUNCEMENT:
        raise Reject(Refusal.UNKNOWN_TYPE)
    if suite not in slot_sizes:
        raise Reject(Refusal.SUITE_MISMATCH)
    if not _is_bin(rnd, 16) or not _is_bin(nonce, 12) or type(box) is not bytes or type(slots) is not list:
        raise Reject(Refusal.MALFORMED)
    sizes = (DIGEST, slot_sizes[suite])
    if not 0 < len(slots) <= AUDIENCE_MAX or not all(type(s) is bytes and len(s) in sizes for s in slots):
        raise Reject(Refusal.MALFORMED)
    return Announcement(suite, rnd, tuple(slots), nonce, box)


def pack_attested(attested: Attested) -> bytes:
    """The plaintext of an announcement's box."""
    return pack(tuple(attested))


def unpack_attested(data: bytes) -> Attested:
    """Read the plaintext of an announcement's box. Raise Reject (malformed)."""
    fields = unpack_strict(data, Refusal.MALFORMED)
    if type(fields) is not list or len(fields) != 3 or not all(type(field) is bytes for field in fields):
        raise Reject(Refusal.MALFORMED)
    return Attested(*fields)


def pack_terms(terms: Terms) -> bytes:
    """The signed header of an announcement."""
    t = terms
    audience = [[entry.uid, entry.kem_kid] for entry in t.audience]
    times = (t.created, t.not_after, t.envelopes, int(t.mode))
    start = (t.suite, ANNOUNCEMENT, t.rnd, t.base, t.sender, t.sig_kid)
    return pack((*start, *times, t.commitment, audience, t.policy, {}))


def unpack_terms(data: bytes) -> Terms:
    """Read the signed header of an announcement. Raise Reject (malformed, critical-extension)."""
    fields = unpack_strict(data, Refusal.MALFORMED)
    if type(fields) is not list or len(fields) != 14 or type(fields[13]) is not dict:
        raise Reject(Refusal.MALFORMED)
    suite, kind, rnd, base, sender, sig_kid, created, not_after, envelopes, mode, *rest = fields
    commitment, audience, policy, ext = rest
    numbers = (suite, kind, base, created, not_after, envelopes, mode)
    if not all(type(n) is int and 0 <= n < 1 << 32 for n in numbers) or kind != ANNOUNCEMENT or mode not in _MODES:
        raise Reject(Refusal.MALFORMED)
    bins = ((rnd, 16), (sig_kid, 8), (commitment, DIGEST))
    if not all(_is_bin(value, size) for value, size in bins) or not 0 < envelopes <= ENVELOPES_MAX:
        raise Reject(Refusal.MALFORMED)
    if not _is_text(sender, UID_MAX) or not (policy is None or _is_text(policy, POLICY_MAX)):
        raise Reject(Refusal.MALFORMED)
    entries = _entries(audience)
    if ext:
        raise Reject(Refusal.CRITICAL_EXTENSION)
    limits = (created, not_after, envelopes, Mode(mode))
    return Terms(suite, rnd, base, sender, sig_kid, *limits, commitment, entries, policy)


_MODES = frozenset(Mode)


def _entries(audience: object) -> tuple[Entry, ...]:
    """The audience, sorted by uid and without repeats."""
    if type(audience) is not list or not 0 < len(audience) <= AUDIENCE_MAX:
        raise Reject(Refusal.MALFORMED)
    for entry in audience:
        if type(entry) is not list or len(entry) != 2 or not _is_text(entry[0], UID_MAX) or not _is_bin(entry[1], 8):
            raise Reject(Refusal.MALFORMED)
    uids = [entry[0] for entry in audience]
    if any(first >= second for first, second in pairwise(uids)):
        raise Reject(Refusal.MALFORMED)
    return tuple(Entry(*entry) for entry in audience)


def unpack_strict(data: bytes, code: StrEnum) -> object:
    """One MessagePack object in its only legal form: bounded, shortest encodings, no extension, no repeated key.

    msgpack's own limits default to the input's length (x72 in memory), so all of them are set here.
    """
    try:
        value: object = msgpack.unpackb(
            data,
            max_bin_len=ENVELOPE_MAX,
            max_str_len=UID_MAX * 4,
            max_array_len=RECORDS_MAX,
            max_map_len=_EXTENSIONS_MAX,
            max_ext_len=0,
            ext_hook=_no_extension,
        )
        exact = pack(value) == data  # also refuses a repeated map key
    except (ValueError, TypeError, OverflowError):
        raise Reject(code) from None
    if not exact:
        raise Reject(code)
    return value


def _no_extension(code: int, _: bytes) -> object:
    """An extension of no bytes is within its limit."""
    raise ValueError(f"extension {code}")


def pack(value: object) -> bytes:
    """One MessagePack object in its shortest form."""
    packed: bytes = msgpack.packb(value)
    return packed


def _uint(value: int) -> bytes:
    """A whole number in its shortest form."""
    if value < 0x80:
        return bytes((value,))
    if value < 0x100:
        return bytes((0xCC, value))
    if value < 0x10000:
        return b"\xcd" + value.to_bytes(2, "big")
    return b"\xce" + value.to_bytes(4, "big")


def _read_uint(data: bytes, at: int) -> tuple[int, int]:
    """A whole number in its shortest form and where it ends."""
    first = data[at] if at < len(data) else 0xFF
    if first < 0x80:
        return first, at + 1
    form = _UINTS.get(first)
    if form is None:
        raise Reject(Refusal.MALFORMED)
    width, smallest = form
    end = at + width
    value = int.from_bytes(data[at + 1 : end], "big")
    if end > len(data) or value < smallest:
        raise Reject(Refusal.MALFORMED)
    return value, end


def _last_bin(data: bytes, at: int) -> bytes:
    """The byte string that starts at ``at`` and ends with the data, in its shortest form."""
    first = data[at] if at < len(data) else 0
    if first == 0xC4:
        start, size, shortest = at + 2, int.from_bytes(data[at + 1 : at + 2], "big"), TAG
    elif first == 0xC5:
        start, size, shortest = at + 3, int.from_bytes(data[at + 1 : at + 3], "big"), 0x100
    elif first == 0xC6:
        start, size, shortest = at + 5, int.from_bytes(data[at + 1 : at + 5], "big"), 0x10000
    else:
        raise Reject(Refusal.MALFORMED)
    if size != len(data) - start or size < shortest:
        raise Reject(Refusal.MALFORMED)
    return data[start:]


def _is_bin(value: object, size: int) -> bool:
    return type(value) is bytes and len(value) == size


def _is_text(value: object, longest: int) -> bool:
    return type(value) is str and 0 < len(value) <= longest and value.isprintable()
