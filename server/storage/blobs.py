"""The bucket, through google-cloud-storage."""

import contextlib
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO, cast

import requests
from google.api_core.exceptions import Conflict, GoogleAPICallError, GoogleAPIError, NotFound, PreconditionFailed
from google.auth.exceptions import GoogleAuthError
from google.cloud import storage
from google.cloud.storage.exceptions import DataCorruption
from google.cloud.storage.retry import DEFAULT_RETRY

from server.domain.errors import Unavailable
from server.services.ports import BlobInfo
from server.storage.http_adapter import Observe, ObservedAdapter
from server.storage.windows import Window

# Up to here an object is one request, held in memory three times by the client; above, a session of chunks.
SINGLE_REQUEST_LIMIT_BYTES = 1024 * 1024
CHUNK_BYTES = 8 * 1024 * 1024
_TIMEOUT_SECONDS = (5.0, 60.0)
_RETRY = DEFAULT_RETRY.with_delay(initial=0.2, maximum=8.0, multiplier=2.0).with_timeout(60.0)
_UPLOAD_ATTEMPTS = 4
# A session that Cloud Storage has forgotten must start once more.
_SESSION_LOST = (404, 410)
# What a store on a disk says where that is full (RFC 4918, 11.5). Repeating at once is of no use.
_FULL = 507
# Storage has been tried for a minute by then.
_RETRY_AFTER_SECONDS = 10
# Cloud Storage takes at most 100 calls in a batch.
_BATCH_CALLS = 100
_BATCHES_AT_ONCE = 8
_DELETE_PASSES = 5
_PING_SECONDS = 2.0
_ABANDON_SECONDS = 5.0
_FAILURES = (GoogleAPIError, GoogleAuthError, DataCorruption, requests.RequestException)


