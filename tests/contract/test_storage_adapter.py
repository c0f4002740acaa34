"""Our adapter against every server, and against faults."""

import asyncio
import io
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

import google_crc32c
import httpx
import pytest
import requests
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from server.domain.errors import Unavailable
from server.storage import blobs as module
from server.storage.blobs import GcsBlobs
from tests.contract.backends import Backend
from tests.web_server import running

# Where fake-gcs-server differs from what Cloud Storage documents; it is left out of these tests.
_BATCH = "drops calls of a batch that have no Content-ID, as google-cloud-storage sends them"
FAKE_DIVERGES = {
    "test_delete_prefix_deletes_all_under_it": _BATCH,
    "test_delete_prefix_can_be_repeated": _BATCH,
    "test_an_upload_survives_faults": "injects no faults",
    "test_an_upload_whose_answer_was_lost_is_not_written_twice": "injects no faults",
    "test_reads_and_deletes_survive_faults": "injects no faults",
    "test_retries_come_to_an_end": "injects no faults",
    "test_storage_that_is_full_is_not_asked_again": "injects no faults",
    "test_a_session_that_comes_to_nothing_is_given_up": "cancels no sessions",
}
KIND = {"content_type": "text/plain", "cache_control": "private, max-age=600"}
MIB = 1024 * 1024


