"""Batches: up to 100 metadata requests in one, run concurrently."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qsl, urlsplit

from server.dev.storage.bodies import BytesBody
from server.dev.storage.errors import ApiError, json_body
from server.dev.storage.multipart import read_mixed
from server.dev.storage.wire import Request, Response

_MOST_CALLS = 100
_BODY_LIMIT_BYTES = 10 * 1024 * 1024


class Batches:
    """Answers POST /batch/storage/v1, https://cloud.google.com/storage/docs/batch."""

    def __init__(self, handle: Callable[[Request], Response]) -> None:
        self._handle = handle
        # Together, so that the index commits the calls of a batch at once.
        self._pool = ThreadPoolExecutor(max_workers=16, thread_name_prefix="batch")

    def handle(self, request: Request) -> Response:
        """Raises ApiError 400 if the batch itself is malformed; each call fails on its own."""
        body = request.body.read_all(limit=_BODY_LIMIT_BYTES)
        parts = read_mixed(body, request.headers.get("content-type", ""))
        if not 1 <= len(parts) <= _MOST_CALLS:
            raise ApiError(400, f"A batch has 1 to {_MOST_CALLS} calls")
        answers = self._pool.map(lambda part: self._answer(part[1], request.headers), parts)
        mark = f"batch_{uuid.uuid4().hex}"
        pieces = [
            f"--{mark}\r\nContent-Type: application/http\r\nContent-ID: <response-{content_id.strip('<>')}>\r\n\r\n"
            f"{answer}\r\n"
            for (content_id, _), answer in zip(parts, answers, strict=True)
        ]
        document = "".join(pieces) + f"--{mark}--\r\n"
        return Response(200, (("Content-Type", f"multipart/mixed; boundary={mark}"),), body=document.encode())

    def _answer(self, raw: bytes, headers: dict[str, str]) -> str:
        try:
            response = self._handle(_parse(raw, headers))
        except ApiError as refusal:
            content_type = (("Content-Type", "application/json; charset=UTF-8"),)
            response = Response(refusal.status, content_type, body=json_body(refusal))
        lines = [f"HTTP/1.1 {response.status} Status"]
        lines += [f"{name}: {value}" for name, value in response.headers]
        lines += [f"Content-Length: {len(response.body)}", "", response.body.decode()]
        return "\r\n".join(lines)


def _parse(raw: bytes, outer: dict[str, str]) -> Request:
    head, _, body = raw.partition(b"\n\n")
    lines = head.decode("utf-8", "replace").split("\n")
    words = lines[0].split(" ")
    target = urlsplit(words[1] if len(words) > 1 else "")
    if not target.path.startswith("/storage/v1/") or "media" in target.query:
        raise ApiError(400, "A batch has calls of /storage/v1 without media")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    return Request(
        method=words[0],
        path=target.path,
        query=dict(parse_qsl(target.query, keep_blank_values=True)),
        headers={**headers, "host": outer.get("host", "")},
        body=BytesBody(body),
    )
