"""Durations as both versions write them, in milliseconds.

SCORM 2004 RTE 4.1.1.6 (timeinterval(second,10,2)) is ISO 8601 with at most two decimals of a second. SCORM 1.2's
CMITimespan is HHHH:MM:SS.SS with two to four digits of hours.
"""

import re

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
# For adding up only. The book leaves open how long a year and a month are.
MONTH = 30 * DAY
YEAR = 365 * DAY

_ISO = re.compile(
    r"P(?=[0-9T])(?:([0-9]{1,10})Y)?(?:([0-9]{1,10})M)?(?:([0-9]{1,10})D)?"
    r"(?:T(?=[0-9])(?:([0-9]{1,10})H)?(?:([0-9]{1,10})M)?(?:([0-9]{1,10})(?:\.([0-9]{1,2}))?S)?)?"
)
_TIMESPAN = re.compile(r"([0-9]{2,4}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,2}))?")
_LONGEST_12 = 9999 * HOUR + 59 * MINUTE + 59 * SECOND + 990


def parse_iso(text: str) -> int | None:
    """Milliseconds; None where the text is no duration of SCORM 2004."""
    found = _ISO.fullmatch(text)
    if found is None:
        return None
    units = (YEAR, MONTH, DAY, HOUR, MINUTE, SECOND)
    whole = sum(int(digits) * unit for digits, unit in zip(found.groups(), units, strict=False) if digits)
    return whole + _fraction(found[7])


def parse_12(text: str) -> int | None:
    """Milliseconds; None where the text is no CMITimespan. Minutes and seconds may be up to 99."""
    found = _TIMESPAN.fullmatch(text)
    if found is None:
        return None
    return int(found[1]) * HOUR + int(found[2]) * MINUTE + int(found[3]) * SECOND + _fraction(found[4])


def parse_duration(text: str) -> int | None:
    """Milliseconds of what either version writes. A year counts as 365 days, a month as 30."""
    return parse_iso(text) if text.startswith("P") else parse_12(text)


def format_iso(milliseconds: int) -> str:
    """The shortest in hours, minutes and seconds, such as PT1H2M3.5S, cut to hundredths. Hours may exceed 24."""
    hours, rest = divmod(milliseconds, HOUR)
    minutes, rest = divmod(rest, MINUTE)
    seconds, hundredths = divmod(rest // 10, 100)
    written = (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "")
    if hundredths:
        written += f"{seconds}." + f"{hundredths:02}".rstrip("0") + "S"
    elif seconds or not written:
        written += f"{seconds}S"
    return "PT" + written


def format_12(milliseconds: int) -> str:
    """HHHH:MM:SS.SS, cut to hundredths. The longest there is is 9999:59:59.99."""
    hours, rest = divmod(min(milliseconds, _LONGEST_12), HOUR)
    minutes, rest = divmod(rest, MINUTE)
    seconds, rest = divmod(rest, SECOND)
    return f"{hours:04}:{minutes:02}:{seconds:02}.{rest // 10:02}"


def _fraction(digits: str | None) -> int:
    return int(digits.ljust(3, "0")) if digits else 0
