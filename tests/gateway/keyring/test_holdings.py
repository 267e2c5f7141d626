from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from gateway.keyring.held import KEPT_S, ROTATE_AFTER_S, HeldRoot
from gateway.keyring.holdings import KEYS, ROOT, Holdings
from gateway.keyring.keystore import KeyringError, Secret, SecretKind, load, save
from protocols.envelope import Reject
from protocols.identity import HYBRID
from protocols.partner import BUNDLE_LIFE_MAX_S, Revocation, read_bundle, sign_bundle, sign_revocation
from protocols.statement import BundleFault
from tests.protocols.cast import NOW, refuses

SECRET = Secret(SecretKind.KEY, bytes(32))
DAY = 86_400


@pytest.fixture
def bravo(tmp_path: Path) -> Holdings:
    return Holdings.create(tmp_path / "bravo", ["bravo/cell-1", "bravo/cell-2"], SECRET, NOW)


@pytest.fixture
def alpha(tmp_path: Path, bravo: Holdings) -> Holdings:
    """Alpha, with Bravo pinned."""
    made = Holdings.create(tmp_path / "alpha", ["alpha/hq"], SECRET, NOW)
    made.pin(bravo.bundle_file("bravo"), bravo.fingerprint("bravo"), NOW)
    return made


def test_everything_comes_back_from_the_directory(alpha: Holdings) -> None:
    again = Holdings.open(alpha.directory, SECRET)

    assert again.partner == "alpha"
    assert [pin.partner for pin in again.pins()] == ["alpha", "bravo"]
    assert again.unit_keys()["alpha/hq"].signing.kid == alpha.unit_keys()["alpha/hq"].signing.kid
    assert "bravo/cell-2" in again.roster()
    assert again.bundle("bravo").version == 1


@pytest.mark.parametrize("units", [[], ["alpha/hq", "bravo/cell"], ["alpha"], ["alpha/+"], ["Alpha/hq"]])
def test_a_directory_is_for_valid_units_of_one_partner(tmp_path: Path, units: list[str]) -> None:
    with pytest.raises(KeyringError):
        Holdings.create(tmp_path, units, SECRET, NOW)
    assert list(tmp_path.iterdir()) == []


def test_keys_are_never_made_over_others(bravo: Holdings) -> None:
    with pytest.raises(KeyringError, match="already holds keys"):
        Holdings.create(bravo.directory, ["bravo/other"], SECRET, NOW)


def test_no_private_key_can_be_read_on_disk(alpha: Holdings) -> None:
    held = alpha.units()[0]
    seeds = [held.signing[0].ed25519, held.signing[0].mldsa65, *(key.seed for key in held.sealing)]
    disk = b"".join(path.read_bytes() for path in alpha.directory.rglob("*") if path.is_file())

    assert len(seeds) == 4
    assert not any(seed in disk or seed.hex().encode() in disk for seed in seeds)


def test_a_changed_bundle_on_disk_is_noticed(alpha: Holdings) -> None:
    (path,) = alpha.directory.glob("bundles/bravo.*")
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes((data[-1] ^ 1,)))

    with pytest.raises(KeyringError, match="not the one that was imported"):
        alpha.roster()
    path.unlink()
    with pytest.raises(KeyringError, match="cannot be read"):
        alpha.roster()


def test_a_keystore_of_another_kind_is_refused(alpha: Holdings) -> None:
    save(alpha.directory / KEYS, msgspec.msgpack.encode({"other": 1}), SECRET)

    with pytest.raises(KeyringError, match="another kind or version"):
        Holdings.open(alpha.directory, SECRET)


def test_a_partner_is_pinned_once_and_then_only_newer_bundles_are_taken(alpha: Holdings, bravo: Holdings) -> None:
    first = bravo.bundle_file("bravo")
    with pytest.raises(KeyringError, match="pinned already"):
        alpha.pin(first, bravo.fingerprint("bravo"), NOW)

    bravo.issue(NOW + 1)
    assert alpha.adopt(bravo.bundle_file("bravo"), NOW + 1).version == 2
    with refuses(BundleFault.ROLLED_BACK):
        alpha.adopt(first, NOW + 1)
    assert len(list(alpha.directory.glob("bundles/bravo.*"))) == 1
    assert Holdings.open(alpha.directory, SECRET).bundle("bravo").version == 2


