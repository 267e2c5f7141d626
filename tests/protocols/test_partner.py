from __future__ import annotations

import hashlib
import os
from collections.abc import Callable

import msgpack
import msgspec
import pytest
from msgspec.structs import replace

from protocols.envelope import Reject
from protocols.identity import CLASSIC, HYBRID, SealingKey, SealingPublic, SigningKey
from protocols.partner import (
    BUNDLE_LIFE_MAX_S,
    Bundle,
    Pin,
    Revocation,
    Revoked,
    Root,
    SealingEntry,
    SigningEntry,
    Unit,
    adopt,
    fingerprint,
    first_contact,
    read_bundle,
    read_partner,
    read_revocation,
    reload,
    sign_bundle,
    sign_revocation,
)
from protocols.statement import STATEMENT_MAX, BundleFault
from tests.protocols.cast import ALPHA, BRAVO, CHARLIE, DAY, NOW, keys, refuses, unit

OLD, NEW, THIRD = (SigningKey.new(os.urandom) for _ in range(3))


def root(key: SigningKey) -> Root:
    return Root(ed25519=key.public.ed25519, mldsa65=key.public.mldsa)


def bundle(**changes: object) -> Bundle:
    first = Bundle(
        format=1,
        partner="bravo",
        version=1,
        issued=NOW,
        expires=NOW + BUNDLE_LIFE_MAX_S,
        roots=(root(OLD),),
        threshold=1,
        units=(unit(keys(BRAVO)),),
        floor=(HYBRID, CLASSIC),
    )
    return replace(first, **changes)


def pinned(first: Bundle | None = None, roots: tuple[SigningKey, ...] = (OLD,)) -> tuple[bytes, Pin]:
    told = first or bundle()
    data = sign_bundle(told, roots)
    return data, first_contact(data, fingerprint(told.partner, told.roots), NOW)[1]


def following(pin: Pin, **changes: object) -> Bundle:
    return bundle(**{"version": pin.version + 1, "previous": pin.digest, **changes})


def test_a_fingerprint_is_forty_digits_in_eight_groups() -> None:
    key = root(OLD)
    digest = hashlib.sha256(b"bravo" + key.ed25519 + key.mldsa65).hexdigest()
    digits = f"{int(digest, 16) % 10**40:040d}"

    told = fingerprint("bravo", [key])

    assert told.split() == [digits[at : at + 5] for at in range(0, 40, 5)]
    assert fingerprint("charlie", [key]) != told
    assert fingerprint("bravo", [root(NEW)]) != told


def test_first_contact_pins_with_the_fingerprint_however_it_is_spaced() -> None:
    told = bundle()
    data = sign_bundle(told, [OLD])
    digits = fingerprint("bravo", told.roots)

    for text in (digits, digits.replace(" ", ""), digits.replace(" ", "\n ")):
        taken, pin = first_contact(data, text, NOW)
        assert taken == told
        assert (pin.partner, pin.version, pin.digest) == ("bravo", 1, hashlib.sha256(data).digest())


@pytest.mark.parametrize("text", ["", "0" * 40, "12345"])
def test_there_is_no_trust_on_first_use(text: str) -> None:
    with refuses(BundleFault.FINGERPRINT_MISMATCH):
        first_contact(sign_bundle(bundle(), [OLD]), text, NOW)


def test_a_bundle_is_four_byte_strings() -> None:
    data = sign_bundle(bundle(), [OLD])

    payload, ed25519, mldsa, kid = msgpack.unpackb(data)

    assert [len(part) for part in (ed25519, mldsa, kid)] == [64, 3309, 8]
    assert kid == hashlib.sha256(b"CSE1 sig" + OLD.public.ed25519 + OLD.public.mldsa).digest()[:8]
    assert msgpack.unpackb(payload)["partner"] == "bravo"
    assert read_bundle(data) == bundle()


def test_a_newer_bundle_is_adopted_and_the_same_again_changes_nothing() -> None:
    data, pin = pinned()
    newer = sign_bundle(following(pin), [OLD])

    taken, pin = adopt(newer, pin, NOW)

    assert taken.version == 2
    assert adopt(newer, pin, NOW)[1] == pin
    assert adopt(sign_bundle(bundle(version=9), [OLD]), pin, NOW)[0].version == 9  # versions were missed
    with refuses(BundleFault.ROLLED_BACK):
        adopt(data, pin, NOW)


