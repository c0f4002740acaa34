"""The XML API, as far as a gateway reads through it: GET and HEAD of /{bucket}/{object}."""

from urllib.parse import unquote_to_bytes

from server.dev.storage import media
from server.dev.storage.errors import ApiError
from server.dev.storage.objects import Objects, object_name
from server.dev.storage.wire import Request, Response


class XmlApi:
    """Answers requests whose path is a bucket and an object name, percent-decoded exactly once."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def handle(self, request: Request) -> Response:
        """Raises ApiError 404, 412, 416, and 501 for methods and paths that are not there."""
        bucket, _, encoded = request.path[1:].partition("/")
        if request.method not in ("GET", "HEAD") or not encoded:
            raise ApiError(501, "The XML API only reads objects here")
        generation = request.query.get("generation", "")
        try:
            wanted = int(generation) if generation else None
            bucket_name = unquote_to_bytes(bucket).decode()
        except ValueError:
            raise ApiError(400, "The request is malformed") from None
        stored, content = self._objects.open(bucket_name, object_name(unquote_to_bytes(encoded)), generation=wanted)
        return media.respond(stored, content, request.headers)
