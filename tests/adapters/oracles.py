"""What adapters are judged by from outside: the standards' own schemas and samples, where they are at hand."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from lxml import etree

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # PyTAK warns where its optional HTTP client is missing
    import pytak

__all__ = ["STANDARDS", "pytak", "schema", "standards"]

STANDARDS = Path(__file__).parents[3] / "shared" / "standards"


def schema(path: str) -> etree.XMLSchema:
    """A schema of the standards folder; the test is skipped where that is absent."""
    file = STANDARDS / path
    if not file.exists():
        pytest.skip(f"{path} is not at hand")
    return etree.XMLSchema(etree.parse(str(file)))


def standards(pattern: str) -> list[Path]:
    """Samples of the standards folder; none where that is absent."""
    return sorted(STANDARDS.glob(pattern))
