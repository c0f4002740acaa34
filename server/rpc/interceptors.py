"""What happens around every RPC, outermost first: log, errors, authenticate, validate.

Each is an `Around`: it gets the next step and decides whether and how to take it. `Around`s are put around a method's
handler once, when it is first called.
"""

import asyncio
import hmac
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

import grpc
import protovalidate
import structlog
from google.protobuf.message import DecodeError, Message

from server.domain.errors import InvalidRequest, Unauthorized, ValidationFailed
from server.rpc import context as calls
from server.rpc.access import PUBLIC_SERVICES, Access
from server.rpc.credentials import key_of
from server.rpc.errors import render
from server.rpc.lrs_access import operation
from server.rpc.pages import error_page, wants_page
from server.services.authentication import Authenticator

Context = grpc.aio.ServicerContext[Any, Any]
Next = Callable[[Any, Context], Awaitable[Any]]
log = structlog.get_logger("rpc")


class Around(Protocol):
    """One step around an RPC. `request` is a message, or an iterator of them where the client streams."""

    async def __call__(self, next_step: Next, request: Any, context: Context, method: str) -> Any:
        """Takes the next step, or raises."""
        ...


class _Undecodable:
    """Stands for a request that is no message of its type."""


UNDECODABLE = _Undecodable()


async def log_call(next_step: Next, request: Any, context: Context, method: str) -> Any:
    """One line for each call, without anything secret."""
    call, began = calls.begin(context), time.monotonic()
    try:
        return await next_step(request, context)
    except asyncio.CancelledError:
        call.outcome = "CANCELLED"
        raise
    finally:
        code = context.code()
        if isinstance(code, grpc.StatusCode):
            call.outcome = code.name
        log.info(
            "call",
            method=method,
            code=call.outcome,
            duration_ms=round((time.monotonic() - began) * 1000, 2),
            request_id=call.request_id,
            tenant_id=str(call.caller.tenant_id) if call.caller else None,
            api_key_id=str(call.caller.key_id) if call.caller else None,
        )


async def tell_errors(next_step: Next, request: Any, context: Context, method: str) -> Any:
    """Turns every exception into a status, or a page; what is no DomainError becomes INTERNAL_ERROR and is logged."""
    try:
        return await next_step(request, context)
    except grpc.aio.AbortError:
        raise
    except Exception as error:
        call = calls.current()
        rendered = render(error)
        call.reason = rendered.reason
        if rendered.entry.http_status >= 500:
            log.error("failed", method=method, request_id=call.request_id, reason=rendered.reason, exc_info=error)
        if wants_page(call):
            page, headers = error_page(rendered, call.request_id)
            await context.send_initial_metadata(headers)
            return page
        status = rendered.to_status(call.request_id)
        trailers: list[tuple[str, str | bytes]] = [("grpc-status-details-bin", status.SerializeToString())]
        trailers += call.response_metadata
        if call.transcoded:
            # The gateway puts these in place; see gateway/edge.lua.
            trailers.append(("x-error-json", rendered.to_json(call.request_id)))
            trailers.append(("x-http-status", str(rendered.entry.http_status)))
        if rendered.retry_after_seconds is not None:
            trailers.append(("retry-after", str(rendered.retry_after_seconds)))
        await context.abort(rendered.entry.code, rendered.message, tuple(trailers))


def authenticate(
    access: Mapping[str, Access], authenticator: Authenticator | None, operator_token: bytes | None
) -> Around:
    """Checks the credential that the method's access asks for."""

    async def around(next_step: Next, request: Any, context: Context, method: str) -> Any:
        call, wanted = calls.current(), access[method]
        scope = wanted.scope
        if scope == "operator":
            _check_operator(call.metadata.get("x-operator-token", ""), operator_token)
        elif scope != "public":
            if authenticator is None:
                raise RuntimeError("this process serves no RPC that needs an API key")
            is_lrs = wanted.lrs_resource is not None
            call.caller = await authenticator.authenticate(key_of(call.metadata, basic=is_lrs))
            if is_lrs:
                scope = operation(scope, call.metadata)
            call.caller.require(scope, lrs_resource=wanted.lrs_resource)
        return await next_step(request, context)

    return around


