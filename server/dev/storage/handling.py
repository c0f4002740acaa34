"""What handlers of the JSON API share: reading paths, numbers and documents, publishing, answering."""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from server.dev.storage.conditions import Conditions
from server.dev.storage.contents import Content
from server.dev.storage.errors import ApiError
from server.dev.storage.objects import Objects, object_name
from server.dev.storage.resources import hashes, object_resource, parse_document, text, writable
from server.dev.storage.uploads import check_hashes
from server.dev.storage.wire import Request, Response

Match = re.Match[str]
_DOCUMENT_LIMIT_BYTES = 1024 * 1024


def json_response(document: Mapping[str, Any]) -> Response:
    """A resource, or a list of them."""
    headers = [("Content-Type", "application/json; charset=UTF-8")]
    if "etag" in document:
        headers.append(("ETag", str(document["etag"])))
    return Response(200, headers, body=json.dumps(document).encode())


def document_of(request: Request) -> dict[str, Any]:
    """The JSON object in the body. Raises ApiError 400 and 413."""
    return parse_document(request.body.read_all(limit=_DOCUMENT_LIMIT_BYTES))


def segment(raw: str) -> str:
    """A decoded part of the path. Raises ApiError 400."""
    try:
        return unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        raise ApiError(400, "The path is no UTF-8") from None


def target(match: Match) -> tuple[str, bytes]:
    """Bucket and object of a path, decoded exactly once."""
    return segment(match["b"]), object_name(unquote_to_bytes(match["o"]))


def object_name_of(request: Request, document: Mapping[str, Any]) -> bytes:
    """The name of a new object, from its metadata or the query. Raises ApiError 400."""
    name = text(document, "name") or request.query.get("name") or ""
    return object_name(name.encode("utf-8", "surrogatepass"))


def number(value: Any) -> int | None:
    """A generation or a size, which the API spells as text or number. Raises ApiError 400."""
    if value is None:
        return None
    if not re.fullmatch(r"[0-9]{1,19}", str(value)):
        raise ApiError(400, "A number is malformed")
    return int(value)


def publish(
    objects: Objects,
    request: Request,
    bucket: str,
    name: bytes | None,
    content: Content,
    document: Mapping[str, Any],
    content_type: str | None,
    *,
    components: int | None = None,
) -> Response:
    """Makes an object visible with the metadata in `document` and the conditions in the query."""
    try:
        check_hashes(content, hashes(document))
        name = name if name is not None else object_name_of(request, document)
        properties, conditions = writable(document), Conditions.from_query(request.query)
        content_type = text(document, "contentType") or content_type or "application/octet-stream"
    except ApiError:
        objects.contents.remove(content.file)
        raise
    stored = objects.put(
        bucket,
        name,
        content,
        content_type=content_type,
        properties=properties,
        conditions=conditions,
        components=components,
    )
    return json_response(object_resource(stored, request.base_url))
