"""``python -m tests.vectors run DIR`` opens every vector of a folder; ``make DIR N`` writes N fresh ones."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.vectors.make import opening
from tests.vectors.vector import disagreement, read, write


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


def main(arguments: list[str]) -> int:
    match arguments:
        case ["run", folder] if Path(folder).is_dir():
            return run(Path(folder))
        case ["make", folder, count] if count.isdecimal():
            return make(Path(folder), int(count))
    say("usage: python -m tests.vectors run DIR | make DIR N")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
