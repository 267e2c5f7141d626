from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.keyring import selftest
from gateway.keyring.keystore import KeyringError
from gateway.keyring.selftest import CHECKS, check_primitives

ROOT = Path(__file__).parents[3]
# A patched library, as a stolen wheel would bring it: one function gives another answer.
PATCHES = {
    "AES-256-GCM": "from cryptography.hazmat.primitives.ciphers.aead import AESGCM as A\n"
    "class Patched(A.__mro__[0] if False else object):\n"
    "    def __init__(self, key): self.real = A(bytes(32))\n"
    "    def encrypt(self, n, d, a): return self.real.encrypt(n, d, a)[:-1] + b'\\0'\n"
    "    def decrypt(self, n, d, a): return self.real.decrypt(n, d, a)\n"
    "selftest.AESGCM = Patched\n",
    "Ed25519": "import types\n"
    "real = selftest.ed25519.Ed25519PrivateKey\n"
    "class Weak:\n"
    "    def verify(self, *a): pass\n"
    "class Key:\n"
    "    from_private_bytes = staticmethod(lambda seed: types.SimpleNamespace("
    "public_key=Weak, sign=real.from_private_bytes(seed).sign))\n"
    "selftest.ed25519 = types.SimpleNamespace(Ed25519PrivateKey=Key)\n",
}


def test_every_primitive_gives_its_known_answer_within_200_ms_of_processor_time() -> None:
    spent_s = []
    for _ in range(3):
        started = time.process_time()
        check_primitives()
        spent_s.append(time.process_time() - started)

    assert min(spent_s) < 0.2
    assert len(CHECKS) == 8


@pytest.mark.parametrize("name", list(CHECKS))
@pytest.mark.parametrize("error", [None, ValueError("x")])
def test_a_wrong_answer_or_an_error_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, name: str, error: Exception | None
) -> None:
    def wrong() -> bool:
        if error is not None:
            raise error
        return False

    monkeypatch.setitem(CHECKS, name, wrong)

    with pytest.raises(KeyringError) as raised:
        check_primitives()
    assert str(raised.value) == (
        f"self-test: {name} does not give its known answer; this installation must not be used"
    )


@pytest.mark.parametrize("name", list(PATCHES))
def test_a_patched_library_is_found_out(name: str) -> None:
    program = f"from gateway.keyring import selftest\n{PATCHES[name]}\nselftest.check_primitives()\n"

    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)

    assert ended.returncode == 1
    assert f"self-test: {name} does not" in ended.stderr


@pytest.mark.parametrize(
    "constant",
    ["_GCM", "_OKM", "_ED_SIGNATURE", "_X25519", "_ARGON2", "_XWING_PUBLIC", "_MLKEM_REJECTION", "_MLDSA_PUBLIC"],
)
def test_every_known_answer_is_compared(monkeypatch: pytest.MonkeyPatch, constant: str) -> None:
    answer = bytearray(getattr(selftest, constant))
    answer[0] ^= 1
    monkeypatch.setattr(selftest, constant, bytes(answer))

    with pytest.raises(KeyringError, match="known answer"):
        check_primitives()
