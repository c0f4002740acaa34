"""Buckets and objects as the JSON API shows them, and the metadata that callers may set."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from server.dev.storage.errors import ApiError
from server.dev.storage.objects import Bucket, StoredObject

# https://cloud.google.com/storage/docs/json_api/v1/objects#resource
WRITABLE = (
    "cacheControl",
    "contentDisposition",
    "contentEncoding",
    "contentLanguage",
    "customTime",
    "metadata",
    "storageClass",
)
_METADATA_LIMIT_BYTES = 8 * 1024


def object_resource(stored: StoredObject, base_url: str) -> dict[str, Any]:
    """An object."""
    name = stored.name.decode()
    path = f"/b/{stored.bucket}/o/{quote(name, safe='')}"
    resource = {
        "kind": "storage#object",
        "id": f"{stored.bucket}/{name}/{stored.generation}",
        "selfLink": f"{base_url}/storage/v1{path}",
        "mediaLink": f"{base_url}/download/storage/v1{path}?generation={stored.generation}&alt=media",
        "name": name,
        "bucket": stored.bucket,
        "generation": str(stored.generation),
        "metageneration": str(stored.metageneration),
        "contentType": stored.content_type,
        "storageClass": "STANDARD",
        "size": str(stored.size),
        "crc32c": base64.b64encode(stored.crc32c).decode(),
        "etag": json_etag(stored),
        "timeCreated": _timestamp(stored.created_us),
        "updated": _timestamp(stored.updated_us),
        **stored.properties,
    }
    if stored.md5 is not None:
        resource["md5Hash"] = base64.b64encode(stored.md5).decode()
    if stored.components is not None:
        resource["componentCount"] = stored.components
    return resource


def bucket_resource(bucket: Bucket, base_url: str) -> dict[str, Any]:
    """A bucket."""
    created = _timestamp(bucket.created_us)
    return {
        "kind": "storage#bucket",
        "id": bucket.name,
        "selfLink": f"{base_url}/storage/v1/b/{bucket.name}",
        "projectNumber": "1",
        "location": "US",
        "storageClass": "STANDARD",
        "metageneration": "1",
        "etag": "CAE=",
        "timeCreated": created,
        "updated": created,
        **{name: bucket.properties[name] for name in ("location", "labels") if name in bucket.properties},
        "name": bucket.name,
    }


def json_etag(stored: StoredObject) -> str:
    """Changes with content and metadata."""
    return base64.b64encode(f"{stored.generation}/{stored.metageneration}".encode()).decode()


def xml_etag(stored: StoredObject) -> str:
    """The MD5 in hexadecimal, or for composed objects what the JSON API says; without quotes."""
    return stored.md5.hex() if stored.md5 is not None else json_etag(stored)


def writable(document: Mapping[str, Any]) -> dict[str, Any]:
    """What of a resource the caller may set. Raises ApiError 400."""
    properties = {name: document[name] for name in WRITABLE if document.get(name) is not None}
    metadata = properties.get("metadata", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ApiError(400, "metadata is an object of strings")
    if any(not isinstance(value, str) for name, value in properties.items() if name != "metadata"):
        raise ApiError(400, "Metadata fields are strings")
    if len(json.dumps(metadata)) > _METADATA_LIMIT_BYTES:
        raise ApiError(400, "Custom metadata are limited to 8 KiB")
    return properties


def hashes(document: Mapping[str, Any]) -> dict[str, str]:
    """The hashes that the caller computed."""
    return {name: str(document[name]) for name in ("md5Hash", "crc32c") if document.get(name)}


def parse_document(data: bytes) -> dict[str, Any]:
    """A JSON object; empty counts as {}. Raises ApiError 400."""
    try:
        document = json.loads(data) if data.strip() else {}
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise ApiError(400, "The body is no JSON object")
    return document


def text(document: Mapping[str, Any], name: str) -> str | None:
    """A string field. Raises ApiError 400 if it is something else."""
    value = document.get(name)
    if value is not None and not isinstance(value, str):
        raise ApiError(400, f"{name} is a string")
    try:
        (value or "").encode()
    except UnicodeEncodeError:
        raise ApiError(400, f"{name} is no Unicode text") from None
    return value


def _timestamp(time_us: int) -> str:
    moment = datetime.fromtimestamp(time_us / 1_000_000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
