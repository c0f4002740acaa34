"""Documents of states and profiles: merging, entity tags and conditions (xAPI 1.0.3 Part Three 2.2 and 3.1)."""

import enum
import hashlib

from server.domain.errors import Conflict, InvalidRequest, PreconditionFailed
from server.domain.xapi.versions import Version


class Resource(enum.StrEnum):
    """What a document belongs to."""

    STATE = "state"
    AGENT_PROFILE = "agent_profile"
    ACTIVITY_PROFILE = "activity_profile"


def etag_of(content: bytes) -> str:
    """The entity tag of a document: the SHA-1 of its bytes, in quotes."""
    return f'"{hashlib.sha1(content, usedforsecurity=False).hexdigest()}"'


def check_preconditions(
    *,
    version: Version,
    resource: str,
    method: str,
    if_match: str | None,
    if_none_match: str | None,
    current_etag: str | None,
) -> None:
    """Raises unless a PUT, POST or DELETE may change the document, which has `current_etag` if it exists.

    PreconditionFailed: a header does not hold. Conflict: a PUT that names no version would replace what is there; in
    1.0.3 that is about profiles only (Part Three 3.1), in 2.0 about states too (IEEE 9274.1.1 4.1.4). InvalidRequest:
    in 1.0.3, a PUT of a new profile without either header.
    """
    if if_match is not None and not _names(if_match, current_etag):
        raise PreconditionFailed
    if if_none_match is not None and _names(if_none_match, current_etag):
        raise PreconditionFailed
    if method != "PUT" or if_match is not None or if_none_match is not None:
        return
    if version is Version.V1 and Resource(resource) is Resource.STATE:
        return
    if current_etag is not None:
        raise Conflict("The document exists: check what it is now, and send its ETag in If-Match to replace it")
    if version is Version.V1:
        raise InvalidRequest("Send If-Match, or If-None-Match: * for a document that does not exist yet")


def _names(condition: str, etag: str | None) -> bool:
    """Whether a list of entity tags, or *, names the document that is there."""
    return etag is not None and any(one == "*" or _opaque(one) == _opaque(etag) for one in _elements(condition))


def _elements(condition: str) -> list[str]:
    return [element.strip(" \t") for element in condition.split(",")]


def _opaque(tag: str) -> str:
    # Compression on the way marks a tag as weak, and old clients send it without quotes.
    return tag.removeprefix("W/").strip('"')
