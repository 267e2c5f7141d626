"""Whatever is delivered, acknowledged, changed and restarted in whatever order: each step ends in exactly one way."""

from __future__ import annotations

import asyncio
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.keyring.ring import Keyring
from protocols.body import ReceiptState
from protocols.message import Precedence, Source
from protocols.record import Event
from tests.gateway.line import say
from tests.gateway.reports import a_chat
from tests.gateway.tables import TABLE
from tests.gateway.vigil import DEFAULT_LABEL, Vigil

pytestmark = pytest.mark.usefixtures("formats")

RANK = {"UNCLASSIFIED": 0, "RESTRICTED": 1, "CONFIDENTIAL": 2}
CLEARED = {"alpha/cell": 2, "alpha/first": 0, "alpha/second": 2, "alpha/third": 1}
DESKS = "".join(
    f"""
[[units]]
id = "{name}"
clearance = {{ policy = "MISSION", classification = "{next(c for c, r in RANK.items() if r == rank)}" }}
adapter = "cot"
link = "national"
receive = ["desks/{name}"]
deliver = "to/{name}"
"""
    for name, rank in CLEARED.items()
    if name != "alpha/cell"
)
OFF = 'duty = [{ days = ["mon"], from = "07:00", until = "08:00" }]\ntime_zone = "Asia/Kathmandu"\n'
OLD = TABLE[TABLE.index('[[routes]]\nfrom = ["alpha/patrols"]\nto = ["bravo/ops"]') :]
NEW = """
[[routes]]
from = ["alpha/patrols"]
to = ["alpha/cell"]
agreement = "alpha-inside"
acknowledge = { immediate = 60, routine = 600 }

[[routes]]
from = ["alpha/cell"]
to = ["alpha/patrols"]
kinds = ["receipt"]
agreement = "alpha-inside"
"""
CONFIDENTIAL = """labels = [
  { hint = "access=CONFIDENTIAL", label = { policy = "MISSION", classification = "CONFIDENTIAL" } },"""
BASE = (
    (OLD, NEW),
    ('\n[[peers]]\nid = "bravo/ops"\n', DESKS + '\n[[peers]]\nid = "bravo/ops"\n'),
    (
        'kinds = ["track", "chat"]\ndirections = [{ from = "alpha", to = "alpha" }]',
        'kinds = ["chat", "receipt"]\ndirections = [{ from = "alpha", to = "alpha" }]',
    ),
    ("labels = [", CONFIDENTIAL),
)
UNITS = st.sampled_from(sorted(CLEARED))
OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("deliver"), st.sampled_from(sorted(RANK)), st.sampled_from([None, *Precedence])),
        st.tuples(st.just("answer"), UNITS, st.integers(1, 6), st.sampled_from(ReceiptState)),
        st.tuples(st.just("console"), st.integers(0, 3)),
        st.tuples(st.just("pass"), st.sampled_from([0, 1, 59, 60, 600, 4000])),
        st.tuples(st.just("restart")),
        st.tuples(st.just("table"), st.permutations(sorted(CLEARED)[1:]), st.integers(0, 3), st.sets(UNITS)),
    ),
    max_size=25,
)


def table(alternates: list[str], off: set[str]) -> tuple[tuple[str, str], ...]:
    """The table with these alternates, and these units off duty."""
    named = ", ".join(f'"{name}"' for name in alternates)
    hours = tuple((f'id = "{name}"\n', f'id = "{name}"\n{OFF}') for name in sorted(off))
    return ((DEFAULT_LABEL, f"{DEFAULT_LABEL}\nalternates = [{named}]"), *hours)


