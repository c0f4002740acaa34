"""Timestamps and durations as ISO 8601 writes them (xAPI 1.0.3 Part Two 4.5 and 4.6, IEEE 9274.1.1 4.2.7)."""

import re
from datetime import UTC, datetime, timedelta

# An offset of -00:00 says that the local time is unknown. ISO 8601 has no such thing.
_ZONE = r"(?:[Zz]|(?!-00(?::?00)?\Z)[+-][0-9]{2}(?::?[0-9]{2})?)"
_EXTENDED = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?"
_BASIC = r"[0-9]{8}[Tt][0-9]{4}(?:[0-9]{2}(?:[.,][0-9]+)?)?"
_ISO_8601 = re.compile(f"(?:{_EXTENDED}|{_BASIC})(?:{_ZONE})?")
_RFC_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?"
    r"(?:[Zz]|(?!-00:00)[+-][0-9]{2}:[0-9]{2})"
)
_LEAP_SECOND = re.compile(r"(T[0-9]{2}:?[0-9]{2}:?)60")
# ISO 8601:2004 4.4.3.2. Only the last component may have a fraction; weeks stand alone.
_DURATION = re.compile(
    r"P(?:[0-9]+(?:[.,][0-9]+)?W"
    r"|(?=[0-9T])"
    r"(?:[0-9]+(?:[.,][0-9]+)?Y)?(?:[0-9]+(?:[.,][0-9]+)?M)?(?:[0-9]+(?:[.,][0-9]+)?D)?"
    r"(?:T(?=[0-9])(?:[0-9]+(?:[.,][0-9]+)?H)?(?:[0-9]+(?:[.,][0-9]+)?M)?(?:[0-9]+(?:[.,][0-9]+)?S)?)?)"
)
_EARLY_FRACTION = re.compile(r"[.,][0-9]+[YMDH].")
_FRACTION = re.compile(r"[.,]([0-9]+)")


def parse_timestamp(text: str) -> datetime:
    """The point in time, in UTC, cut to microseconds. Without a zone it counts as UTC. Raises ValueError.

    A date of the calendar and a time to the minute at least, both in the extended form of ISO 8601 or both in the
    basic one. A leap second is the first second after it.
    """
    if not _ISO_8601.fullmatch(text):
        raise ValueError("Not a timestamp of ISO 8601")
    return _instant(text)


def _instant(text: str) -> datetime:
    """Of a text in one of the forms, the point in time. Raises ValueError if there is no such."""
    plain, leaps = text.upper(), 0
    if "60" in plain:
        plain, leaps = _LEAP_SECOND.subn(r"\g<1>59", plain)
    at = datetime.fromisoformat(plain)
    try:
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at if at.tzinfo is UTC else at.astimezone(UTC)
        return at + timedelta(seconds=1) if leaps else at
    except OverflowError as error:
        raise ValueError("The timestamp is out of range") from error


def is_timestamp(text: str) -> bool:
    """Whether xAPI 1.0.3 takes this (Part Two 4.5): ISO 8601, and no offset of -00:00."""
    return _ISO_8601.fullmatch(text) is not None and _is_instant(text)


def is_timestamp_2(text: str) -> bool:
    """Whether IEEE 9274.1.1 (5.2.7) takes this: RFC 3339, which always has seconds and a zone."""
    return _RFC_3339.fullmatch(text) is not None and _is_instant(text)


def _is_instant(text: str) -> bool:
    try:
        _instant(text)
    except ValueError:
        return False
    return True


def format_timestamp(at: datetime) -> str:
    """RFC 3339 in UTC with microseconds, such as 2026-01-02T03:04:05.678901Z."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def is_duration(text: str) -> bool:
    """Whether this is a duration of ISO 8601:2004 4.4.3.2 (xAPI 1.0.3 Part Two 4.6)."""
    return _DURATION.fullmatch(text) is not None and _EARLY_FRACTION.search(text) is None


def comparable_duration(text: str) -> str:
    """As durations are compared: as text, cut to 0.01 (xAPI 1.0.3 Part Two 2.3.1 and 4.6). 60 minutes are no hour."""
    return _FRACTION.sub(_to_hundredths, text)


def _to_hundredths(fraction: re.Match[str]) -> str:
    kept = fraction[1][:2].rstrip("0")
    return f".{kept}" if kept else ""
