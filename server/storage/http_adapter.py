"""The storage client's HTTP requests, observed one by one: its retries happen above, and show here."""

import time
from collections.abc import Callable
from typing import Any, Literal, TypeAlias
from urllib.parse import parse_qs, urlsplit

import requests
from requests.adapters import HTTPAdapter

Outcome = Literal["answered", "refused", "retryable"]
# Told the operation, how it ended, and after how many seconds; from any thread.
Observe: TypeAlias = Callable[[str, Outcome, float], None]

# What google-cloud-storage repeats by itself.
_RETRYABLE = (408, 429)


class ObservedAdapter(HTTPAdapter):
    """Tells `observe` of every request."""

    def __init__(self, *, observe: Observe, pool_connections: int, pool_maxsize: int) -> None:
        super().__init__(pool_connections=pool_connections, pool_maxsize=pool_maxsize)
        self._observe = observe

    def send(self, request: requests.PreparedRequest, *arguments: Any, **options: Any) -> requests.Response:
        """See `HTTPAdapter`."""
        outcome: Outcome = "retryable"
        began = time.perf_counter()
        try:
            response = super().send(request, *arguments, **options)
            outcome = outcome_of(response.status_code)
            return response
        finally:
            self._observe(operation_of(request.method or "", request.url or ""), outcome, time.perf_counter() - began)


def outcome_of(status: int) -> Outcome:
    """What an HTTP status means for the request."""
    if status in _RETRYABLE or status >= 500:
        return "retryable"
    # 308: the store waits for the next chunk.
    return "refused" if status >= 400 else "answered"


def operation_of(method: str, url: str) -> str:
    """Which of the JSON API's operations a request is: upload, download, list, get, delete, batch or other."""
    path, query = urlsplit(url).path, parse_qs(urlsplit(url).query)
    if path.startswith("/upload/"):
        return "upload"
    if path.startswith("/batch/"):
        return "batch"
    if method == "DELETE":
        return "delete"
    if method != "GET":
        return "other"
    if path.startswith("/download/") or query.get("alt") == ["media"]:
        return "download"
    return "list" if path.endswith("/o") else "get"
