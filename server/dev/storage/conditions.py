"""Preconditions of the JSON API, conditional headers and ranges of HTTP. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from server.dev.storage.errors import ApiError

_ETAG = re.compile(r'(W/)?"([^"]*)"|([^,\s"]+)')
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


@dataclass(frozen=True, slots=True)
class Versions:
    """What preconditions are compared with. An absent object has generation 0."""

    generation: int
    metageneration: int


ABSENT = Versions(generation=0, metageneration=0)


@dataclass(frozen=True, slots=True)
class Conditions:
    """ifGenerationMatch and its kin, https://cloud.google.com/storage/docs/request-preconditions."""

    generation_match: int | None = None
    generation_not_match: int | None = None
    metageneration_match: int | None = None
    metageneration_not_match: int | None = None

    @classmethod
    def from_query(cls, query: Mapping[str, str], *, source: bool = False) -> "Conditions":
        """Reads the parameters; with `source` those about the source of a copy."""
        # google-cloud-storage spells one of them ifMetaGenerationNotMatch on uploads, hence any case.
        given = {name.lower(): value for name, value in query.items()}
        prefix = "ifsource" if source else "if"

        def number(name: str) -> int | None:
            text = given.get(prefix + name)
            if text is not None and not re.fullmatch(r"[0-9]{1,19}", text):
                raise ApiError(400, f"Invalid value for {prefix}{name}")
            return None if text is None else int(text)

        return cls(
            generation_match=number("generationmatch"),
            generation_not_match=number("generationnotmatch"),
            metageneration_match=number("metagenerationmatch"),
            metageneration_not_match=number("metagenerationnotmatch"),
        )

    def check(self, current: Versions, *, reading: bool = False) -> None:
        """Raises ApiError 412 if a condition fails; 304 if one of the NotMatch kind fails on a read."""
        matches = (
            self.generation_match in (None, current.generation),
            self.metageneration_match is None or (current is not ABSENT and self._metageneration_holds(current)),
        )
        if not all(matches):
            raise ApiError(412, "At least one of the pre-conditions you specified did not hold.")
        differs = (
            self.generation_not_match is None or self.generation_not_match != current.generation,
            self.metageneration_not_match is None or self.metageneration_not_match != current.metageneration,
        )
        if not all(differs):
            raise ApiError(304 if reading else 412, "At least one of the pre-conditions you specified did not hold.")

    def _metageneration_holds(self, current: Versions) -> bool:
        return self.metageneration_match == current.metageneration


@dataclass(frozen=True, slots=True)
class ByteRange:
    """A part of an object, `length` at least 1."""

    start: int
    length: int


def parse_range(header: str | None, *, size: int) -> ByteRange | None:
    """The one range that is asked for, None for all. Raises ApiError 416 if nothing of it is there.

    A header that is malformed or asks for several ranges is ignored (RFC 9110, 14.2).
    """
    match = _RANGE.fullmatch((header or "").replace(" ", ""))
    if match is None or not (match[1] or match[2]):
        return None
    if match[1]:
        start = int(match[1])
        end = min(int(match[2]), size - 1) if match[2] else size - 1
        if match[2] and int(match[2]) < start:
            return None
    else:
        start, end = max(0, size - int(match[2])), size - 1
    if start >= size:
        unsatisfied = (("Content-Range", f"bytes */{size}"),)
        raise ApiError(416, "The requested range cannot be satisfied.", headers=unsatisfied)
    return ByteRange(start=start, length=end - start + 1)


def check_headers(headers: Mapping[str, str], *, etags: set[str], modified_at: datetime) -> None:
    """Raises ApiError 304 or 412 as RFC 9110, 13.2.2 orders. `etags` are those that name the object, unquoted."""
    if (wanted := headers.get("if-match")) is not None:
        if not _any_matches(wanted, etags, weak=False):
            raise ApiError(412, "The ETag does not match.")
    elif (limit := _date(headers.get("if-unmodified-since"))) and modified_at > limit:
        raise ApiError(412, "The object was modified since.")
    if (unwanted := headers.get("if-none-match")) is not None:
        if _any_matches(unwanted, etags, weak=True):
            raise ApiError(304, "Not modified.")
    elif (since := _date(headers.get("if-modified-since"))) and modified_at <= since:
        raise ApiError(304, "Not modified.")


def range_applies(headers: Mapping[str, str], *, etags: set[str], modified_at: datetime) -> bool:
    """Whether If-Range allows the range."""
    condition = headers.get("if-range")
    if condition is None:
        return True
    if (date := _date(condition)) is not None:
        return modified_at == date
    return _any_matches(condition, etags, weak=False)


def _any_matches(header: str, etags: set[str], *, weak: bool) -> bool:
    if header.strip() == "*":
        return True
    found = _ETAG.finditer(header)
    return any((match[2] if match[2] is not None else match[3]) in etags for match in found if weak or not match[1])


def _date(text: str | None) -> datetime | None:
    try:
        date = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