# These tell the faults of a request's shape together with those of its content: `Call.faults`.
TOLD_TOGETHER = frozenset({"/scorm.v1.SessionService/UpdateSession"})


async def validate(next_step: Next, request: Any, context: Context, method: str) -> Any:
    """Checks what the protos say of requests; a streamed one is checked message by message."""
    if isinstance(request, AsyncIterator):
        return await next_step(_checked(request), context)
    if method in TOLD_TOGETHER:
        calls.current().faults = faults_of(request)
    else:
        check(request)
    return await next_step(request, context)


async def _checked(requests: AsyncIterator[Message | _Undecodable]) -> AsyncIterator[Message | _Undecodable]:
    async for request in requests:
        check(request)
        yield request


def check(request: Message | _Undecodable) -> None:
    """Raises InvalidRequest or ValidationFailed, with all faults at once."""
    faults = faults_of(request)
    if faults:
        raise ValidationFailed(faults)


def faults_of(request: Message | _Undecodable) -> dict[str, list[str]]:
    """What breaks the rules of the proto, by field. Raises InvalidRequest for what is no message at all."""
    if isinstance(request, _Undecodable):
        raise InvalidRequest("The request is not a valid message; text must be UTF-8")
    faults: dict[str, list[str]] = {}
    for violation in protovalidate.collect_violations(request):
        field = violation.proto.field
        path = ".".join(element.field_name for element in field.elements) if field else ""
        faults.setdefault(path, []).append(violation.proto.message[:1].upper() + violation.proto.message[1:])
    return faults


def _check_operator(given: str, expected: bytes | None) -> None:
    if not expected or not hmac.compare_digest(given.encode(), expected):
        raise Unauthorized("Missing or invalid operator token")


class AroundEveryCall(grpc.aio.ServerInterceptor):
    """Puts the `Around`s around our methods; those of health, reflection and Check stay bare."""

    def __init__(self, arounds: Sequence[Around]) -> None:
        self._arounds = arounds
        self._handlers: dict[str, Any] = {}

    async def intercept_service(self, continuation: Any, details: grpc.HandlerCallDetails) -> Any:
        """Answers the wrapped handler of the method; None where there is none."""
        method = details.method
        handler = self._handlers.get(method)
        if handler is None:
            bare = await continuation(details)
            if bare is None:
                return None
            foreign = method.split("/")[1] in PUBLIC_SERVICES
            handler = bare if foreign else _wrap(bare, self._arounds, method)
            self._handlers[method] = handler
        return handler


def _wrap(handler: Any, arounds: Sequence[Around], method: str) -> Any:
    if handler.response_streaming and handler.request_streaming:
        raise NotImplementedError(f"{method} streams both ways, which these interceptors do not wrap")
    step: Next = handler.stream_unary or handler.unary_stream or handler.unary_unary
    for around in reversed(arounds):
        step = _bind(around, step, method)
    if handler.response_streaming:
        # A coroutine that writes its answers: so the steps around it last as long as it does.
        return grpc.unary_stream_rpc_method_handler(
            step, _decoder(handler.request_deserializer), handler.response_serializer
        )
    make = grpc.stream_unary_rpc_method_handler if handler.request_streaming else grpc.unary_unary_rpc_method_handler
    return make(step, _decoder(handler.request_deserializer), handler.response_serializer)


def _bind(around: Around, next_step: Next, method: str) -> Next:
    async def step(request: Any, context: Context) -> Any:
        return await around(next_step, request, context, method)

    return step


def _decoder(deserialize: Callable[[bytes], Message]) -> Callable[[bytes], Any]:
    def decode(data: bytes) -> Any:
        try:
            return deserialize(data)
        except DecodeError:
            # Raised here it would reach the caller as UNKNOWN with the exception's text.
            return UNDECODABLE

    return decode
