"""What the player's pages send. It comes from browsers that courses run in: nothing of it is trusted."""

import json
import zlib
from functools import partial
from typing import Any

from server.domain.errors import Faults, InvalidRequest, TooLarge, ValidationFailed
from server.domain.sequencing.navigation import NavigationRequest
from server.domain.sessions.commits import Commit
from server.services.session_ports import RunLink

# Of a commit once it is inflated: what an item may hold at all.
MAX_BYTES = 4 * 1024 * 1024
MAX_NAVIGATION_BYTES = 8 * 1024
# Older than any link.
_MAX_AGE_MS = 400 * 24 * 3600 * 1000
MAX_ELEMENTS = 100_000
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 31
_LARGEST = 2**53


def parse_object(text: bytes, *, what: str, limit_bytes: int) -> dict[str, Any]:
    """The JSON object that a body is. Raises InvalidRequest and TooLarge."""
    if len(text) > limit_bytes:
        raise TooLarge(what=what, limit_bytes=limit_bytes)
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("The body is not valid JSON") from error
    if not isinstance(value, dict):
        raise InvalidRequest("The body must be a JSON object")
    return value


def _inflated(body: bytes) -> bytes:
    reader = zlib.decompressobj(_GZIP_WINDOW)
    try:
        text = reader.decompress(body, MAX_BYTES + 1)
    except zlib.error as error:
        raise InvalidRequest("The body is not valid gzip") from error
    if len(text) > MAX_BYTES:
        raise TooLarge(what="The commit", limit_bytes=MAX_BYTES)
    if not reader.eof:
        raise InvalidRequest("The body is not complete")
    return text


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def parse_commit(body: bytes, link: RunLink) -> Commit:
    """A commit to the run that the link names. Raises InvalidRequest, ValidationFailed and TooLarge."""
    text = _inflated(body) if body.startswith(_GZIP_MAGIC) else body
    given, faults = parse_object(text, what="The commit", limit_bytes=MAX_BYTES), Faults()
    number, base = (faults.of(partial(_whole, given, name)) for name in ("commit", "base"))
    known = faults.of(partial(_whole, given, "known")) if "known" in given else None
    values = faults.of(lambda: _values(given.get("values")))
    ages = faults.of(lambda: _ages(given.get("ages", {})))
    flags = ("initialized", "terminated", "wait")
    initialized, terminated, waits = (faults.of(partial(_flag, given, name)) for name in flags)
    faults.refuse()
    return Commit(
        launch=link.launch,
        run=link.run,
        number=number or 0,
        base=base or 0,
        values=values or {},
        ages_ms=ages or {},
        initialized=bool(initialized),
        terminated=bool(terminated),
        waits=bool(waits),
        known=known,
    )


def _whole(given: dict[str, Any], name: str) -> int:
    value = given.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _LARGEST:
        raise ValidationFailed.of(name, "Must be a whole number from 0")
    return value


def _values(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
        raise ValidationFailed.of("values", "Must be an object of texts")
    if len(value) > MAX_ELEMENTS:
        raise ValidationFailed.of("values", f"Must have at most {MAX_ELEMENTS} elements")
    return value


def _ages(value: Any) -> dict[str, int]:
    if not isinstance(value, dict) or not all(isinstance(one, int) and 0 <= one < _LARGEST for one in value.values()):
        raise ValidationFailed.of("ages", "Must be an object of milliseconds")
    return {element: min(age, _MAX_AGE_MS) for element, age in value.items()}


def _flag(given: dict[str, Any], name: str) -> bool:
    value = given.get(name, False)
    if not isinstance(value, bool):
        raise ValidationFailed.of(name, "Must be true or false")
    return value


def parse_launch(body: bytes) -> int | None:
    """The number of the launch that the page takes the session from, if it says. Raises as `parse_navigation`."""
    given = parse_object(body or b"{}", what="The request", limit_bytes=MAX_NAVIGATION_BYTES)
    return _whole(given, "holder") if "holder" in given else None


def parse_navigation(body: bytes) -> tuple[str, NavigationRequest, str | None]:
    """The launch, what is asked for, and its target. Raises InvalidRequest and ValidationFailed."""
    given, faults = parse_object(body, what="The request", limit_bytes=MAX_NAVIGATION_BYTES), Faults()
    launch = faults.of(lambda: _text(given, "launch"))
    request = faults.of(lambda: _request(given.get("request")))
    target = faults.of(lambda: _text(given, "target")) if request and request.has_target else None
    faults.refuse()
    if launch is None or request is None:
        raise InvalidRequest
    return launch, request, target


def _text(given: dict[str, Any], name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str):
        raise ValidationFailed.of(name, "Must be a text")
    return value


def _request(value: Any) -> NavigationRequest:
    try:
        return NavigationRequest(value)
    except ValueError:
        allowed = ", ".join(NavigationRequest)
        raise ValidationFailed.of("request", f"Must be one of {allowed}") from None
