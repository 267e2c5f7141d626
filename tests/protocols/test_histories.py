"""Random histories of joining, leaving, rotating and restarting, against a model of who may read what."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from protocols.envelope import Reject
from protocols.identity import CLASSIC, SealingKey, UnitKeys
from protocols.opening import Inbox
from protocols.partner import SealingEntry, SigningEntry, Unit
from protocols.roster import Roster
from protocols.sealing import Epoch, Profile, Signer
from tests.protocols.cast import DAY, NOW, bundle

MEMBERS = [f"bravo/unit-{number}" for number in range(5)]
SENDER = UnitKeys.new("alpha/hq", os.urandom, (CLASSIC,))


class Member:
    """One unit: its keys, its journal across restarts, and what it read."""

    def __init__(self, uid: str) -> None:
        self.keys = UnitKeys.new(uid, os.urandom, (CLASSIC,))
        self.journal: dict[bytes, bytes] = {}
        self.seen: set[int] = set()

    def rotate(self) -> None:
        newer = SealingKey.new(CLASSIC, os.urandom)
        self.keys = self.keys._replace(sealing=(newer, *self.keys.sealing))

    def stated(self, number: int) -> Unit:
        public = self.keys.signing.public
        return Unit(
            uid=self.keys.uid,
            signing=(
                SigningEntry(
                    ed25519=public.ed25519, mldsa65=public.mldsa, not_before=NOW - DAY, not_after=NOW + 9 * DAY
                ),
            ),
            sealing=(
                SealingEntry(
                    suite=CLASSIC,
                    key=self.keys.sealing[0].public.key,
                    not_before=NOW - DAY + number,
                    not_after=NOW + 9 * DAY,
                ),
            ),
            suites=(CLASSIC,),
        )


class Histories(RuleBasedStateMachine):
    """The broker keeps everything and shows everything to everybody; the model says who may read it."""

    @initialize()
    def begin(self) -> None:
        self.members = {uid: Member(uid) for uid in MEMBERS}
        self.inside = set(MEMBERS[:2])
        self.entitled: dict[int, frozenset[str]] = {}
        self.envelopes: dict[int, bytes] = {}
        self.announcements: list[bytes] = []
        self.now = float(NOW)
        self.inboxes: dict[str, Inbox] = {}
        self.rekey()
        for uid in MEMBERS:
            self.restart_receiver(uid)

    def roster(self) -> Roster:
        alpha = Unit(
            uid=SENDER.uid,
            signing=(
                SigningEntry(
                    ed25519=SENDER.signing.public.ed25519,
                    mldsa65=SENDER.signing.public.mldsa,
                    not_before=NOW - DAY,
                    not_after=NOW + 9 * DAY,
                ),
            ),
            sealing=(),
            suites=(CLASSIC,),
        )
        stated = [member.stated(number) for number, member in enumerate(self.members.values())]
        return Roster([bundle("alpha", [alpha]), bundle("bravo", stated)])

    def rekey(self) -> None:
        recipients = self.roster().recipients(self.inside, CLASSIC, self.now)
        self.epoch = Epoch(Signer(SENDER.uid, SENDER.signing), recipients, Profile(CLASSIC), self.now, os.urandom)
        self.announcements.append(self.epoch.announcement())

    @rule(steps=st.integers(1, 3))
    def seal(self, steps: int) -> None:
        for _ in range(steps):
            number = len(self.envelopes)
            self.envelopes[number] = self.epoch.seal([number.to_bytes(4, "big")], self.now)
            self.entitled[number] = frozenset(self.inside)

    @rule(uid=st.sampled_from(MEMBERS))
    def remove(self, uid: str) -> None:
        """A new epoch at once; nothing leaves under the old one any more."""
        if uid in self.inside and len(self.inside) > 1:
            self.inside.remove(uid)
            self.epoch.closed = True
            self.rekey()

    @rule(uid=st.sampled_from(MEMBERS))
    def join(self, uid: str) -> None:
        """The same epoch announced from a new generation on."""
        if uid not in self.inside:
            self.inside.add(uid)
            self.epoch.reannounce(self.roster().recipients(self.inside, CLASSIC, self.now), self.now)
            self.announcements.append(self.epoch.announcement())

    @rule(uid=st.sampled_from(MEMBERS))
    def rotate(self, uid: str) -> None:
        """A recipient's newer sealing key: the next epoch is sealed to it, the old key still opens the old one."""
        self.members[uid].rotate()
        self.restart_receiver(uid)
        self.rekey()

    @rule()
    def restart_sender(self) -> None:
        self.rekey()

    @rule(uid=st.sampled_from(MEMBERS))
    def restart_receiver(self, uid: str) -> None:
        """Its keys come from disk, announcements from the broker, what it received from its journal."""
        old, member = self.inboxes.get(uid), self.members[uid]
        self.inboxes[uid] = inbox = Inbox(self.roster(), {uid: member.keys.sealing})
        if old is not None:
            member.journal.update({eid: old.epoch(eid).received.bits() for eid in old.epochs()})
        for eid, bits in member.journal.items():
            inbox.remember(eid, bits)

    @rule(seconds=st.sampled_from([1, 61, 3600]))
    def wait(self, seconds: int) -> None:
        self.now = min(self.now + seconds, NOW + DAY / 2)

    @rule(uid=st.sampled_from(MEMBERS), data=st.data())
    def show(self, uid: str, data: st.DataObject) -> None:
        """The broker shows a unit any announcements and any envelopes in any order, as often as it likes."""
        member, inbox = self.members[uid], self.inboxes[uid]
        if data.draw(st.booleans()):
            for announcement in self.announcements:
                try:
                    inbox.accept(announcement, self.now)
                except Reject:
                    continue
        for number in data.draw(st.lists(st.sampled_from(sorted(self.envelopes) or [0]), max_size=8)):
            if number not in self.envelopes:
                continue
            try:
                opened = inbox.open(self.envelopes[number], self.now)
            except Reject:
                continue
            assert opened.messages == [number.to_bytes(4, "big")]
            assert uid in self.entitled[number], "read what it was not entitled to"
            assert number not in member.seen, "delivered twice"
            assert uid in opened.audience
            member.seen.add(number)

    @invariant()
    def nobody_reads_more_than_the_model_allows(self) -> None:
        for uid, member in getattr(self, "members", {}).items():
            assert all(uid in self.entitled[number] for number in member.seen)

    def teardown(self) -> None:
        """At the end everybody is shown everything: who is entitled has read all of it, exactly once."""
        for uid, member in getattr(self, "members", {}).items():
            inbox = self.inboxes[uid]
            for announcement in self.announcements:
                try_to(inbox.accept, announcement, self.now)
            for number, envelope in self.envelopes.items():
                if try_to(inbox.open, envelope, self.now) is not None:
                    assert number not in member.seen
                    member.seen.add(number)
            assert member.seen == {number for number, units in self.entitled.items() if uid in units}


def try_to(take: Any, data: bytes, now_s: float) -> object:
    try:
        return take(data, now_s) or True
    except Reject:
        return None


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=120, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
