"""What is wrong with the links of a table, and with what units expect of them. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from adapters import UnknownFormatError, load
from gateway.table.entries import Config, LinkEntry, LocalUnit
from gateway.table.transport import TRANSPORTS, Transport, is_address, is_group, read_url

_OPTIONAL = frozenset().union(*(transport.settings for transport in TRANSPORTS.values()))
_NEEDS = {"password_file": "username", "key_file": "certificate_file"}


def link_faults(config: Config) -> Iterator[str]:
    """URLs that lead nowhere, settings that mean nothing there, and units that a transport cannot tell apart."""
    seen: dict[str, int] = {}
    for index, link in enumerate(config.links):
        at = f"$.links[{index}]"
        for name, other in _NEEDS.items():
            if getattr(link, name) is not None and getattr(link, other) is None:
                yield f"{at}.{name}: needs a {other}"
        if link.embedded:
            continue
        try:
            transport = TRANSPORTS[read_url(link.url).scheme]
        except ValueError as error:
            yield f"{at}.url: {error}"
            continue
        yield from _setting_faults(at, link, transport)
        if link.by_hand and not link.partners:
            yield f"{at}.partners: {_scheme(link)} carries bundles between partners; name those it goes to"
        if transport.broker and not link.by_hand:
            continue
        if link.partners and not transport.broker:
            yield f"{at}.url: {_scheme(link)} has no topics for partners' mailboxes; use MQTT or NATS"
        if (first := seen.setdefault(link.url, index)) != index:
            yield f"{at}.url: is also $.links[{first}], and nothing there tells their units apart; give it its own"
        yield from _unit_faults(config, link, transport)


def _setting_faults(at: str, link: LinkEntry, transport: Transport) -> Iterator[str]:
    for name in sorted(_OPTIONAL - transport.settings):
        if getattr(link, name) is not None:
            secure = sorted(scheme for scheme, each in TRANSPORTS.items() if each.tls and name in each.settings)
            hint = f"; encrypted are {', '.join(secure)}" if secure and not transport.tls else ""
            yield f"{at}.{name}: means nothing for {_scheme(link)}; take it away{hint}"
    if link.interface is not None and not is_group(link.url):
        yield f"{at}.interface: is for multicast groups; take it away"
    elif link.interface is not None and "[" not in link.url and not is_address(link.interface):
        yield f"{at}.interface: must be an address of ours on the group's network"
    if link.url.startswith("tls+listen:"):
        if link.certificate_file is None:
            yield f"{at}.certificate_file: is missing; clients that connect over TLS want to know whom they reach"
        if link.crl_file is not None and link.ca_file is None:
            yield f"{at}.crl_file: needs a ca_file; without one no client is asked for a certificate"


def _unit_faults(config: Config, link: LinkEntry, transport: Transport) -> Iterator[str]:
    """A transport without topics carries one unit; what it receives has one name, which stands for all that comes."""
    units = [(f"$.units[{index}]", unit) for index, unit in enumerate(config.units) if unit.link == link.name]
    for at, _ in units[1:]:
        yield f"{at}.link: {_scheme(link)} has no topics to tell units apart; give each unit a link of its own"
    for at, unit in units:
        if len(unit.receive) > 1 or any(sign in each for each in unit.receive for sign in "+#"):
            yield f"{at}.receive: {_scheme(link)} has no topics; name one, without wildcards, for all that comes"
        if link.url.startswith("udp:") and not is_group(link.url) and unit.receive and unit.deliver is not None:
            yield f"{at}.link: {_scheme(link)} to one host receives there or sends there; use a multicast group"
        if transport.stream:
            yield from _stream_faults(at, unit, link)


def _stream_faults(at: str, unit: LocalUnit, link: LinkEntry) -> Iterator[str]:
    try:
        adapter = load(unit.adapter)
    except UnknownFormatError:
        return  # told where formats are checked
    if not hasattr(adapter, "split"):
        yield f"{at}.adapter: {unit.adapter} does not say where a frame ends in a stream; {_scheme(link)} needs that"
    elif unit.deliver is not None and not getattr(adapter, "WRITES_STREAM", True):
        yield f"{at}.deliver: {unit.adapter} is not written into a stream; take it away or choose another format"


def _scheme(link: LinkEntry) -> str:
    return f"{link.url.partition(':')[0]}://"
