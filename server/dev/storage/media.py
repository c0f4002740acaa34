"""Objects as bytes, for the XML API and for alt=media."""

import base64
from collections.abc import Mapping
from email.utils import format_datetime
from typing import BinaryIO

from server.dev.storage.conditions import check_headers, parse_range, range_applies
from server.dev.storage.errors import ApiError
from server.dev.storage.objects import StoredObject
from server.dev.storage.resources import json_etag, xml_etag
from server.dev.storage.wire import Response

_HEADERS = (
    ("cacheControl", "Cache-Control"),
    ("contentDisposition", "Content-Disposition"),
    ("contentEncoding", "Content-Encoding"),
    ("contentLanguage", "Content-Language"),
)


def respond(stored: StoredObject, content: bytes | BinaryIO, headers: Mapping[str, str]) -> Response:
    """The whole object or a range of it. Raises ApiError 304, 412 and 416; closes the file then."""
    try:
        return _respond(stored, content, headers)
    except ApiError:
        if not isinstance(content, bytes):
            content.close()
        raise


def _respond(stored: StoredObject, content: bytes | BinaryIO, headers: Mapping[str, str]) -> Response:
    etags = {xml_etag(stored), json_etag(stored)}
    about = _validators(stored)
    try:
        check_headers(headers, etags=etags, modified_at=stored.modified_at)
    except ApiError as refusal:
        raise ApiError(refusal.status, refusal.message, headers=about if refusal.status == 304 else ()) from None
    wanted = headers.get("range") if range_applies(headers, etags=etags, modified_at=stored.modified_at) else None
    part = parse_range(wanted, size=stored.size)
    described = [*about, *_description(stored)]
    start, length = (part.start, part.length) if part else (0, stored.size)
    if part:
        described.append(("Content-Range", f"bytes {start}-{start + length - 1}/{stored.size}"))
    status = 206 if part else 200
    if isinstance(content, bytes):
        return Response(status, described, body=content[start : start + length])
    return Response(status, described, file=content, offset=start, length=length)


def _validators(stored: StoredObject) -> tuple[tuple[str, str], ...]:
    answer = [
        ("ETag", f'"{xml_etag(stored)}"'),
        ("Last-Modified", format_datetime(stored.modified_at, usegmt=True)),
        ("x-goog-generation", str(stored.generation)),
        ("x-goog-metageneration", str(stored.metageneration)),
    ]
    if "cacheControl" in stored.properties:
        answer.append(("Cache-Control", stored.properties["cacheControl"]))
    return tuple(answer)


def _description(stored: StoredObject) -> list[tuple[str, str]]:
    hashes = [f"crc32c={base64.b64encode(stored.crc32c).decode()}"]
    if stored.md5 is not None:
        hashes.append(f"md5={base64.b64encode(stored.md5).decode()}")
    headers = [
        ("Content-Type", stored.content_type),
        ("Accept-Ranges", "bytes"),
        ("x-goog-hash", ",".join(hashes)),
        ("x-goog-stored-content-length", str(stored.size)),
        ("x-goog-stored-content-encoding", stored.properties.get("contentEncoding", "identity")),
        ("x-goog-storage-class", "STANDARD"),
    ]
    headers += [(header, stored.properties[name]) for name, header in _HEADERS[1:] if name in stored.properties]
    return headers
