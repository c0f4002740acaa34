"""UUIDv7 identifiers (RFC 9562, 5.7): random, and in the order of their time."""

import secrets
from datetime import datetime
from uuid import UUID


def new_ids(at: datetime, count: int) -> list[UUID]:
    """As many different UUIDv7 for the given time, at a fraction of the cost."""
    milliseconds = int(at.timestamp() * 1000) & (2**48 - 1)
    first = milliseconds << 80 | 0x7 << 76 | 0x2 << 62
    bits = secrets.token_bytes(10 * count)
    found = []
    for start in range(0, 10 * count, 10):
        random = int.from_bytes(bits[start : start + 10])
        found.append(UUID(int=first | (random & ~(0xF << 76) & ~(0x3 << 62))))
    return found


def new_id(at: datetime) -> UUID:
    """A UUIDv7 for the given time, to the millisecond."""
    return new_ids(at, 1)[0]


def parse_id(text: str) -> UUID | None:
    """The UUID that a caller wrote in the canonical 36-character form, or None."""
    if len(text) != 36:
        return None
    try:
        return UUID(text)
    except ValueError:
        return None
