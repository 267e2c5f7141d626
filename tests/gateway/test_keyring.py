from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.holdings import Holdings
from gateway.keyring import Keyring
from gateway.keystore import KeyringError, key_file
from protocols.envelope import Refusal, Reject

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
