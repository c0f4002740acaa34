"""The JSON API: buckets, objects, uploads. Access control, versions and notifications are not there."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import unquote_to_bytes

from server.dev.storage import media
from server.dev.storage.conditions import Conditions
from server.dev.storage.contents import Content, ContentWriter
from server.dev.storage.errors import ApiError
from server.dev.storage.handling import Match, document_of, json_response, number, publish, segment, target
from server.dev.storage.json_uploads import UploadApi
from server.dev.storage.listing import ListQuery, list_page
from server.dev.storage.objects import Objects, StoredObject, object_name
from server.dev.storage.resources import bucket_resource, object_resource, text, writable
from server.dev.storage.uploads import Uploads
from server.dev.storage.wire import Request, Response

_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_MOST_COMPONENTS = 32

Handler = Callable[[Request, Match], Response]
_B, _O = r"/b/(?P<b>[^/]+)", r"/o/(?P<o>[^/]+)"
_TO = r"/b/(?P<db>[^/]+)/o/(?P<do>[^/]+)"
_UPLOAD = rf"/(?:resumable/)?upload/storage/v1{_B}/o"
_LEFT_OUT = re.compile(
    rf"/storage/v1({_B}(/acl|/iam|/o/[^/]+/acl|/notificationConfigs|/defaultObjectAcl).*|/projects/.*)"
)


class JsonApi:
    """Answers requests under /storage/v1, /upload/storage/v1 and /download/storage/v1."""

    def __init__(self, objects: Objects, uploads: Uploads) -> None:
        self._objects = objects
        self._routes = [(method, re.compile(path), handler) for method, path, handler in self._table(uploads)]

    def handle(self, request: Request) -> Response:
        """Raises ApiError 404 for unknown routes, 405 for unknown methods of known ones, 501 for what is left out."""
        known = False
        for method, pattern, handler in self._routes:
            if (match := pattern.fullmatch(request.path)) is None:
                continue
            known = True
            if method == request.method:
                return handler(request, match)
        if known:
            raise ApiError(405, "The method is not allowed here")
        if _LEFT_OUT.fullmatch(request.path):
            raise ApiError(501, "This part of the API is not there")
        raise ApiError(404, "Not Found")

    def _table(self, uploads: Uploads) -> list[tuple[str, str, Handler]]:
        upload = UploadApi(self._objects, uploads)
        return [
            ("GET", rf"(?:/download)?/storage/v1{_B}{_O}", self.get_object),
            ("POST", _UPLOAD, upload.begin),
            ("PUT", _UPLOAD, upload.proceed),
            ("DELETE", _UPLOAD, upload.cancel),
            ("DELETE", rf"/storage/v1{_B}{_O}", self.delete_object),
            ("GET", rf"/storage/v1{_B}/o", self.list_objects),
            ("PATCH", rf"/storage/v1{_B}{_O}", self.patch_object),
            ("PUT", rf"/storage/v1{_B}{_O}", self.patch_object),
            ("POST", rf"/storage/v1{_B}{_O}/compose", self.compose),
            ("POST", rf"/storage/v1{_B}{_O}/rewriteTo{_TO}", self.rewrite),
            ("POST", rf"/storage/v1{_B}{_O}/copyTo{_TO}", self.copy),
            ("GET", r"/storage/v1/b", self.list_buckets),
            ("POST", r"/storage/v1/b", self.create_bucket),
            ("GET", rf"/storage/v1{_B}", self.get_bucket),
            ("DELETE", rf"/storage/v1{_B}", self.delete_bucket),
        ]

    def list_buckets(self, request: Request, match: Match) -> Response:
        """GET /b."""
        items = [bucket_resource(bucket, request.base_url) for bucket in self._objects.buckets()]
        return json_response({"kind": "storage#buckets", "items": items})

    def create_bucket(self, request: Request, match: Match) -> Response:
        """POST /b. Raises ApiError 400 and 409."""
        document = document_of(request)
        name = text(document, "name") or ""
        if not _BUCKET_NAME.fullmatch(name):
            raise ApiError(400, "Invalid bucket name")
        return json_response(bucket_resource(self._objects.create_bucket(name, document), request.base_url))

    def get_bucket(self, request: Request, match: Match) -> Response:
        """GET /b/{bucket}."""
        return json_response(bucket_resource(self._objects.bucket(segment(match["b"])), request.base_url))

    def delete_bucket(self, request: Request, match: Match) -> Response:
        """DELETE /b/{bucket}. Raises ApiError 404 and 409."""
        self._objects.delete_bucket(segment(match["b"]))
        return Response(204)

    def list_objects(self, request: Request, match: Match) -> Response:
        """GET /b/{bucket}/o, a page."""
        page = list_page(self._objects, ListQuery.from_query(segment(match["b"]), request.query))
        answer: dict[str, Any] = {"kind": "storage#objects"}
        if page.objects:
            answer["items"] = [object_resource(stored, request.base_url) for stored in page.objects]
        if page.prefixes:
            answer["prefixes"] = [prefix.decode() for prefix in page.prefixes]
        if page.next_token:
            answer["nextPageToken"] = page.next_token
        return json_response(answer)

    def get_object(self, request: Request, match: Match) -> Response:
        """GET /b/{bucket}/o/{object}: the resource, or with alt=media the bytes."""
        bucket, name, generation = (*target(match), _generation(request.query))
        conditions = Conditions.from_query(request.query)
        if request.query.get("alt") == "media":
            stored, content = self._objects.open(bucket, name, generation=generation)
            try:
                conditions.check(stored.versions, reading=True)
            except ApiError:
                if not isinstance(content, bytes):
                    content.close()
                raise
            return media.respond(stored, content, request.headers)
        stored = self._objects.find(bucket, name, generation=generation)
        conditions.check(stored.versions, reading=True)
        return json_response(object_resource(stored, request.base_url))

    def delete_object(self, request: Request, match: Match) -> Response:
        """DELETE /b/{bucket}/o/{object}."""
        bucket, name = target(match)
        conditions = Conditions.from_query(request.query)
        self._objects.delete(bucket, name, generation=_generation(request.query), conditions=conditions)
        return Response(204)

    def patch_object(self, request: Request, match: Match) -> Response:
        """PATCH merges metadata, PUT replaces them."""
        bucket, name = target(match)
        document = document_of(request)
        replaces = request.method == "PUT"
        stored = self._objects.patch(
            bucket,
            name,
            lambda current: _changed(current, document, replaces=replaces),
            conditions=Conditions.from_query(request.query),
        )
        return json_response(object_resource(stored, request.base_url))

    def compose(self, request: Request, match: Match) -> Response:
        """POST …/compose: joins up to 32 objects of the bucket."""
        bucket, name = target(match)
        document = document_of(request)
        sources = document.get("sourceObjects")
        if not isinstance(sources, list) or not 1 <= len(sources) <= _MOST_COMPONENTS:
            raise ApiError(400, f"1 to {_MOST_COMPONENTS} objects can be composed")
        destination = document.get("destination") or {}
        writer, components = ContentWriter(self._objects.contents), 0
        try:
            for source in sources:
                components += self._append_component(writer, bucket, source)
            content = writer.finish(composed=True)
        except BaseException:
            writer.discard()
            raise
        return publish(self._objects, request, bucket, name, content, destination, None, components=components)

    def _append_component(self, writer: ContentWriter, bucket: str, source: Any) -> int:
        if not isinstance(source, dict):
            raise ApiError(400, "sourceObjects are objects")
        name = object_name((text(source, "name") or "").encode())
        stored, content = self._objects.open(bucket, name, generation=number(source.get("generation")))
        wanted = source.get("objectPreconditions") or {}
        conditions = Conditions(generation_match=number(wanted.get("ifGenerationMatch")))
        if isinstance(content, bytes):
            conditions.check(stored.versions)
            writer.write(content)
        else:
            with content:
                conditions.check(stored.versions)
                writer.append_from(content)
        return stored.components or 1

    def rewrite(self, request: Request, match: Match) -> Response:
        """POST …/rewriteTo/…: a copy, always done in one call."""
        stored = self._copy(request, match)
        size = str(stored.size)
        resource = object_resource(stored, request.base_url)
        answer = {"kind": "storage#rewriteResponse", "totalBytesRewritten": size, "objectSize": size, "done": True}
        return json_response({**answer, "resource": resource})

    def copy(self, request: Request, match: Match) -> Response:
        """POST …/copyTo/…."""
        return json_response(object_resource(self._copy(request, match), request.base_url))

    def _copy(self, request: Request, match: Match) -> StoredObject:
        bucket, name = target(match)
        destination = segment(match["db"]), object_name(unquote_to_bytes(match["do"]))
        document = document_of(request)
        generation = number(request.query.get("sourceGeneration"))
        stored, opened = self._objects.open(bucket, name, generation=generation)
        data = opened if isinstance(opened, bytes) else None
        if not isinstance(opened, bytes):
            opened.close()
        Conditions.from_query(request.query, source=True).check(stored.versions)
        source = Content(size=stored.size, md5=stored.md5, crc32c=stored.crc32c, data=data, file=stored.file)
        return self._objects.put(
            *destination,
            self._objects.contents.copy(source),
            content_type=text(document, "contentType") or stored.content_type,
            properties=writable(document) if document else stored.properties,
            conditions=Conditions.from_query(request.query),
            components=stored.components,
        )


def _generation(query: Mapping[str, str]) -> int | None:
    return number(query.get("generation"))


def _changed(current: StoredObject, document: Mapping[str, Any], *, replaces: bool) -> StoredObject:
    if replaces:
        return replace(current, content_type=text(document, "contentType") or "", properties=writable(document))
    # null removes: a field, or an entry of the custom metadata (JSON merge patch, RFC 7396).
    merged = {**current.properties, **document}
    if isinstance(document.get("metadata"), dict):
        both = {**current.properties.get("metadata", {}), **document["metadata"]}
        merged["metadata"] = {name: value for name, value in both.items() if value is not None}
    merged = writable(merged)
    return replace(current, content_type=text(document, "contentType") or current.content_type, properties=merged)
