"""Parameters of requests that are not JSON: identifiers and times (xAPI 1.0.3 Part Three 2.1.3)."""

from datetime import datetime
from uuid import UUID

from server.domain.errors import ValidationFailed
from server.domain.ids import parse_id
from server.domain.xapi.positions import last_until
from server.domain.xapi.times import parse_timestamp


def parse_uuid(name: str, text: str | None) -> UUID | None:
    """A UUID in its 36 characters, or None where none was given. Raises ValidationFailed under `name`."""
    if text is None:
        return None
    parsed = parse_id(text)
    if parsed is None:
        raise ValidationFailed.of(name, "Must be a UUID")
    return parsed


def parse_time(name: str, text: str | None) -> datetime | None:
    """A timestamp of ISO 8601 in UTC, or None where none was given. Raises ValidationFailed under `name`."""
    if text is None:
        return None
    try:
        return parse_timestamp(text)
    except ValueError:
        raise ValidationFailed.of(name, "Must be an ISO 8601 timestamp") from None


def parse_position(name: str, text: str | None, *, default: int) -> int:
    """The last place in the store of that time. Raises ValidationFailed under `name`."""
    at = parse_time(name, text)
    return default if at is None else last_until(at)
