"""What an embedded broker is to be, and the nats-server configuration and streams that say so. Pure."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any

from gateway.links.nats import subjects
from gateway.table.sharing import GROUPS, shards_of
from protocols.quantity import Value
from protocols.topics import SHARDS

PAYLOAD_MAX = 4_194_304  # bytes; more than a frame may have, so that too big a one reaches the gateway and is recorded
OWNER = "comity"  # the gateway's own user at its broker
ANYONE = "field"  # who MQTT clients without credentials are, where that is allowed
MAILBOX_BYTES_MAX = 268_435_456
MAILBOX_S = 86_400  # how long an envelope, or an announcement, waits to be fetched
KEYS_MAX = 16_384  # announcements kept for one partner
_LOG_BYTES = 10_485_760
_NANOSECONDS = 1_000_000_000


class Sync(StrEnum):
    """When the broker's disk has what it acknowledged: soon (a power cut may take that long), or before it does."""

    SOON = "100ms"
    ALWAYS = "always"


class Access(Value, frozen=True):
    """A user of the broker's MQTT listener: topic filters it may publish to and subscribe to.

    Without ``user`` it is anyone who connects without credentials; that is for loopback only.
    """

    publish: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()
    user: str | None = None
    password_file: str | None = None


class Certificates(Value, frozen=True):
    """The broker's own certificate and key, and the CA that clients' certificates must come from, if any."""

    certificate_file: str
    key_file: str
    client_ca_file: str | None = None


class BrokerSpec(Value, frozen=True):
    """An embedded broker. ``state`` is its own folder; addresses are ``host:port``, port 0 is any free one.

    ``mailboxes`` makes it a coalition broker: one user for each partner, who may write only as itself and read only
    its own box. ``mqtt`` None means no MQTT listener.
    """

    name: str
    state: str
    nats: str = "127.0.0.1:0"
    mqtt: str | None = None
    access: tuple[Access, ...] = ()
    mailboxes: tuple[str, ...] = ()
    sync: Sync = Sync.SOON
    certificates: Certificates | None = None
    disk_max: int = 4_294_967_296  # bytes that all queues together may take
    connections_max: int = 8_192

    @property
    def nats_tls(self) -> bool:
        """Whether gateways must speak TLS; on loopback there is nobody to hide from."""
        return self.certificates is not None and not is_loopback(self.nats)

    def __post_init__(self) -> None:
        named = [access.user for access in self.access if access.user is not None] + list(self.mailboxes)
        if len({*named, OWNER}) != len(named) + 1 or ANYONE in named:
            raise ValueError(f"users of a broker are distinct, and none is {OWNER!r} or {ANYONE!r}")
        if sum(access.user is None for access in self.access) > 1:
            raise ValueError("there is one access for those without credentials")
        if any(access.user is None for access in self.access) and not is_loopback(self.mqtt or ""):
            raise ValueError("access without credentials is for loopback only")


def is_loopback(address: str) -> bool:
    """Whether an address is reached from this machine only."""
    return address.rsplit(":", 1)[0] in {"127.0.0.1", "[::1]", "localhost"}


def configuration(spec: BrokerSpec, nats: str, mqtt: str | None, passwords: dict[str, str]) -> str:
    """The server's configuration file. JSON is a subset of what nats-server reads."""
    users = [{"user": OWNER, "password": passwords[OWNER]}]
    users += [_mailbox_user(partner, passwords[partner]) for partner in spec.mailboxes]
    users += [_field_user(access, passwords[access.user or ANYONE]) for access in spec.access]
    tree: dict[str, Any] = {
        "server_name": subjects.token(spec.name),
        "listen": nats,
        "max_payload": PAYLOAD_MAX,
        "max_connections": spec.connections_max,
        "max_control_line": 8_192,
        "write_deadline": "10s",
        "ping_interval": "20s",
        "ping_max": 2,
        "log_file": f"{spec.state}/nats-server.log",
        "log_size_limit": _LOG_BYTES,
        "logfile_max_num": 3,
        "jetstream": {
            "store_dir": f"{spec.state}/jetstream",
            "max_memory_store": 67_108_864,
            "max_file_store": spec.disk_max + len(spec.mailboxes) * MAILBOX_BYTES_MAX,
            "sync_interval": str(spec.sync),
        },
        "authorization": {"users": users, "timeout": 3},
    }
    if spec.certificates is not None and spec.nats_tls:
        tree["tls"] = _tls(spec.certificates)
    if mqtt is not None:
        tree["mqtt"] = {"listen": mqtt, "max_ack_pending": 1024, "ack_wait": "30s"}
        if any(access.user is None for access in spec.access):
            tree["mqtt"]["no_auth_user"] = ANYONE
        if spec.certificates is not None:
            tree["mqtt"]["tls"] = _tls(spec.certificates)
    return json.dumps(tree, indent=1)


