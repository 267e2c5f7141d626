"""Messages that nobody ever sent, shaped as our adapters give them: what the dictionary of thin links is trained on.

Everything is drawn by a seed from word lists written here, so that the same messages come out every time. Nothing is
taken from recordings or from anybody's samples.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

from gateway.transform import transform
from protocols.agreement import Agreement, Transformation
from protocols.body import (
    Alert,
    Area,
    Certainty,
    Chat,
    Contact,
    Delete,
    Graphic,
    Identity,
    Marking,
    Medevac,
    Patient,
    PatientCounts,
    PatientOrigins,
    Receipt,
    ReceiptState,
    Report,
    Security,
    Severity,
    Shape,
    Status,
    Task,
    Track,
    Urgency,
)
from protocols.label import Clearance
from protocols.message import (
    Extra,
    Hop,
    Message,
    Quality,
    Reference,
    Source,
)
from protocols.quantity import Affiliation, AltitudeDatum, Kinematics, Position, Symbol
from tests.protocols.pen import Pen
from tests.protocols.words import (
    DEVICES,
    EVENTS,
    GROUND_TYPES,
    INJURIES,
    MARKER_TYPES,
    NAMES,
    PARTNERS,
    POLICIES,
    ROLES,
    SIDCS,
    SYSTEMS,
    TEAMS,
)


def synthesised(count: int, seed: int) -> Iterator[Message]:
    """So many messages of every kind, positions most often."""
    return islice(_Author(seed).messages(), count)


class _Author(Pen):
    """Draws messages."""

    def messages(self) -> Iterator[Message]:
        makers = [*[self.atak] * 6, *[self.tracker] * 3, *[self.nffi] * 3, *[self.sedap] * 3, *[self.contact] * 2]
        makers += [self.marker, *[self.chat] * 3, self.receipt, self.alert, self.emergency, self.medevac, self.report]
        makers += [self.status, self.graphic, self.delete, self.task]
        while True:
            self.now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.number(60_000_000))
            if self.chance(0.7):
                self.now += timedelta(milliseconds=self.number(1000))
            message = self.pick(makers)()
            yield self.lessened(message) if isinstance(message.body, Track) and self.chance(0.15) else message

    def lessened(self, message: Message) -> Message:
        """What an agreement lets out of it."""
        coarsen_m = self.pick((None, 100.0, 1000.0, 1000.0, 5000.0))
        nameless = coarsen_m is None or self.chance(0.6)
        agreement = Agreement(
            id="agreed",
            partners=("alpha", "bravo"),
            kinds=("track",),
            directions=(),
            highest=Clearance(policy="NATO", classification="SECRET"),
            valid_from=self.now,
            valid_until=self.now + timedelta(days=1),
            transformation=Transformation(coarsen_m=coarsen_m, drop_identities=nameless),
        )
        return transform(message, agreement, bytes(32))

    def atak(self) -> Message:
        uid, name = self.uid(), self.name()
        droid = Extra(format="cot", name="uid", attributes=(("Droid", name),), inner="")
        takv = Extra(format="cot", name="takv", attributes=(("os", str(self.number(20) + 20)),))
        body = Track(
            position=self.place()
            if self.chance(0.5)
            else Position(
                latitude=self.digits(-60, 70, 6),
                longitude=self.digits(-180, 180, 6),
                altitude_m=self.digits(0, 900, 1),
                altitude_datum=AltitudeDatum.HAE,
                circular_error_m=self.digits(1, 20, 1),
                fix_source=self.maybe("GPS"),
            ),
            symbol=Symbol(affiliation=Affiliation.FRIEND, cot_type=self.pick(GROUND_TYPES)),
            identity=Identity(
                callsign=name,
                team=self.pick(TEAMS),
                role=self.pick(ROLES),
                system=self.maybe(self.pick(SYSTEMS), 0.7),
                device=self.maybe(self.pick(DEVICES), 0.7),
                phone=self.maybe(f"+{self.number(10**11):011}", 0.15),
                endpoint=self.pick(("*:-1:stcp", "*:-1:stcp", f"10.0.{self.number(255)}.{self.number(255)}:4242:tcp")),
            ),
            kinematics=self.moving(),
            battery_percent=self.maybe(float(self.number(101)), 0.8),
        )
        extras = self.pick(((), (takv, droid), (takv, droid), (droid,)))
        hops = (Hop(system=f"TAK-Server-{self.number(9)}", at=self.now),) if self.chance(0.2) else ()
        exercise = self.maybe(f"{self.pick(NAMES)} {self.pick(NAMES)}", 0.1)
        valid_s = self.pick((45, 75, 120, 300, 375))
        return self.cot(body, uid, "m-g", valid_s, extras=extras, provenance=hops, exercise=exercise)

    def tracker(self) -> Message:
        name = self.name()
        body = Track(
            position=self.place(),
            symbol=Symbol(affiliation=Affiliation.FRIEND, cot_type=self.pick(GROUND_TYPES)),
            identity=Identity(callsign=name, team=self.maybe(self.pick(TEAMS)), role=self.maybe("Team Member")),
            kinematics=self.moving() if self.chance(0.7) else Kinematics(),
            battery_percent=self.maybe(float(self.number(101))),
        )
        uid = self.pick((self.uid(), f"ANDROID-{name}", f"tracker-{self.number(999)}", f"vehicle-{self.number(999)}"))
        return self.cot(body, uid, self.pick(("m-g", "h-e", "m-p")), self.pick((60, 120, 300, 3600)))

    def nffi(self) -> Message:
        country, system, name = (
            self.pick(PARTNERS).upper(),
            self.pick(("BFT", "BFT-2", "C2", "FFT", "IFTS")),
            self.name(),
        )
        body = Track(
            position=self.place(),
            symbol=Symbol(affiliation=Affiliation.FRIEND, sidc15=self.pick(SIDCS)),
            identity=Identity(callsign=name, device=self.maybe(f"RT{self.number(900)}", 0.3)),
            kinematics=self.moving(),
            ready=self.maybe(value=True, share=0.3),
            remarks=self.maybe("halted", 0.1),
        )
        hint = (
            f"secPolicyName={self.pick(list(POLICIES))};secClassification={self.pick(('RESTRICTED', 'UNCLASSIFIED'))}"
        )
        source = Source(format="nffi", version="1.3", system=system, label_hint=hint)
        self.now = self.now.replace(microsecond=0)
        graded = Quality(
            reliability=self.maybe(self.pick("ABCDEF"), 0.3), credibility=self.maybe(self.pick("123456"), 0.3)
        )
        subject = f"nffi:{country}.{system}:V:{self.number(999)}"
        return self.message(body, subject, source, times=self.times(created=False), quality=graded)

    def sedap(self) -> Message:
        sender = self.pick((f"{self.number(65536):04X}", self.name()))
        body = Track(
            position=self.place(),
            symbol=Symbol(affiliation=Affiliation.FRIEND, sidc15=self.pick(SIDCS)),
            identity=Identity(callsign=self.name()),
            kinematics=self.moving(),
        )
        return self.message(body, f"sedap:{sender}:{body.identity.callsign}", self.sedap_source(sender))

    def sedap_source(self, sender: str) -> Source:
        return Source(format="sedap", version="1.0", system=sender, label_hint=f"classification={self.pick('PURCST')}")

    def contact(self) -> Message:
        sender = f"{self.number(65536):04X}"
        body = Contact(
            position=self.place(),
            symbol=Symbol(affiliation=self.pick(list(Affiliation)), sidc15=self.pick(SIDCS)),
            identity=Identity(callsign=self.maybe(self.name())),
            kinematics=self.moving(),
            sensors=self.pick(((), ("radar",), ("radar", "optical"), ("ais",))),
            mmsi=self.maybe(str(self.number(900_000_000) + 100_000_000), 0.3),
            remarks=self.maybe(self.pick(("fishing boat", "poss. ferry", "civilian bus", "drone")), 0.2),
        )
        return self.message(body, f"sedap:{sender}:{self.number(9999)}", self.sedap_source(sender))

    def marker(self) -> Message:
        author = Reference(relation="p-p", subject=self.uid(), type="a-f-G-U-C")
        body = Contact(
            position=self.place(),
            symbol=Symbol(affiliation=self.pick(list(Affiliation)), cot_type=self.pick(MARKER_TYPES)),
            identity=Identity(
                callsign=self.pick((f"{self.pick('UNHF')}.{self.number(30)}.{self.number(999999):06}", self.name()))
            ),
            remarks=self.maybe(self.saying(), 0.3),
        )
        by = Extra(
            format="cot",
            name="link",
            attributes=(("parent_callsign", self.name()), ("production_time", self.now.isoformat())),
        )
        return self.cot(
            body, self.uid(), "h-g-i-g-o", 86400, references=(author,), extras=(by,) if self.chance(0.5) else ()
        )

    def chat(self) -> Message:
        uid, room = self.uid(), self.pick(("All Chat Rooms", "All Chat Rooms", "Ops", self.pick(TEAMS)))
        direct, other = self.chance(0.3), self.uid()
        body = Chat(
            text=self.saying(),
            room=None if direct else room,
            to=(other,) if direct else (),
            sender=Identity(callsign=self.name()),
            position=self.maybe(self.place()),
        )
        subject = f"GeoChat.{uid}.{other if direct else room}.{self.pick((self.uid(), self.random.randbytes(4).hex()))}"
        said = Extra(format="cot", name="remarks", attributes=(("time", self.now.isoformat().replace("+00:00", "Z")),))
        author = Reference(relation="p-p", subject=uid, type="a-f-G-U-C")
        return self.cot(body, subject, "h-g-i-g-o", 86400, references=(author,), extras=(said,))

    def receipt(self) -> Message:
        of = f"GeoChat.{self.uid()}.All Chat Rooms.{self.random.randbytes(4).hex()}"
        body = Receipt(of=of, state=self.pick(list(ReceiptState)))
        return self.cot(
            body, self.uid(), "h-g-i-g-o", 60, references=(Reference(relation="p-p", subject=of, type="b-t-f"),)
        )

    def alert(self) -> Message:
        sender = (
            f"{self.pick(('alerts', 'desk'))}@{self.pick(('relief', 'met', 'civil'))}.{self.pick(('example', 'org'))}"
        )
        centre = self.place()
        body = Alert(
            event=self.pick(EVENTS),
            categories=(self.pick(("Met", "Safety", "Security", "Rescue", "Fire", "Health", "Geo")),),
            severity=self.pick(list(Severity)),
            urgency=self.pick(list(Urgency)),
            certainty=self.pick(list(Certainty)),
            headline=self.saying(),
            description=self.maybe(f"{self.saying()} {self.saying()}"),
            instruction=self.maybe(self.saying()),
            language=self.pick(("en", "en-GB", "fr", "ar", "es")),
            area=Area(description=self.maybe("North bank"), circles=((centre.latitude, centre.longitude, 1500.0),)),
        )
        source = Source(format="cap", version="1.2", system=sender, label_hint="scope=Public")
        self.now = self.now.replace(microsecond=0)
        return self.message(body, f"cap:{sender},{self.number(9999)}", source, times=self.times(21600))

    def emergency(self) -> Message:
        uid, name = self.uid(), self.name()
        body = Alert(event=self.pick(EVENTS[-4:]), position=self.place(), raised_by=Identity(callsign=f"{name}-Alert"))
        said = Extra(format="cot", name="@emergency", inner=name)
        author = Reference(relation="p-p", subject=uid, type="a-f-G-U-C")
        return self.cot(body, f"{uid}-9-1-1", "m-g", 60, references=(author,), extras=(said,))

    def medevac(self) -> Message:
        patient = Patient(
            title="ZMIST1",
            zap=f"ZA{self.number(9)}",
            mechanism="blast",
            injuries=self.pick(INJURIES),
            signs="stable",
            treatment="TQ",
        )
        body = Medevac(
            position=self.place(),
            title=f"MED.{self.now:%d.%H%M%S}",
            frequency_mhz=self.digits(30, 88, 1),
            patients=PatientCounts(urgent=self.number(3), priority=self.number(3), routine=self.number(3)),
            origins=PatientOrigins(us_military=0, non_us_military=self.number(3), child=self.number(2)),
            equipment=self.pick(((), ("hoist",), ("ventilator",), ("extraction equipment",))),
            litter=self.number(3),
            ambulatory=self.number(3),
            security=self.pick(list(Security)),
            marking=self.pick(list(Marking)),
            terrain=self.pick(((), ("slope",), ("rough",))),
            zone=self.pick(((), (("obstacles", "power lines"), ("winds_from", "NW")))),
            casualties=self.pick(((), (patient,))),
            remarks=self.maybe(self.saying()),
            requested_by=Identity(callsign=self.name()),
            code_variant=self.pick(("atak", "nato")),
        )
        return self.cot(body, self.uid(), "h-e", 86400)

    def report(self) -> Message:
        body = Report(
            event=self.pick(("SITREP", "INCIDENT", *EVENTS)),
            status=self.maybe("ongoing"),
            position=self.maybe(self.place()),
            narrative=self.maybe(f"{self.saying()} {self.saying()}"),
            killed=self.maybe(self.number(9)),
            injured=self.maybe(self.number(30)),
            displaced=self.maybe(self.number(900)),
            reported_by=Identity(callsign=self.name()),
        )
        return self.message(body, f"report-{self.number(999)}", Source(format="geojson", version="1.0"))

    def status(self) -> Message:
        body = Status(
            technical=self.maybe("operational"),
            operational=self.maybe("degraded"),
            battery_percent=float(self.number(101)),
            fuel=(("diesel", float(self.number(101))),),
        )
        sender = f"{self.number(65536):04X}"
        return self.message(body, f"sedap:{sender}", self.sedap_source(sender))

    def graphic(self) -> Message:
        shape = self.pick((Shape.LINE, Shape.POLYGON, Shape.CIRCLE, Shape.POINT))
        points = [self.place() for _ in range(1 if shape in (Shape.CIRCLE, Shape.POINT) else self.number(5) + 2)]
        body = Graphic(
            shape=shape,
            points=tuple(Position(latitude=point.latitude, longitude=point.longitude) for point in points),
            major_m=self.digits(10, 5000, 0) if shape is Shape.CIRCLE else None,
            title=self.pick(("Route RED", "Assembly area", "No-go area", "Phase line BLUE", "Minefield")),
            stroke=self.maybe(self.pick(("#ff0000ff", "#00ff00ff", "#ffffffff"))),
        )
        return self.cot(body, self.uid(), "h-e", 86400)

    def delete(self) -> Message:
        uid = self.uid()
        return self.cot(Delete(target=uid, hard=self.chance(0.1)), uid, "m-g", 60)

    def task(self) -> Message:
        body = Task(verb=self.pick(("move", "report", "observe")), target=self.uid(), position=self.maybe(self.place()))
        return self.cot(body, self.uid(), "h-g-i-g-o", 3600)
