"""Entity tags (RFC 9110, 8.8.3): a resource's version as it is told, and the condition that callers make of it."""

import re
from dataclasses import dataclass

from server.domain.errors import ValidationFailed

MAX_HEADER_LENGTH = 4096
# RFC 9110, 8.8.3: a weak mark, then any visible ASCII but quotes, or what is beyond ASCII.
_TAG = re.compile(r'(?:W/)?"([\x21\x23-\x7e\x80-\U0010ffff]*)"')
_REVISION = re.compile(r"[1-9][0-9]{0,17}")


@dataclass(frozen=True, slots=True)
class IfMatch:
    """The revisions that a change may be applied to. None: whatever is there. Empty: none that can exist."""

    revisions: frozenset[int] | None = None


ANY = IfMatch()


def format_etag(revision: int) -> str:
    """The entity tag of a revision."""
    return f'"{revision}"'


def parse_if_match(header: str | None) -> IfMatch:
    """Reads the header; without it, and for `*`, everything matches. Raises ValidationFailed under `if_match`.

    A weak tag counts as the strong one: the gateway's compression weakens what we sent, and the version is the same.
    """
    if header is None or header.strip(" \t") == "*":
        return ANY
    if len(header) > MAX_HEADER_LENGTH or not _is_list(header):
        fault = f'The header If-Match must be * or entity tags such as "1", at most {MAX_HEADER_LENGTH} characters'
        raise ValidationFailed.of("if_match", fault)
    return IfMatch(frozenset(int(tag) for tag in _TAG.findall(header) if _REVISION.fullmatch(tag)))


def _is_list(header: str) -> bool:
    """Whether it holds tags between commas, one at least. Elements may be empty (RFC 9110, 5.6.1)."""
    # One pass and no more, whatever the text: as one expression it could be made to take for ever.
    elements = {element.strip(" \t") for element in _TAG.sub("\0", header).split(",")}
    return "\0" in elements and elements <= {"\0", ""}
