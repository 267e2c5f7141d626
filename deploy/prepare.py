# ruff: noqa: INP001 - a script, run by its path
"""Keys and passwords of the coalition in compose.yaml, made once, each only where its owner can read it.

``python prepare.py TABLES FOLDER`` reads the three gateways' configurations and fills one folder for each volume:
``<partner>`` (the gateway's own: keys, pinned bundles, clear passwords), ``<partner>-edge`` (what its broker and its
console's door check passwords against), ``courier`` and ``watch``. A second run changes nothing.

Each partner would make its own keys at home and exchange bundles and signed agreements by courier; here one run plays
all three.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import secrets
import time
from collections.abc import Mapping
from pathlib import Path

from gateway.config import Config, ConfigError, parse
from gateway.countersigned import Countersigned
from gateway.errors import OperatorError
from gateway.keyring.holdings import Holdings
from gateway.keyring.keystore import KEY_FILE, key_file

PARTNERS = ("alpha", "bravo", "charlie")
ITERATIONS = 20_000  # of PBKDF2; the passwords are random, so no dictionary helps against them
DONE = "prepared"


def prepare(tables: Path, folder: Path, now_s: int) -> None:
    """Fill every folder, unless all of it is there already."""
    if (folder / "courier" / DONE).exists():
        return
    _keys(tables, folder, now_s)
    couriers = {partner: _password(folder / partner / "coalition.password") for partner in PARTNERS}
    _write(folder / "courier" / "passwords", _mosquitto(couriers))
    for partner in PARTNERS:
        users = {
            "gateway": _password(folder / partner / "national.password"),
            "field": _password(folder / partner / "field.password"),
        }
        _write(folder / f"{partner}-edge" / "passwords", _mosquitto(users))
        watch = _password(folder / partner / "console.password")
        _write(folder / f"{partner}-edge" / "console.htpasswd", _htpasswd("watch", watch))
    _password(folder / "watch" / "grafana.password")
    _write(folder / "courier" / DONE, "")


def _keys(tables: Path, folder: Path, now_s: int) -> None:
    held = {}
    configs = {partner: _table(tables / f"{partner}.toml") for partner in PARTNERS}
    for partner, config in configs.items():
        state = folder / partner
        held[partner] = Holdings.create(state, [unit.id for unit in config.units], key_file(state / KEY_FILE), now_s)
    for partner, ours in held.items():
        for other, theirs in held.items():
            if other != partner:
                ours.pin(theirs.bundle_file(other), theirs.fingerprint(other), now_s)
        kept = Countersigned(folder / partner, ours.pins())
        for agreement in configs[partner].agreements:
            for signer in agreement.partners:
                kept.keep(agreement, held[signer].countersign(agreement))


def _table(file: Path) -> Config:
    try:
        return parse(file.read_bytes())
    except ConfigError as error:
        raise ConfigError([f"{file}: {error.faults[0]}"]) from None


def _password(file: Path) -> str:
    password = secrets.token_urlsafe(24)
    _write(file, password)
    return password


def _mosquitto(users: Mapping[str, str]) -> str:
    """A mosquitto password file (mosquitto_passwd, ``-H sha512-pbkdf2``)."""
    lines = []
    for user, password in users.items():
        salt = secrets.token_bytes(12)
        digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS)
        lines.append(f"{user}:$7${ITERATIONS}${_base64(salt)}${_base64(digest)}\n")
    return "".join(lines)


def _htpasswd(user: str, password: str) -> str:
    """An nginx password file. Salted SHA-1 is the strongest that every build of it reads; the password is random."""
    salt = secrets.token_bytes(16)
    digest = hashlib.sha1(password.encode() + salt).digest()  # noqa: S324 - see above
    return f"{user}:{{SSHA}}{_base64(digest + salt)}\n"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.write_text(text)


def main() -> None:
    """Prepare as the command line says. What an operator can mend ends in two lines and status 2."""
    parser = argparse.ArgumentParser(prog="prepare.py", description="Make a coalition's keys and passwords, once.")
    parser.add_argument("tables", type=Path, metavar="TABLES", help="the folder of the gateways' configurations")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="what is filled, with a folder for each volume")
    given = parser.parse_args()
    try:
        prepare(given.tables, given.folder, int(time.time()))
    except OperatorError as error:
        parser.error(error.lines[0])
    except OSError as error:
        parser.error(f"{error.filename}: {error.strerror}")


if __name__ == "__main__":
    main()
