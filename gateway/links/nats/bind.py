"""Which streams and consumers serve a link's subscriptions: found where they are, made where that is allowed.

A consumer that is named like its stream was provided by the broker's owner and is used as it is; so are those that are
named like it with ``_0`` and so on, one for each group of shards, which workers share out. A stream that keeps
one message per subject is for retained subscriptions only. Where no stream has what a link subscribes to, the link
makes one of its own that keeps messages until they are acknowledged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from gateway.links import Settings, Share
from gateway.links.fault import RefusedError
from gateway.links.nats import subjects
from gateway.links.nats.connection import ApiError, NatsConnection
from gateway.links.nats.pull import Standing
from gateway.table.sharing import ALL, Part

_NANOSECONDS = 1_000_000_000
ACK_WAIT_S = 30.0
PARTITIONS = 16  # of a stream whose work is shared
INBOX_BYTES_MAX = 268_435_456  # the oldest messages make room beyond this
_NOT_FOUND = frozenset({10_059, 10_014})  # stream, consumer not found
_PAGE = 1024


class Binding(NamedTuple):
    """A durable consumer; ``partitioned``: its subjects begin with the number of a partition.

    ``provided``: the broker's owner made it, and what every worker is to have comes to the first of them by it.
    """

    stream: str
    consumer: str
    partitioned: bool = False
    provided: bool = False


async def streams_with(connection: NatsConnection, subject: str) -> list[str]:
    """The streams that keep (some of) a subject. Raise ApiError when we may not ask."""
    said = await connection.api("STREAM.NAMES", {"subject": subject, "offset": 0})
    names = said.get("streams") or []
    return [str(name) for name in names[:_PAGE]]


async def bind(connection: NatsConnection, settings: Settings) -> list[Binding]:
    """The consumers for all subscriptions that are not retained. Raise RefusedError when one cannot be served."""
    own_name = _own_name(settings)
    own: list[str] = []
    found: dict[str, list[str]] = {}
    configurations: dict[str, dict[str, Any]] = {}
    try:
        for subscription in settings.subscriptions:
            if subscription.retained:
                continue
            served = False
            for subject in subjects.filters(subscription.filter):
                for name in await streams_with(connection, subject):
                    if name not in configurations:
                        configurations[name] = (await connection.api(f"STREAM.INFO.{name}"))["config"]
                    if name != own_name and configurations[name].get("max_msgs_per_subject") != 1:
                        found.setdefault(name, []).append(subject)
                        served = True
            if not served and not (subscription.everyone and settings.share is not None):
                own.extend(subjects.filters(subscription.filter))
        bindings = [
            binding
            for name, filters in found.items()
            for binding in await _consumers(connection, configurations[name], subjects.least(filters), settings)
        ]
        if own:
            stream = await _own_stream(connection, own_name, subjects.least(own), settings)
            shared = settings.share is not None
            bindings += (
                await _partitions(connection, stream, settings)
                if shared
                else await _consumers(connection, stream, (), settings)
            )
    except ApiError as error:
        raise RefusedError(f"a subscription cannot be served: {error}") from None
    return bindings


async def standing(connection: NatsConnection, binding: Binding) -> Standing:
    """Where a consumer stands by the server's account. Raise ApiError."""
    info = await connection.api(f"CONSUMER.INFO.{binding.stream}.{binding.consumer}")
    return Standing(
        floor=int(info["ack_floor"]["stream_seq"]),
        delivered=int(info["delivered"]["stream_seq"]),
        consumer=int(info["delivered"]["consumer_seq"]),
        pending=int(info["num_ack_pending"]),
        created=str(info["created"]),
    )


async def retained_streams(connection: NatsConnection, settings: Settings) -> list[tuple[str, str]]:
    """Pairs of stream and subject to read at the start of a connection."""
    pairs: list[tuple[str, str]] = []
    for subscription in settings.subscriptions:
        if subscription.retained:
            for subject in subjects.filters(subscription.filter):
                pairs.extend((name, subject) for name in await streams_with(connection, subject))
    return pairs


