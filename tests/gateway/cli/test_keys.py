"""``comity key`` and ``comity partner`` as an operator uses them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from gateway.cli import key, partner, secrets

runner = CliRunner()
app = typer.Typer()
app.add_typer(key.app, name="key")
app.add_typer(partner.app, name="partner")


def comity(*arguments: object, status: int = 0) -> Result:
    result = runner.invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == status, result.output
    assert "Traceback" not in result.output
    return result


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """Alpha and Bravo with keys, and their bundles as files."""
    for name in ("alpha", "bravo"):
        comity("key", "new", tmp_path / name, "--unit", f"{name}/hq")
        comity("partner", "export", tmp_path / name, "--out", tmp_path / f"{name}.bundle")
    return tmp_path


def digits(folder: Path, name: str) -> str:
    return comity("partner", "fingerprint", folder / name).stdout.partition(": ")[2].strip()


def test_new_keys_print_the_fingerprint_and_nothing_secret(tmp_path: Path) -> None:
    result = comity("key", "new", tmp_path / "alpha", "--unit", "alpha/hq", "--unit", "alpha/lno-1")

    assert result.stdout.startswith("alpha: ")
    assert len(result.stdout.split()) == 9
    assert "offline" in result.stderr
    files = [path for path in (tmp_path / "alpha").rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert (tmp_path / "alpha").stat().st_mode & 0o777 == 0o700
    secret = (tmp_path / "alpha" / "secret.key").read_bytes()
    assert secret.hex() not in result.output


def test_keys_are_never_made_over_others(two: Path) -> None:
    result = comity("key", "new", two / "alpha", "--unit", "alpha/hq", status=2)

    assert "already holds keys" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_unit_that_joins_later_gets_keys_and_stands_in_the_next_bundle(two: Path) -> None:
    result = comity("key", "add", two / "alpha", "alpha/cell")

    assert result.stdout == "alpha/cell has keys; bundle 2 issued: export it to every partner\n"
    assert "alpha/cell" in comity("key", "list", two / "alpha").stdout
    assert "has keys already: rotate them" in comity("key", "add", two / "alpha", "alpha/cell", status=2).stderr
    assert "is not a unit of alpha" in comity("key", "add", two / "alpha", "bravo/cell", status=2).stderr


def test_a_unit_gets_no_keys_where_no_bundle_can_state_them(two: Path) -> None:
    (two / "alpha" / "root").unlink()

    assert "no root in" in comity("key", "add", two / "alpha", "alpha/cell", status=2).stderr
    assert "alpha/cell" not in comity("key", "list", two / "alpha").stdout


def test_a_bad_unit_is_a_usage_error(tmp_path: Path) -> None:
    assert "partner/unit" in comity("key", "new", tmp_path / "x", "--unit", "alpha", status=2).stderr


def test_where_no_keys_are_is_said_before_a_passphrase_is_asked_for(tmp_path: Path) -> None:
    told = comity("key", "list", tmp_path / "elsewhere", status=2).stderr

    assert told.startswith(f"no keys in {tmp_path / 'elsewhere'}: ")


def test_a_state_directory_of_its_own_is_for_one_unit(tmp_path: Path) -> None:
    words = ("key", "new", tmp_path / "x", "--own", "--unit", "bravo/one", "--unit", "bravo/two")

    assert "--own is for one unit" in comity(*words, status=2).stderr
    assert not (tmp_path / "x").exists()


def test_listing_says_what_is_due(two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "due" in json.loads(comity("key", "list", two / "alpha", "--json").stdout)
    told = comity("key", "list", two / "alpha").stdout
    assert told.startswith("alpha/hq")
    assert "rotate" not in told

    now = secrets.now_s()
    monkeypatch.setattr(key, "now_s", lambda: now + 8 * 86_400)
    assert json.loads(comity("key", "list", two / "alpha", "--json").stdout)["due"] == "rotate"
    monkeypatch.setattr(key, "now_s", lambda: now + 84 * 86_400)
    assert comity("key", "list", two / "alpha").stdout.rstrip().endswith("rotate --signing")


def test_a_partner_is_pinned_with_its_fingerprint_only(two: Path) -> None:
    bundle = two / "bravo.bundle"

    first = comity("partner", "import", two / "alpha", bundle, status=3)
    assert first.stderr.startswith("refused: partner-not-pinned: import it with --fingerprint")
    wrong = comity("partner", "import", two / "alpha", bundle, "--fingerprint", "1" * 40, status=3)
    assert wrong.stderr.startswith("refused: fingerprint-mismatch: ")
    right = comity("partner", "import", two / "alpha", bundle, "--fingerprint", digits(two, "bravo"))
    assert right.stdout == "bravo: pinned with bundle 1\n"
    again = comity("partner", "import", two / "alpha", bundle, "--fingerprint", digits(two, "bravo"))
    assert again.stdout == "bravo: bundle 1 taken\n"
    assert comity("partner", "fingerprint", two / "alpha", "bravo").stdout == f"bravo: {digits(two, 'bravo')}\n"
    shown = comity("partner", "fingerprint", two / "alpha", "--file", bundle).stdout
    assert shown == f"bravo: {digits(two, 'bravo')}\n"


def test_rotation_brings_a_bundle_that_partners_take_and_never_go_back_from(two: Path) -> None:
    comity("partner", "import", two / "alpha", two / "bravo.bundle", "--fingerprint", digits(two, "bravo"))
    assert "bundle 2 issued" in comity("key", "rotate", two / "bravo", "bravo/hq", "--signing").stdout
    comity("partner", "export", two / "bravo", "--out", two / "newer")

    assert comity("partner", "import", two / "alpha", two / "newer").stdout == "bravo: bundle 2 taken\n"
    back = comity("partner", "import", two / "alpha", two / "bravo.bundle", status=3)
    assert back.stderr == "refused: bundle-rolled-back: a newer bundle is known: ask the partner for its newest\n"


def test_a_damaged_bundle_is_refused_with_what_to_do(two: Path) -> None:
    data = (two / "bravo.bundle").read_bytes()
    (two / "cut").write_bytes(data[:-1])
    (two / "changed").write_bytes(data[:-100] + bytes((data[-100] ^ 1,)) + data[-99:])
    (two / "large").write_bytes(bytes((1 << 20) + 1))
    for name in ("cut", "changed", "large", "absent"):
        result = comity(
            "partner",
            "import",
            two / "alpha",
            two / name,
            "--fingerprint",
            digits(two, "bravo"),
            status=2 if name == "absent" else 3,
        )
        assert len(result.stderr.splitlines()) == 1


def test_listing_partners_tells_stale_and_expired_bundles(two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    comity("partner", "import", two / "alpha", two / "bravo.bundle", "--fingerprint", digits(two, "bravo"))
    now = secrets.now_s()
    states = []
    for days in (0, 8, 31):
        monkeypatch.setattr(partner, "now_s", lambda days=days: now + days * 86_400)
        told = [json.loads(line) for line in comity("partner", "list", two / "alpha", "--json").stdout.splitlines()]
        states.append([each["state"] for each in told])
    assert states == [["good", "good"], ["stale", "stale"], ["expired", "expired"]]
    assert told[1]["units"] == ["bravo/hq"]
    assert "bravo/hq" in comity("partner", "list", two / "alpha").stdout


def test_a_unit_with_its_own_keys_is_enrolled_rotated_and_withdrawn(two: Path) -> None:
    field, file = two / "field", two / "field.enrolment"
    comity("key", "new", field, "--own", "--unit", "bravo/field-7", "--out", file)
    taken = comity("partner", "import", two / "bravo", file)
    assert taken.stdout == "bravo/field-7: enrolled; bundle 2 issued: export it to every partner\n"
    comity("key", "rotate", field, "bravo/field-7", "--out", file)
    assert "bundle 3 issued" in comity("partner", "import", two / "bravo", file).stdout
    comity("key", "rotate", field, "bravo/field-7", "--signing", "--out", file)
    assert "bundle 4 issued" in comity("partner", "import", two / "bravo", file).stdout
    gone = comity("partner", "withdraw", two / "bravo", "bravo/field-7")
    assert "bundle 5 issued" in gone.stdout
    assert "field-7" not in comity("partner", "list", two / "bravo").stdout


def test_a_partner_is_withdrawn(two: Path) -> None:
    comity("partner", "import", two / "alpha", two / "bravo.bundle", "--fingerprint", digits(two, "bravo"))

    assert comity("partner", "withdraw", two / "alpha", "bravo").stdout == "bravo is trusted no longer\n"
    assert "bravo" not in comity("partner", "list", two / "alpha").stdout
    assert "not pinned" in comity("partner", "withdraw", two / "alpha", "bravo", status=2).stderr


def test_a_pre_signed_revocation_is_made_kept_and_taken(two: Path) -> None:
    comity("partner", "import", two / "alpha", two / "bravo.bundle", "--fingerprint", digits(two, "bravo"))
    comity("partner", "export", two / "bravo", "--revocation", "bravo/hq", "--out", two / "revocation")

    assert (two / "revocation").stat().st_mode & 0o777 == 0o600
    assert comity("partner", "import", two / "alpha", two / "revocation").stdout == "bravo/hq: revoked\n"


def test_a_renewed_bundle_goes_to_standard_output(two: Path) -> None:
    data = comity("partner", "export", two / "bravo", "--renew").stdout_bytes

    (two / "renewed").write_bytes(data)
    assert comity("partner", "fingerprint", two / "alpha", "--file", two / "renewed").stdout.startswith("bravo: ")


def test_without_a_secret_or_a_terminal_nothing_is_unlocked(two: Path) -> None:
    (two / "alpha" / "secret.key").unlink()

    told = comity("key", "list", two / "alpha", status=2).stderr
    assert "use a key file, a systemd credential or a terminal" in told


def test_the_systemd_credential_is_found(two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (two / "credentials").mkdir()
    (two / "alpha" / "secret.key").rename(two / "credentials" / "comity.key")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(two / "credentials"))

    assert comity("key", "list", two / "alpha").stdout.startswith("alpha/hq")


def test_a_passphrase_comes_from_the_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["correct horse", "correct horse", "wrong horse battery"])
    monkeypatch.setattr(secrets, "_terminal", lambda: True)
    monkeypatch.setattr(typer, "prompt", lambda *_, **__: next(answers))

    made = comity("key", "new", tmp_path / "alpha", "--unit", "alpha/hq", "--passphrase")
    listed = comity("key", "list", tmp_path / "alpha")
    wrong = comity("key", "list", tmp_path / "alpha", status=2)

    assert not (tmp_path / "alpha" / "secret.key").exists()
    assert listed.stdout.startswith("alpha/hq")
    assert "wrong passphrase or key, or a damaged file" in wrong.stderr
    assert "horse" not in made.output + listed.output + wrong.output


def test_what_cannot_be_written_is_said_in_one_line(two: Path) -> None:
    told = comity("partner", "export", two / "alpha", "--out", two / "no" / "such" / "folder", status=2).stderr
    assert "No such file" in told


def test_a_key_file_that_others_can_read_is_refused(two: Path) -> None:
    (two / "alpha" / "secret.key").chmod(0o644)

    assert "chmod 600" in comity("key", "list", two / "alpha", status=2).stderr