def test_an_unknown_partner_is_not_adopted(alpha: Holdings, tmp_path: Path) -> None:
    charlie = Holdings.create(tmp_path / "charlie", ["charlie/ops"], SECRET, NOW)

    with refuses(BundleFault.NOT_PINNED):
        alpha.adopt(charlie.bundle_file("charlie"), NOW)
    with pytest.raises(KeyringError, match="charlie is not pinned"):
        alpha.fingerprint("charlie")


def test_a_withdrawn_partner_is_gone_and_has_to_be_pinned_anew(alpha: Holdings, bravo: Holdings) -> None:
    alpha.withdraw("bravo")

    assert "bravo/cell-1" not in alpha.roster()
    with pytest.raises(KeyringError, match="not pinned"):
        alpha.withdraw("bravo")
    with pytest.raises(KeyringError, match="our own"):
        alpha.withdraw("alpha")
    with refuses(BundleFault.NOT_PINNED):
        alpha.adopt(bravo.bundle_file("bravo"), NOW)
    alpha.pin(bravo.bundle_file("bravo"), bravo.fingerprint("bravo"), NOW)
    assert "bravo/cell-1" in alpha.roster()


def test_rotated_sealing_keys_are_stated_and_the_old_ones_kept_until_the_horizon(bravo: Holdings) -> None:
    before = bravo.unit_keys()["bravo/cell-1"]
    bravo.rotate("bravo/cell-1", NOW + ROTATE_AFTER_S)
    bundle = bravo.issue(NOW + ROTATE_AFTER_S)
    after = bravo.unit_keys()["bravo/cell-1"]

    stated = next(unit for unit in bundle.units if unit.uid == "bravo/cell-1")
    assert {entry.public.kid for entry in stated.sealing} == {key.kid for key in after.sealing[:2]}
    assert [key.kid for key in after.sealing[2:]] == [key.kid for key in before.sealing]
    assert after.signing.kid == before.signing.kid
    bravo.rotate("bravo/cell-1", NOW + ROTATE_AFTER_S + KEPT_S)
    kids = {key.kid for key in bravo.unit_keys()["bravo/cell-1"].sealing}
    assert not kids & {key.kid for key in before.sealing}
    assert len(kids) == 4


def test_a_rotated_signing_key_vouches_on_for_the_epochs_that_live(bravo: Holdings) -> None:
    before = bravo.unit_keys()["bravo/cell-1"].signing.kid
    bravo.rotate("bravo/cell-1", NOW + 10, signing=True)
    bundle = bravo.issue(NOW + 10)

    stated = next(unit for unit in bundle.units if unit.uid == "bravo/cell-1")
    assert [entry.public.kid == before for entry in stated.signing] == [False, True]
    assert stated.signing[1].not_after == NOW + 10 + 2 * DAY
    bravo.rotate("bravo/cell-1", NOW + 10 + 2 * DAY, signing=True)
    assert before not in {key.key().kid for key in bravo.units()[-1].signing}


def test_a_further_unit_is_stated_with_the_next_bundle(bravo: Holdings) -> None:
    bravo.add("bravo/cell-3", NOW)

    assert [unit.uid for unit in bravo.issue(NOW).units] == ["bravo/cell-1", "bravo/cell-2", "bravo/cell-3"]
    for uid in ("bravo/cell-3", "alpha/hq", "bravo/#"):
        with pytest.raises(KeyringError):
            bravo.add(uid, NOW)


def test_a_withdrawn_unit_is_revoked_in_every_later_bundle(alpha: Holdings, bravo: Holdings) -> None:
    kid = bravo.unit_keys()["bravo/cell-1"].signing.kid
    bravo.revoke("bravo/cell-1", NOW)
    bravo.issue(NOW)
    bravo.issue(NOW)
    alpha.adopt(bravo.bundle_file("bravo"), NOW)

    assert alpha.roster().is_revoked(kid)
    assert "bravo/cell-1" not in alpha.roster()
    with pytest.raises(KeyringError, match="no keys of bravo/cell-1"):
        bravo.revoke("bravo/cell-1", NOW)


def test_a_pre_signed_revocation_outlasts_bundles_that_do_not_know_of_it(alpha: Holdings, bravo: Holdings) -> None:
    kid = bravo.unit_keys()["bravo/cell-1"].signing.kid
    file = bravo.presign_revocation("bravo/cell-1")

    alpha.take_revocation(file, NOW)
    alpha.take_revocation(file, NOW)
    bravo.issue(NOW)
    alpha.adopt(bravo.bundle_file("bravo"), NOW)

    assert Holdings.open(alpha.directory, SECRET).roster().is_revoked(kid)
    with pytest.raises(Reject):
        alpha.take_revocation(file[:-1], NOW)