async def keep_last(connection: NatsConnection, client_id: str, subject: str) -> None:
    """Make a stream keep the last message of a subject. Raise ApiError when that is not allowed."""
    name = f"KEEP_{subjects.token(client_id)}"
    try:
        configuration = (await connection.api(f"STREAM.INFO.{name}"))["config"]
        configuration["subjects"] = subjects.least([*configuration["subjects"], subject])
        await connection.api(f"STREAM.UPDATE.{name}", configuration)
    except ApiError as error:
        if error.code not in _NOT_FOUND:
            raise
        body = {"name": name, "subjects": [subject], "max_msgs_per_subject": 1, "allow_direct": True}
        await connection.api(f"STREAM.CREATE.{name}", {**body, "allow_msg_ttl": True, "storage": "file"})


def _own_name(settings: Settings) -> str:
    """The name of the link's own stream; a partitioned one is another, since its subjects are."""
    return f"{'IN' if settings.share is None else 'SHARED'}_{subjects.token(settings.client_id)}"


async def _partitions(connection: NatsConnection, stream: dict[str, Any], settings: Settings) -> list[Binding]:
    """A consumer for every partition, lest its messages are dropped; the bindings of this worker's."""
    share = settings.share or Share(0, 1)
    bindings = []
    for number in range(PARTITIONS):
        part = settings._replace(client_id=f"{settings.client_id}_{number}")
        binding = await _consumer(connection, stream, (f"{number}.>",), part)
        if number % share.workers == share.worker:
            bindings.append(binding._replace(partitioned=True))
    return bindings


async def _own_stream(
    connection: NatsConnection, name: str, names: Sequence[str], settings: Settings
) -> dict[str, Any]:
    body: dict[str, Any] = {
        "name": name,
        "subjects": list(names),
        "retention": "interest",
        "storage": "file",
        "discard": "old",
        "max_bytes": INBOX_BYTES_MAX,
        "max_age": settings.session_expiry_s * _NANOSECONDS,
        "allow_msg_ttl": True,
    }
    if settings.share is not None:
        body["subject_transform"] = {"src": ">", "dest": f"{{{{partition({PARTITIONS})}}}}.>"}
    try:
        there = (await connection.api(f"STREAM.INFO.{name}"))["config"]
    except ApiError as error:
        if error.code not in _NOT_FOUND:
            raise
        said = await connection.api(f"STREAM.CREATE.{name}", body)
        return dict(said["config"])
    if sorted(there["subjects"]) != sorted(names):
        there["subjects"] = list(names)
        await connection.api(f"STREAM.UPDATE.{name}", there)
    return dict(there)


async def _consumers(
    connection: NatsConnection, stream: dict[str, Any], filters: Sequence[str], settings: Settings
) -> list[Binding]:
    name = str(stream["name"])
    if await _info(connection, name, name) is not None:
        return [Binding(name, name, provided=True)]
    if await _info(connection, name, f"{name}_0") is not None:
        groups = Part(*(settings.share or ALL)).groups()
        return [Binding(name, f"{name}_{group}", provided=True) for group in groups]
    return [await _consumer(connection, stream, filters, settings)]


async def _consumer(
    connection: NatsConnection, stream: dict[str, Any], filters: Sequence[str], settings: Settings
) -> Binding:
    name = str(stream["name"])
    durable = subjects.token(settings.client_id)
    body: dict[str, Any] = {
        "durable_name": durable,
        "name": durable,
        "ack_policy": "explicit",
        "ack_wait": int(ACK_WAIT_S * _NANOSECONDS),
        "max_ack_pending": settings.receive_maximum,
        "deliver_policy": "all" if stream.get("retention") in {"workqueue", "interest"} else "new",
        "inactive_threshold": settings.session_expiry_s * _NANOSECONDS,
        "filter_subjects": list(filters),
    }
    there = await _info(connection, name, durable)
    if there is not None:
        configuration = there["config"]
        known = configuration.get("filter_subjects") or [configuration.get("filter_subject")]
        if sorted(one for one in known if one) == sorted(filters):
            return Binding(name, durable)
        body["deliver_policy"] = configuration["deliver_policy"]
    await connection.api(f"CONSUMER.CREATE.{name}.{durable}", {"stream_name": name, "config": body})
    return Binding(name, durable)


async def _info(connection: NatsConnection, stream: str, consumer: str) -> dict[str, Any] | None:
    try:
        return await connection.api(f"CONSUMER.INFO.{stream}.{consumer}")
    except ApiError as error:
        if error.code in _NOT_FOUND or error.code == 0:  # 0: no right to ask for it, so it is not for us
            return None
        raise
