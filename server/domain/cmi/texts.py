"""The small texts that values are made of."""

import re

_REAL = re.compile(r"-?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)")
_VISIBLE = re.compile(r"[^\x00-\x20\x7f]")
# What RFC 3986 lets stand nowhere, and the brackets that it keeps for IPv6 hosts and SCORM for its own delimiters.
# Letters beyond ASCII are right (RFC 3987), and so is a lone %, which course authors write in titles.
_NOT_OF_A_URI = re.compile(r"[\x00-\x20\x7f\"<>\[\]\\^`{|}]")
_URN = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,31}:(?=.)")
_LANGUAGE = re.compile(r"\{lang=([^}]*)\}")


def is_real(text: str) -> bool:
    """A number in digits. More of them than real(10,7) has are kept: the conformance tests send eighteen decimals."""
    return _REAL.fullmatch(text) is not None


def is_identifier(text: str) -> bool:
    """SCORM 1.2's CMIIdentifier, of any length. Blanks should not be in it, but are in old courses: "Question 1"."""
    return _VISIBLE.search(text) is not None


def is_short_identifier(text: str) -> bool:
    """RTE 4.1.1.9: a URI, which may be relative, hence almost any word."""
    return text != "" and not _NOT_OF_A_URI.search(text)


def is_long_identifier(text: str) -> bool:
    """RTE 4.1.1.5: a URI; as a URN it names its namespace and something in it."""
    if not is_short_identifier(text):
        return False
    return text[:4].lower() != "urn:" or _URN.match(text, 4) is not None


def splits_language(text: str) -> tuple[str | None, str]:
    """RTE 4.1.1.3: the language that a text declares in front, {lang=fr}, if it does, and the text."""
    found = _LANGUAGE.match(text)
    return (found[1], text[found.end() :]) if found else (None, text)
