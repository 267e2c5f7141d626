"""The straight line of one gateway, and the keyrings of its partners."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import adapters
from gateway.keyring.ring import Keyring
from tests.fakes import NOW
from tests.gateway.line import Line, make_coalition, plain

FORMATS = Path(__file__).parent / "formats"


@pytest.fixture
def formats(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The formats of the tests, found as any adapter is."""
    monkeypatch.setattr(adapters, "__path__", [*adapters.__path__, str(FORMATS)])
    yield
    for name in ("plain", "unloadable"):
        sys.modules.pop(f"adapters.{name}", None)


@pytest.fixture(scope="session")
def states(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    return make_coalition(tmp_path_factory.mktemp("states"))


@pytest.fixture
def coalition(states: Mapping[str, Path]) -> Iterator[dict[str, Keyring]]:
    opened = {partner: Keyring.open(folder, NOW) for partner, folder in states.items()}
    yield opened
    for keyring in opened.values():
        keyring.close()


@pytest.fixture
def line(coalition: dict[str, Keyring], formats: None) -> Line:  # noqa: ARG001  the formats are to be found
    return Line(coalition["alpha"], plain())
