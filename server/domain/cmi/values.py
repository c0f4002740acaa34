"""Whether a text is a value of a type, and what is wrong with it if not.

Pure, and linear in the length of the text whatever it holds. Digits are those of ASCII. The player checks the same in
JavaScript, so nothing here depends on what Unicode calls a space or a letter.
"""

import re
from collections.abc import Callable, Mapping

from server.domain.cmi import responses_12, responses_2004
from server.domain.cmi.durations import parse_12, parse_iso
from server.domain.cmi.elements import Type, Version
from server.domain.cmi.languages import is_language
from server.domain.cmi.texts import is_identifier, is_long_identifier, is_real, is_short_identifier, splits_language
from server.domain.cmi.times import is_time_12, is_time_2004

_INTEGER = re.compile(r"-?[0-9]{1,10}")
_NAVIGATION = re.compile(r"\{target=[^{}]+\}(?:choice|jump)")


def fault(version: Version, of: Type, text: str, interaction: str | None = None) -> str | None:
    """What is wrong with a value, in one sentence; None if nothing is.

    `interaction` is the type of the interaction that a response or a pattern belongs to. Without it any text is right.
    """
    if "\0" in text:
        return "Must not contain NUL characters"
    if of.blank and text == "":
        return None
    if of.kind in ("response", "pattern"):
        return _response_fault(version, of, text, interaction)
    return _CHECKS[of.kind](version, of, text)


def _response_fault(version: Version, of: Type, text: str, interaction: str | None) -> str | None:
    if version == "1.2":
        return responses_12.fault(interaction, text)
    return responses_2004.fault(interaction, text, is_pattern=of.kind == "pattern")


def _vocabulary(_: Version, of: Type, text: str) -> str | None:
    return None if text in of.values else _one_of(of)


def _one_of(of: Type) -> str:
    named = ", ".join(value for value in of.values if value)
    return f"Must be one of {named}" + (", or empty" if "" in of.values else "")


def _number(version: Version, of: Type, text: str) -> str | None:
    if not is_real(text):
        return "Must be a number such as 0.75" if version == "2004" else "Must be a number such as 75 or 0.5"
    return _range_fault(of, float(text))


def _integer(_: Version, of: Type, text: str) -> str | None:
    return _range_fault(of, int(text)) if _INTEGER.fullmatch(text) else "Must be a whole number"


def _range_fault(of: Type, number: float) -> str | None:
    low, high = of.min, of.max
    if (low is None or number >= low) and (high is None or number <= high):
        return None
    if low is None:
        return f"Must be at most {high}"
    return f"Must be at least {low}" if high is None else f"Must be from {low} to {high}"


def _unsigned(_: Version, of: Type, text: str) -> str | None:
    right = _INTEGER.fullmatch(text) and not text.startswith("-")
    return _range_fault(of, int(text)) if right else "Must be a whole number that is not negative"


def _result(_: Version, of: Type, text: str) -> str | None:
    return None if text in of.values or is_real(text) else f"{_one_of(of)}, or a number"


def _time(version: Version, _: Type, text: str) -> str | None:
    if version == "1.2":
        return None if is_time_12(text) else "Must be a time of day such as 14:05:09.50"
    return None if is_time_2004(text) else "Must be a time such as 2024-05-31T14:05:09 from 1970 to 2038"


def _timespan(_: Version, __: Type, text: str) -> str | None:
    return None if parse_12(text) is not None else "Must be a duration such as 0001:30:00.00"


def _duration(_: Version, __: Type, text: str) -> str | None:
    return None if parse_iso(text) is not None else "Must be a duration such as PT1H30M5.25S"


def _identifier(_: Version, __: Type, text: str) -> str | None:
    return None if is_identifier(text) else "Must be an identifier: not empty"


def _long_identifier(_: Version, __: Type, text: str) -> str | None:
    return None if is_long_identifier(text) else 'Must be a URI: not empty, without white space or any of []{}<>|\\^`"'


def _short_identifier(_: Version, __: Type, text: str) -> str | None:
    return None if is_short_identifier(text) else 'Must be a URI: not empty, without white space or any of []{}<>|\\^`"'


def _language(_: Version, __: Type, text: str) -> str | None:
    return None if is_language(text) else "Must be a language such as en or pt-BR"


def _localized(_: Version, __: Type, text: str) -> str | None:
    language, _rest = splits_language(text)
    return None if language is None or is_language(language) else "Must name a language in {lang=}, such as {lang=en}"


def _navigation(_: Version, of: Type, text: str) -> str | None:
    if (text in of.values and text not in ("choice", "jump")) or _NAVIGATION.fullmatch(text):
        return None
    plain = ", ".join(value for value in of.values if value not in ("choice", "jump"))
    return f"Must be one of {plain}, {{target=ITEM}}choice, {{target=ITEM}}jump"


def _children(_: Version, of: Type, text: str) -> str | None:
    return None if text == ",".join(of.values) else "Must be the list of child elements"


def _anything(_: Version, __: Type, ___: str) -> str | None:
    return None


_CHECKS: Mapping[str, Callable[[Version, Type, str], str | None]] = {
    "boolean": lambda _, __, text: None if text in ("true", "false") else "Must be true or false",
    "children": _children,
    "count": _unsigned,
    "decimal": _number,
    "duration": _duration,
    "identifier": _identifier,
    "integer": _integer,
    "language": _language,
    "localized": _localized,
    "long_identifier": _long_identifier,
    "nav_request": _navigation,
    "real": _number,
    "result": _result,
    "short_identifier": _short_identifier,
    "sinteger": _integer,
    "string": _anything,
    "time": _time,
    "timespan": _timespan,
    "uinteger": _unsigned,
    "version": _vocabulary,
    "vocabulary": _vocabulary,
}
