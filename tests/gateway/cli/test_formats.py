"""``comity formats`` tells what the registry holds, and no more."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from adapters import load, names
from gateway.cli.main import app


def test_json_is_one_array_with_every_format() -> None:
    result = CliRunner().invoke(app, ["formats", "--json"])

    assert (result.exit_code, result.stderr) == (0, "")
    rows = {row["format"]: row for row in json.loads(result.stdout)}
    assert {"cap", "cot", "geojson", "nffi", "sedap"} <= set(rows)
    assert set(rows) == set(names())
    for name, row in rows.items():
        assert set(row) == {"format", "edition", "media_type", "reads", "writes"}
        assert row["reads"] == sorted(load(name).READS)
        assert row["writes"] == sorted(load(name).WRITES)
        assert row["edition"]
        assert "/" in row["media_type"]


def test_a_format_that_is_only_written_reads_nothing() -> None:
    rows = json.loads(CliRunner().invoke(app, ["formats", "--json"]).stdout)

    assert next(row["reads"] for row in rows if row["format"] == "geojson") == []


def test_the_table_names_every_format() -> None:
    result = CliRunner().invoke(app, ["formats"])

    assert result.exit_code == 0
    for name in names():
        assert name in result.stdout
