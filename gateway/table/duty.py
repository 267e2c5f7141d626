"""What is wrong with a table's duty hours, time zones, alternates and acknowledgements. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.table.entries import Config, LocalUnit, Route
from protocols.agreement import Agreement
from protocols.duty import faults, stand_ins
from protocols.label import Policy

RECEIPT = "receipt"


def duty_faults(config: Config) -> Iterator[str]:
    """Every fault: path, what is wrong, what to do. Only the gateway that delivers can wait for an acknowledgement."""
    units = {unit.id: unit for unit in (*config.units, *config.peers)}
    for table, listed in (("units", config.units), ("peers", config.peers)):
        for index, unit in enumerate(listed):
            yield from faults(f"$.{table}[{index}]", unit, units)
    ours = {unit.id: unit for unit in config.units}
    late = {each.id for each in config.agreements if each.transformation.delay_s is not None}
    for index, route in enumerate(config.routes):
        for name in route.to if route.acknowledge is not None else ():
            if name in units and name not in ours:
                yield f'$.routes[{index}].acknowledge: "{name}" is not ours; the table of its own gateway asks it'
            for each in stand_ins(name, ours):
                if each in ours and ours[each].deliver is None:
                    yield f'$.routes[{index}].acknowledge: its alternate "{each}" has no topic in its deliver'
        if route.acknowledge is not None and route.agreement in late and not ours.keys().isdisjoint(route.sources):
            yield (
                f'$.routes[{index}].acknowledge: "{route.agreement}" has a delay_s, which units of ours wait for here '
                "while the time runs; leave one of them out"
            )


def duty_warnings(config: Config) -> Iterator[str]:
    """What is allowed but makes an acknowledgement worth less: nobody to turn to, no way to tell the origin."""
    ours = {unit.id: unit for unit in config.units}
    agreements = {agreement.id: agreement for agreement in config.agreements}
    policies = {policy.name: policy for policy in config.policies}
    told = {pair for route in config.routes for pair in _receipts(route, agreements)}
    for index, route in enumerate(config.routes):
        at = f"$.routes[{index}].acknowledge"
        for unit in (ours[name] for name in route.to if name in ours and route.acknowledge is not None):
            others = stand_ins(unit.id, ours)
            if not others:
                yield f'{at}: "{unit.id}" has no alternates, so only the origin is told'
            for each in others:
                if not _reaches(policies, ours[each], unit):
                    yield f'{at}: its alternate "{each}" is cleared for less than "{unit.id}" and may be passed over'
            for source in sorted(set(route.sources)):
                if (unit.id, source) not in told:
                    yield f'{at}: no route brings receipts from "{unit.id}" to "{source}", so it will not be told'


def _receipts(route: Route, agreements: Mapping[str, Agreement]) -> Iterator[tuple[str, str]]:
    """Between whom a route brings receipts."""
    agreement = agreements.get(route.agreement)
    if agreement is not None and RECEIPT in agreement.kinds and (not route.kinds or RECEIPT in route.kinds):
        yield from ((source, to) for source in route.sources for to in route.to)


def _reaches(policies: Mapping[str, Policy], alternate: LocalUnit, unit: LocalUnit) -> bool:
    """Whether an alternate's clearance is as high as that of the unit that it stands in for."""
    policy = policies.get(unit.clearance.policy)
    if policy is None or alternate.clearance.policy != unit.clearance.policy:
        return False
    theirs, wanted = policy.rank(alternate.clearance.classification), policy.rank(unit.clearance.classification)
    return theirs is not None and wanted is not None and theirs >= wanted
