"""Results and scores (xAPI 1.0.3 Part Two 2.4.5, IEEE 9274.1.1 4.2.2.4)."""

from typing import Any

from server.domain.xapi import texts
from server.domain.xapi.rules import Found, boolean, fault, is_number, number, shape, text, text_of
from server.domain.xapi.times import is_duration


def _scaled(value: Any) -> Found:
    if is_number(value) and -1 <= value <= 1:
        return ()
    return fault("Must be a number from -1 to 1")


def _is_in_order(value: dict[str, Any]) -> Found:
    raw: Any = value.get("raw")
    least: Any = value.get("min")
    most: Any = value.get("max")
    found: Found = ()
    if is_number(least) and is_number(most) and not least < most:
        found += fault("Must be less than max", "min")
    if is_number(raw) and is_number(least) and raw < least:
        found += fault("Must not be less than min", "raw")
    if is_number(raw) and is_number(most) and raw > most:
        found += fault("Must not be more than max", "raw")
    return found


_score = shape({"scaled": _scaled, "raw": number, "min": number, "max": number}, also=_is_in_order)
result = shape(
    {
        "score": _score,
        "success": boolean,
        "completion": boolean,
        "response": text,
        "duration": text_of(is_duration, "Must be a duration of ISO 8601 such as PT1H30M"),
        "extensions": texts.extensions,
    }
)
