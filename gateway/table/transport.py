"""What the scheme of a link's URL stands for, and what is wrong with a URL. Pure; secrets never stand in a URL."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

_TLS = frozenset({"ca_file", "crl_file", "certificate_file", "key_file", "server_name"})
_LOGIN = frozenset({"username", "password_file"})
_BROKER = _LOGIN | {"keep_alive_s", "receive_maximum", "session_expiry_s"}
_STREAM = frozenset({"keep_alive_s", "receive_maximum"})


class Transport(NamedTuple):
    """One scheme. ``settings`` are the fields of a link's entry that mean something there."""

    settings: frozenset[str]
    port: int | None = None  # where none is given
    broker: bool = False  # carries topics: units are told apart by them, and partners have mailboxes
    stream: bool = False  # bytes without bounds: frames are found by the format's ``split``
    tls: bool = False


TRANSPORTS: Mapping[str, Transport] = {
    "mqtt": Transport(_BROKER, 1883, broker=True),
    "mqtts": Transport(_BROKER | _TLS, 8883, broker=True, tls=True),
    "mqtt3": Transport(_BROKER, 1883, broker=True),
    "mqtts3": Transport(_BROKER | _TLS, 8883, broker=True, tls=True),
    "ws": Transport(_BROKER, 80, broker=True),
    "wss": Transport(_BROKER | _TLS, 443, broker=True, tls=True),
    "nats": Transport(_BROKER | {"credentials_file"}, 4222, broker=True),
    "nats+tls": Transport(_BROKER | {"credentials_file"} | _TLS, 4222, broker=True, tls=True),
    "tcp": Transport(_STREAM, stream=True),
    "tls": Transport(_STREAM | _TLS, stream=True, tls=True),
    "tcp+listen": Transport(_STREAM, stream=True),
    "tls+listen": Transport(_STREAM | _TLS - {"server_name"}, stream=True, tls=True),
    "udp": Transport(frozenset({"receive_maximum", "interface"})),
    "file": Transport(frozenset({"receive_maximum"})),
    "bundles": Transport(frozenset(), broker=True),
}
FOLDERS = frozenset({"file", "bundles"})
WEBSOCKETS = frozenset({"ws", "wss"})


def read_url(url: str) -> SplitResult:
    """The parts of a link's URL. Raise ValueError with one line, without secrets, when no link can be opened to it."""
    parts = urlsplit(url)
    transport = TRANSPORTS.get(parts.scheme)
    if transport is None:
        scheme = f"{parts.scheme}://" if parts.scheme else "no scheme"
        raise ValueError(f"{scheme}: scheme must be one of {', '.join(sorted(TRANSPORTS))}")
    if parts.username is not None or parts.password is not None:
        raise ValueError("holds a user name or password; use username and password_file")
    if parts.query or parts.fragment:
        raise ValueError(f"{parts.scheme}://{parts.netloc}: takes no query")
    if parts.scheme in FOLDERS:
        if parts.netloc not in {"", "localhost"} or not parts.path.startswith("/") or "\0" in unquote(parts.path):
            raise ValueError(f"{url}: must be {parts.scheme}:/// and an absolute path")
    else:
        _check_place(url, parts, transport)
    return parts


def _check_place(url: str, parts: SplitResult, transport: Transport) -> None:
    if parts.port == 0:
        raise ValueError(f"{url}: port 0")
    if not parts.hostname:
        raise ValueError(f"{url}: no host")
    if parts.port is None and transport.port is None:
        raise ValueError(f"{url}: no port")
    if parts.scheme in WEBSOCKETS:
        if any(sign.isspace() or not sign.isprintable() for sign in parts.path):
            raise ValueError("the path holds white space")
    elif parts.path.strip("/"):
        raise ValueError(f"{url}: ends after the port; topics belong in the subscriptions")


def is_address(host: str) -> bool:
    """Whether a host is an IP address, and no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_group(url: str) -> bool:
    """Whether a UDP URL names a multicast group, where one socket both hears and is heard."""
    host = urlsplit(url).hostname or ""
    return is_address(host) and ipaddress.ip_address(host).is_multicast