def test_a_partner_withdraws_nobody_elses_keys(alpha: Holdings, bravo: Holdings) -> None:
    ours = alpha.unit_keys()["alpha/hq"]
    root = load(bravo.directory / ROOT, SECRET)
    statement = Revocation(format=1, partner="bravo", uid="bravo/cell-1", kids=(ours.signing.kid,))
    file = sign_revocation(statement, [msgspec.msgpack.decode(root, type=HeldRoot).key()])

    with refuses(BundleFault.WRONG_PARTNER):
        alpha.take_revocation(file, NOW)
    assert alpha.roster().vouches(ours.signing.kid)


def test_a_bundle_that_states_another_partners_key_is_refused(alpha: Holdings, bravo: Holdings) -> None:
    """It would silence whose key it is: a key that two claim vouches for neither."""
    root = msgspec.msgpack.decode(load(bravo.directory / ROOT, SECRET), type=HeldRoot).key()
    stolen = replace(alpha.bundle("alpha").units[0], uid="bravo/cell-9")
    before = bravo.bundle("bravo")
    after = replace(
        before, version=2, units=(*before.units, stolen), previous=sha256(bravo.bundle_file("bravo")).digest()
    )
    stranger = Holdings.create(alpha.directory.parent / "other", ["alpha/hq"], SECRET, NOW)

    with refuses(BundleFault.KEY_COLLISION):
        alpha.adopt(sign_bundle(after, [root]), NOW)
    stranger.pin(sign_bundle(after, [root]), bravo.fingerprint("bravo"), NOW)
    assert alpha.roster().vouches(alpha.unit_keys()["alpha/hq"].signing.kid)


def test_a_unit_with_its_own_keys_is_enrolled_by_the_holder_of_the_root(bravo: Holdings, tmp_path: Path) -> None:
    own = Holdings.create_unit(tmp_path / "field", "bravo/field-7", SECRET, NOW)
    assert not own.has_root()

    bravo.enrol(own.enrolment("bravo/field-7", NOW))
    bravo.enrol(own.enrolment("bravo/field-7", NOW + 1))
    bundle = bravo.issue(NOW)
    own.pin(bravo.bundle_file("bravo"), bravo.fingerprint("bravo"), NOW)

    assert [unit.uid for unit in bundle.units] == ["bravo/cell-1", "bravo/cell-2", "bravo/field-7"]
    kid = own.unit_keys()["bravo/field-7"].sealing[0].kid
    assert own.roster().recipients(["bravo/field-7"], HYBRID, NOW)[0].entry.kem_kid == kid
    with pytest.raises(KeyringError, match="root cannot be read"):
        own.issue(NOW)
    bravo.revoke("bravo/field-7", NOW)
    assert own.unit_keys()["bravo/field-7"].signing.kid in {each.kid for each in bravo.issue(NOW).revoked}


def test_only_our_units_with_their_own_keys_are_enrolled(bravo: Holdings, tmp_path: Path) -> None:
    stranger = Holdings.create_unit(tmp_path / "one", "alpha/field", SECRET, NOW)
    double = Holdings.create_unit(tmp_path / "two", "bravo/cell-1", SECRET, NOW)

    with pytest.raises(KeyringError, match="not a unit of bravo"):
        bravo.enrol(stranger.enrolment("alpha/field", NOW))
    with pytest.raises(KeyringError, match="held here"):
        bravo.enrol(double.enrolment("bravo/cell-1", NOW))


def test_bundles_are_issued_with_the_root_only(bravo: Holdings) -> None:
    (bravo.directory / ROOT).unlink()

    with pytest.raises(KeyringError, match="root cannot be read"):
        bravo.issue(NOW)
    with pytest.raises(KeyringError, match="root cannot be read"):
        bravo.presign_revocation("bravo/cell-1")


def test_a_bundle_lives_thirty_days_and_names_the_one_before(bravo: Holdings) -> None:
    before = bravo.bundle_file("bravo")
    bundle = bravo.issue(NOW + 5)

    assert bundle.expires == NOW + 5 + BUNDLE_LIFE_MAX_S
    assert len(bundle.previous) == 32
    assert read_bundle(before).previous == b""


def test_two_processes_change_a_directory_one_after_the_other(bravo: Holdings) -> None:
    other = Holdings.open(bravo.directory, SECRET)
    bravo.add("bravo/cell-3", NOW)
    other.add("bravo/cell-4", NOW)
    bravo.reload()

    assert len(bravo.units()) == 4
