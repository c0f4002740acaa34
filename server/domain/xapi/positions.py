"""Places in the store: the time at which a statement was stored, and what tells apart those of one microsecond.

So the order of places is that of `stored` (xAPI 1.0.3 Part Two 2.4.8), and a time is a place too.
"""

from datetime import UTC, datetime, timedelta

from server.domain.xapi.times import format_timestamp

# The lowest bits of a position tell apart what was stored in the same microsecond.
POSITION_BITS = 11
FIRST, LAST = 0, 2**63 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def stored_at(position: int) -> datetime:
    """When the statement there was stored."""
    return _EPOCH + (position >> POSITION_BITS) * _MICROSECOND


def stored_text(position: int) -> str:
    """As `stored` is told."""
    return format_timestamp(stored_at(position))


def last_until(at: datetime) -> int:
    """The last position that a statement stored at this time, or before, can have."""
    microseconds = (at - _EPOCH) // _MICROSECOND
    return min(max((microseconds + 1 << POSITION_BITS) - 1, FIRST), LAST - 1)
