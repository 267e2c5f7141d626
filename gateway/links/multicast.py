"""Sockets for multicast groups: which network they are on, and where what we send comes from."""

from __future__ import annotations

import ipaddress
import socket
import struct
from typing import Any

Group = ipaddress.IPv4Address | ipaddress.IPv6Address
HOPS = 1  # a datagram stays on its network unless an operator's router says otherwise


def group_of(host: str) -> Group | None:
    """The group that a host is, or None when it is one host."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return address if address.is_multicast else None


def join(end: socket.socket, group: Group, port: int, interface: str | None) -> None:
    """Hear a group; several programs of one machine may. Raise OSError, also when there is no such interface."""
    end.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    end.bind((str(group), port) if group.version == 4 else (str(group), port, 0, _index(interface)))
    if group.version == 4:
        here = socket.inet_aton(interface or "0.0.0.0")  # noqa: S104 - the one that the route to the group leaves by
        end.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group.packed + here)
    else:
        end.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group.packed + struct.pack("@I", _index(interface)))


def target(place: Any, interface: str | None) -> Any:  # noqa: ANN401 - socket addresses
    """Where a group is on this machine: one that is local to a link (RFC 4291, 2.7) needs to be told which."""
    return place if len(place) == 2 else (*place[:2], 0, _index(interface))


def outlet(end: socket.socket, interface: str | None) -> None:
    """Send to groups by this interface. Raise OSError."""
    if end.family == socket.AF_INET6:
        end.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, HOPS)
        end.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, _index(interface))
        return
    end.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, HOPS)
    if interface is not None:
        end.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(interface))


def sender(place: Any, interface: str | None) -> socket.socket:  # noqa: ANN401 - a socket address
    """A socket whose own address is the one that others see, so that we know what comes back from a group."""
    family = socket.AF_INET6 if ":" in place[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        outlet(probe, interface)
        probe.connect(place)
        here = probe.getsockname()
    end = socket.socket(family, socket.SOCK_DGRAM)
    try:
        end.setblocking(False)
        outlet(end, interface)
        end.bind((here[0], 0, *here[2:]))
    except OSError:
        end.close()
        raise
    return end


def _index(interface: str | None) -> int:
    return 0 if interface is None else socket.if_nametoindex(interface)
