"""The upload half of the JSON API: simple, multipart and resumable."""

from dataclasses import asdict

from server.dev.storage import multipart
from server.dev.storage.conditions import Conditions
from server.dev.storage.contents import ContentWriter
from server.dev.storage.errors import ApiError
from server.dev.storage.handling import Match, document_of, json_response, number, object_name_of, publish, segment
from server.dev.storage.objects import Objects, StoredObject
from server.dev.storage.resources import hashes, object_resource, parse_document, text, writable
from server.dev.storage.uploads import Piece, UploadRequest, Uploads
from server.dev.storage.wire import Request, Response


class UploadApi:
    """Answers requests under /upload/storage/v1."""

    def __init__(self, objects: Objects, uploads: Uploads) -> None:
        self._objects = objects
        self._uploads = uploads

    def begin(self, request: Request, match: Match) -> Response:
        """POST: the whole object, or the start of a session."""
        kinds = {"media": self._upload_media, "multipart": self._upload_multipart, "resumable": self._start}
        kind = kinds.get(request.query.get("uploadType", ""))
        if kind is None:
            raise ApiError(400, "uploadType is media, multipart or resumable")
        bucket = segment(match["b"])
        self._objects.bucket(bucket)
        return kind(request, bucket)

    def _upload_media(self, request: Request, bucket: str) -> Response:
        writer = ContentWriter(self._objects.contents)
        try:
            while piece := request.body.read():
                writer.write(piece)
            content = writer.finish()
        except BaseException:
            writer.discard()
            raise
        document = hashes(_hash_header(request))
        return publish(self._objects, request, bucket, None, content, document, request.headers.get("content-type"))

    def _upload_multipart(self, request: Request, bucket: str) -> Response:
        writer = ContentWriter(self._objects.contents)
        try:
            kind = request.headers.get("content-type", "")
            metadata, content_type = multipart.read_related(request.body, kind, writer.write)
            content = writer.finish()
            document = parse_document(metadata)
        except BaseException:
            writer.discard()
            raise
        return publish(self._objects, request, bucket, None, content, document, content_type)

    def _start(self, request: Request, bucket: str) -> Response:
        document = document_of(request)
        total = request.headers.get("x-upload-content-length")
        content_type = text(document, "contentType") or request.headers.get("x-upload-content-type")
        upload_id = self._uploads.start(
            UploadRequest(
                bucket=bucket,
                name=object_name_of(request, document).decode(),
                content_type=content_type or "application/octet-stream",
                properties=writable(document),
                conditions=asdict(Conditions.from_query(request.query)),
                hashes=hashes(document),
                total=number(total),
            )
        )
        location = f"{request.base_url}/upload/storage/v1/b/{bucket}/o?uploadType=resumable&upload_id={upload_id}"
        return Response(200, (("Location", location), ("X-GUploader-UploadID", upload_id)))

    def proceed(self, request: Request, match: Match) -> Response:
        """PUT to a session: bytes, or a question about its state."""
        piece = Piece.parse(request.headers.get("content-range"))
        expected = hashes(_hash_header(request))
        outcome = self._uploads.receive(_upload_id(request), piece, request.body, expected)
        if isinstance(outcome, StoredObject):
            return json_response(object_resource(outcome, request.base_url))
        return Response(308, (("Range", f"bytes=0-{outcome - 1}"),) if outcome else ())

    def cancel(self, request: Request, match: Match) -> Response:
        """DELETE of a session. Cloud Storage answers 499."""
        self._uploads.cancel(_upload_id(request))
        return Response(499)


def _upload_id(request: Request) -> str:
    upload_id = request.query.get("upload_id")
    if not upload_id:
        raise ApiError(400, "upload_id is missing")
    return upload_id


def _hash_header(request: Request) -> dict[str, str]:
    pairs = (part.strip().partition("=") for part in request.headers.get("x-goog-hash", "").split(","))
    return {{"md5": "md5Hash"}.get(name, name): value for name, _, value in pairs if name}
