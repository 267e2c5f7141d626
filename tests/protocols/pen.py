"""Draws the parts of made-up messages by a seed: names, places, times, labels. For ``synthesis``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import TypeVar

from protocols.body import Body
from protocols.label import Category, CategoryType, Label
from protocols.message import Authenticity, Message, Mode, Precedence, Quality, Source, Times, message_id
from protocols.quantity import AltitudeDatum, Kinematics, Position
from tests.protocols.words import NAMES, PARTNERS, POLICIES, SAYINGS, UNITS

T = TypeVar("T")


class Pen:
    """Whoever writes the messages."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311 - repeatable is what is wanted
        self.pick = self.random.choice
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def maybe(self, value: T, share: float = 0.5) -> T | None:
        return value if self.chance(share) else None

    def number(self, below: int) -> int:
        return self.random.randrange(below)

    def digits(self, low: float, high: float, places: int) -> float:
        return round(self.random.uniform(low, high), places)

    def uid(self) -> str:
        digits = self.random.randbytes(16).hex()
        uuid = f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"
        return self.pick((f"ANDROID-{digits[:16]}", f"ANDROID-{digits[:16]}", uuid, uuid.upper()))

    def name(self) -> str:
        word, number = self.pick(NAMES), self.number(100)
        return self.pick(
            (f"{word} {number}", f"{word}-{number}", f"{word.title()} {number}", f"{word}{number:02}", word)
        )

    def place(self) -> Position:
        places = self.pick((4, 5, 6, 6, 6, 7, 7))
        high = self.pick((None, self.digits(-5, 3000, self.pick((0, 1, 3)))))
        return Position(
            latitude=self.digits(-60, 70, places),
            longitude=self.digits(-180, 180, places),
            altitude_m=high,
            altitude_datum=AltitudeDatum.UNKNOWN if high is None else self.pick((AltitudeDatum.HAE, AltitudeDatum.MSL)),
            circular_error_m=self.maybe(self.digits(1, 30, 1)),
            linear_error_m=self.maybe(self.digits(1, 30, 1), 0.2),
        )

    def moving(self) -> Kinematics:
        return Kinematics(
            course_deg=self.digits(0, 359, self.pick((0, 1, 1, 2))),
            heading_deg=self.maybe(self.digits(0, 359.9, 1), 0.1),
            speed_mps=self.digits(0, 40, self.pick((0, 1, 1, 2))),
        )

    def saying(self) -> str:
        grid = f"{self.number(60)}T{self.pick('ABCDEFGH')}{self.pick('KLMNP')} {self.number(10**10):010}"
        clock = f"{self.number(24):02}{self.number(60):02}"
        return " ".join(
            self.pick(SAYINGS).format(n=self.number(90) + 2, g=grid, t=clock) for _ in range(self.pick((1, 1, 1, 2, 3)))
        )

    def label(self) -> Label | None:
        policy, classifications = self.pick(list(POLICIES.items()))
        partners = [self.pick(PARTNERS) for _ in range(self.number(3) + 1)]
        upper = [partner.upper() for partner in partners]
        released = Category(
            type=CategoryType.PERMISSIVE, tag="Releasable To", values=tuple(self.pick((partners, upper, [policy])))
        )
        return Label(
            policy=policy,
            classification=self.pick(classifications),
            categories=(released,) if self.chance(0.3) else (),
        )

    def message(self, body: Body, subject: str, source: Source, **more: object) -> Message:
        """A message as the gateway has it when it seals."""
        kind = str(type(body).__struct_config__.tag)
        family = "position" if kind in ("track", "contact") else kind
        known = {"times": self.times(), "quality": Quality()} | more
        return Message(
            id=message_id(family, subject, self.now),
            subject=subject,
            body=body,
            source=source,
            origin=f"{self.pick(PARTNERS)}/{self.pick(UNITS)}",
            authenticity=Authenticity.ASSERTED,
            label=self.label(),
            precedence=self.maybe(self.pick(list(Precedence)), 0.1),
            mode=self.pick([Mode.UNSTATED] * 6 + [Mode.EXERCISE, Mode.OPERATION, Mode.TEST]),
            **known,  # type: ignore[arg-type]  # fields of Message by name
        )

    def times(self, valid_s: int | None = None, *, created: bool = True) -> Times:
        received = self.now + timedelta(microseconds=self.number(4_000_000))
        return Times(
            observed=self.now,
            created=self.now if created else None,
            received=received,
            valid_from=None if valid_s is None else self.now,
            valid_until=None if valid_s is None else self.now + timedelta(seconds=valid_s),
            whole_seconds=not created,
        )

    def cot(self, body: Body, subject: str, how: str, valid_s: int, **more: object) -> Message:
        access = self.pick((None, "UNCLASSIFIED", "RESTRICTED", "CONFIDENTIAL", "Undefined"))
        hint = None if access is None else f"access={access}"
        if hint and self.chance(0.2):
            hint += f";caveat={self.pick(('REL', 'FOUO'))};releasableTo={self.pick(PARTNERS).upper()}"
        source = Source(format=self.pick(("cot", "cot", "tak")), version="2.0", label_hint=hint)
        return self.message(body, subject, source, times=self.times(valid_s), quality=Quality(how=how), **more)
