"""Points in time as both versions write them."""

import calendar
import re

_TIME_12 = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,2})?")
# RTE 4.1.1.7, time(second,10,0): everything but the year may be left out from the right, and a time zone can only
# follow a fraction of a second. The conformance tests insist.
_TIME_2004 = re.compile(
    r"([0-9]{4})(?:-(0[1-9]|1[0-2])(?:-([0-9]{2})(?:T(?:[01][0-9]|2[0-3])(?::[0-5][0-9](?::[0-5][0-9]"
    r"(?:\.[0-9]{1,2}(?:Z|[+-](?:[01][0-9]|2[0-3])(?::[0-5][0-9])?)?)?)?)?)?)?)?"
)


def is_time_12(text: str) -> bool:
    """CMITime: HH:MM:SS.SS."""
    return _TIME_12.fullmatch(text) is not None


def is_time_2004(text: str) -> bool:
    """A year from 1970 to 2038, or a day of the calendar in it, or a time on that day."""
    found = _TIME_2004.fullmatch(text)
    if found is None or not 1970 <= int(found[1]) <= 2038:
        return False
    return found[3] is None or 1 <= int(found[3]) <= calendar.monthrange(int(found[1]), int(found[2]))[1]
