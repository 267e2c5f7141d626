"""``python -m tests.vectors run DIR`` opens every vector of a folder; ``make DIR N`` writes N fresh ones that open.

``publish DIR`` writes the set that stands beside this file: every way to open, and every refusal at least three times.
"""

from __future__ import annotations

import sys
from pathlib import Path

from msgspec.structs import replace

from protocols.envelope import Mode
from protocols.identity import SUITES
from tests.vectors.make import of_a_head, of_a_slice, opening
from tests.vectors.refusals import refusals
from tests.vectors.vector import Vector, disagreement, read, write


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def run(folder: Path) -> int:
    """Open every vector of a folder and close with ``N passed, N failed``."""
    passed = failed = 0
    for path in sorted(folder.glob("*.json")):
        try:
            complaint = disagreement(read(path))
        except (ValueError, KeyError) as error:
            complaint = f"not a vector: {error}"
        if complaint is None:
            passed += 1
        else:
            failed += 1
            say(f"{path.name}: {complaint}")
    say(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


def make(folder: Path, count: int) -> int:
    """Write ``count`` vectors that open, with fresh keys."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        write(opening(number), folder)
    say(f"{count} written")
    return 0


def publish(folder: Path) -> int:
    """Write the published set."""
    folder.mkdir(parents=True, exist_ok=True)
    opens = [opening(number) for number in range(48)]
    opens += [of_a_slice(suite, size) for suite in SUITES for size in (1, 2, 5, 33)]
    opens += [of_a_head(suite, mode) for suite in SUITES for mode in Mode]
    made = [*map(small, opens), *refusals()]
    for vector in made:
        write(vector, folder)
    say(f"{len(made)} written")
    return 0


def small(vector: Vector) -> Vector:
    """A vector that opens, knowing only its sender: the published set need not weigh so much."""
    return replace(vector, signers=vector.signers[:1])


def main(arguments: list[str]) -> int:
    match arguments:
        case ["run", folder] if Path(folder).is_dir():
            return run(Path(folder))
        case ["make", folder, count] if count.isdecimal():
            return make(Path(folder), int(count))
        case ["publish", folder]:
            return publish(Path(folder))
    say("usage: python -m tests.vectors run DIR | make DIR N | publish DIR")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
