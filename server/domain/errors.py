"""Everything that can go wrong on purpose, as facts.

    DomainError
    ├── InvalidRequest             the request cannot be read
    │   ├── ValidationFailed       fields break rules; names every one
    │   └── UnsupportedMediaType   a content type that is not accepted
    ├── TooLarge                   more bytes than are accepted
    ├── Stalled                    the rest of the request does not come
    ├── Unauthorized               no valid credential
    ├── MissingScope               a valid credential that may not do this
    ├── QuotaExceeded              the tenant has used up what it may use
    ├── NotFound                   nothing there, or not for this tenant
    │   ├── PackageNotFound, SessionNotFound, DispatchNotFound, ImportNotFound
    │   └── TenantNotFound, ApiKeyNotFound      (operators only)
    ├── Conflict                   the state does not allow it
    │   ├── RevisionMismatch       it is not at the version that the caller named
    │   └── IdempotencyConflict    the idempotency key stands for something else
    ├── PreconditionFailed         it is not what the request says that it is
    ├── Gone                       it was there and is not any more
    ├── Unavailable                try again later
    ├── RemoteFailed               a server that the caller named failed
    └── DatabaseFailed             Postgres failed

No error carries a status code: `server.rpc.errors` maps them once. Messages are safe to show to callers.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")


class DomainError(Exception):
    """Base of all. `message` is one sentence for the caller."""

    message = "The request failed"

    def __init__(self, message: str | None = None) -> None:
        if message is not None:
            self.message = message
        super().__init__(self.message)


class InvalidRequest(DomainError):
    """The request cannot be read."""

    message = "Invalid request"


class ValidationFailed(InvalidRequest):
    """Fields break rules. `field_errors` maps each dotted request path to its faults; it has all of them at once."""

    message = "Validation failed"

    def __init__(self, field_errors: Mapping[str, Sequence[str]]) -> None:
        super().__init__()
        self.field_errors = {field: list(faults) for field, faults in field_errors.items()}

    @classmethod
    def of(cls, field: str, fault: str) -> "ValidationFailed":
        """The common case of one fault in one field."""
        return cls({field: [fault]})


def all_of(first: Callable[[], A], second: Callable[[], B]) -> tuple[A, B]:
    """What both answer. Raises one ValidationFailed with the faults of both."""
    faults: dict[str, list[str]] = {}
    results: list[object] = []
    for check in (first, second):
        try:
            results.append(check())
        except ValidationFailed as failed:
            faults |= failed.field_errors
    if faults:
        raise ValidationFailed(faults)
    return results[0], results[1]  # type: ignore[return-value]  # in the order of the checks


class Faults:
    """Collects what is wrong with a request, so that all of it is told at once."""

    def __init__(self, known: Mapping[str, Iterable[str]] = MappingProxyType({})) -> None:
        self._found: dict[str, list[str]] = {field: list(faults) for field, faults in known.items()}

    def add(self, faults: Mapping[str, Iterable[str]]) -> None:
        """Notes faults by field."""
        for field, sentences in faults.items():
            self._found.setdefault(field, []).extend(sentences)

    def of(self, check: Callable[[], A]) -> A | None:
        """What a check answers; None where it raises ValidationFailed, whose faults are noted."""
        try:
            return check()
        except ValidationFailed as failed:
            self.add(failed.field_errors)
            return None

    def refuse(self) -> None:
        """Raises ValidationFailed if anything was noted."""
        if self._found:
            raise ValidationFailed(self._found)


class UnsupportedMediaType(InvalidRequest):
    """The content type is not one of `accepted`."""

    def __init__(self, *, accepted: Sequence[str]) -> None:
        super().__init__(f"Send {' or '.join(accepted)}")
        self.accepted = list(accepted)


class TooLarge(DomainError):
    """There are more than `limit_bytes` bytes of `what`."""

    def __init__(self, *, what: str, limit_bytes: int) -> None:
        super().__init__(f"{what} is larger than {limit_bytes} bytes")
        self.limit_bytes = limit_bytes


class Stalled(DomainError):
    """Of a request less than `least_bytes` came in `seconds`, while it was waited for."""

    def __init__(self, *, least_bytes: int, seconds: float) -> None:
        super().__init__(f"Less than {least_bytes} bytes of the request arrived within {seconds:g} seconds")
        self.least_bytes = least_bytes
        self.seconds = seconds


class Unauthorized(DomainError):
    """Missing, malformed, unknown, expired or revoked: deliberately all alike."""

    message = "Missing or invalid API key"


class MissingScope(DomainError):
    """The credential is valid, but lacks `required_scope`."""

    def __init__(self, required_scope: str) -> None:
        super().__init__(f"This API key lacks the scope '{required_scope}'")
        self.required_scope = required_scope


class QuotaExceeded(DomainError):
    """The tenant may have `limit` of something and has `current`."""

    def __init__(self, *, what: str, limit: int, current: int) -> None:
        super().__init__(f"{what} limit exceeded")
        self.limit = limit
        self.current = current


class NotFound(DomainError):
    """Nothing there, or nothing that this tenant may know of."""

    message = "Resource not found"


class PackageNotFound(NotFound):
    """The tenant has no such package."""

    message = "SCORM package not found"


class SessionNotFound(NotFound):
    """The tenant has no such session."""

    message = "Session not found"


class DispatchNotFound(NotFound):
    """The tenant has no such dispatch."""

    message = "Dispatch not found"


class ImportNotFound(NotFound):
    """The tenant has no such import."""

    message = "Import not found"


class TenantNotFound(NotFound):
    """The operator named a tenant that does not exist."""

    message = "Tenant not found"


class ApiKeyNotFound(NotFound):
    """The operator named an API key that does not exist."""

    message = "API key not found"


class Conflict(DomainError):
    """The resource is in a state that does not allow the call."""

    message = "The resource is in a state that does not allow this"


class RevisionMismatch(Conflict):
    """The caller's If-Match names other versions than the current one, whose entity tag is `current_etag`."""

    def __init__(self, *, current_etag: str) -> None:
        super().__init__("The resource is not at a version that If-Match names; read it again")
        self.current_etag = current_etag


class IdempotencyConflict(Conflict):
    """The key is in use: `held_by` is "another_request", or "running_request" for the same one, not yet answered."""

    def __init__(self, message: str, *, held_by: str) -> None:
        super().__init__(message)
        self.held_by = held_by

    @classmethod
    def another(cls) -> "IdempotencyConflict":
        """The key stands for a request that differs from this one."""
        return cls("This Idempotency-Key was used for another request", held_by="another_request")

    @classmethod
    def running(cls) -> "IdempotencyConflict":
        """An identical request has not been answered yet."""
        return cls("A request with this Idempotency-Key is still running", held_by="running_request")


class PreconditionFailed(DomainError):
    """The resource is not in the state that the request names. Where HTTP says 412; others have Conflict."""

    message = "The resource is not in the state that the request names"


class Gone(DomainError):
    """It was there and is not any more."""

    message = "This content is no longer available"


class Unavailable(DomainError):
    """Cannot be done now; worth trying again after `retry_after_seconds`."""

    message = "Service temporarily unavailable"

    def __init__(self, message: str | None = None, *, retry_after_seconds: int | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class RemoteFailed(DomainError):
    """A server that the caller named did not do its part; worth trying again, after what it asked for if it did."""

    message = "The server at this URL could not be reached"

    def __init__(self, message: str | None = None, *, retry_after_seconds: int | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class DatabaseFailed(DomainError):
    """Postgres failed in a way that is not the caller's fault. The cause is in `__cause__`, for the log only."""

    message = "Database operation failed"