def test_two_bundles_of_one_version_or_another_history_are_a_fork() -> None:
    _, pin = pinned()

    with refuses(BundleFault.FORKED):
        adopt(sign_bundle(bundle(), [OLD]), replace(pin, digest=bytes(32)), NOW)
    with refuses(BundleFault.FORKED):
        adopt(sign_bundle(following(pin, previous=b"x" * 32), [OLD]), pin, NOW)
    with refuses(BundleFault.FORKED):
        adopt(sign_bundle(following(pin, previous=b""), [OLD]), pin, NOW)


def test_a_change_of_roots_needs_the_old_and_the_new_root() -> None:
    _, pin = pinned()
    rotated = following(pin, roots=(root(NEW),))

    with refuses(BundleFault.WRONG_ROOT):
        adopt(sign_bundle(rotated, [NEW]), pin, NOW)
    with refuses(BundleFault.WRONG_ROOT):
        adopt(sign_bundle(rotated, [OLD]), pin, NOW)
    _, after = adopt(sign_bundle(rotated, [OLD, NEW]), pin, NOW)
    assert after.roots == (root(NEW),)
    with refuses(BundleFault.WRONG_ROOT):
        adopt(sign_bundle(following(after), [OLD]), after, NOW)
    assert adopt(sign_bundle(following(after, roots=(root(NEW),)), [NEW]), after, NOW)


def test_a_threshold_counts_different_roots() -> None:
    roots = (root(OLD), root(NEW), root(THIRD))
    _, pin = pinned(bundle(roots=roots, threshold=2), (OLD, THIRD))
    next_one = following(pin, roots=roots, threshold=2)

    assert adopt(sign_bundle(next_one, [NEW, OLD]), pin, NOW)
    for signers in ([OLD], [OLD, OLD]):
        with refuses(BundleFault.WRONG_ROOT):
            adopt(sign_bundle(next_one, signers), pin, NOW)
    lowered = following(pin, roots=roots, threshold=1)
    with refuses(BundleFault.WRONG_ROOT):
        adopt(sign_bundle(lowered, [OLD]), pin, NOW)
    assert adopt(sign_bundle(lowered, [OLD, NEW]), pin, NOW)[1].threshold == 1


def test_both_signatures_of_a_bundle_have_to_hold() -> None:
    data, pin = pinned()
    payload, ed25519, mldsa, kid = msgpack.unpackb(data)

    for forged in (
        (payload, bytes(64), mldsa, kid),
        (payload, ed25519, bytes(3309), kid),
        (payload + b"\0", ed25519, mldsa, kid),
    ):
        with pytest.raises(Reject):
            adopt(msgpack.packb(forged), pin, NOW)
    other = msgspec.msgpack.encode(bundle(issued=NOW + 1))
    with refuses(BundleFault.BAD_SIGNATURE):
        adopt(msgpack.packb((other, ed25519, mldsa, kid)), pin, NOW)


def test_a_revocation_is_no_bundle_and_its_signature_does_not_fit_one() -> None:
    revocation = Revocation(format=1, partner="bravo", uid=BRAVO, kids=(bytes(8),))
    data, pin = pinned()
    _, *proof = msgpack.unpackb(sign_revocation(revocation, [OLD]))
    payload = msgspec.msgpack.encode(revocation)
    bundle_payload, *bundle_proof = msgpack.unpackb(data)

    with refuses(BundleFault.MALFORMED):
        adopt(sign_revocation(revocation, [OLD]), pin, NOW)
    with refuses(BundleFault.BAD_SIGNATURE):
        read_revocation(msgpack.packb((payload, *bundle_proof)), pin)
    with refuses(BundleFault.BAD_SIGNATURE):
        adopt(msgpack.packb((bundle_payload, *proof)), pin, NOW)


def test_an_expired_bundle_is_refused_and_so_is_one_from_the_future() -> None:
    told = bundle()
    data, digits = sign_bundle(told, [OLD]), fingerprint("bravo", told.roots)

    assert first_contact(data, digits, NOW + BUNDLE_LIFE_MAX_S)
    assert first_contact(data, digits, NOW - 300)
    with refuses(BundleFault.EXPIRED):
        first_contact(data, digits, NOW + BUNDLE_LIFE_MAX_S + 1)
    with refuses(BundleFault.NOT_YET_VALID):
        first_contact(data, digits, NOW - 301)


