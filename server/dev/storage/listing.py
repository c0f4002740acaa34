"""Pages of object names, with folders where a delimiter is given. Each page costs what it shows, not what there is."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field

from server.dev.storage.errors import ApiError
from server.dev.storage.objects import Objects, StoredObject, select_after

MOST_PER_PAGE = 1000


@dataclass(slots=True)
class Page:
    """Objects and folders in order of name, and where the next page begins."""

    objects: list[StoredObject] = field(default_factory=list)
    prefixes: list[bytes] = field(default_factory=list)
    next_token: str | None = None

    @property
    def size(self) -> int:
        """Both count against maxResults."""
        return len(self.objects) + len(self.prefixes)


@dataclass(frozen=True, slots=True)
class ListQuery:
    """What to list: names in [start, end) that begin with `prefix`."""

    bucket: str
    prefix: bytes
    delimiter: bytes
    start: bytes
    end: bytes | None
    limit: int

    @classmethod
    def from_query(cls, bucket: str, query: Mapping[str, str]) -> "ListQuery":
        """Reads the parameters of objects.list. Raises ApiError 400, and 501 for what is not there."""
        if query.get("versions") == "true" or "matchGlob" in query:
            raise ApiError(501, "Only live objects, by prefix, are listed here")
        prefix = query.get("prefix", "").encode()
        ends = [end for end in (query.get("endOffset", "").encode(), _successor(prefix)) if end]
        limit = query.get("maxResults", str(MOST_PER_PAGE))
        if not limit.isascii() or not limit.isdigit() or len(limit) > 9 or int(limit) == 0:
            raise ApiError(400, "Invalid maxResults")
        token = _decode(query["pageToken"]) if query.get("pageToken") else b""
        return cls(
            bucket=bucket,
            prefix=prefix,
            delimiter=query.get("delimiter", "").encode(),
            start=max(prefix, query.get("startOffset", "").encode(), token),
            end=min(ends, default=None),
            limit=min(int(limit), MOST_PER_PAGE),
        )


def list_page(objects: Objects, query: ListQuery) -> Page:
    """One page. Raises ApiError 404 if there is no such bucket."""
    objects.bucket(query.bucket)
    page, at = Page(), query.start
    while True:
        wanted = query.limit - page.size + 1
        rows = select_after(objects.index.reader, query.bucket, start=at, end=query.end, limit=wanted)
        for row in rows:
            if page.size == query.limit:
                page.next_token = base64.urlsafe_b64encode(at).decode()
                return page
            folder = _folder(row.name, query)
            if folder is not None:
                page.prefixes.append(folder)
                at = _successor(folder)
                break
            page.objects.append(row)
            at = row.name + b"\0"
        else:
            return page


def _folder(name: bytes, query: ListQuery) -> bytes | None:
    if not query.delimiter:
        return None
    found = name.find(query.delimiter, len(query.prefix))
    return None if found < 0 else name[: found + len(query.delimiter)]


def _successor(prefix: bytes) -> bytes:
    """The least string that is greater than all that begin with `prefix`; empty if there is none. UTF-8 has no 0xff."""
    return prefix[:-1] + bytes([prefix[-1] + 1]) if prefix else b""


def _decode(token: str) -> bytes:
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True)
    except ValueError:
        raise ApiError(400, "Invalid pageToken") from None
