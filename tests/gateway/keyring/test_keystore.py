from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.durable import write_private
from gateway.keyring import keystore
from gateway.keyring.keystore import (
    KeyringError,
    Secret,
    SecretKind,
    check_secret,
    find_secret,
    key_file,
    load,
    read_secret,
    save,
)

PASSPHRASE = Secret(SecretKind.PASSPHRASE, b"correct horse battery")
KEY = Secret(SecretKind.KEY, bytes(range(32)))


@pytest.mark.parametrize("secret", [PASSPHRASE, KEY])
def test_what_is_saved_comes_back_with_its_secret(tmp_path: Path, secret: Secret) -> None:
    save(tmp_path / "keys", b"content", secret)

    assert load(tmp_path / "keys", secret) == b"content"
    assert b"content" not in (tmp_path / "keys").read_bytes()
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o600


def test_a_wrong_passphrase_and_a_damaged_file_are_one_error(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    save(path, b"content", KEY)
    data = path.read_bytes()
    told = set()

    with pytest.raises(KeyringError) as error:
        load(path, Secret(SecretKind.KEY, bytes(32)))
    told.add(str(error.value))
    for at in range(len(data)):
        path.write_bytes(data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :])
        with pytest.raises(KeyringError) as error:
            load(path, KEY)
        told.add(str(error.value))
    for other in (b"", data[:-1], data + b"\0", b"\xc1", b"\x92\xc4\x00\xc4\x00", bytes(1 << 24) + b"\0"):
        path.write_bytes(other)
        with pytest.raises(KeyringError) as error:
            load(path, KEY)
        told.add(str(error.value))

    assert told == {f"the keystore {path} does not open: wrong passphrase or key, or a damaged file"}


def test_a_change_costs_no_second_derivation_and_repeats_no_nonce(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    save(path, b"one", PASSPHRASE)
    load(path, PASSPHRASE)
    first = path.read_bytes()

    derived = keystore._key.cache_info().misses
    for _ in range(10):
        save(path, b"two", PASSPHRASE)
        assert load(path, PASSPHRASE) == b"two"

    assert keystore._key.cache_info().misses == derived
    assert path.read_bytes()[20:60] != first[20:60]


def test_a_wrong_passphrase_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "keys", b"content", PASSPHRASE)

    with pytest.raises(KeyringError, match="does not open"):
        load(tmp_path / "keys", PASSPHRASE._replace(value=b"wrong horse battery"))


def test_a_missing_keystore_says_which(tmp_path: Path) -> None:
    with pytest.raises(KeyringError, match="keys cannot be read: No such file"):
        load(tmp_path / "keys", KEY)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "keys"
    save(path, b"old", KEY)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            save(path, b"new", KEY)

    assert load(path, KEY) == b"old"
    save(path, b"new", KEY)
    assert load(path, KEY) == b"new"
    assert [each.name for each in tmp_path.iterdir()] == ["keys"]


def test_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    path.write_bytes(bytes(32))
    path.chmod(0o640)

    with pytest.raises(KeyringError, match="chmod 600"):
        read_secret(path, SecretKind.KEY)
    with pytest.raises(KeyringError, match="cannot be read"):
        read_secret(tmp_path / "absent", SecretKind.KEY)


@pytest.mark.parametrize("secret", [Secret(SecretKind.KEY, bytes(31)), Secret(SecretKind.PASSPHRASE, b"short")])
def test_a_short_secret_is_refused(secret: Secret) -> None:
    with pytest.raises(KeyringError, match=r"has .* to 4096 bytes"):
        check_secret(secret)


def test_a_secret_never_shows() -> None:
    assert repr(PASSPHRASE) == "Secret(passphrase)"
    assert "horse" not in f"{PASSPHRASE} {PASSPHRASE!r}"


def test_the_credential_comes_before_the_file_beside(tmp_path: Path) -> None:
    state, credentials = tmp_path / "state", tmp_path / "credentials"
    credentials.mkdir()

    assert find_secret(state, credentials) is None
    made = key_file(state / "secret.key")
    assert find_secret(state, credentials) == made
    assert find_secret(state) == made
    assert key_file(state / "secret.key") == made
    write_private(credentials / "comity.passphrase", b"a passphrase\n")
    assert find_secret(state, credentials) == Secret(SecretKind.PASSPHRASE, b"a passphrase")
    write_private(credentials / "comity.key", bytes(32))
    assert find_secret(state, credentials) == Secret(SecretKind.KEY, bytes(32))
