"""What the stand-in refuses, in the two shapes that Cloud Storage uses."""

import errno
import json
import sqlite3
from xml.sax.saxutils import escape

_XML_CODES = {
    400: "InvalidArgument",
    401: "AuthenticationRequired",
    403: "AccessDenied",
    404: "NoSuchKey",
    405: "MethodNotAllowed",
    408: "RequestTimeout",
    409: "BucketAlreadyOwnedByYou",
    412: "PreconditionFailed",
    413: "EntityTooLarge",
    416: "InvalidRange",
    429: "SlowDown",
    500: "InternalError",
    501: "NotImplemented",
    503: "ServiceUnavailable",
    507: "InsufficientStorage",
}
_JSON_REASONS = {
    400: "invalid",
    401: "required",
    403: "forbidden",
    404: "notFound",
    405: "methodNotAllowed",
    409: "conflict",
    412: "conditionNotMet",
    413: "uploadTooLarge",
    416: "requestedRangeNotSatisfiable",
    429: "rateLimitExceeded",
    501: "notImplemented",
    503: "backendError",
    507: "insufficientStorage",
}


class ApiError(Exception):
    """A refusal with its HTTP status, one sentence, and headers that go with it."""

    def __init__(self, status: int, message: str, *, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers


def is_full(fault: BaseException) -> bool:
    """Whether something failed because the disk is full."""
    if isinstance(fault, OSError):
        return fault.errno in (errno.ENOSPC, errno.EDQUOT)
    return isinstance(fault, sqlite3.Error) and getattr(fault, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL


class Disconnected(Exception):
    """The peer went away, or a fault was injected that pretends so."""


def json_body(error: ApiError) -> bytes:
    """The JSON API's error, https://cloud.google.com/storage/docs/json_api/v1/status-codes."""
    reason = _JSON_REASONS.get(error.status, "internalError")
    fault = {"message": error.message, "domain": "global", "reason": reason}
    return json.dumps({"error": {"code": error.status, "message": error.message, "errors": [fault]}}).encode()


def xml_body(error: ApiError) -> bytes:
    """The XML API's error, https://cloud.google.com/storage/docs/xml-api/reference-status."""
    code = _XML_CODES.get(error.status, "InternalError")
    document = f"<Error><Code>{code}</Code><Message>{escape(error.message)}</Message></Error>"
    return b"<?xml version='1.0' encoding='UTF-8'?>" + document.encode("utf-8", "replace")


def no_bucket(bucket: str) -> ApiError:
    """The bucket is not there."""
    return ApiError(404, f"The specified bucket does not exist: {bucket}")


def no_object(bucket: str, name: bytes) -> ApiError:
    """The object is not there, or not in that generation."""
    return ApiError(404, f"No such object: {bucket}/{name.decode()}")