def test_a_bundle_of_another_partner_is_refused() -> None:
    _, pin = pinned()
    other = bundle(partner="charlie", units=(unit(keys(CHARLIE)),))

    with refuses(BundleFault.WRONG_PARTNER):
        adopt(sign_bundle(other, [OLD]), pin, NOW)
    with refuses(BundleFault.WRONG_PARTNER):
        read_revocation(
            sign_revocation(Revocation(format=1, partner="charlie", uid=CHARLIE, kids=(bytes(8),)), [OLD]), pin
        )


def signing(ed25519: bytes) -> SigningEntry:
    return SigningEntry(ed25519=ed25519, mldsa65=os.urandom(1952), not_before=NOW, not_after=NOW + DAY)


def sealing(public: SealingPublic) -> SealingEntry:
    return SealingEntry(suite=public.suite, key=public.key, not_before=NOW, not_after=NOW + DAY)


@pytest.mark.parametrize("ed25519", [b"\1" + bytes(31), bytes(32), b"\xff" * 32])
def test_low_order_and_non_canonical_keys_are_refused_at_import(ed25519: bytes) -> None:
    weak = bundle(units=(replace(unit(keys(BRAVO)), signing=(signing(ed25519),)),))
    weak_root = Root(ed25519=ed25519, mldsa65=OLD.public.mldsa)

    with refuses(BundleFault.WEAK_KEY):
        first_contact(sign_bundle(weak, [OLD]), fingerprint("bravo", weak.roots), NOW)
    rooted = bundle(roots=(root(OLD), weak_root))
    with refuses(BundleFault.WEAK_KEY):
        first_contact(sign_bundle(rooted, [OLD]), fingerprint("bravo", rooted.roots), NOW)


def test_a_bundle_signed_by_a_weak_root_is_refused_before_its_signature_is_looked_at() -> None:
    weak = Root(ed25519=b"\1" + bytes(31), mldsa65=OLD.public.mldsa)
    told = bundle(roots=(weak,))
    payload, ed25519, mldsa, _ = msgpack.unpackb(sign_bundle(told, [OLD]))

    with refuses(BundleFault.WEAK_KEY):
        first_contact(msgpack.packb((payload, ed25519, mldsa, weak.public.kid)), fingerprint("bravo", told.roots), NOW)


@pytest.mark.parametrize(
    "public",
    [SealingPublic(CLASSIC, bytes(32)), SealingPublic(HYBRID, b"\xff" * 1216), SealingPublic(HYBRID, bytes(1216))],
)
def test_sealing_keys_that_cannot_be_sealed_to_are_refused_at_import(public: SealingPublic) -> None:
    weak = bundle(units=(replace(unit(keys(BRAVO)), sealing=(sealing(public),)),))

    with refuses(BundleFault.WEAK_KEY):
        first_contact(sign_bundle(weak, [OLD]), fingerprint("bravo", weak.roots), NOW)


