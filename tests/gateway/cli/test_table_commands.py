"""``comity agreement``, ``explain`` and ``replay`` as operators run them, on a coalition laid out as the demo's."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from typer.testing import CliRunner, Result

from gateway.audit import Audit
from gateway.cli.main import app
from gateway.demo.layout import prepare
from gateway.stream import Outcome
from protocols.message import Times, to_json
from protocols.record import Event, Record
from tests.gateway.reports import OPEN, a_message

FIXTURES = Path(__file__).parents[2] / "fixtures"
TERMS = 'highest = { policy = "MISSION", classification = "CONFIDENTIAL" }'


@pytest.fixture(scope="module")
def laid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("coalition")
    prepare(folder, datetime.now(UTC))
    return folder


@pytest.fixture
def folder(laid: Path, tmp_path: Path) -> Path:
    """A copy of the coalition that a test may change."""
    return Path(shutil.copytree(laid, tmp_path / "coalition"))


def comity(*words: object, text: str | bytes | None = None) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], input=text)


def track(label_hint: str | None = "access=UNCLASSIFIED") -> bytes:
    message = a_message(origin=None, label=None, times=Times(observed=datetime.now(UTC)))
    return to_json(replace(message, source=replace(message.source, label_hint=label_hint)))


def test_a_laid_out_coalition_has_everything_signed(laid: Path) -> None:
    for partner in ("alpha", "bravo", "charlie"):
        assert comity("agreement", "verify", laid / f"{partner}.toml").exit_code == 0
        assert comity("check", laid / f"{partner}.toml").exit_code == 0
    rows = [json.loads(line) for line in comity("agreement", "list", laid / "alpha.toml", "--json").stdout.splitlines()]
    assert {(row["id"], row["state"]) for row in rows} >= {("alpha-bravo", "in force")}


def test_a_changed_word_closes_an_agreement_until_both_have_signed_it_again(folder: Path) -> None:
    for partner in ("alpha", "bravo"):
        file = folder / f"{partner}.toml"
        file.write_text(file.read_text().replace(TERMS, TERMS.replace("CONFIDENTIAL", "RESTRICTED"), 1))

    assert comity("agreement", "verify", folder / "alpha.toml", "alpha-bravo").exit_code == 3
    refused = comity("check", folder / "alpha.toml")
    assert refused.exit_code == 2
    assert "not signed by alpha, bravo" in refused.stderr

    (folder / "out").mkdir()
    ours = comity("agreement", "sign", folder / "alpha.toml", "alpha-bravo", "--out", folder / "out")
    assert ours.stdout == "alpha-bravo: signed by alpha; not yet by bravo\n"
    comity("agreement", "sign", folder / "bravo.toml", "alpha-bravo", "--out", folder / "out")
    taken = comity("agreement", "import", folder / "alpha.toml", folder / "out" / "alpha-bravo.bravo.signed")

    assert taken.stdout == "alpha-bravo: signed by bravo; by all\n"
    assert comity("agreement", "verify", folder / "alpha.toml").exit_code == 0


def test_a_signature_for_other_words_is_refused(folder: Path) -> None:
    (folder / "out").mkdir()
    comity("agreement", "sign", folder / "bravo.toml", "alpha-bravo", "--out", folder / "out")
    file = folder / "alpha.toml"
    file.write_text(file.read_text().replace(TERMS, TERMS.replace("CONFIDENTIAL", "RESTRICTED"), 1))

    refused = comity("agreement", "import", file, folder / "out" / "alpha-bravo.bravo.signed")

    assert refused.exit_code == 3
    assert refused.stderr.startswith("refused: agreement-in-other-words: compare the tables")


def test_an_unknown_agreement_is_told(laid: Path) -> None:
    result = comity("agreement", "sign", laid / "alpha.toml", "alpha-delta")

    assert result.exit_code == 2
    assert "none is called alpha-delta; have alpha-bravo" in result.stderr


def test_a_draft_can_be_put_into_a_table_as_it_is(folder: Path) -> None:
    words = ["--partner", "alpha", "--partner", "bravo", "--kind", "graphic", "--highest", "MISSION/RESTRICTED"]
    draft = comity("agreement", "draft", "alpha-bravo-drawings", *words, "--days", 30)
    file = folder / "alpha.toml"
    file.write_text(f"{file.read_text()}\n{draft.stdout}")

    listed = comity("agreement", "list", file)

    assert draft.exit_code == 0
    assert listed.exit_code == 0
    assert "alpha-bravo-drawings" in listed.stdout
    assert "not signed by alpha, bravo" in listed.stdout


@pytest.mark.parametrize(
    "words",
    [
        ["--highest", "RESTRICTED", "--kind", "track"],
        ["--highest", "MISSION/RESTRICTED", "--kind", "tracks"],
    ],
)
def test_a_draft_that_cannot_be_is_refused(words: list[str]) -> None:
    result = comity("agreement", "draft", "alpha-bravo", "--partner", "alpha", "--partner", "bravo", *words)

    assert result.exit_code == 2
    assert result.stdout == ""


def test_explain_says_what_is_delivered_and_how_to_keep_it_back(laid: Path) -> None:
    words = ["explain", laid / "alpha.toml", "--from", "alpha/patrols", "--to", "bravo/ops", "--as", "json", "--json"]
    result = comity(*words, text=track())

    told = json.loads(result.stdout)
    assert result.exit_code == 0
    assert (told["delivered"], told["changes"]) == (True, [])
    assert told["barrier"]["at"].startswith("$.routes")
    assert [step["rule"] for step in told["steps"]][:3] == ["marking", "subject", "route"]


def test_explain_says_what_is_withheld_and_how_to_let_it_through(laid: Path) -> None:
    words = ["explain", laid / "alpha.toml", "--from", "alpha/patrols", "--to", "charlie/map", "--as", "json"]
    result = comity(*words, text=track("access=CONFIDENTIAL"))

    assert result.exit_code == 5
    assert "stop  ceiling" in result.stdout
    assert "=> withheld: above-ceiling" in result.stdout
    assert '"alpha-charlie-map" on CONFIDENTIAL   [$.agreements[1].highest.classification]' in result.stdout


def test_explain_says_what_would_have_become_of_it_then(laid: Path) -> None:
    words = ["explain", laid / "alpha.toml", "--from", "alpha/patrols", "--to", "bravo/ops", "--as", "json"]
    later = (datetime.now(UTC) + timedelta(days=2)).strftime("%Y-%m-%d")
    result = comity(*words, "--at", later, text=track())

    assert result.exit_code == 5
    assert "stop  timely" in result.stdout
    assert "=> withheld: too-old" in result.stdout
    assert "to let it through: had it come by" in result.stdout


def test_explain_knows_through_whom_it_came(laid: Path) -> None:
    words = ["explain", laid / "alpha.toml", "--from", "bravo/ops", "--to", "alpha/watch", "--as", "json"]

    assert "--through: not one of $.partners" in comity(*words, "--through", "delta", text=track()).stderr
    told = comity(*words, "--through", "charlie", text=track())
    assert (told.exit_code, "=> withheld: re-export-denied" in told.stdout) == (5, True)


def test_explain_without_a_destination_tells_of_every_one(laid: Path) -> None:
    event = (FIXTURES / "cot" / "alert.xml").read_bytes()
    result = comity("explain", laid / "alpha.toml", "--from", "alpha/patrols", text=event)

    assert result.exit_code == 5  # it is unlabelled
    assert result.stdout.count("=> withheld: unlabelled") == 3


def test_explain_refuses_what_cannot_be_read(laid: Path) -> None:
    result = comity("explain", laid / "alpha.toml", "--from", "alpha/patrols", text=b"<event")

    assert result.exit_code == 3
    assert result.stderr.startswith("refused: malformed")
    assert result.stdout == ""


def test_explain_knows_its_units(laid: Path) -> None:
    result = comity("explain", laid / "alpha.toml", "--from", "alpha/patrol", text=track())

    assert result.exit_code == 2
    assert "--from: no such unit" in result.stderr


def test_explain_counts_an_unsigned_agreement_as_closed(folder: Path) -> None:
    for file in (folder / "state" / "alpha" / "agreements").glob("alpha-bravo.*"):
        file.unlink()
    words = ["explain", folder / "alpha.toml", "--from", "alpha/patrols", "--to", "bravo/ops", "--as", "json"]

    assert "=> withheld: agreement-unsigned" in comity(*words, text=track()).stdout
    assert comity(*words, "--assume-signed", text=track()).exit_code == 0


def test_explain_says_that_a_partner_has_withdrawn_a_unit(folder: Path) -> None:
    words = ["explain", folder / "alpha.toml", "--from", "alpha/patrols", "--to", "bravo/ops", "--as", "json"]
    revoked = folder / "revoked"
    comity("partner", "export", folder / "state/bravo", "--revocation", "bravo/ops", "--out", revoked)
    assert comity("partner", "import", folder / "state/alpha", revoked).exit_code == 0

    told = comity(*words, text=track())

    assert told.exit_code == 5
    assert "=> withheld: revoked" in told.stdout
    assert "to let it through: import a newer bundle of bravo" in told.stdout


def test_explain_without_keys_says_that_it_did_not_look_at_them(folder: Path) -> None:
    words = ["explain", folder / "alpha.toml", "--from", "alpha/patrols", "--to", "bravo/ops", "--as", "json"]
    shutil.rmtree(folder / "state" / "alpha")

    told = comity(*words, "--assume-signed", text=track())

    assert told.exit_code == 0
    assert "keys are not at hand: whether partners' bundles and keys hold was not looked at" in told.stdout
    assert json.loads(comity(*words, "--assume-signed", "--json", text=track()).stdout)["looked_at_keys"] is False


def test_replay_tells_who_would_lose_and_gain(folder: Path) -> None:
    record = Record(
        at=datetime.now(UTC),
        gateway="alpha",
        event=Event.FORWARDED,
        message="m1",
        subject_kind="track",
        source="alpha/patrols",
        destination="bravo/ops",
        label=OPEN,
    )
    with Audit(folder / "state" / "alpha" / "audit.log") as audit:
        audit(Outcome(record))
    file = folder / "alpha.toml"
    before = 'from = ["alpha/patrols"]\nto = ["bravo/ops"]'
    file.write_text(file.read_text().replace(before, before.replace("bravo/ops", "bravo/convoys")))

    result = comity("replay", "--table", file)

    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        '+      1  track     alpha/patrols -> bravo/cell  under "alpha-bravo"',
        '+      1  track     alpha/patrols -> bravo/convoys  under "alpha-bravo"',
        "-      1  track     alpha/patrols -> bravo/ops  no-route",
        '+      1  track     alpha/patrols -> charlie/map  under "alpha-charlie-map"',
        "1 messages: 3 deliveries gained, 1 lost, 0 that only content decides",
    ]


def test_replay_reads_what_every_worker_recorded(folder: Path) -> None:
    for number in range(2):
        record = Record(
            at=datetime.now(UTC),
            gateway="alpha",
            event=Event.FORWARDED,
            message=f"m{number}",
            subject_kind="track",
            source="alpha/patrols",
            destination="bravo/ops",
            label=OPEN,
        )
        own = folder / "state" / "alpha" / f"worker-{number}"
        own.mkdir()
        with Audit(own / "audit.log") as audit:
            audit(Outcome(record))

    result = comity("replay", "--table", folder / "alpha.toml")

    assert result.stdout.splitlines()[-1].startswith("2 messages: ")


def test_replay_without_an_audit_is_one_line(folder: Path) -> None:
    result = comity("replay", "--table", folder / "alpha.toml", "--state", folder / "nowhere")

    assert result.exit_code == 3
    assert len(result.stderr.splitlines()) == 1
