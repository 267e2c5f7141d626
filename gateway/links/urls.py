"""Which transport a URL names. Secrets never stand in a URL."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from gateway.links import Link, LinkError, Settings
from gateway.links.address import Address
from gateway.links.datagram import DatagramLink
from gateway.links.folder import FolderLink
from gateway.links.listen import ListenLink
from gateway.links.mqtt import MqttLink
from gateway.links.nats import NatsLink
from gateway.links.natsbind import PARTITIONS
from gateway.links.older import OlderMqttLink
from gateway.links.plain import Split
from gateway.links.stream import StreamLink

_PORTS = {
    "mqtt": 1883,
    "mqtts": 8883,
    "mqtt3": 1883,
    "mqtts3": 8883,
    "ws": 80,
    "wss": 443,
    "nats": 4222,
    "nats+tls": 4222,
}
_SECURE = frozenset({"mqtts", "mqtts3", "wss", "nats+tls", "tls", "tls+listen"})
_STREAMS = frozenset({"tcp", "tls", "tcp+listen", "tls+listen"})


def open_link(name: str, settings: Settings, split: Split | None = None) -> Link:
    """The link of a URL, not yet connected.

    ``name`` is for logs; ``split`` finds the frames in a stream (``tcp``, ``tls``), lines by default.
    Raise LinkError with one line when it cannot be.
    """
    parts = _split_url(settings.url)
    if parts.scheme not in SCHEMES:
        scheme = f"{parts.scheme}://" if parts.scheme else "no scheme"
        raise LinkError(f"URL: {scheme}: scheme must be one of {', '.join(sorted(SCHEMES))}")
    _check_settings(settings)
    if parts.scheme in _STREAMS:
        kind = ListenLink if parts.scheme.endswith("+listen") else StreamLink
        return kind(name, settings, _address(parts), split)
    return _OPENERS[parts.scheme](name, settings, parts)


def _split_url(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise LinkError(f"URL: {error}") from error
    if parts.username is not None or parts.password is not None:
        raise LinkError("URL: holds a user name or password; use username and password_file")
    if port == 0:
        raise LinkError(f"{url}: port 0")
    return parts


def _check_settings(settings: Settings) -> None:
    if not settings.client_id:
        raise LinkError("client_id: is empty")
    if settings.password_file is not None and settings.username is None:
        raise LinkError("password_file: needs a username")
    if settings.key_file is not None and settings.certificate_file is None:
        raise LinkError("key_file: needs a certificate_file")
    if settings.share is not None and not 0 <= settings.share.worker < settings.share.workers <= PARTITIONS:
        raise LinkError(f"share: a worker's number is below their count, and that is at most {PARTITIONS}")
    if not 0 < settings.receive_maximum <= 65_535:
        raise LinkError("receive_maximum: must be 1 to 65535")
    if not 0 <= settings.keep_alive_s <= 65_535:
        raise LinkError("keep_alive_s: must be 0 to 65535")


def _address(parts: SplitResult) -> Address:
    if not parts.hostname:
        raise LinkError(f"{parts.geturl()}: no host")
    port = parts.port or _PORTS.get(parts.scheme)
    if port is None:
        raise LinkError(f"{parts.geturl()}: no port")
    path = None
    if parts.scheme in {"ws", "wss"}:
        path = parts.path or "/mqtt"
        if any(sign.isspace() or not sign.isprintable() for sign in path):
            raise LinkError("URL: the path holds white space")
    elif parts.path.strip("/"):
        raise LinkError(f"{parts.geturl()}: ends after the port; topics belong in the subscriptions")
    if parts.query or parts.fragment:
        raise LinkError(f"{parts.scheme}://{parts.netloc}: takes no query")
    return Address(parts.hostname, port, parts.scheme in _SECURE, path)


def _folder(name: str, settings: Settings, parts: SplitResult) -> Link:
    if parts.netloc not in {"", "localhost"} or not parts.path.startswith("/"):
        raise LinkError(f"{parts.geturl()}: must be file:/// and an absolute path")
    return FolderLink(name, settings, Path(unquote(parts.path)))


def _mqtt(name: str, settings: Settings, parts: SplitResult) -> Link:
    return MqttLink(name, settings, _address(parts))


_OPENERS: dict[str, Callable[[str, Settings, SplitResult], Link]] = {
    "mqtt": _mqtt,
    "mqtts": _mqtt,
    "ws": _mqtt,
    "wss": _mqtt,
    "mqtt3": lambda name, settings, parts: OlderMqttLink(name, settings, _address(parts)),
    "mqtts3": lambda name, settings, parts: OlderMqttLink(name, settings, _address(parts)),
    "nats": lambda name, settings, parts: NatsLink(name, settings, _address(parts)),
    "nats+tls": lambda name, settings, parts: NatsLink(name, settings, _address(parts)),
    "udp": lambda name, settings, parts: DatagramLink(name, settings, _address(parts)),
    "file": _folder,
}
SCHEMES = frozenset({*_OPENERS, *_STREAMS})