class GcsBlobs:
    """Objects of one bucket. Thread-safe; `threads` callers work at the same time without waiting for a connection.

    With STORAGE_EMULATOR_HOST set the client goes there without credentials; otherwise it uses the default ones.
    `observe` is told of each HTTP request.
    """

    def __init__(
        self,
        bucket_name: str,
        *,
        threads: int,
        client: storage.Client | None = None,
        observe: Observe = lambda operation, outcome, seconds: None,
    ) -> None:
        self._client = client or storage.Client()
        # The session's own pool holds 10 connections and throws further ones away after each request. The client has
        # no public way to size it.
        pool = ObservedAdapter(observe=observe, pool_connections=4, pool_maxsize=threads + _BATCHES_AT_ONCE)
        self._client._http.mount("https://", pool)
        self._client._http.mount("http://", pool)
        _settle_environment(self._client)
        # The client keeps each answer until the next, and an answer its request: a chunk that nobody needs any more.
        self._client._http.hooks["response"].append(_forget_body)
        self._session = _Session()
        self._client._http.hooks["response"].append(self._session.notice)
        self._bucket = self._client.bucket(bucket_name)

    def upload(
        self, name: str, source: BinaryIO, *, size_bytes: int | None, content_type: str, cache_control: str
    ) -> None:
        """Writes one object, all or nothing, replacing what was there.

        `source` may still be growing: its read() then blocks until there are bytes. Raises ValueError if it ends
        before `size_bytes`.
        """
        try:
            self._upload(name, source, size_bytes=size_bytes, content_type=content_type, cache_control=cache_control)
        except BaseException:
            self._abandon()
            raise

    def _upload(
        self, name: str, source: BinaryIO, *, size_bytes: int | None, content_type: str, cache_control: str
    ) -> None:
        window = Window(source, size_bytes=size_bytes)
        generation = 0
        cause: Exception | None = None
        for _ in range(_UPLOAD_ATTEMPTS):
            with _unavailable():
                try:
                    self._send(name, window, generation, content_type=content_type, cache_control=cache_control)
                    return
                except PreconditionFailed as fault:
                    # Either something else is there and gets replaced, or an attempt succeeded whose answer was lost.
                    there = self._bucket.get_blob(name, timeout=_TIMEOUT_SECONDS, retry=_RETRY)
                    if there is not None and window.tell() and _is(there, window, content_type, cache_control):
                        return
                    generation, cause = 0 if there is None else int(there.generation), fault
                except (GoogleAPICallError, DataCorruption) as fault:
                    if isinstance(fault, GoogleAPICallError) and fault.code not in _SESSION_LOST:
                        raise
                    cause = fault
            window.seek(0)
        raise _broken() from cause

    def _abandon(self) -> None:
        """Gives up the session that has not become an object, lest storage keeps what it has of it for a week."""
        url = self._session.url
        if url is not None:
            with contextlib.suppress(*_FAILURES):
                self._client._http.delete(url, timeout=_ABANDON_SECONDS)

    def _send(self, name: str, window: Window, generation: int, *, content_type: str, cache_control: str) -> None:
        self._session.url = None
        blob = self._bucket.blob(name, chunk_size=CHUNK_BYTES)
        blob.cache_control = cache_control
        size = window.size_bytes
        # The client sends up to 8 MiB at once if it knows the size; not knowing it, it opens a session.
        single = size is not None and size <= SINGLE_REQUEST_LIMIT_BYTES
        told = size if single or (size is not None and size > CHUNK_BYTES) else None
        blob.upload_from_file(
            cast(BinaryIO, window),
            size=told,
            content_type=content_type,
            # Makes the write safe to repeat: a second one finds another generation than expected.
            if_generation_match=generation,
            timeout=_TIMEOUT_SECONDS,
            checksum="crc32c",
            retry=_RETRY,
        )

    def download(self, name: str, into: BinaryIO) -> None:
        """Copies an object. Raises KeyError if there is none."""
        with _unavailable():
            try:
                blob = self._bucket.blob(name)
                blob.download_to_file(
                    into, timeout=_TIMEOUT_SECONDS, checksum="crc32c", retry=_RETRY, raw_download=True
                )
            except NotFound:
                raise KeyError(name) from None

    def list(self, prefix: str) -> Iterator[BlobInfo]:
        """Every object whose name starts with `prefix`, in order of name."""
        with _unavailable():
            for blob in self._pages(prefix):
                yield BlobInfo(
                    name=blob.name,
                    size_bytes=int(blob.size),
                    content_type=blob.content_type or "application/octet-stream",
                    generation=int(blob.generation),
                )

    def delete_prefix(self, prefix: str) -> int:
        """Deletes every object under `prefix` and says how many. One that is gone already is no error."""
        deleted = 0
        with _unavailable(), ThreadPoolExecutor(_BATCHES_AT_ONCE, thread_name_prefix="delete") as pool:
            # Listed again until nothing is left: what failed, and what was written meanwhile.
            for _ in range(_DELETE_PASSES):
                batches = list(_grouped(self._pages(prefix), _BATCH_CALLS))
                if not batches:
                    return deleted
                deleted += sum(pool.map(self._delete_batch, batches))
        raise _broken()

    def _delete_batch(self, blobs: Sequence[Any]) -> int:
        answers = _RETRY(self._send_batch)(blobs)
        # 404: another attempt was faster. What failed otherwise is listed again.
        return sum(answer.status_code in (200, 204, 404) for answer in answers)

    def _send_batch(self, blobs: Sequence[Any]) -> Sequence[requests.Response]:
        with self._client.batch(raise_exception=False) as batch:
            for blob in blobs:
                blob.delete(if_generation_match=blob.generation, timeout=_TIMEOUT_SECONDS, retry=None)
        answers: Sequence[requests.Response] = batch._responses
        return answers

    def _pages(self, prefix: str) -> Iterator[Any]:
        fields = "items(name,size,contentType,generation),nextPageToken"
        return iter(
            self._client.list_blobs(self._bucket, prefix=prefix, fields=fields, timeout=_TIMEOUT_SECONDS, retry=_RETRY)
        )

    def ping(self) -> bool:
        """Whether the bucket can be reached. Never raises."""
        try:
            # Listing, because reading the bucket itself takes a permission that object roles lack.
            next(iter(self._client.list_blobs(self._bucket, max_results=1, timeout=_PING_SECONDS, retry=None)), None)
        except Exception:
            return False
        return True

    def ensure_bucket(self) -> None:
        """Creates the bucket unless it is there. For development."""
        with _unavailable(), contextlib.suppress(Conflict):
            self._client.create_bucket(self._bucket, timeout=_TIMEOUT_SECONDS, retry=_RETRY)

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()


class _Session(threading.local):
    """The session of chunks that this thread opened last."""

    url: str | None = None

    def notice(self, response: requests.Response, **_: object) -> None:
        """Sees every answer. Where a session was opened it says where."""
        if response.request.method == "POST" and response.ok and "location" in response.headers:
            self.url = response.headers["location"]


def _settle_environment(client: storage.Client) -> None:
    """Reads once which proxy and certificates the environment names; requests would do so at every request."""
    session = client._http
    named = session.merge_environment_settings(client.api_endpoint, {}, None, None, None)
    session.proxies, session.verify, session.trust_env = dict(named["proxies"]), named["verify"], False


def _forget_body(response: requests.Response, **_: object) -> None:
    if not response.is_redirect:
        response.request.body = None


@contextlib.contextmanager
def _unavailable() -> Iterator[None]:
    """Turns what the client raises at the end of its retries into Unavailable."""
    try:
        yield
    except _FAILURES as fault:
        if getattr(fault, "code", None) == _FULL:
            raise Unavailable("There is no space left in storage", retry_after_seconds=30) from fault
        raise _broken() from fault


def _broken() -> Unavailable:
    return Unavailable(retry_after_seconds=_RETRY_AFTER_SECONDS)


def _is(there: storage.Blob, window: Window, content_type: str, cache_control: str) -> bool:
    """Whether the object is what the window has given out."""
    mine = (window.tell(), window.crc32c, content_type, cache_control)
    return (there.size, there.crc32c, there.content_type, there.cache_control) == mine


def _grouped(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    group: list[Any] = []
    for item in items:
        group.append(item)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group
