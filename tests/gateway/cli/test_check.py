"""``comity check``: a table that holds is told so; one that does not ends with status 2 and every fault's path."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli.main import app
from tests.gateway.line import make_coalition
from tests.gateway.tables import TABLE, changed
from tests.gateway.test_config import BETWEEN, DECODED

TABLES = Path(__file__).parents[3] / "gateway" / "demo" / "tables"


@pytest.mark.parametrize("partner", ["alpha", "bravo", "charlie"])
def test_the_tables_of_the_demonstration_hold(partner: str) -> None:
    result = CliRunner().invoke(app, ["check", str(TABLES / f"{partner}.toml")])

    assert (result.exit_code, result.stderr) == (0, "")
    assert " routes hold; " in result.stdout


def test_a_table_that_holds_is_counted(tmp_path: Path) -> None:
    file = tmp_path / "alpha.toml"
    file.write_text(TABLE.replace("2027-01-01", "2127-01-01"))

    result = CliRunner().invoke(app, ["check", str(file)])

    assert result.exit_code == 0
    assert result.stdout.startswith(
        f"{file}: 2 units, 2 peers, 3 agreements (keys not here, so signatures not checked), 4 routes hold; "
    )


def test_what_has_expired_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "alpha.toml"
    file.write_text(TABLE.replace("2026-01-01", "2020-01-01").replace("2027-01-01", "2021-01-01"))

    result = CliRunner().invoke(app, ["check", str(file)])

    assert result.exit_code == 2
    assert result.stderr.splitlines()[0] == (
        "$.agreements[0]: expired, so nothing passes under it; renew it or remove it"
    )


def test_what_is_not_signed_is_refused_where_the_keys_are(tmp_path: Path) -> None:
    file = tmp_path / "alpha.toml"
    file.write_text(TABLE.replace("2027-01-01", "2127-01-01"))
    make_coalition(tmp_path / "states")
    (tmp_path / "states" / "alpha").rename(tmp_path / "state")

    result = CliRunner().invoke(app, ["check", str(file)])

    assert result.exit_code == 2
    assert "$.agreements[0]: not signed by alpha, bravo, so closed" in result.stderr


def test_tables_that_word_an_agreement_differently_are_refused(tmp_path: Path) -> None:
    one, other = tmp_path / "one.toml", tmp_path / "other.toml"
    one.write_text(TABLE.replace("2027-01-01", "2127-01-01"))
    other.write_text(TABLE.replace("2027-01-01", "2126-01-01"))

    result = CliRunner().invoke(app, ["check", str(one), str(other)])

    assert result.exit_code == 2
    assert f'{other}: $.agreements[0]: "alpha-bravo" reads otherwise in {one}; word both alike' in result.stderr


def test_every_fault_is_a_line_with_its_path(tmp_path: Path) -> None:
    file = tmp_path / "alpha.toml"
    file.write_text(changed(('adapter = "cot"', 'adapter = "x"'), ('to = ["charlie/map"]', 'to = ["charlie/desk"]')))

    result = CliRunner().invoke(app, ["check", str(file)])

    assert result.exit_code == 2
    assert result.stdout == ""
    assert [line.partition(":")[0] for line in result.stderr.splitlines()] == [
        "$.units[0].adapter",
        "$.routes[1].to[0]",
    ]


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize("text", ["", "[gateway\n", "\x00", 'partner = "alpha"\n'])
def test_a_file_that_is_no_table_starts_nothing(tmp_path: Path, command: str, text: str) -> None:
    file = tmp_path / "broken.toml"
    file.write_text(text)

    result = CliRunner().invoke(app, [command, str(file)])

    assert result.exit_code == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert isinstance(result.exception, SystemExit)


LIVE = ("2027-01-01T00:00:00Z", "2127-01-01T00:00:00Z")  # so that nothing but the seeded fault has lapsed
OPEN = '{ policy = "MISSION", classification = "UNCLASSIFIED" }'
MEDICAL = (
    '{ policy = "MISSION", classification = "UNCLASSIFIED", '
    'categories = [{ type = "restrictive", tag = "Sensivity", values = ["MEDICAL"] }] }'
)
CLEARED = 'clearance = { policy = "MISSION", classification = "CONFIDENTIAL" }\n'
# What only a check refuses, or only other parts of a table know: old text, new text, path, a word of what to do.
CHECKED = {
    "lapsed agreement": ("valid_until = 2127-01-01", "valid_until = 2026-01-02", "$.agreements[0]", "renew"),
    "unknown category": (f"default_label = {OPEN}", f"default_label = {MEDICAL}", "$.units[1]", "no policy"),
    "unit without labels": (f"default_label = {OPEN}\n", "", "$.routes[4]", "give it labels"),
    "route above the unit's clearance": (f'hint = "access=UNCLASSIFIED", label = {OPEN}',
        'hint = "access=UNCLASSIFIED", label = { policy = "MISSION", classification = "CONFIDENTIAL" }',
        "$.routes[1]", "mend"),
    "live and exercise together": ('kinds = ["track", "chat", "delete"]',
        'kinds = ["track"]\nmodes = ["operation", "exercise"]', "$.agreements[0]", "each"),
    "precedence by number": ('kinds = ["track", "chat", "delete"]', 'kinds = ["track"]\nprecedence = 4',
        "$.agreements[0].precedence", "str"),
    "area of nothing": ('kinds = ["track", "chat", "delete"]', 'kinds = ["track"]\narea = {}',
        "$.agreements[0]", "circle"),
    "delay that outlasts its epoch": ("coarsen_m = 1000.0", "coarsen_m = 1000.0, delay_s = 86400.0",
        "$.agreements[1].transformation", "delay_s"),
    "time zone typo": (CLEARED, f'{CLEARED}time_zone = "Europe/Berln"\n', "$.units[0]", "zone"),
}  # fmt: skip
ROUTE = '\n[[routes]]\nfrom = ["alpha/cell"]\nto = ["alpha/patrols"]\nagreement = "alpha-inside"\n'


@pytest.mark.parametrize("fault", [*DECODED, *BETWEEN, *CHECKED])
def test_every_seeded_fault_is_refused_with_its_path_and_one_line(tmp_path: Path, fault: str) -> None:
    old, new, path, word = (DECODED | BETWEEN | CHECKED)[fault]
    text = changed((old, new)) if fault not in CHECKED else (TABLE + ROUTE).replace(*LIVE)
    if fault in CHECKED:
        assert old in text
        text = text.replace(old, new, 1)
    file = tmp_path / "seeded.toml"
    file.write_text(text)

    result = CliRunner().invoke(app, ["check", str(file)])

    assert result.exit_code == 2
    assert result.stdout == ""
    lines = [line for line in result.stderr.splitlines() if not line.startswith("warning: ")]
    assert [line for line in lines if line.startswith(path) and word in line], lines


def test_the_table_of_the_seeded_faults_has_none_itself(tmp_path: Path) -> None:
    file = tmp_path / "alpha.toml"
    file.write_text((TABLE + ROUTE).replace(*LIVE))

    assert CliRunner().invoke(app, ["check", str(file)]).exit_code == 0
    assert len(DECODED) + len(BETWEEN) + len(CHECKED) >= 30
