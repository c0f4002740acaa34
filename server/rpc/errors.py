"""The one catalogue from reasons to status codes, and from domain errors to reasons; and how an error is written.

Over gRPC an error is a `google.rpc.Status` with ErrorInfo, RequestInfo and, where they apply, BadRequest and
RetryInfo. Over REST it is the documented JSON. Both are rendered here and nowhere else; the gateway's table of its
own replies is generated from `CATALOGUE`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from server.domain import errors
from server.gen.scorm.v1 import error_reason_pb2

DOMAIN = "scorm-api"
# Errors travel as metadata, of which the gateway takes 60 KiB together, and stock clients of gRPC 8 KiB, in base64.
_JSON_BYTES = 24 * 1024
_STATUS_BYTES = 4 * 1024
_LONGEST_FIELD = 200


@dataclass(frozen=True, slots=True)
class Entry:
    """How a reason is told: gRPC code, HTTP status, and the message where nothing better is known."""

    code: grpc.StatusCode
    http_status: int
    message: str


_Code = grpc.StatusCode
# Loaded here, so that reflection knows the file of the reasons too.
REASONS = error_reason_pb2.ErrorReason
CATALOGUE: Mapping[str, Entry] = {
    "BAD_REQUEST": Entry(_Code.INVALID_ARGUMENT, 400, "Invalid request"),
    "VALIDATION_ERROR": Entry(_Code.INVALID_ARGUMENT, 400, "Validation failed"),
    "UNAUTHORIZED": Entry(_Code.UNAUTHENTICATED, 401, "Missing or invalid API key"),
    "FORBIDDEN": Entry(_Code.PERMISSION_DENIED, 403, "Insufficient permissions"),
    "QUOTA_EXCEEDED": Entry(_Code.RESOURCE_EXHAUSTED, 403, "Quota limit exceeded"),
    "NOT_FOUND": Entry(_Code.NOT_FOUND, 404, "Resource not found"),
    "PACKAGE_NOT_FOUND": Entry(_Code.NOT_FOUND, 404, "SCORM package not found"),
    "SESSION_NOT_FOUND": Entry(_Code.NOT_FOUND, 404, "Session not found"),
    "DISPATCH_NOT_FOUND": Entry(_Code.NOT_FOUND, 404, "Dispatch not found"),
    "IMPORT_NOT_FOUND": Entry(_Code.NOT_FOUND, 404, "Import not found"),
    "CONFLICT": Entry(_Code.ABORTED, 409, "State conflict"),
    "RATE_LIMIT_EXCEEDED": Entry(_Code.RESOURCE_EXHAUSTED, 429, "Rate limit exceeded"),
    "INTERNAL_ERROR": Entry(_Code.INTERNAL, 500, "Internal server error"),
    "DATABASE_ERROR": Entry(_Code.INTERNAL, 500, "Database operation failed"),
    "METHOD_NOT_ALLOWED": Entry(_Code.UNIMPLEMENTED, 405, "Method not allowed"),
    "PRECONDITION_FAILED": Entry(
        _Code.FAILED_PRECONDITION, 412, "The resource is not in the state that the request names"
    ),
    "GONE": Entry(_Code.FAILED_PRECONDITION, 410, "This content is no longer available"),
    "PAYLOAD_TOO_LARGE": Entry(_Code.RESOURCE_EXHAUSTED, 413, "The request body is too large"),
    "UNSUPPORTED_MEDIA_TYPE": Entry(_Code.INVALID_ARGUMENT, 415, "Unsupported media type"),
    "SERVICE_UNAVAILABLE": Entry(_Code.UNAVAILABLE, 503, "Service temporarily unavailable"),
    "GATEWAY_TIMEOUT": Entry(_Code.DEADLINE_EXCEEDED, 504, "The request timed out"),
    "RANGE_NOT_SATISFIABLE": Entry(_Code.OUT_OF_RANGE, 416, "Range not satisfiable"),
    "REQUEST_TIMEOUT": Entry(_Code.DEADLINE_EXCEEDED, 408, "The request took too long to arrive"),
    "HEADERS_TOO_LARGE": Entry(_Code.RESOURCE_EXHAUSTED, 431, "The request headers are too large"),
    "TENANT_NOT_FOUND": Entry(_Code.NOT_FOUND, 404, "Tenant not found"),
    "API_KEY_NOT_FOUND": Entry(_Code.NOT_FOUND, 404, "API key not found"),
    "BAD_GATEWAY": Entry(_Code.UNAVAILABLE, 502, "Bad gateway"),
}

# Most specific first is not needed: the class of an error is looked up along its bases.
_REASONS: Mapping[type[errors.DomainError], str] = {
    errors.InvalidRequest: "BAD_REQUEST",
    errors.ValidationFailed: "VALIDATION_ERROR",
    errors.UnsupportedMediaType: "UNSUPPORTED_MEDIA_TYPE",
    errors.TooLarge: "PAYLOAD_TOO_LARGE",
    errors.Stalled: "REQUEST_TIMEOUT",
    errors.Unauthorized: "UNAUTHORIZED",
    errors.MissingScope: "FORBIDDEN",
    errors.QuotaExceeded: "QUOTA_EXCEEDED",
    errors.NotFound: "NOT_FOUND",
    errors.PackageNotFound: "PACKAGE_NOT_FOUND",
    errors.SessionNotFound: "SESSION_NOT_FOUND",
    errors.DispatchNotFound: "DISPATCH_NOT_FOUND",
    errors.ImportNotFound: "IMPORT_NOT_FOUND",
    errors.TenantNotFound: "TENANT_NOT_FOUND",
    errors.ApiKeyNotFound: "API_KEY_NOT_FOUND",
    errors.Conflict: "CONFLICT",
    errors.PreconditionFailed: "PRECONDITION_FAILED",
    errors.Gone: "GONE",
    errors.Unavailable: "SERVICE_UNAVAILABLE",
    errors.RemoteFailed: "BAD_GATEWAY",
    errors.DatabaseFailed: "DATABASE_ERROR",
}


@dataclass(frozen=True, slots=True)
class Rendered:
    """An error, ready to be told to a caller."""

    reason: str
    message: str
    details: Mapping[str, Any]
    retry_after_seconds: int | None = None

    @property
    def entry(self) -> Entry:
        """Its codes."""
        return CATALOGUE[self.reason]

    def to_json(self, request_id: str) -> str:
        """The documented body."""
        error = {"code": self.reason, "message": self.message, "details": _fitting(self.details, most=_JSON_BYTES)}
        return json.dumps({"error": error, "request_id": request_id}, separators=(",", ":"))

    def to_status(self, request_id: str) -> status_pb2.Status:
        """The canonical status with its details."""
        status = status_pb2.Status(code=self.entry.code.value[0], message=self.message)
        details = _fitting(self.details, most=_STATUS_BYTES)
        facts = {key: _fact(value) for key, value in details.items() if not isinstance(value, dict)}
        _add(status, error_details_pb2.ErrorInfo(reason=self.reason, domain=DOMAIN, metadata=facts))
        field_errors = details.get("fieldErrors")
        if field_errors:
            _add(status, _bad_request(field_errors))
        if self.retry_after_seconds is not None:
            retry = error_details_pb2.RetryInfo()
            retry.retry_delay.seconds = self.retry_after_seconds
            _add(status, retry)
        _add(status, error_details_pb2.RequestInfo(request_id=request_id))
        return status


def render(error: BaseException) -> Rendered:
    """What a caller may know of an error. Whatever is no DomainError is INTERNAL_ERROR with a fixed message."""
    if not isinstance(error, errors.DomainError):
        return Rendered("INTERNAL_ERROR", CATALOGUE["INTERNAL_ERROR"].message, {})
    reason = next(_REASONS[base] for base in type(error).__mro__ if base in _REASONS)
    retry_after = error.retry_after_seconds if isinstance(error, errors.Unavailable) else None
    return Rendered(reason, error.message, _details(error), retry_after)


def render_reason(reason: str) -> Rendered:
    """The bare error of a reason."""
    return Rendered(reason, CATALOGUE[reason].message, {})


def _details(error: errors.DomainError) -> dict[str, Any]:
    match error:
        case errors.ValidationFailed():
            return {"fieldErrors": error.field_errors}
        case errors.MissingScope():
            return {"required_scope": error.required_scope}
        case errors.QuotaExceeded():
            return {"limit": error.limit, "current": error.current}
        case errors.IdempotencyConflict():
            return {"idempotency_key": error.held_by}
        case errors.TooLarge():
            return {"limit_bytes": error.limit_bytes}
        case errors.Stalled():
            return {"least_bytes": error.least_bytes, "seconds": error.seconds}
        case errors.UnsupportedMediaType():
            return {"accepted": error.accepted}
        case errors.RevisionMismatch():
            return {"current_etag": error.current_etag}
        case _:
            return {}


def _fitting(details: Mapping[str, Any], *, most: int) -> Mapping[str, Any]:
    """The details with as many faulty fields as fit into `most` bytes, and how many more there are."""
    given: Mapping[str, list[str]] = details.get("fieldErrors", {})
    shown: dict[str, list[str]] = {}
    for field, faults in given.items():
        name = field if len(field) <= _LONGEST_FIELD else f"{field[:_LONGEST_FIELD]}…"
        most -= len(json.dumps({name: faults}))
        if most < 0:
            break
        shown[name] = faults
    if shown.keys() == given.keys():
        return details
    left_out = len(given) - len(shown)
    return {**details, "fieldErrors": shown, **({"more_field_errors": left_out} if left_out else {})}


def _fact(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _bad_request(field_errors: Mapping[str, list[str]]) -> error_details_pb2.BadRequest:
    violation = error_details_pb2.BadRequest.FieldViolation
    return error_details_pb2.BadRequest(
        field_violations=[
            violation(field=field, description=fault) for field, faults in field_errors.items() for fault in faults
        ]
    )


def _add(status: status_pb2.Status, detail: Message) -> None:
    packed = any_pb2.Any()
    packed.Pack(detail)
    status.details.append(packed)
