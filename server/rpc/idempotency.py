"""The Idempotency-Key of a POST, as a header over REST and as metadata over gRPC, and how a repeated answer is told."""

from typing import Any

import grpc
from google.protobuf.message import Message

from server.domain.idempotency import KeyedRequest, keyed_request
from server.rpc import context as calls

Context = grpc.aio.ServicerContext[Any, Any]
_REPLAYED = ("idempotent-replayed", "true")


def request_of(operation: str, message: Message) -> KeyedRequest | None:
    """The key of the current call with the request under it, or None where it has no key. Raises ValidationFailed.

    What REST has in path and query is in the message too, so that a repetition may come either way.
    """
    return request_told(operation, message.SerializeToString(deterministic=True))


def request_told(operation: str, *parts: bytes | str | int | None) -> KeyedRequest | None:
    """As `request_of`, where the request is no single message."""
    call = calls.current()
    key = call.metadata.get("idempotency-key")
    if key is None:
        return None
    return keyed_request(key, tenant_id=call.tenant_id, operation=operation, parts=parts)


def tell_created(context: Context, *, location: str, replayed: bool, revision: int | None = None) -> None:
    """Tells what stands beside the body of a 201, the first time and again."""
    metadata = [("x-http-status", "201"), ("location", location)]
    if revision is not None:
        metadata.append(calls.etag(revision))
    if replayed:
        metadata.append(_REPLAYED)
    calls.tell(context, *metadata)


def tell_done(context: Context, *metadata: tuple[str, str], replayed: bool) -> None:
    """Tells what stands beside the body of a 200 to a POST."""
    told = [*metadata, _REPLAYED] if replayed else metadata
    if told:
        calls.tell(context, *told)
