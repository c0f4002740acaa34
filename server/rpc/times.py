"""Times and durations as messages tell them."""

from datetime import UTC, datetime
from email.utils import format_datetime

from google.protobuf.timestamp_pb2 import Timestamp

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def timestamp(at: datetime) -> Timestamp:
    """As Timestamp.FromDatetime, at a third of its cost."""
    since = at - _EPOCH
    return Timestamp(seconds=since.days * 86_400 + since.seconds, nanos=since.microseconds * 1_000)


def http_date(at: datetime) -> str:
    """As HTTP tells a time (RFC 9110, 5.6.7), to the second."""
    return format_datetime(at.astimezone(UTC), usegmt=True)