def mailbox_stream(partner: str) -> str:
    """The stream of a partner's envelopes."""
    return f"MAIL_{subjects.token(partner)}"


def key_stream(partner: str) -> str:
    """The stream of the announcements for a partner."""
    return f"KEYS_{subjects.token(partner)}"


def streams(partner: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A partner's two streams: a queue that gives back room as it is emptied, and the last of each announcement."""
    common = {
        "storage": "file",
        "max_age": MAILBOX_S * _NANOSECONDS,
        "allow_msg_ttl": True,
        "max_bytes": MAILBOX_BYTES_MAX,
    }
    mail = {
        **common,
        "name": mailbox_stream(partner),
        "subjects": [*(f"comity.1.{partner}.*.d.{shard}" for shard in range(SHARDS)), f"comity.1.{partner}.*.c"],
        "retention": "workqueue",
        "discard": "new",  # a full box refuses, so that the sender keeps what it cannot take
    }
    keys = {
        **common,
        "name": key_stream(partner),
        "subjects": [f"comity.1.{partner}.*.k.*"],
        "max_msgs_per_subject": 1,
        "max_msgs": KEYS_MAX,
        "discard": "old",
        "allow_direct": True,
        "max_bytes": MAILBOX_BYTES_MAX // 4,
    }
    return mail, keys


def mailbox_consumers(partner: str) -> list[dict[str, Any]]:
    """The consumers of a partner's envelopes, one for each group of shards, so that workers can share the box."""
    stream = mailbox_stream(partner)
    return [
        {
            "name": f"{stream}_{group}",
            "durable_name": f"{stream}_{group}",
            "ack_policy": "explicit",
            "ack_wait": 30 * _NANOSECONDS,
            "max_ack_pending": 4096,
            "deliver_policy": "all",
            "filter_subjects": [
                *(f"comity.1.{partner}.*.d.{shard}" for shard in shards_of(group)),
                *((f"comity.1.{partner}.*.c",) if group == 0 else ()),
            ],
        }
        for group in range(GROUPS)
    ]


def _mailbox_user(partner: str, password: str) -> dict[str, Any]:
    mail, keys = mailbox_stream(partner), key_stream(partner)
    publish = [
        f"comity.1.*.{partner}.>",
        "$JS.API.STREAM.NAMES",
        f"$JS.API.STREAM.INFO.{mail}",
        f"$JS.API.STREAM.INFO.{keys}",
        f"$JS.API.CONSUMER.INFO.{mail}.*",
        f"$JS.API.CONSUMER.MSG.NEXT.{mail}.*",
        f"$JS.API.DIRECT.GET.{keys}",
        f"$JS.ACK.{mail}.>",
    ]
    subscribe = [f"_INBOX_{subjects.token(partner)}.>", f"comity.1.{partner}.>"]
    return _user(partner, password, publish, subscribe) | {"allowed_connection_types": ["STANDARD"]}


def _field_user(access: Access, password: str) -> dict[str, Any]:
    publish = [one for name in access.publish for one in subjects.filters(name)]
    subscribe = [one for name in access.subscribe for one in subjects.filters(name)]
    # The listener delivers QoS 1 through subjects of its own; topics that begin with $MQTT are not open to clients.
    own = ["$MQTT.sub.>", "$MQTT.deliver.>"] if subscribe else []
    user = _user(access.user or ANYONE, password, publish, subscribe + own)
    return user | {"allowed_connection_types": ["MQTT"]}


def _user(name: str, password: str, publish: list[str], subscribe: list[str]) -> dict[str, Any]:
    """Deny all where nothing is allowed: an empty allow list would mean everything."""
    return {
        "user": name,
        "password": password,
        "permissions": {
            "publish": {"allow": publish} if publish else {"deny": [">"]},
            "subscribe": {"allow": subscribe} if subscribe else {"deny": [">"]},
        },
    }


def _tls(certificates: Certificates) -> dict[str, Any]:
    tree: dict[str, Any] = {
        "cert_file": certificates.certificate_file,
        "key_file": certificates.key_file,
        "min_version": "1.3",
    }
    if certificates.client_ca_file is not None:
        tree["ca_file"] = certificates.client_ca_file
        tree["verify"] = True
    return tree
