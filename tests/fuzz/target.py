"""A coverage-guided fuzzing target of one adapter: whatever comes in, only Messages or DecodeError come out.

``python -m tests.fuzz.target sedap -max_total_time=60`` fuzzes from the adapter's fixtures; further arguments are
libFuzzer's. A finding stops the run with the input in a ``crash-*`` file of the working directory. What decodes is also
written and read again: every difference must have been declared.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris  # type: ignore[import-not-found, import-untyped, unused-ignore]  # published without types

import adapters
from adapters import DecodeError
from gateway.formats.conformance import check_decoded, check_encodes

FIXTURES = Path(__file__).parent.parent / "fixtures"


def main(name: str, options: list[str]) -> None:
    """Fuzz one adapter until libFuzzer has enough."""
    adapter = adapters.load(name)
    atheris.instrument_all()

    def try_one(data: bytes) -> None:
        try:
            messages = adapter.decode(data)
        except DecodeError:
            return
        findings = check_decoded(adapter, messages)
        for message in messages:
            if message.kind in adapter.WRITES:
                findings += check_encodes(adapter, message)
        if findings:
            raise AssertionError(findings)

    found = tempfile.mkdtemp(prefix=f"fuzz-{name}-")  # libFuzzer writes into the first folder that it is given
    atheris.Setup([sys.argv[0], *options, found, str(FIXTURES / name)], try_one)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
