"""What is put is kept, given out once and in order, and ends for one reason."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.spool import Kept, Limits, Note, Row, SpoolError, SpoolFull, Trouble, Why
from gateway.spool.spool import Spool
from tests.gateway.spool.clocks import START_S, Hands

ALL = (5, 4, 3, 2, 1, 0)
TANK, TRUCK = b"t" * 16, b"u" * 16


async def taken(spool: Spool, lane: str = "bravo", precedences: Sequence[int] = ALL) -> list[bytes]:
    return [row.data for row in await spool.take(lane, precedences)]


async def test_gives_back_what_it_was_given(tmp_path: Path) -> None:
    kept = Kept("bravo", 4, b"data", b"facts", b"k" * 12, expires_s=START_S + 60.0)
    hands = Hands()

    async with await Spool.open(tmp_path, clock=hands.clock()) as spool:
        ids = (await spool.put([kept])).ids
        hands.pass_s(2.5)
        rows = await spool.take("bravo", ALL)

    assert rows == [Row(ids[0], "bravo", 4, b"data", b"facts", b"k" * 12, b"", START_S + 60.0, 2.5)]


async def test_higher_precedence_first_and_the_oldest_of_each(tmp_path: Path) -> None:
    async with await Spool.open(tmp_path) as spool:
        await spool.put([Kept("bravo", 2, b"routine 1"), Kept("bravo", 4, b"flash 1"), Kept("bravo", 2, b"routine 2")])
        await spool.put([Kept("bravo", 4, b"flash 2"), Kept("charlie", 5, b"not for bravo")])

        assert await taken(spool) == [b"flash 1", b"flash 2", b"routine 1", b"routine 2"]


async def test_gives_only_the_precedences_asked_for(tmp_path: Path) -> None:
    async with await Spool.open(tmp_path) as spool:
        await spool.put([Kept("bravo", 2, b"routine"), Kept("bravo", 4, b"flash")])

        assert await taken(spool, precedences=(5, 4)) == [b"flash"]


async def test_what_is_in_hand_is_not_given_out_again(tmp_path: Path) -> None:
    async with await Spool.open(tmp_path) as spool:
        await spool.put([Kept("bravo", 2, b"1")])

        assert await taken(spool) == [b"1"]
        assert await taken(spool) == []


async def test_what_was_put_in_hand_is_given_out_after_release(tmp_path: Path) -> None:
    async with await Spool.open(tmp_path) as spool:
        first = await spool.put([Kept("bravo", 2, b"1", in_hand=True)])
        await spool.put([Kept("bravo", 2, b"2")])
        before = await taken(spool)
        spool.release(first.ids)

        assert before == [b"2"]
        assert await taken(spool) == [b"1"]


async def test_takes_in_bounded_portions(tmp_path: Path) -> None:
    async with await Spool.open(tmp_path) as spool:
        await spool.put([Kept("bravo", 2, bytes([n]) * 1000) for n in range(10)])

        by_count = await spool.take("bravo", ALL, limit=3)
        by_bytes = await spool.take("bravo", ALL, bytes_max=2500)
        one_at_least = await spool.take("bravo", ALL, bytes_max=1)

    assert [len(by_count), len(by_bytes), len(one_at_least)] == [3, 2, 1]
    assert [row.data[0] for row in by_count + by_bytes + one_at_least] == [0, 1, 2, 3, 4, 5]


async def test_what_is_done_is_gone_after_a_restart_and_the_rest_is_not(tmp_path: Path) -> None:
    async with await Spool.open(tmp_path) as spool:
        await spool.put([Kept("bravo", 2, b"1"), Kept("bravo", 2, b"2")])
        rows = await spool.take("bravo", ALL, limit=1)
        spool.done([row.id for row in rows])
        spool.done([12345])

    async with await Spool.open(tmp_path) as spool:
        assert await taken(spool) == [b"2"]


async def test_what_was_in_hand_at_a_stop_is_given_out_after_it(tmp_path: Path) -> None:
    async with await Spool.open(tmp_path) as spool:
        first = await spool.put([Kept("bravo", 2, b"1", in_hand=True), Kept("bravo", 2, b"2")])
        await spool.take("bravo", ALL)

    async with await Spool.open(tmp_path) as spool:
        rows = await spool.take("bravo", ALL)

    assert [(row.id, row.data) for row in rows] == list(zip(first.ids, [b"1", b"2"], strict=True))


async def test_ids_are_never_used_again(tmp_path: Path) -> None:
    async with await Spool.open(tmp_path) as spool:
        first = await spool.put([Kept("bravo", 2, b"1")])
        spool.done(first.ids)

    async with await Spool.open(tmp_path) as spool:
        assert (await spool.put([Kept("bravo", 2, b"2")])).ids > first.ids


async def test_what_is_not_due_waits_until_it_is(tmp_path: Path) -> None:
    hands = Hands()
    async with await Spool.open(tmp_path, clock=hands.clock()) as spool:
        await spool.put([Kept("bravo", 2, b"later", due_s=START_S + 10.0), Kept("bravo", 2, b"now")])
        at_once = await taken(spool)
        hands.pass_s(9.0)
        early = await taken(spool)
        hands.pass_s(1.5)

        assert (at_once, early, await taken(spool)) == ([b"now"], [], [b"later"])


async def test_what_is_not_due_stays_so_over_a_restart(tmp_path: Path) -> None:
    hands = Hands()
    async with await Spool.open(tmp_path, clock=hands.clock()) as spool:
        await spool.put([Kept("bravo", 2, b"later", due_s=START_S + 10.0)])

    async with await Spool.open(tmp_path, clock=hands.clock()) as spool:
        early = await taken(spool)
        hands.pass_s(10.5)

        assert (early, await taken(spool)) == ([], [b"later"])


async def test_the_newest_about_a_subject_supersedes_what_waits(tmp_path: Path) -> None:
    async with await Spool.open(tmp_path) as spool:
        old = await spool.put([Kept("bravo", 2, b"old", b"facts of old", b"key", subjects=(TANK,))])
        new = await spool.put([Kept("bravo", 2, b"new", subjects=(TANK,))])

        assert [(e.id, e.facts, e.key, e.why) for e in new.superseded] == [
            (old.ids[0], b"facts of old", b"key", Why.SUPERSEDED)
        ]
        assert await taken(spool) == [b"new"]
        assert spool.counts()["bravo"][2].rows == 1


async def test_one_put_may_supersede_within_itself(tmp_path: Path) -> None:
    async with await Spool.open(tmp_path) as spool:
        put = await spool.put([Kept("bravo", 2, bytes([n]), bytes([n]), subjects=(TANK,)) for n in range(3)])

        assert sorted(ended.facts for ended in put.superseded) == [b"\0", b"\1"]
        assert await taken(spool) == [b"\2"]


async def test_every_subject_needs_something_newer(tmp_path: Path) -> None:
    async with await Spool.open(tmp_path) as spool:
        both = await spool.put([Kept("bravo", 2, b"both", subjects=(TANK, TRUCK))])
        one = await spool.put([Kept("bravo", 2, b"tank", subjects=(TANK,))])
        other = await spool.put([Kept("bravo", 4, b"truck", b"f", subjects=(TRUCK,))])

        assert one.superseded == ()
        assert tuple(ended.id for ended in other.superseded) == both.ids
        assert await taken(spool) == [b"truck", b"tank"]


async def test_nothing_is_superseded_without_subjects_or_in_another_lane(tmp_path: Path) -> None:
    async with await Spool.open(tmp_path) as spool:
        await spool.put([Kept("bravo", 2, b"event"), Kept("bravo", 2, b"b", subjects=(TANK,))])
        put = await spool.put([Kept("charlie", 2, b"c", subjects=(TANK,)), Kept("bravo", 2, b"event 2")])

        assert put.superseded == ()
        assert await taken(spool) == [b"event", b"b", b"event 2"]


async def test_what_is_gone_is_superseded_by_nothing(tmp_path: Path) -> None:
    async with await Spool.open(tmp_path) as spool:
        old = await spool.put([Kept("bravo", 2, b"old", subjects=(TANK,))])
        spool.done(old.ids)

        assert (await spool.put([Kept("bravo", 2, b"new", subjects=(TANK,))])).superseded == ()


async def test_what_is_in_hand_is_superseded_when_it_is_given_back(tmp_path: Path) -> None:
    async with await Spool.open(tmp_path) as spool:
        await spool.put([Kept("bravo", 2, b"old", b"facts", subjects=(TANK,))])
        rows = await spool.take("bravo", ALL)
        put = await spool.put([Kept("bravo", 2, b"new", subjects=(TANK,))])
        in_hand = await spool.expire()
        spool.release([row.id for row in rows])

        assert put.superseded == ()
        assert in_hand == []
        assert [(ended.facts, ended.why) for ended in await spool.expire()] == [(b"facts", Why.SUPERSEDED)]
        assert await taken(spool) == [b"new"]


async def test_custody_settles_by_keys_whoever_holds_them(tmp_path: Path) -> None:
    async with await Spool.open(tmp_path) as spool:
        await spool.put([Kept("bravo", 2, b"%d" % n, b"f%d" % n, b"epoch%03d" % n) for n in range(6)])
        await spool.put([Kept("charlie", 2, b"c", b"fc", b"epoch001"), Kept("bravo", 2, b"no key")])
        await spool.take("bravo", ALL, limit=2)
        ended = await spool.settle("bravo", [(b"epoch000", b"epoch002"), (b"epoch004", b"epoch004")])

        assert sorted((e.facts, e.why) for e in ended) == [(f, Why.SETTLED) for f in (b"f0", b"f1", b"f2", b"f4")]
        assert await taken(spool) == [b"3", b"5", b"no key"]
        assert await taken(spool, "charlie") == [b"c"]
        assert await spool.settle("bravo", [(b"epoch000", b"epoch002")]) == []
        assert await spool.settle("nobody", [(b"", b"z")]) == []


async def test_says_which_keys_still_wait_in_hand_or_not(tmp_path: Path) -> None:
    async with await Spool.open(tmp_path) as spool:
        put = await spool.put([Kept(lane, 2, b"x", key=key) for lane, key in (("bravo", b"a1"), ("charlie", b"c7"))])
        await spool.take("bravo", ALL)
        ranges = [(b"a0", b"a1"), (b"a2", b"b9"), (b"c0", b"c9"), (b"c8", b"c9")]
        assert await spool.holds(ranges) == [True, False, True, False]
        spool.done(put.ids[:1])
        await spool.expire()  # by then it is written
        assert await spool.holds(ranges[:1]) == [False]


async def test_the_wall_clock_is_believed_once_it_has_gone_evenly_for_a_while(tmp_path: Path) -> None:
    hands = Hands()
    async with await Spool.open(tmp_path, clock=hands.clock()) as spool:
        hands.wall_s += 3 * 86_400
        await spool.expire()
        assert spool.wall_s() == START_S
        hands.pass_s(301.0)
        await spool.expire()
        assert spool.wall_s() == START_S + 3 * 86_400 + 301.0


async def test_what_is_past_its_validity_expires(tmp_path: Path) -> None:
    hands = Hands()
    async with await Spool.open(tmp_path, clock=hands.clock()) as spool:
        await spool.put([Kept("bravo", 2, b"short", b"facts", expires_s=START_S + 60.0), Kept("bravo", 2, b"long")])
        hands.pass_s(59.0)
        early = await spool.expire()
        hands.pass_s(2.0)

        assert early == []
        assert [(ended.facts, ended.why) for ended in await spool.expire()] == [(b"facts", Why.EXPIRED)]
        assert await taken(spool) == [b"long"]


async def test_what_waits_longer_than_its_lane_allows_expires(tmp_path: Path) -> None:
    hands = Hands()
    lanes = {"short": Limits(age_max_s=100.0)}
    async with await Spool.open(tmp_path, Limits(age_max_s=1000.0), lanes, clock=hands.clock()) as spool:
        await spool.put([Kept("short", 2, b"s", b"short"), Kept("long", 2, b"l", b"long")])
        hands.pass_s(101.0)
        first = await spool.expire()
        hands.pass_s(900.0)

        assert [ended.facts for ended in first] == [b"short"]
        assert [ended.facts for ended in await spool.expire()] == [b"long"]
        assert spool.counts() == {}


async def test_what_is_in_hand_does_not_expire(tmp_path: Path) -> None:
    hands = Hands()
    async with await Spool.open(tmp_path, clock=hands.clock()) as spool:
        await spool.put([Kept("bravo", 2, b"1", expires_s=START_S + 1.0)])
        rows = await spool.take("bravo", ALL)
        hands.pass_s(2.0)
        in_hand = await spool.expire()
        spool.release([row.id for row in rows])

        assert in_hand == []
        assert len(await spool.expire()) == 1


@pytest.mark.parametrize("jump_s", [3 * 86_400.0, -3 * 86_400.0])
async def test_a_clock_that_jumps_by_three_days_ends_nothing_and_keeps_nothing_for_ever(
    tmp_path: Path, jump_s: float
) -> None:
    hands = Hands()
    async with await Spool.open(tmp_path, Limits(age_max_s=86_400.0), clock=hands.clock()) as spool:
        await spool.put([Kept("bravo", 2, b"1", b"hour", expires_s=START_S + 3600.0), Kept("bravo", 2, b"2", b"day")])
        hands.wall_s += jump_s
        after_jump = await spool.expire()
        hands.pass_s(3700.0)
        after_an_hour = await spool.expire()
        hands.pass_s(86_400.0)
        after_a_day = await spool.expire()

    assert after_jump == []
    assert [ended.facts for ended in after_an_hour] == [b"hour"]
    assert [ended.facts for ended in after_a_day] == [b"day"]


async def test_a_clock_that_jumps_while_it_is_stopped_ends_nothing_at_the_start(tmp_path: Path) -> None:
    hands = Hands()
    async with await Spool.open(tmp_path, Limits(age_max_s=86_400.0), clock=hands.clock()) as spool:
        await spool.put([Kept("bravo", 2, b"1")])
    hands.wall_s += 3 * 86_400.0

    async with await Spool.open(tmp_path, Limits(age_max_s=86_400.0), clock=hands.clock()) as spool:
        at_start = await spool.expire()
        hands.wall_s -= 3 * 86_400.0
        await spool.expire()
        hands.pass_s(400.0)

        assert at_start == []
        assert await spool.expire() == []
        assert await taken(spool) == [b"1"]


async def test_time_goes_on_while_it_is_stopped(tmp_path: Path) -> None:
    hands = Hands()
    async with await Spool.open(tmp_path, clock=hands.clock()) as spool:
        await spool.put([Kept("bravo", 2, b"1", expires_s=START_S + 60.0)])
    hands.pass_s(600.0)

    async with await Spool.open(tmp_path, clock=hands.clock()) as spool:
        at_start = await spool.expire()
        hands.pass_s(301.0)

        assert at_start == []  # not before the clock is believed
        assert len(await spool.expire()) == 1


async def test_a_full_lane_takes_nothing_of_a_put_until_there_is_room(tmp_path: Path) -> None:
    async with await Spool.open(tmp_path, lanes={"bravo": Limits(rows_max=3)}) as spool:
        await spool.put([Kept("bravo", 2, b"1"), Kept("bravo", 2, b"2")])
        with pytest.raises(SpoolFull) as full:
            await spool.put([Kept("charlie", 2, b"c"), Kept("bravo", 2, b"3"), Kept("bravo", 2, b"4")])
        await spool.put([Kept("bravo", 2, b"3")])
        first = await spool.take("bravo", ALL, limit=1)
        spool.done([row.id for row in first])
        await spool.put([Kept("bravo", 2, b"4")])

        assert (full.value.lane, full.value.reason) == ("bravo", Trouble.LANE_FULL)
        assert await taken(spool, "charlie") == []
        assert await taken(spool) == [b"2", b"3", b"4"]


async def test_a_lane_is_full_by_bytes_too(tmp_path: Path) -> None:
    async with await Spool.open(tmp_path, Limits(bytes_max=5000)) as spool:
        await spool.put([Kept("bravo", 2, bytes(4000))])

        with pytest.raises(SpoolFull):
            await spool.put([Kept("bravo", 2, bytes(1000))])


async def test_puts_that_come_together_fill_a_lane_no_further_than_one_by_one(tmp_path: Path) -> None:
    async with await Spool.open(tmp_path, Limits(rows_max=10)) as spool:
        puts = [spool.put([Kept("bravo", 2, b"x"), Kept("bravo", 2, b"y")]) for _ in range(8)]
        answers = await asyncio.gather(*puts, return_exceptions=True)

        assert [isinstance(answer, SpoolFull) for answer in answers] == [False] * 5 + [True] * 3
        assert len(await taken(spool)) == 10


async def test_a_full_lane_takes_what_supersedes(tmp_path: Path) -> None:
    async with await Spool.open(tmp_path, Limits(rows_max=2)) as spool:
        await spool.put([Kept("bravo", 2, b"event"), Kept("bravo", 2, b"old", subjects=(TANK,))])
        put = await spool.put([Kept("bravo", 2, b"new", subjects=(TANK,))])
        with pytest.raises(SpoolFull):
            await spool.put([Kept("bravo", 2, b"truck", subjects=(TRUCK,))])

        assert len(put.superseded) == 1
        assert await taken(spool) == [b"event", b"new"]


async def test_the_warning_level_is_told_once_on_the_way_up_and_once_down(tmp_path: Path) -> None:
    told: list[tuple[str, bool]] = []

    def tell(lane: str, up: bool) -> None:  # noqa: FBT001 - as on_level is called
        told.append((lane, up))

    async with await Spool.open(tmp_path, Limits(rows_max=10, warn_at=0.5), on_level=tell) as spool:
        put = await spool.put([Kept("bravo", 2, b"x") for _ in range(5)])
        await spool.put([Kept("bravo", 2, b"x")])
        spool.done(put.ids)
        await spool.expire()

    assert told == [("bravo", True), ("bravo", False)]


async def test_what_hovers_at_its_warning_level_is_told_once(tmp_path: Path) -> None:
    told: list[bool] = []
    limits = Limits(rows_max=100, warn_at=0.5)
    async with await Spool.open(tmp_path, limits, on_level=lambda _, up: told.append(up)) as spool:
        put = await spool.put([Kept("bravo", 2, b"x") for _ in range(50)])
        for row in put.ids[:4]:
            spool.done([row])
            await spool.expire()
            await spool.put([Kept("bravo", 2, b"x")])
        assert told == [True]

        spool.done(put.ids[4:10])
        await spool.expire()

    assert told == [True, False]


async def test_a_warning_level_passed_before_a_restart_is_told_again(tmp_path: Path) -> None:
    told: list[tuple[str, bool]] = []
    limits = Limits(rows_max=10, warn_at=0.5)
    async with await Spool.open(tmp_path, limits) as spool:
        await spool.put([Kept("bravo", 2, b"x") for _ in range(5)])
        await spool.put([Kept("charlie", 2, b"x")])

    async with await Spool.open(tmp_path, limits, on_level=lambda lane, up: told.append((lane, up))) as spool:
        await spool.expire()
        await spool.put([Kept("charlie", 2, b"x")])

    assert told == [("bravo", True)]


async def test_a_lane_may_have_limits_of_its_own(tmp_path: Path) -> None:
    async with await Spool.open(tmp_path, Limits(rows_max=2), {"bravo": Limits(rows_max=1)}) as spool:
        await spool.put([Kept("charlie", 2, b"x") for _ in range(2)])
        with pytest.raises(SpoolFull):
            await spool.put([Kept("bravo", 2, b"x") for _ in range(2)])

        assert (spool.limits("bravo").rows_max, spool.limits("charlie").rows_max) == (1, 2)


async def test_counts_by_lane_and_precedence(tmp_path: Path) -> None:
    hands = Hands()
    async with await Spool.open(tmp_path, clock=hands.clock()) as spool:
        await spool.put([Kept("bravo", 2, bytes(500))])
        hands.pass_s(30.0)
        await spool.put([Kept("bravo", 2, bytes(500)), Kept("bravo", 4, b""), Kept("charlie", 0, b"")])
        first = await spool.take("bravo", (2,), limit=1)
        both = spool.counts()
        spool.done([row.id for row in first])
        await spool.expire()
        left = spool.counts()

    assert {lane: sorted(by) for lane, by in both.items()} == {"bravo": [2, 4], "charlie": [0]}
    assert (both["bravo"][2].rows, both["bravo"][2].in_hand, both["bravo"][2].oldest_s) == (2, 1, 30.0)
    assert 1000 < both["bravo"][2].bytes < 1200
    assert (left["bravo"][2].rows, left["bravo"][2].in_hand, left["bravo"][2].oldest_s) == (1, 0, 0.0)


async def test_counts_are_there_again_after_a_restart(tmp_path: Path) -> None:
    async with await Spool.open(tmp_path) as spool:
        put = await spool.put([Kept("bravo", n % 3, b"x", subjects=(bytes([n]) * 16,)) for n in range(30)])
        spool.done(put.ids[:5])
    before = spool.counts()

    async with await Spool.open(tmp_path) as spool:
        after = spool.counts()

    assert {p: c[:2] for p, c in after["bravo"].items()} == {p: c[:2] for p, c in before["bravo"].items()}
    assert sum(count.rows for count in after["bravo"].values()) == 25


async def test_a_note_is_kept_while_a_row_names_it(tmp_path: Path) -> None:
    hands = Hands()
    note = Note(b"epoch__1", "bravo", b"announcement", START_S + 100.0)
    async with await Spool.open(tmp_path, clock=hands.clock()) as spool:
        await spool.put_note(note)
        put = await spool.put([Kept("bravo", 2, b"x", note=b"epoch__1")])
        hands.pass_s(500.0)
        await spool.expire()
        while_named = await spool.notes([b"epoch__1", b"unheard-"])
        spool.done(put.ids)
        await spool.expire()
        hands.pass_s(100.0)
        await spool.expire()

        assert while_named == [note]
        assert await spool.notes() == []


async def test_a_note_is_kept_until_it_expires(tmp_path: Path) -> None:
    hands = Hands()
    note = Note(b"epoch__1", "bravo", b"announcement", START_S + 1000.0)
    async with await Spool.open(tmp_path, clock=hands.clock()) as spool:
        await spool.put_note(note)
        hands.pass_s(500.0)
        await spool.expire()

    async with await Spool.open(tmp_path, clock=hands.clock()) as spool:
        assert await spool.notes() == [note]
        await spool.put([Kept("bravo", 2, b"x", note=b"epoch__1")])


async def test_a_row_that_names_no_note_we_have_is_not_kept(tmp_path: Path) -> None:
    async with await Spool.open(tmp_path) as spool:
        with pytest.raises(SpoolError) as refused:
            await spool.put([Kept("bravo", 2, b"x", note=b"unheard-")])

        assert refused.value.reason is Trouble.UNKNOWN_NOTE


async def test_a_second_process_is_kept_out(tmp_path: Path) -> None:
    async with await Spool.open(tmp_path):
        with pytest.raises(SpoolError) as refused:
            await Spool.open(tmp_path)

    assert refused.value.reason is Trouble.IN_USE


async def test_closing_does_what_was_asked_before(tmp_path: Path) -> None:
    spool = await Spool.open(tmp_path)
    puts = [asyncio.ensure_future(spool.put([Kept("bravo", 2, b"%d" % n)])) for n in range(50)]
    await asyncio.sleep(0)
    await spool.close()
    await asyncio.gather(*puts)

    with pytest.raises(SpoolError) as closed:
        await spool.put([Kept("bravo", 2, b"late")])
    async with await Spool.open(tmp_path) as again:
        assert len(await taken(again)) == 50
    assert closed.value.reason is Trouble.CLOSED


async def test_waiting_puts_share_a_commit(tmp_path: Path) -> None:
    async with await Spool.open(tmp_path) as spool:
        await asyncio.gather(*(spool.put([Kept("bravo", 2, b"x")]) for _ in range(500)))

        assert spool.health().commits < 50
        assert spool.counts()["bravo"][2].rows == 500


async def test_a_caller_who_went_away_disturbs_nobody(tmp_path: Path) -> None:
    async with await Spool.open(tmp_path) as spool:
        gone = asyncio.ensure_future(spool.put([Kept("bravo", 2, b"1")]))
        await asyncio.sleep(0)
        gone.cancel()
        await spool.put([Kept("bravo", 2, b"2")])

        assert await taken(spool) == [b"1", b"2"]  # it may be kept: at least once


@pytest.mark.parametrize(
    "kept", [Kept("", 2, b""), Kept("b", 6, b""), Kept("b", -1, b""), Kept("b", 2, b"", subjects=(b"short",))]
)
async def test_what_cannot_be_kept_is_refused(tmp_path: Path, kept: Kept) -> None:
    async with await Spool.open(tmp_path) as spool:
        with pytest.raises(ValueError, match=r"16 bytes|a lane"):
            await spool.put([kept])
