"""Which of the languages of a text a reader is given (xAPI 1.0.3 Part Three 2.1.3, RFC 4647 3.4)."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

_MOST_RANGES = 50
_RANGE = re.compile(
    r"[ \t]*([A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*|\*)[ \t]*(?:;[ \t]*[qQ][ \t]*=[ \t]*([01](?:\.[0-9]{0,3})?)[ \t]*)?"
)


def parse_accept_language(header: str | None) -> list[str]:
    """The languages of Accept-Language in lower case, the most wanted first (RFC 9110, 12.5.4).

    What is not wanted (q=0) and what cannot be read is left out.
    """
    wanted: list[tuple[float, str]] = []
    for element in (header or "").split(",", _MOST_RANGES)[:_MOST_RANGES]:
        found = _RANGE.fullmatch(element)
        if found and (weight := float(found[2] or 1)):
            wanted.append((weight, found[1].lower()))
    return [tag for _, tag in sorted(wanted, key=lambda one: -one[0])]


def in_one_language(texts: Mapping[str, Any], languages: Sequence[str]) -> dict[str, Any]:
    """A language map with the one entry that suits best; any, if none suits."""
    tags = {tag.lower(): tag for tag in texts}
    chosen = _match(tags, languages) or next(iter(texts), None)
    return {} if chosen is None else {chosen: texts[chosen]}


def _match(tags: Mapping[str, str], languages: Sequence[str]) -> str | None:
    # RFC 4647, 3.4: each in its turn, and for de-AT, if there is no such, de and de-CH before the next.
    for wanted in (step for language in languages for step in _steps(language)):
        if wanted == "*":
            return next(iter(tags.values()), None)
        for lower, tag in tags.items():
            if lower == wanted or lower.startswith(wanted + "-"):
                return tag
    return None


def _steps(tag: str) -> list[str]:
    """The tag, and what it is when its end is cut off again and again."""
    parts = tag.split("-")
    return ["-".join(parts[:length]) for length in range(len(parts), 0, -1)]
