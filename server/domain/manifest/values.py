"""Typed values out of attributes. What is malformed becomes the default, with a warning."""

import math
import re
from collections.abc import Sequence

from server.domain.manifest.reading import Element, attribute, local_name

_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?")
_WHOLE = re.compile(r"\+?\d{1,9}")

MAX_WARNINGS = 100


class Notes:
    """Collects the sentences that become `warnings`: each once, the first hundred."""

    def __init__(self) -> None:
        self._sentences: dict[str, None] = {}
        self._dropped = 0

    def add(self, sentence: str) -> None:
        """Notes one thing that was tolerated."""
        if sentence in self._sentences:
            return
        if len(self._sentences) < MAX_WARNINGS:
            self._sentences[sentence] = None
        else:
            self._dropped += 1

    def sentences(self) -> tuple[str, ...]:
        """All of them."""
        more = (f"There are {self._dropped} more warnings",) if self._dropped else ()
        return (*self._sentences, *more)


def show(text: str) -> str:
    """Text of the manifest, quoted and cut to be shown in a message."""
    return f"'{text}'" if len(text) <= 200 else f"'{text[:197]}...'"


def boolean(element: Element, name: str, default: bool, notes: Notes) -> bool:
    """xs:boolean, also in other cases and as yes or no."""
    text = attribute(element, name)
    if text is None:
        return default
    if text.lower() not in _BOOLEANS:
        _note(element, name, text, notes)
        return default
    return _BOOLEANS[text.lower()]


def decimal(text: str, low: float, high: float) -> float | None:
    """The number in `text` if it is one from `low` to `high`."""
    if not _DECIMAL.fullmatch(text):
        return None
    number = float(text)
    return number if math.isfinite(number) and low <= number <= high else None


def decimal_attribute(
    element: Element, name: str, default: float, notes: Notes, *, low: float = 0.0, high: float = 1.0
) -> float:
    """A number in a range."""
    text = attribute(element, name)
    if text is None:
        return default
    number = decimal(text, low, high)
    if number is None:
        _note(element, name, text, notes)
        return default
    return number


def whole(element: Element, name: str, notes: Notes) -> int | None:
    """xs:nonNegativeInteger, None where there is none."""
    text = attribute(element, name)
    if text is None:
        return None
    if not _WHOLE.fullmatch(text):
        _note(element, name, text, notes)
        return None
    return int(text)


def token(element: Element, name: str, words: Sequence[str], notes: Notes, default: str | None = None) -> str | None:
    """A word of a vocabulary, in the specification's spelling whatever the manifest's case."""
    text = attribute(element, name)
    if text is None:
        return default
    for word in words:
        if text.lower() == word.lower():
            return word
    _note(element, name, text, notes)
    return default


def _note(element: Element, name: str, text: str, notes: Notes) -> None:
    notes.add(f"{show(text)} is no value for '{name}' of <{local_name(element)}>; it was ignored")