class Growing(io.RawIOBase):
    """A file that another thread is still writing: read() waits for bytes and gives what there is."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._written, self._at, self._ended = b"", 0, False
        self._changed = threading.Condition()
        threading.Thread(target=self._grow, args=(pieces,), daemon=True).start()

    def _grow(self, pieces: Iterator[bytes]) -> None:
        for piece in pieces:
            with self._changed:
                self._written += piece
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def read(self, size: int = -1) -> bytes:
        with self._changed:
            self._changed.wait_for(lambda: self._ended or len(self._written) > self._at)
            found = self._written[self._at :][: min(size, 100_000)]
            self._at += len(found)
            return found

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset
        return offset

    def tell(self) -> int:
        return self._at


def content(blobs: GcsBlobs, name: str) -> bytes:
    into = io.BytesIO()
    blobs.download(name, into)
    return into.getvalue()


@pytest.fixture
def faults(backend: Backend, http: httpx.Client) -> Iterator[Any]:
    """Starts a plan of faults. For tests of the stand-in only."""

    def plan(**values: Any) -> None:
        http.post("/_faults", json=values).raise_for_status()

    yield plan
    http.delete("/_faults").raise_for_status()


def test_checksums_are_computed_in_c() -> None:
    assert google_crc32c.implementation == "c"


async def test_the_proxy_that_the_environment_names_is_used_and_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url(""))
        nobody = AnonymousCredentials()  # type: ignore[no-untyped-call]  # the library has no types
        options = {"api_endpoint": "http://storage.invalid"}
        blobs = GcsBlobs("b", threads=1, client=storage.Client(project="p", credentials=nobody, client_options=options))
        monkeypatch.delenv("HTTP_PROXY")
        assert not await asyncio.to_thread(blobs.ping)
        blobs.close()
    assert "http://storage.invalid/storage/v1/b/b/o" in {asked.target.partition("?")[0] for asked in proxy.asked}


@pytest.mark.parametrize("size", [0, 1, MIB, MIB + 1, 8 * MIB, 8 * MIB + 1, 16 * MIB])
@pytest.mark.parametrize("known", [True, False])
def test_what_goes_in_comes_out(blobs: GcsBlobs, size: int, known: bool) -> None:
    data = (bytes(range(251)) * (size // 251 + 1))[:size]
    blobs.upload("a/ü.bin", io.BytesIO(data), size_bytes=size if known else None, **KIND)
    assert content(blobs, "a/ü.bin") == data
    (info,) = blobs.list("a/")
    assert (info.name, info.size_bytes, info.content_type) == ("a/ü.bin", size, "text/plain")
    assert info.generation > 0


def test_the_cache_control_is_kept(blobs: GcsBlobs, bucket: storage.Bucket) -> None:
    blobs.upload("a", io.BytesIO(b"a"), size_bytes=1, **KIND)
    stored = bucket.get_blob("a")
    assert stored is not None
    assert stored.cache_control == "private, max-age=600"


@pytest.mark.parametrize("size", [10, 3 * MIB])
def test_an_upload_replaces_what_was_there(blobs: GcsBlobs, size: int) -> None:
    for byte in (b"1", b"2", b"3"):
        blobs.upload("a", io.BytesIO(byte * size), size_bytes=size, **KIND)
        assert content(blobs, "a") == byte * size


def test_a_source_is_read_from_where_it_stands(blobs: GcsBlobs) -> None:
    source = io.BytesIO(b"skip this" + b"content" + b"and leave this")
    source.seek(9)
    blobs.upload("a", source, size_bytes=7, **KIND)
    assert content(blobs, "a") == b"content"


@pytest.mark.parametrize("size", [10, 3 * MIB, 9 * MIB])
def test_a_source_that_ends_early_leaves_nothing(blobs: GcsBlobs, size: int) -> None:
    with pytest.raises(ValueError, match="early"):
        blobs.upload("a", io.BytesIO(b"x" * (size - 1)), size_bytes=size, **KIND)
    assert list(blobs.list("")) == []


def test_a_session_that_comes_to_nothing_is_given_up(blobs: GcsBlobs, http: httpx.Client) -> None:
    opened: list[str] = []
    blobs._client._http.hooks["response"].append(lambda answer, **_: opened.append(answer.headers.get("location")))
    with pytest.raises(ValueError, match="early"):
        blobs.upload("a", io.BytesIO(b"x" * 9 * MIB), size_bytes=20 * MIB, **KIND)
    session = next(url for url in opened if url)
    assert http.put(session, headers={"content-range": "bytes */*"}).status_code in (404, 410)


def test_a_growing_file_is_uploaded_to_its_end(blobs: GcsBlobs) -> None:
    pieces = [bytes([number % 256]) * 300_001 for number in range(40)]
    blobs.upload("a", cast(BinaryIO, Growing(iter(pieces))), size_bytes=None, **KIND)
    assert content(blobs, "a") == b"".join(pieces)


def test_entries_of_a_zip_are_uploaded_as_streams(blobs: GcsBlobs, tmp_path: Path) -> None:
    data = b"compressible " * 300_000
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("entry", data)
    with zipfile.ZipFile(tmp_path / "a.zip") as archive, archive.open("entry") as entry:
        blobs.upload("a", cast(BinaryIO, entry), size_bytes=len(data), **KIND)
    assert content(blobs, "a") == data


def test_a_missing_object_is_a_key_error(blobs: GcsBlobs) -> None:
    with pytest.raises(KeyError):
        content(blobs, "none")


def test_the_list_is_in_order_and_by_prefix(blobs: GcsBlobs) -> None:
    for name in ("b/2", "b/1", "a", "c", "b", "b0"):
        blobs.upload(name, io.BytesIO(b""), size_bytes=0, **KIND)
    assert [info.name for info in blobs.list("b/")] == ["b/1", "b/2"]
    assert [info.name for info in blobs.list("")] == ["a", "b", "b/1", "b/2", "b0", "c"]


def test_delete_prefix_deletes_all_under_it(blobs: GcsBlobs, bucket: storage.Bucket) -> None:
    for number in range(230):
        bucket.blob(f"p/{number}ü").upload_from_string(b"")
    bucket.blob("p").upload_from_string(b"")
    bucket.blob("p0").upload_from_string(b"")
    assert blobs.delete_prefix("p/") == 230
    assert [info.name for info in blobs.list("")] == ["p", "p0"]


def test_delete_prefix_can_be_repeated(blobs: GcsBlobs) -> None:
    blobs.upload("p/a", io.BytesIO(b""), size_bytes=0, **KIND)
    assert blobs.delete_prefix("p/") == 1
    assert blobs.delete_prefix("p/") == 0


def test_ping_says_whether_the_bucket_is_there(backend: Backend, blobs: GcsBlobs) -> None:
    assert blobs.ping()
    assert not GcsBlobs("no-such-bucket-here", threads=1, client=backend.client()).ping()


def test_ensure_bucket_creates_it_once(backend: Backend, blobs: GcsBlobs) -> None:
    fresh = GcsBlobs("fresh-" + blobs._bucket.name, threads=1, client=backend.client())
    fresh.ensure_bucket()
    fresh.ensure_bucket()
    assert fresh.ping()


def test_an_upload_to_no_bucket_is_unavailable(backend: Backend) -> None:
    blobs = GcsBlobs("no-such-bucket-here", threads=1, client=backend.client())
    with pytest.raises(Unavailable):
        blobs.upload("a", io.BytesIO(b"a"), size_bytes=1, **KIND)


def test_the_emulator_is_found_by_its_variable(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", backend.url)
    blobs = GcsBlobs("by-variable", threads=1)
    blobs.ensure_bucket()
    assert blobs.ping()


def test_a_server_that_is_gone_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
    monkeypatch.setattr(module, "_RETRY", module._RETRY.with_timeout(0.3))
    blobs = GcsBlobs("bucket", threads=1)
    assert not blobs.ping()
    with pytest.raises(Unavailable):
        blobs.upload("a", io.BytesIO(b"a"), size_bytes=1, **KIND)
    with pytest.raises(Unavailable):
        list(blobs.list(""))


FAULTS: list[dict[str, Any]] = [
    {"fail_every": 2, "status": 503},
    {"fail_every": 2, "status": 429},
    {"fail_every": 2, "cut": "request"},
    {"fail_every": 2, "cut": "response"},
]


@pytest.mark.parametrize("plan", FAULTS, ids=["503", "429", "cut request", "cut response"])
@pytest.mark.parametrize("size", [1000, 20 * MIB + 7])
def test_an_upload_survives_faults(blobs: GcsBlobs, faults: Any, plan: dict[str, Any], size: int) -> None:
    data = (bytes(range(251)) * (size // 251 + 1))[:size]
    blobs.upload("a", io.BytesIO(b"old"), size_bytes=3, **KIND)
    faults(**plan, match="/upload/")
    for number in range(2):
        blobs.upload("a", io.BytesIO(data + bytes([number])), size_bytes=None if number else size + 1, **KIND)
        assert content(blobs, "a") == data + bytes([number])


def test_an_upload_whose_answer_was_lost_is_not_written_twice(
    backend: Backend, bucket: storage.Bucket, faults: Any
) -> None:
    client, seen = backend.client(), []

    def note(answer: requests.Response, **_: Any) -> None:
        # The client looks at the bucket in the background, for its traces; that is not about the object.
        if "/o" in urlsplit(answer.url).path.removeprefix("/upload/storage/v1/b/"):
            seen.append((answer.request.method, answer.status_code))

    client._http.hooks["response"].append(note)
    blobs = GcsBlobs(bucket.name, threads=1, client=client)
    faults(fail_every=1, times=1, cut="response", match="/upload/")
    blobs.upload("a", io.BytesIO(b"content"), size_bytes=7, **KIND)
    # The head of the lost answer may have come through. The repeated write is refused, and what is there recognised.
    assert seen[-2:] == [("POST", 412), ("GET", 200)]
    assert content(blobs, "a") == b"content"


@pytest.mark.parametrize("plan", FAULTS, ids=["503", "429", "cut request", "cut response"])
def test_reads_and_deletes_survive_faults(blobs: GcsBlobs, faults: Any, plan: dict[str, Any]) -> None:
    data = bytes(range(256)) * 8000
    for number in range(120):
        blobs.upload(f"p/{number}", io.BytesIO(b"x"), size_bytes=1, **KIND)
    blobs.upload("large", io.BytesIO(data), size_bytes=len(data), **KIND)
    faults(**plan)
    assert content(blobs, "large") == data
    assert len(list(blobs.list("p/"))) == 120
    assert blobs.delete_prefix("p/") == 120
    assert list(blobs.list("p/")) == []


@pytest.mark.parametrize("size", [10, 3 * MIB])
def test_storage_that_is_full_is_not_asked_again(blobs: GcsBlobs, faults: Any, size: int) -> None:
    faults(fail_every=1, status=507, match="/upload/", times=1)
    with pytest.raises(Unavailable, match="no space left in storage") as refused:
        blobs.upload("a", io.BytesIO(bytes(size)), size_bytes=size, **KIND)
    assert refused.value.retry_after_seconds == 30
    blobs.upload("a", io.BytesIO(bytes(size)), size_bytes=size, **KIND)


def test_retries_come_to_an_end(blobs: GcsBlobs, faults: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_RETRY", module._RETRY.with_timeout(0.3))
    faults(fail_every=1, status=503)
    with pytest.raises(Unavailable):
        blobs.upload("a", io.BytesIO(b"a"), size_bytes=1, **KIND)
    with pytest.raises(Unavailable):
        blobs.delete_prefix("p/")
    assert not blobs.ping()
