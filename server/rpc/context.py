"""What is known of the call that is being served, for the code below the interceptors."""

import re
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import grpc

from server.domain.etags import format_etag
from server.services.authentication import Caller


@dataclass(slots=True)
class Call:
    """One call. `caller` is set once it is authenticated; `outcome` (a gRPC code) and `reason` when it has ended.

    `faults` are those of the request's shape, where the method tells them together with what it finds itself.
    """

    request_id: str
    transcoded: bool
    metadata: Mapping[str, str]
    caller: Caller | None = None
    response_metadata: list[tuple[str, str]] = field(default_factory=list)
    faults: Mapping[str, list[str]] = field(default_factory=dict)
    outcome: str = "OK"
    reason: str | None = None

    @property
    def tenant_id(self) -> UUID:
        """The tenant that the call acts for; only where the RPC's scope needs a key."""
        if self.caller is None:
            raise RuntimeError("this RPC is not authenticated by an API key")
        return self.caller.tenant_id


# It is logged and sent back, so that a key or token sent as one counts as malformed. As gateway/edge.lua.
_REQUEST_ID = re.compile(r"(?!eyJ)(?!.*scorm_)[A-Za-z0-9._-]{1,128}")

CURRENT: ContextVar[Call] = ContextVar("current_call")


def current() -> Call:
    """The call that is being served."""
    return CURRENT.get()


def begin(context: grpc.aio.ServicerContext[object, object]) -> Call:
    """Makes the call of a context. Envoy says through x-envoy-original-path that it transcoded the call."""
    metadata: dict[str, str] = {}
    for key, value in context.invocation_metadata() or ():
        if isinstance(value, str):
            # RFC 9110, 5.3: a repeated header is one list.
            metadata[key] = f"{metadata[key]}, {value}" if key in metadata else value
    call = Call(
        request_id=_request_id(metadata.get("x-request-id", "")),
        transcoded="x-envoy-original-path" in metadata,
        metadata=metadata,
    )
    CURRENT.set(call)
    return call


def caller() -> Caller:
    """Who calls; only where the RPC's scope needs a key."""
    found = current().caller
    if found is None:
        raise RuntimeError("this RPC is not authenticated by an API key")
    return found


def etag(revision: int) -> tuple[str, str]:
    """Metadata that tell a resource's version."""
    return "etag", format_etag(revision)


def tell(context: grpc.aio.ServicerContext[object, object], *metadata: tuple[str, str]) -> None:
    """Tells `metadata` beside the answer, over REST as headers. As trailing metadata they cost no send of their own."""
    context.set_trailing_metadata(metadata)


def _request_id(told: str) -> str:
    """The caller's id if it is well-formed, else a new one."""
    return told if _REQUEST_ID.fullmatch(told) else str(uuid4())
