from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.keyring.holdings import Holdings
from gateway.keyring.keystore import KeyringError, key_file
from gateway.keyring.ring import Channel, Keyring, Sealed, secret
from protocols.checkpoint import Standing
from protocols.envelope import Mode, Refusal, Reject
from protocols.partner import read_bundle
from protocols.schedule import LOG_SIGNED
from protocols.statement import BundleFault, open_statement
from protocols.topics import SHARDS, shard
from tests.protocols.cast import refuses

NOW = datetime(2027, 3, 1, 12, 0, tzinfo=UTC)
UNITS = {
    "alpha": ["alpha/hq", "alpha/lno-1"],
    "bravo": ["bravo/cell-1", "bravo/cell-2"],
    "charlie": ["charlie/ops"],
}
AUDIENCE = ["bravo/cell-1", "charlie/ops"]


@pytest.fixture(scope="module")
def coalition(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Three state directories, each partner pinned by every other with its fingerprint."""
    folder = tmp_path_factory.mktemp("coalition")
    now_s = int(NOW.timestamp())
    held = {
        partner: Holdings.create(folder / partner, uids, key_file(folder / partner / "secret.key"), now_s)
        for partner, uids in UNITS.items()
    }
    for here in held.values():
        for there in held.values():
            if here is not there:
                here.pin(there.bundle_file(there.partner), there.fingerprint(there.partner), now_s)
    return {partner: folder / partner for partner in UNITS}


@pytest.fixture
def keyrings(coalition: Mapping[str, Path]) -> Iterator[dict[str, Keyring]]:
    opened = {partner: Keyring.open(folder, NOW) for partner, folder in coalition.items()}
    yield opened
    for keyring in opened.values():
        keyring.close()


def test_one_envelope_serves_an_audience_of_two_partners(keyrings: dict[str, Keyring]) -> None:
    sealed = keyrings["alpha"].seal("alpha/hq", AUDIENCE, [b"one", b"two"], NOW)

    assert [announcement.partner for announcement in sealed.announcements] == ["bravo", "charlie"]
    for announcement in sealed.announcements:
        reader = keyrings[announcement.partner]
        assert reader.accept(announcement.data, NOW) == []
        opened = reader.unseal(sealed.envelope, NOW)
        assert opened is not None
        assert opened.sender == "alpha/hq"
        assert opened.audience == ("bravo/cell-1", "charlie/ops")
        assert list(opened.messages) == [b"one", b"two"]
        assert opened.sealed_at == NOW


def test_an_epoch_is_announced_once(keyrings: dict[str, Keyring]) -> None:
    first = keyrings["alpha"].seal("alpha/hq", AUDIENCE, [b"one"], NOW)
    second = keyrings["alpha"].seal("alpha/hq", tuple(reversed(AUDIENCE)), [b"two"], NOW)

    assert first.eid == second.eid
    assert not second.announcements


def test_an_envelope_waits_for_its_announcement(keyrings: dict[str, Keyring]) -> None:
    sealed = keyrings["alpha"].seal("alpha/hq", AUDIENCE, [b"one"], NOW)

    assert keyrings["bravo"].unseal(sealed.envelope, NOW) is None
    opened = keyrings["bravo"].accept(sealed.announcements[0].data, NOW)
    assert [list(each.messages) for each in opened] == [[b"one"]]


def test_a_replay_is_refused(keyrings: dict[str, Keyring]) -> None:
    sealed = keyrings["alpha"].seal("alpha/hq", AUDIENCE, [b"one"], NOW)
    keyrings["bravo"].accept(sealed.announcements[0].data, NOW)
    keyrings["bravo"].unseal(sealed.envelope, NOW)

    with pytest.raises(Reject) as refusal:
        keyrings["bravo"].unseal(sealed.envelope, NOW)

    assert refusal.value.code is Refusal.REPLAY


def test_after_a_restart_what_was_settled_is_a_replay_and_the_rest_opens_once_more(
    coalition: dict[str, Path], keyrings: dict[str, Keyring]
) -> None:
    sealed = [keyrings["alpha"].seal("alpha/hq", ["bravo/cell-2"], [b"one"], NOW) for _ in range(3)]
    announcement = sealed[0].announcements[0].data
    keyrings["bravo"].accept(announcement, NOW)
    for each in sealed[:2]:
        assert keyrings["bravo"].unseal(each.envelope, NOW) is not None
    keyrings["bravo"].settle(sealed[0].eid, sealed[0].seq)

    Keyring.open(coalition["bravo"], NOW).close()  # a start during which nothing came
    again = Keyring.open(coalition["bravo"], NOW)
    again.accept(announcement, NOW)

    with pytest.raises(Reject) as refusal:
        again.unseal(sealed[0].envelope, NOW)
    assert refusal.value.code is Refusal.REPLAY
    doubtful, fresh = (again.unseal(each.envelope, NOW) for each in sealed[1:])
    assert doubtful is not None
    assert doubtful.repeat
    assert fresh is not None
    assert not fresh.repeat
    again.close()


def test_what_a_unit_sends_keeps_its_shard_and_workers_have_neighbours(coalition: dict[str, Path]) -> None:
    def shards(worker: int, start: str, units: Sequence[str]) -> list[int]:
        memory = coalition["alpha"] / start
        memory.mkdir()
        with closing(Keyring.open(coalition["alpha"], NOW, memory=memory, worker=worker)) as keyring:
            return [shard(keyring.seal("alpha/hq", [to], [b"one"], NOW).eid) for to in units]

    first = shards(0, "first", AUDIENCE)

    assert first == shards(0, "again", AUDIENCE)
    assert len(set(first)) == 1
    assert shards(1, "beside", AUDIENCE) == [(each + 1) % SHARDS for each in first]


def test_every_start_begins_new_epochs(coalition: dict[str, Path], keyrings: dict[str, Keyring]) -> None:
    before = keyrings["alpha"].seal("alpha/hq", AUDIENCE, [b"one"], NOW)

    again = Keyring.open(coalition["alpha"], NOW)
    after = again.seal("alpha/hq", AUDIENCE, [b"one"], NOW)
    again.close()

    assert after.eid != before.eid
    assert after.announcements


def test_an_epoch_is_renewed_after_half_a_day(keyrings: dict[str, Keyring]) -> None:
    before = keyrings["alpha"].seal("alpha/hq", AUDIENCE, [b"one"], NOW)
    after = keyrings["alpha"].seal("alpha/hq", AUDIENCE, [b"one"], NOW + timedelta(hours=12))

    assert after.eid != before.eid
    assert after.announcements


def test_an_epoch_that_began_while_the_clock_was_ahead_is_renewed_when_it_is_right(
    keyrings: dict[str, Keyring],
) -> None:
    ahead = keyrings["alpha"].seal("alpha/hq", AUDIENCE, [b"x"], NOW + timedelta(days=3))

    right = keyrings["alpha"].seal("alpha/hq", AUDIENCE, [b"y"], NOW)

    assert right.eid != ahead.eid
    assert right.announcements


@pytest.mark.parametrize(
    ("sender", "audience", "code"),
    [
        ("alpha/nobody", ["bravo/cell-1"], Refusal.UNKNOWN_SIGNER),
        ("alpha/hq", ["bravo/nobody"], Refusal.UNKNOWN_SIGNER),
        ("alpha/hq", ["delta/cell"], Refusal.UNKNOWN_SIGNER),
        ("alpha/hq", [], Refusal.TOO_LARGE),
    ],
)
def test_refuses_to_seal_for_whom_it_does_not_know(
    keyrings: dict[str, Keyring], sender: str, audience: list[str], code: Refusal
) -> None:
    with pytest.raises(Reject) as refusal:
        keyrings["alpha"].seal(sender, audience, [b"one"], NOW)

    assert refusal.value.code is code


def test_sealing_stops_when_a_partners_bundle_has_expired(keyrings: dict[str, Keyring]) -> None:
    with pytest.raises(Reject) as refusal:
        keyrings["alpha"].seal("alpha/hq", AUDIENCE, [b"one"], NOW + timedelta(days=30, seconds=1))

    assert refusal.value.code is Refusal.EXPIRED


def test_a_missing_secret_is_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(KeyringError, match="give a passphrase, a key file or a systemd credential"):
        Keyring.open(tmp_path, NOW)


def test_every_private_file_is_for_its_owner_only(coalition: dict[str, Path]) -> None:
    files = [path for path in coalition["alpha"].rglob("*") if path.is_file()]

    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}


S = timedelta(seconds=1)


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[dict[str, Keyring]]:
    """A coalition of its own, for tests that change who is trusted."""
    for partner, folder in settled(tmp_path).items():
        assert folder == tmp_path / partner
    opened = {partner: Keyring.open(tmp_path / partner, NOW) for partner in UNITS}
    yield opened
    for keyring in opened.values():
        keyring.close()


def settled(folder: Path) -> dict[str, Path]:
    now_s = int(NOW.timestamp())
    held = {
        p: Holdings.create(folder / p, uids, key_file(folder / p / "secret.key"), now_s) for p, uids in UNITS.items()
    }
    for here in held.values():
        for there in held.values():
            if here is not there:
                here.pin(there.bundle_file(there.partner), there.fingerprint(there.partner), now_s)
    return {partner: folder / partner for partner in UNITS}


def holdings(folder: Path, partner: str) -> Holdings:
    return Holdings.open(folder / partner, key_file(folder / partner / "secret.key"))


def tell(sealed: Sealed, keyrings: Mapping[str, Keyring], now: datetime = NOW) -> None:
    for announcement in sealed.announcements:
        keyrings[announcement.partner].accept(announcement.data, now)


def test_a_slice_serves_many_audiences_under_one_signature(keyrings: dict[str, Keyring]) -> None:
    bundles = [(["bravo/cell-1"], [b"b"]), (["charlie/ops"], [b"c"]), (AUDIENCE, [b"both"])]

    slice_ = keyrings["alpha"].seal_slice("alpha/hq", bundles, NOW)

    for sealed, (audience, messages) in zip(slice_, bundles, strict=True):
        tell(sealed, keyrings)
        for partner in {uid.partition("/")[0] for uid in audience}:
            opened = keyrings[partner].unseal(sealed.envelope, NOW)
            assert opened is not None
            assert list(opened.messages) == messages


def test_the_removal_barrier(fresh: dict[str, Keyring], tmp_path: Path) -> None:
    """After a unit is removed nothing leaves under the old epoch, and what waits is sealed anew without it."""
    alpha, charlie = fresh["alpha"], fresh["charlie"]
    before = alpha.seal("alpha/hq", AUDIENCE, [b"waiting"], NOW)
    tell(before, fresh)
    untouched = alpha.seal("alpha/hq", ["charlie/ops"], [b"x"], NOW)
    bravo = holdings(tmp_path, "bravo")
    bravo.revoke("bravo/cell-1", int(NOW.timestamp()))
    bravo.issue(int(NOW.timestamp()))

    adopted = alpha.adopt(bravo.bundle_file("bravo"), NOW)

    assert adopted.partner == "bravo"
    assert adopted.closed == (before.eid,)
    with refuses(Refusal.UNKNOWN_SIGNER):
        alpha.seal("alpha/hq", AUDIENCE, [b"later"], NOW)
    again = alpha.reseal(before.envelope, NOW)
    assert again.eid != before.eid
    assert alpha.outgoing.standing("bravo") == []
    assert alpha.outgoing.standing("charlie") == [untouched.eid]
    assert again.eid == untouched.eid  # those who are left have an epoch already
    tell(untouched, fresh)
    opened = charlie.unseal(again.envelope, NOW)
    assert opened is not None
    assert list(opened.messages) == [b"waiting"]
    assert opened.audience == ("charlie/ops",)


def test_nobody_left_and_envelopes_from_before_a_restart_are_not_sealed_anew(
    fresh: dict[str, Keyring], tmp_path: Path
) -> None:
    alpha = fresh["alpha"]
    only_bravo = alpha.seal("alpha/hq", ["bravo/cell-1"], [b"x"], NOW)
    file = holdings(tmp_path, "bravo").presign_revocation("bravo/cell-1")

    assert alpha.revoke(file, NOW).closed == (only_bravo.eid,)
    with refuses(Refusal.NOT_FOR_ME):
        alpha.reseal(only_bravo.envelope, NOW)
    again = Keyring.open(tmp_path / "alpha", NOW)
    with refuses(Refusal.UNKNOWN_EPOCH):
        again.reseal(only_bravo.envelope, NOW)
    again.close()


def test_a_revoked_sender_is_refused_at_once_and_after_a_restart(fresh: dict[str, Keyring], tmp_path: Path) -> None:
    bravo = fresh["bravo"]
    sealed = fresh["alpha"].seal("alpha/hq", ["bravo/cell-1"], [b"x"], NOW)
    tell(sealed, fresh)
    file = holdings(tmp_path, "alpha").presign_revocation("alpha/hq")

    started = time.perf_counter()
    adopted = bravo.revoke(file, NOW)
    assert time.perf_counter() - started < 5

    assert adopted.refused == (sealed.eid,)
    with refuses(Refusal.REVOKED):
        bravo.unseal(sealed.envelope, NOW)
    again = Keyring.open(tmp_path / "bravo", NOW)
    with refuses(Refusal.REVOKED):
        again.accept(sealed.announcements[0].data, NOW)
    with refuses(Refusal.EPOCH_CLOSED):
        again.unseal(sealed.envelope, NOW)
    again.close()


def test_a_rotated_key_brings_a_new_epoch_and_what_waits_still_opens(fresh: dict[str, Keyring], tmp_path: Path) -> None:
    alpha, bravo = fresh["alpha"], fresh["bravo"]
    before = alpha.seal("alpha/hq", ["bravo/cell-1"], [b"waiting"], NOW)
    held = holdings(tmp_path, "bravo")
    held.rotate("bravo/cell-1", int(NOW.timestamp()))
    held.issue(int(NOW.timestamp()))

    assert bravo.reload(NOW).closed == ()
    assert alpha.adopt(held.bundle_file("bravo"), NOW).closed == ()
    after = alpha.seal("alpha/hq", ["bravo/cell-1"], [b"after"], NOW)

    assert after.eid != before.eid
    for sealed in (before, after):
        tell(sealed, fresh)
        assert bravo.unseal(sealed.envelope, NOW) is not None


def test_our_own_rotated_and_withdrawn_units(fresh: dict[str, Keyring], tmp_path: Path) -> None:
    alpha = fresh["alpha"]
    hq = alpha.seal("alpha/hq", ["charlie/ops"], [b"x"], NOW)
    lno = alpha.seal("alpha/lno-1", ["charlie/ops"], [b"x"], NOW)
    held = holdings(tmp_path, "alpha")
    held.rotate("alpha/hq", int(NOW.timestamp()), signing=True)
    held.revoke("alpha/lno-1", int(NOW.timestamp()))
    held.issue(int(NOW.timestamp()))

    assert alpha.reload(NOW).closed == (lno.eid,)

    assert alpha.units == {"alpha/hq"}
    assert alpha.seal("alpha/hq", ["charlie/ops"], [b"x"], NOW).eid != hq.eid
    with refuses(Refusal.UNKNOWN_SIGNER):
        alpha.seal("alpha/lno-1", ["charlie/ops"], [b"x"], NOW)


def test_a_bad_bundle_changes_nothing(keyrings: dict[str, Keyring]) -> None:
    with refuses(BundleFault.MALFORMED):
        keyrings["alpha"].adopt(b"", NOW)
    assert keyrings["alpha"].seal("alpha/hq", AUDIENCE, [b"x"], NOW)


def test_rekeying_two_hundred_audiences_gives_way_after_each(fresh: dict[str, Keyring], tmp_path: Path) -> None:
    """Twenty recipients each: no step may hold an event loop for longer than 20 ms (of processor time)."""
    alpha = fresh["alpha"]
    held = holdings(tmp_path, "bravo")
    for number in range(20):
        held.add(f"bravo/more-{number}", int(NOW.timestamp()))
    held.issue(int(NOW.timestamp()))
    alpha.adopt(held.bundle_file("bravo"), NOW)
    everybody = [f"bravo/more-{number}" for number in range(20)]
    channels = [
        Channel(sender, frozenset(everybody[:one] + everybody[one + 1 :]) | {extra}, Mode.SIGNED)
        for sender in ("alpha/hq", "alpha/lno-1")
        for one in range(20)
        for extra in ("bravo/cell-1", "bravo/cell-2", "charlie/ops", everybody[one], "bravo/more-0")
    ]
    epochs, spent = 0, []
    preparing = alpha.prepare(channels, NOW)

    while True:
        started = time.thread_time()
        step = next(preparing, None)
        if step is None:
            break
        spent.append(time.thread_time() - started)
        epochs += bool(step)

    assert epochs == len(set(channels))
    assert len(spent) == 3 * epochs
    assert sorted(spent)[-3] < 0.02  # two outliers are the machine's: garbage collection, a busy neighbour
    assert not alpha.seal("alpha/hq", list(channels[0].audience), [b"x"], NOW).announcements
    assert list(alpha.prepare(channels, NOW)) == []


def test_upkeep_renews_what_is_in_use_within_its_budget(keyrings: dict[str, Keyring]) -> None:
    alpha = keyrings["alpha"]
    soon = NOW + timedelta(hours=11, minutes=45)
    old = [alpha.seal("alpha/hq", [uid], [b"x"], NOW).eid for uid in ("bravo/cell-1", "bravo/cell-2", "charlie/ops")]
    for uid in ("bravo/cell-1", "bravo/cell-2"):
        alpha.seal("alpha/hq", [uid], [b"x"], soon - timedelta(minutes=16))

    first, second = (alpha.upkeep(soon, budget_s=0) for _ in range(2))
    third = alpha.upkeep(soon)

    assert [len(due.announcements) for due in (first, second, third)] == [1, 1, 0]
    assert not {a.eid for a in (*first.announcements, *second.announcements)} & set(old)
    assert not alpha.seal("alpha/hq", ["bravo/cell-1"], [b"x"], soon).announcements
    assert alpha.seal("alpha/hq", ["charlie/ops"], [b"x"], soon).announcements  # idle: left to end


def test_a_renewal_of_many_slots_goes_on_where_the_budget_stopped_it(fresh: dict[str, Keyring], tmp_path: Path) -> None:
    alpha = fresh["alpha"]
    held = holdings(tmp_path, "bravo")
    many = [f"bravo/more-{number}" for number in range(20)]
    for uid in many:
        held.add(uid, int(NOW.timestamp()))
    held.issue(int(NOW.timestamp()))
    alpha.adopt(held.bundle_file("bravo"), NOW)
    soon = NOW + timedelta(hours=11, minutes=45)
    old = alpha.seal("alpha/hq", many, [b"x"], soon - timedelta(hours=11, minutes=40)).eid
    alpha.seal("alpha/hq", many, [b"x"], soon)

    steps = [alpha.upkeep(soon, budget_s=0).announcements for _ in range(4)]

    assert [len(step) for step in steps] == [0, 0, 1, 0]
    assert steps[2][0].eid != old


def test_upkeep_gives_checkpoints_that_prove_what_arrived(keyrings: dict[str, Keyring]) -> None:
    alpha, bravo = keyrings["alpha"], keyrings["bravo"]
    sealed = [alpha.seal("alpha/hq", AUDIENCE, [b"x"], NOW) for _ in range(3)]
    tell(sealed[0], keyrings)
    for each in sealed[:2]:
        bravo.unseal(each.envelope, NOW)

    assert alpha.upkeep(NOW + 59 * S).heads == []
    (posting,) = alpha.upkeep(NOW + 60 * S, budget_s=0).heads

    assert posting.partners == ("bravo", "charlie")
    opened = bravo.unseal(posting.envelope, NOW + 60 * S)
    assert opened is not None
    assert opened.checkpoint is not None
    assert opened.checkpoint.standing is Standing.GAPS
    assert [tuple(gap) for gap in opened.checkpoint.missing] == [(2, 3)]
    assert alpha.upkeep(NOW + 121 * S).heads == []


def test_the_final_checkpoint_shows_a_dropped_tail(keyrings: dict[str, Keyring]) -> None:
    alpha, charlie = keyrings["alpha"], keyrings["charlie"]
    sealed = [alpha.seal("alpha/hq", ["charlie/ops"], [b"x"], NOW) for _ in range(2)]
    tell(sealed[0], keyrings)

    (posting,) = alpha.finish(NOW)

    opened = charlie.unseal(posting.envelope, NOW)
    assert opened is not None
    assert opened.checkpoint is not None
    assert opened.checkpoint.final
    assert [tuple(gap) for gap in opened.checkpoint.missing] == [(0, 2)]
    assert alpha.finish(NOW) == []
    assert alpha.outgoing.standing("bravo") == []


def test_an_announcement_that_got_lost_is_asked_for_and_answered(keyrings: dict[str, Keyring]) -> None:
    alpha, bravo = keyrings["alpha"], keyrings["bravo"]
    sealed = alpha.seal("alpha/hq", ["bravo/cell-1"], [b"x"], NOW)
    assert bravo.unseal(sealed.envelope, NOW, "alpha") is None

    assert bravo.upkeep(NOW + S).requests == []
    (asked,) = bravo.upkeep(NOW + 2 * S).requests
    assert bravo.upkeep(NOW + 3 * S).requests == []
    assert asked.partner == "alpha"
    answer = alpha.answer(asked.data, NOW + 3 * S)
    assert answer is not None
    assert alpha.answer(asked.data, NOW + 3 * S) is None
    assert [list(opened.messages) for opened in bravo.accept(answer.data, NOW + 3 * S)] == [[b"x"]]


def test_a_request_of_somebody_outside_the_audience_is_refused(keyrings: dict[str, Keyring]) -> None:
    alpha, bravo, charlie = keyrings["alpha"], keyrings["bravo"], keyrings["charlie"]
    sealed = alpha.seal("alpha/hq", ["bravo/cell-1"], [b"x"], NOW)
    for reader in (bravo, charlie):
        reader.unseal(sealed.envelope, NOW, "alpha")
    (asked,) = charlie.upkeep(NOW + 2 * S).requests

    with refuses(Refusal.NOT_FOR_ME):
        alpha.answer(asked.data, NOW)
    with refuses(Refusal.UNKNOWN_EPOCH):
        bravo.answer(asked.data, NOW)


def test_garbage_announcements_are_bounded_for_each_source(keyrings: dict[str, Keyring]) -> None:
    alpha, bravo = keyrings["alpha"], keyrings["bravo"]
    good = alpha.seal("alpha/hq", ["bravo/cell-1"], [b"x"], NOW).announcements[0].data
    for _ in range(10):
        with refuses(Refusal.MALFORMED):
            bravo.accept(b"garbage", NOW, "charlie")

    with refuses(Refusal.EPOCH_EXHAUSTED):
        bravo.accept(good, NOW, "charlie")
    assert bravo.accept(good, NOW, "alpha") == []
    with refuses(Refusal.MALFORMED):
        bravo.accept(b"garbage", NOW + S, "charlie")


def test_what_waits_is_bounded_and_swept(keyrings: dict[str, Keyring]) -> None:
    alpha, bravo = keyrings["alpha"], keyrings["bravo"]
    sealed = alpha.seal("alpha/hq", ["bravo/cell-1"], [b"x"], NOW)
    for number in range(256):
        assert bravo.unseal(sealed.envelope, NOW, f"source-{number}") is None
    with refuses(Refusal.UNKNOWN_EPOCH):
        bravo.unseal(sealed.envelope, NOW, "one more")

    bravo.upkeep(NOW + 601 * S)

    assert bravo.unseal(sealed.envelope, NOW + 601 * S, "one more") is None


def test_parked_envelopes_that_do_not_open_are_counted(keyrings: dict[str, Keyring]) -> None:
    alpha, bravo = keyrings["alpha"], keyrings["bravo"]
    sealed = alpha.seal("alpha/hq", ["bravo/cell-1"], [b"x"], NOW)
    bravo.unseal(sealed.envelope[:-1] + bytes((sealed.envelope[-1] ^ 1,)), NOW)
    bravo.unseal(sealed.envelope, NOW)

    assert len(bravo.accept(sealed.announcements[0].data, NOW)) == 1
    assert bravo.refused == {Refusal.BAD_TAG: 1}


def test_expired_epochs_are_told_so_that_their_announcements_can_be_cleared(keyrings: dict[str, Keyring]) -> None:
    alpha = keyrings["alpha"]
    eid = alpha.seal("alpha/hq", ["bravo/cell-1"], [b"x"], NOW).eid

    assert alpha.upkeep(NOW + timedelta(hours=13)).lapsed == []
    assert alpha.upkeep(NOW + timedelta(hours=24)).lapsed == [eid]
    assert alpha.upkeep(NOW + timedelta(hours=25)).lapsed == []


def test_an_epoch_has_no_more_generations_than_a_receiver_that_starts_late_can_follow(
    keyrings: dict[str, Keyring], coalition: dict[str, Path]
) -> None:
    """It is not announced again from a later generation: what waits from before would open nowhere."""
    alpha = keyrings["alpha"]
    waiting = alpha.seal("alpha/hq", ["bravo/cell-1"], [b"waiting"], NOW)
    (epoch,) = alpha._outgoing._live.values()
    for _ in range(1535):
        epoch._step(NOW.timestamp())
    last = alpha.seal("alpha/hq", ["bravo/cell-1"], [b"last"], NOW)
    assert last.eid == waiting.eid
    epoch._step(NOW.timestamp())

    after = alpha.seal("alpha/hq", ["bravo/cell-1"], [b"after"], NOW)

    assert after.eid != waiting.eid
    assert [each.partner for each in after.announcements] == ["bravo"]
    late = Keyring.open(coalition["bravo"], NOW)
    for announcement in (*waiting.announcements, *after.announcements):
        late.accept(announcement.data, NOW)
    assert all(late.unseal(each.envelope, NOW) is not None for each in (last, waiting, after))
    late.close()


def test_an_epoch_under_which_nothing_may_leave_any_more_is_told_once(keyrings: dict[str, Keyring]) -> None:
    alpha = keyrings["alpha"]
    eid = alpha.seal("alpha/hq", ["bravo/cell-1"], [b"x"], NOW).eid

    assert alpha.upkeep(NOW + timedelta(hours=23) - S).spent == []
    assert alpha.upkeep(NOW + timedelta(hours=23)).spent == [eid]
    assert alpha.upkeep(NOW + timedelta(hours=23) + S).spent == []


def test_an_epoch_that_began_while_the_clock_was_ahead_is_spent_when_it_is_right(keyrings: dict[str, Keyring]) -> None:
    alpha = keyrings["alpha"]
    ahead = alpha.seal("alpha/hq", AUDIENCE, [b"x"], NOW + timedelta(days=3))

    assert alpha.upkeep(NOW + timedelta(days=3) - timedelta(minutes=5)).spent == []
    upkeep = alpha.upkeep(NOW)
    assert upkeep.spent == [ahead.eid]
    right = alpha.reseal(ahead.envelope, NOW)
    for announcement in (*upkeep.announcements, *right.announcements):
        keyrings[announcement.partner].accept(announcement.data, NOW)
    opened = keyrings["bravo"].unseal(right.envelope, NOW)
    assert opened is not None
    assert list(opened.messages) == [b"x"]


def test_the_keys_of_a_past_epoch_are_kept_for_as_long_as_something_waits_under_it(
    keyrings: dict[str, Keyring],
) -> None:
    alpha, later = keyrings["alpha"], NOW + timedelta(hours=13)
    old = alpha.seal("alpha/hq", ["bravo/cell-1"], [b"waits"], NOW)
    alpha.seal("alpha/hq", ["bravo/cell-1"], [b"newer"], later)
    for days in (1, 2, 30):
        alpha.outgoing.keep([old.eid])
        assert alpha.upkeep(NOW + timedelta(days=days)).lapsed == []
        assert alpha.outgoing.recalls(old.eid)

    alpha.outgoing.keep([])
    assert alpha.outgoing.recalls(old.eid)  # it may have been on its way from memory to the disk
    alpha.outgoing.keep([old.eid])
    alpha.outgoing.keep([])
    alpha.outgoing.keep([])
    assert not alpha.outgoing.recalls(old.eid)
    with refuses(Refusal.UNKNOWN_EPOCH):
        alpha.reseal(old.envelope, later)


def test_keys_of_passed_generations_go_once_nothing_waits_under_their_epoch(keyrings: dict[str, Keyring]) -> None:
    alpha, audience = keyrings["alpha"], ["bravo/cell-1"]
    first = alpha.seal("alpha/hq", audience, [b"first"], NOW)
    alpha.outgoing.keep([first.eid])
    second = alpha.seal("alpha/hq", audience, [b"second"], NOW + timedelta(minutes=2))
    alpha.outgoing.keep([first.eid])
    alpha.reseal(first.envelope, NOW + timedelta(minutes=2))

    alpha.outgoing.keep([])
    with refuses(Refusal.GENERATION_TOO_OLD):
        alpha.reseal(first.envelope, NOW + timedelta(minutes=2))
    alpha.reseal(second.envelope, NOW + timedelta(minutes=2))  # sealed since the look before


def test_whoever_missed_the_announcement_of_a_past_epoch_is_still_told_it(keyrings: dict[str, Keyring]) -> None:
    alpha, bravo = keyrings["alpha"], keyrings["bravo"]
    old = alpha.seal("alpha/hq", ["bravo/cell-1"], [b"sent"], NOW)
    alpha.seal("alpha/hq", ["bravo/cell-1"], [b"newer"], NOW + timedelta(hours=13))
    for _ in range(3):
        alpha.outgoing.keep([])
    assert not alpha.outgoing.recalls(old.eid)

    assert alpha.outgoing.announcement(old.eid, "bravo/cell-1") == old.announcements[0]
    with refuses(Refusal.NOT_FOR_ME):
        alpha.outgoing.announcement(old.eid, "charlie/ops")
    bravo.accept(alpha.outgoing.announcement(old.eid, "bravo/cell-1").data, NOW)
    assert bravo.unseal(old.envelope, NOW) is not None
    assert alpha.upkeep(NOW + timedelta(hours=24)).lapsed == [old.eid]
    with refuses(Refusal.UNKNOWN_EPOCH):
        alpha.outgoing.announcement(old.eid, "bravo/cell-1")


def test_a_forked_process_begins_its_own_epochs(keyrings: dict[str, Keyring]) -> None:
    alpha = keyrings["alpha"]
    before = alpha.seal("alpha/hq", ["bravo/cell-1"], [b"x"], NOW)
    reading, writing = os.pipe()

    child = os.fork()
    if child == 0:  # pragma: no cover - another process
        try:
            os.write(writing, alpha.seal("alpha/hq", ["bravo/cell-1"], [b"x"], NOW).eid)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    eid = os.read(reading, 8)
    os.close(reading)

    assert len(eid) == 8
    assert eid != before.eid
    assert alpha.seal("alpha/hq", ["bravo/cell-1"], [b"x"], NOW).eid == before.eid


def test_a_gateway_without_its_own_bundle_does_not_start(tmp_path: Path) -> None:
    made = key_file(tmp_path / "secret.key")
    Holdings.create_unit(tmp_path, "bravo/field-7", made, int(NOW.timestamp()))

    with pytest.raises(KeyringError, match="the bundle of bravo is not here"):
        Keyring.open(tmp_path, NOW)


def test_the_credential_of_the_service_unlocks_it(
    coalition: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "comity.key").write_bytes(b"w" * 32)
    (tmp_path / "comity.key").chmod(0o600)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))

    with pytest.raises(KeyringError, match="does not open"):
        Keyring.open(coalition["alpha"], NOW)


def test_no_epoch_key_seed_or_content_is_ever_on_disk(fresh: dict[str, Keyring], tmp_path: Path) -> None:
    sealed = [fresh["alpha"].seal("alpha/hq", AUDIENCE, [b"CANARY-CONTENT"], NOW + 61 * i * S) for i in range(5)]
    tell(sealed[0], fresh)
    for each in sealed:
        opened = fresh["bravo"].unseal(each.envelope, NOW + 300 * S)
        assert opened is not None
        fresh["bravo"].settle(opened.eid, opened.seq)
    (epoch,) = fresh["alpha"]._outgoing._live.values()
    canaries = [b"CANARY-CONTENT", epoch._chain, epoch._keys.salt]
    canaries += epoch._passed.values()
    canaries += [seed for keyring in fresh.values() for keys in keyring._units.values() for seed in keys.signing.seeds]
    canaries += [key.seed for keyring in fresh.values() for keys in keyring._units.values() for key in keys.sealing]

    disk = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())

    assert len(canaries) > 20
    assert not any(canary in disk or canary.hex().encode() in disk for canary in canaries)


def test_a_key_for_another_purpose_is_made_once(tmp_path: Path) -> None:
    assert secret(tmp_path / "pseudonym.key") == secret(tmp_path / "pseudonym.key")
    assert len(secret(tmp_path / "pseudonym.key")) == 32


def test_a_renewal_that_cannot_be_ends_the_epoch_and_the_next_sealing_says_why(keyrings: dict[str, Keyring]) -> None:
    alpha, end = keyrings["alpha"], NOW + timedelta(days=30)
    alpha.seal("alpha/hq", ["charlie/ops"], [b"x"], end - timedelta(hours=11))
    alpha.seal("alpha/hq", ["charlie/ops"], [b"x"], end - timedelta(minutes=10))

    alpha.upkeep(end - 10 * S)
    assert alpha.upkeep(end + S).announcements == []
    with refuses(Refusal.EXPIRED):
        alpha.seal("alpha/hq", ["charlie/ops"], [b"x"], end + S)


def test_an_epoch_that_was_being_prepared_when_somebody_was_removed_is_thrown_away(
    fresh: dict[str, Keyring], tmp_path: Path
) -> None:
    alpha = fresh["alpha"]
    held = holdings(tmp_path, "bravo")
    many = [f"bravo/more-{number}" for number in range(9)]
    for uid in many:
        held.add(uid, int(NOW.timestamp()))
    held.issue(int(NOW.timestamp()))
    alpha.adopt(held.bundle_file("bravo"), NOW)
    preparing = alpha.prepare([Channel("alpha/hq", frozenset(many), Mode.SIGNED)], NOW)
    assert next(preparing) == ()

    alpha.revoke(held.presign_revocation("bravo/more-0"), NOW)

    assert list(preparing) == []
    with refuses(Refusal.REVOKED):
        alpha.seal("alpha/hq", many, [b"x"], NOW)
    assert alpha.seal("alpha/hq", many[1:], [b"x"], NOW).announcements


def test_a_channel_that_cannot_be_prepared_says_why(keyrings: dict[str, Keyring]) -> None:
    with refuses(Refusal.UNKNOWN_SIGNER):
        list(keyrings["alpha"].prepare([Channel("alpha/nobody", frozenset(AUDIENCE), Mode.SIGNED)], NOW))


def test_a_pseudonym_lasts_and_tells_nothing(keyrings: dict[str, Keyring], coalition: dict[str, Path]) -> None:
    again = Keyring.open(coalition["alpha"], NOW)

    assert keyrings["alpha"].pseudonym("alpha/hq") == again.pseudonym("alpha/hq")
    assert keyrings["alpha"].pseudonym("alpha/hq") != again.pseudonym("alpha/lno-1")
    assert keyrings["alpha"]._units["alpha/hq"].signing.kid.hex() not in again.pseudonym("alpha/hq")
    again.close()


def test_a_statement_is_signed_by_a_unit_that_our_bundle_names(keyrings: dict[str, Keyring]) -> None:
    alpha, bravo = keyrings["alpha"], keyrings["bravo"]
    statement = alpha.attest(LOG_SIGNED, b"what we state")

    payload, (signature,) = open_statement(statement)
    signer = bravo.roster.signer(signature.kid, NOW.timestamp())
    signer.verify(signature.ed25519, LOG_SIGNED + payload)
    signer.verify_lasting(signature.mldsa, LOG_SIGNED + payload)
    assert (payload, signer.uid, alpha.partner) == (b"what we state", "alpha/hq", "alpha")
    assert read_bundle(bravo.bundle_file("alpha")).partner == "alpha"


def test_a_key_that_no_bundle_names_signs_nothing(tmp_path: Path) -> None:
    now_s = int(NOW.timestamp())
    held = Holdings.create(tmp_path, ["alpha/hq"], key_file(tmp_path / "secret.key"), now_s)
    held.rotate("alpha/hq", now_s + 1, signing=True)
    alpha = Keyring.open(tmp_path, NOW)

    with pytest.raises(KeyringError, match="issue a bundle"):
        alpha.attest(LOG_SIGNED, b"x")
    alpha.close()