def test_one_key_may_not_stand_in_a_bundle_twice() -> None:
    one = unit(keys(BRAVO))
    key = SealingKey.new(CLASSIC, os.urandom).public
    as_root = signing(OLD.public.ed25519)
    for units in (
        (one, replace(one, uid="bravo/other")),
        (replace(one, sealing=(sealing(key), sealing(key))),),
        (replace(one, signing=(replace(as_root, mldsa65=OLD.public.mldsa),)),),
    ):
        twice = bundle(units=units)
        with refuses(BundleFault.KEY_COLLISION):
            first_contact(sign_bundle(twice, [OLD]), fingerprint("bravo", twice.roots), NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"partner": "Bravo"},
        {"partner": "bravo/x"},
        {"partner": "Bravo", "units": ()},
        {"version": 0},
        {"issued": -1},
        {"expires": NOW},
        {"expires": NOW + BUNDLE_LIFE_MAX_S + 1},
        {"roots": ()},
        {"threshold": 0},
        {"threshold": 2},
        {"floor": ()},
        {"partner": "charlie"},  # its units are outside the name space
        {"units": (unit(keys(BRAVO)), unit(keys(BRAVO)))},
    ],
)
def test_a_bundle_that_cannot_be_is_not_built(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        bundle(**change)


@pytest.mark.parametrize(
    "build",
    [
        lambda: Root(ed25519=bytes(31), mldsa65=bytes(1952)),
        lambda: Root(ed25519=bytes(32), mldsa65=bytes(1951)),
        lambda: signing(bytes(33)),
        lambda: SigningEntry(ed25519=bytes(32), mldsa65=bytes(1952), not_before=5, not_after=5),
        lambda: SealingEntry(suite=HYBRID, key=bytes(32), not_before=0, not_after=1),
        lambda: SealingEntry(suite=3, key=bytes(32), not_before=0, not_after=1),
        lambda: SealingEntry(suite=CLASSIC, key=bytes(32), not_before=0, not_after=1 << 32),
        lambda: Unit(uid="bravo", signing=(), sealing=(), suites=()),
        lambda: Unit(uid="bravo/+", signing=(), sealing=(), suites=()),
        lambda: Revoked(kid=bytes(7), since=0),
        lambda: Revocation(format=2, partner="bravo", uid=BRAVO, kids=(bytes(8),)),
        lambda: Revocation(format=1, partner="bravo", uid="#", kids=(bytes(8),)),
        lambda: Revocation(format=1, partner="bravo", uid=ALPHA, kids=(bytes(8),)),
        lambda: Revocation(format=1, partner="bravo", uid=BRAVO, kids=()),
    ],
)
def test_parts_of_a_bundle_that_cannot_be_are_not_built(build: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        build()


def test_repeated_keys_and_longer_forms_in_a_bundle_are_refused() -> None:
    payload = msgspec.msgpack.encode(bundle())
    fields = len(msgpack.unpackb(payload))
    assert payload[0] == 0x80 + fields
    twice = bytes((0x80 + fields + 1,)) + payload[1:] + msgpack.packb("version") + b"\x01"
    longer = b"\xde\x00" + bytes((fields,)) + payload[1:]
    unknown = bytes((0x80 + fields + 1,)) + payload[1:] + msgpack.packb("extra") + b"\x01"
    _, pin = pinned()

    no_text = payload.replace(b"bravo/cell-1", b"bravo/cell-\xff")
    for changed in (twice, longer, unknown, no_text, b"\xc1", b"\x91" * 100_000, b""):
        signed = b"CSE1 bundle\0" + changed
        data = msgpack.packb((changed, OLD.sign(signed), OLD.sign_lasting(signed), OLD.kid))
        with refuses(BundleFault.MALFORMED):
            adopt(data, pin, NOW)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x90",
        msgpack.packb([b"", b"", b""]),
        msgpack.packb(["", b"", b"", b""]),
        msgpack.packb([b"", b"", b"", b""]),
        msgpack.packb([b"", bytes(64), bytes(3309), bytes(7)]),
        msgpack.packb([b"", bytes(63), bytes(3309), bytes(8)]),
        msgpack.packb([b"", bytes(64 * 17), bytes(3309 * 17), bytes(8 * 17)]),
    ],
)
def test_what_is_no_bundle_is_malformed(data: bytes) -> None:
    with refuses(BundleFault.MALFORMED):
        read_bundle(data)


def test_sixteen_roots_may_sign_and_no_more() -> None:
    assert read_bundle(sign_bundle(bundle(), [OLD] * 16)) == bundle()
    with refuses(BundleFault.MALFORMED):
        read_bundle(sign_bundle(bundle(), [OLD] * 17))


def test_a_key_may_hold_from_the_first_second_to_the_last() -> None:
    entry = SealingEntry(suite=CLASSIC, key=bytes(32), not_before=0, not_after=(1 << 32) - 1)

    assert entry.public == SealingPublic(CLASSIC, bytes(32))


def test_a_bundle_beyond_the_limit_is_not_even_parsed() -> None:
    with refuses(BundleFault.TOO_LARGE):
        read_bundle(bytes(STATEMENT_MAX + 1))


def test_a_bundle_comes_back_from_where_it_was_kept_unless_it_was_changed() -> None:
    data, pin = pinned()

    assert reload(data, pin) == bundle()
    with refuses(BundleFault.FORKED):
        reload(data[:-1] + bytes((data[-1] ^ 1,)), pin)


def test_a_pre_signed_revocation_holds_whenever_it_is_taken() -> None:
    revocation = Revocation(format=1, partner="bravo", uid=BRAVO, kids=(bytes(8), b"x" * 8))
    data = sign_revocation(revocation, [OLD])
    _, pin = pinned()

    assert read_partner(data) == "bravo"
    assert read_revocation(data, pin) == revocation
    with refuses(BundleFault.WRONG_ROOT):
        read_revocation(sign_revocation(revocation, [NEW]), pin)