class History(Vigil):
    """A vigil inside one partner, with a small bound."""

    TABLE = BASE
    LIMIT = 3

    def __init__(self, coalition: dict[str, Keyring], folder: Path) -> None:
        super().__init__(
            coalition, folder, *table(["alpha/first", "alpha/second", "alpha/third"], set()), limit=self.LIMIT
        )
        self.count = 0

    async def do(self, operation: tuple[Any, ...]) -> None:
        """One thing happens; then whatever is due is done."""
        name, *given = operation
        await getattr(self, f"_{name}")(*given)

    async def _deliver(self, classification: str, precedence: Precedence | None) -> None:
        self.count += 1
        source = Source(format="plain", label_hint=f"access={classification}")
        await self.line.carry([say(replace(a_chat(self.count), source=source, precedence=precedence))])

    async def _answer(self, unit: str, number: int, state: ReceiptState) -> None:
        self.count += 1000
        topic = "cell/alpha" if unit == "alpha/cell" else f"desks/{unit}"
        await self.answer(f"GeoChat.{number}", state, topic, self.count)
        self.count -= 1000

    async def _console(self, place: int) -> None:
        for case in self.escalation.waiting()[place : place + 1]:
            assert self.escalation.acknowledge(case.key)

    async def _pass(self, seconds: float) -> None:
        await self.after(seconds)

    async def _restart(self) -> None:
        self.restart(self.LIMIT)

    async def _table(self, alternates: list[str], count: int, off: set[str]) -> None:
        self.adopt(*table(alternates[:count], off))

    async def finish(self) -> None:
        """Time passes until nothing waits any more; a chain of four has at most four turns."""
        for _ in range(5):
            await self.after(600)
        assert len(self.escalation) == 0
        self.shelf.close()


def judge(history: History) -> None:
    """Each step ended once, in order; and nobody was given what his clearance does not reach."""
    stories: dict[str, list[tuple[Event, str | None, str]]] = defaultdict(list)
    for outcome in history.audit.outcomes:
        record = outcome.record
        if record.subject_kind != "chat" or record.message is None or record.destination is None:
            continue
        stories[record.message].append((record.event, record.reason, record.destination))
        if record.event is Event.DELIVERED:
            assert record.label is not None
            assert RANK[record.label.classification] <= CLEARED[record.destination]
    for story in stories.values():
        follow(story)


def follow(story: list[tuple[Event, str | None, str]]) -> None:
    """Go through what became of one message, from step to step."""
    asked = stood_in = None
    ended = False
    for event, reason, unit in story:
        assert not ended, story
        if event is Event.DELIVERED and reason is None:
            assert asked is None, story
            asked = unit
        elif event is Event.DELIVERED:
            stood_in = unit
        elif event is Event.ESCALATED:
            assert unit == asked, story
            assert stood_in is not None, story
            asked, stood_in = stood_in, None
        elif event is Event.NOT_ACKNOWLEDGED:
            assert unit == asked, story
        ended = event in {Event.ACKNOWLEDGED, Event.NOT_ACKNOWLEDGED}
    assert ended or len(story) == 1, story  # a precedence that asks for nothing is delivered, and that is all


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=OPERATIONS)
def test_each_step_ends_once_and_nobody_is_given_what_release_refuses(
    coalition: dict[str, Keyring], operations: list[tuple[Any, ...]]
) -> None:
    async def run(folder: Path) -> History:
        history = History(coalition, folder)
        for operation in operations:
            await history.do(operation)
        await history.finish()
        return history

    with tempfile.TemporaryDirectory() as folder:
        judge(asyncio.run(run(Path(folder))))


def test_the_judge_sees_what_it_looks_for(coalition: dict[str, Keyring], tmp_path: Path) -> None:
    async def run(*operations: tuple[Any, ...]) -> History:
        history = History(coalition, tmp_path)
        for operation in operations:
            await history.do(operation)
        await history.finish()
        return history

    history = asyncio.run(run(("deliver", "CONFIDENTIAL", None), ("pass", 600), ("deliver", "UNCLASSIFIED", None)))
    events = [outcome.record.event for outcome in history.audit.outcomes]
    assert events.count(Event.ESCALATED) == 4  # to the second desk; to the first, second and third
    assert events.count(Event.NOT_ACKNOWLEDGED) == 2
    doubled = history.audit.outcomes
    doubled.append(next(outcome for outcome in doubled if outcome.record.event is Event.ESCALATED))
    with pytest.raises(AssertionError):
        judge(history)
