"""Which transport a URL names. Secrets never stand in a URL."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import SplitResult, unquote

from gateway.links import Link, LinkError, Settings
from gateway.links.address import Address
from gateway.links.byhand import HandLink
from gateway.links.datagram import DatagramLink
from gateway.links.folder import FolderLink
from gateway.links.framed import ByteStream
from gateway.links.listen import ListenLink
from gateway.links.mqtt.link import MqttLink
from gateway.links.mqtt.older import OlderMqttLink
from gateway.links.nats.bind import PARTITIONS
from gateway.links.nats.link import NatsLink
from gateway.links.plain import Split, lines
from gateway.links.stream import StreamLink
from gateway.table.transport import TRANSPORTS, WEBSOCKETS, read_url

_PLACES: dict[str, Callable[[str, Settings, Address], Link]] = {
    "mqtt": MqttLink,
    "mqtts": MqttLink,
    "ws": MqttLink,
    "wss": MqttLink,
    "mqtt3": OlderMqttLink,
    "mqtts3": OlderMqttLink,
    "nats": NatsLink,
    "nats+tls": NatsLink,
    "udp": DatagramLink,
}
_FOLDERS: dict[str, Callable[[str, Settings, Path], Link]] = {"file": FolderLink, "bundles": HandLink}


def open_link(name: str, settings: Settings, split: Split | None = None) -> Link:
    """The link of a URL, not yet connected.

    ``name`` is for logs; ``split`` finds the frames in a stream (``tcp``, ``tls``), lines by default.
    Raise LinkError with one line when it cannot be.
    """
    try:
        parts = read_url(settings.url)
    except ValueError as error:
        raise LinkError(f"URL: {error}") from error
    _check_settings(settings)
    if TRANSPORTS[parts.scheme].stream:
        kind = ListenLink if parts.scheme.endswith("+listen") else StreamLink
        return kind(name, settings, ByteStream(_address(parts), split or lines))
    if parts.scheme in _FOLDERS:
        return _FOLDERS[parts.scheme](name, settings, Path(unquote(parts.path)))
    return _PLACES[parts.scheme](name, settings, _address(parts))


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
    transport = TRANSPORTS[parts.scheme]
    path = (parts.path or "/mqtt") if parts.scheme in WEBSOCKETS else None
    return Address(parts.hostname or "", parts.port or transport.port or 0, transport.tls, path)
