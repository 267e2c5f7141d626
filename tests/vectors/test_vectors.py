from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from protocols.envelope import Refusal
from tests.vectors.__main__ import main
from tests.vectors.make import opening
from tests.vectors.refusals import refusals
from tests.vectors.vector import disagreement, read

ROOT = Path(__file__).parents[2]
PUBLISHED = Path(__file__).parent / "cse1"
FOREIGN = ROOT.parent / "shared" / "standards" / "cse1"


@pytest.mark.skipif(not FOREIGN.is_dir(), reason="the vectors of the second implementation are not here")
def test_agrees_with_every_vector_of_the_second_implementation() -> None:
    paths = sorted(FOREIGN.glob("*.json"))

    assert len(paths) >= 45
    assert [(path.name, problem) for path in paths if (problem := disagreement(read(path)))] == []


def test_the_published_set_is_complete_and_agrees() -> None:
    """One file each, at least 150; every refusal code at least three times; both suites and every mode open."""
    vectors = [read(path) for path in sorted(PUBLISHED.glob("*.json"))]

    expected = Counter(vector.expect for vector in vectors)

    assert len(vectors) >= 150
    assert {code: expected[code] for code in Refusal if expected[code] < 3} == {}
    assert set(expected) == {"open", *Refusal}
    assert [(vector.name, problem) for vector in vectors if (problem := disagreement(vector))] == []


def test_fresh_refusals_are_refused_with_their_code() -> None:
    assert [(vector.name, problem) for vector in refusals() if (problem := disagreement(vector))] == []


@pytest.mark.parametrize("number", range(24))
def test_fresh_vectors_open(number: int) -> None:
    assert disagreement(opening(number)) is None


def test_make_then_run_closes_with_the_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["make", str(tmp_path), "4"]) == 0
    assert main(["run", str(tmp_path)]) == 0

    assert capsys.readouterr().out.splitlines() == ["4 written", "4 passed, 0 failed"]


def test_run_fails_on_an_empty_folder_and_on_what_is_no_vector(tmp_path: Path) -> None:
    assert main(["run", str(tmp_path)]) == 1

    (tmp_path / "bad.json").write_text("{}")

    assert main(["run", str(tmp_path)]) == 1


def test_publish_writes_the_whole_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["publish", str(tmp_path)]) == 0
    assert main(["run", str(tmp_path)]) == 0
    assert main(["make"]) == 2

    names = {path.name for path in tmp_path.iterdir()}
    assert names >= {path.name for path in PUBLISHED.iterdir() if path.name.startswith("refuse-")}
    assert f"{len(names)} passed, 0 failed" in capsys.readouterr().out
