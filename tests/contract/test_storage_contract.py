"""What Cloud Storage promises to google-cloud-storage, asked through that client."""

import base64
import hashlib
import io
from concurrent.futures import ThreadPoolExecutor

import google_crc32c
import pytest
from google.api_core.exceptions import Conflict, NotFound, PreconditionFailed
from google.cloud import storage

from tests.contract.backends import Backend

# Where fake-gcs-server differs from what Cloud Storage documents; it is left out of these tests.
_CONDITIONS = "ignores preconditions on metageneration, on reads, on deletes and ifGenerationNotMatch"
_BATCH = "drops calls of a batch that have no Content-ID, as google-cloud-storage sends them"
FAKE_DIVERGES = {
    "test_patching_raises_the_metageneration_only": "keeps a metadata entry that was set to null, as an empty string",
    "test_a_write_names_the_generation_that_it_replaces": _CONDITIONS,
    "test_a_write_may_demand_that_something_is_there": _CONDITIONS,
    "test_reads_have_preconditions_too": _CONDITIONS,
    "test_only_an_empty_bucket_can_be_deleted": "answers 412 instead of 409",
    "test_folders_count_against_the_size_of_a_page": "counts objects only, and repeats all folders on each page",
    "test_composing_joins_objects": "ignores preconditions of compose",
    "test_composed_objects_have_no_md5": "gives composed objects an MD5 and no componentCount",
    "test_a_batch_deletes_what_is_there": _BATCH,
    "test_a_batch_checks_each_precondition": _BATCH,
}

NAMES = [
    "plain.txt",
    "with space/und Umlaut ä/日本語/🎓.html",
    "percent%2Fliteral%25.txt",
    "a/../../etc/passwd",
    "a//b///c/",
    "./x/.",
    "question?mark#hash&and=equals+plus;semi:colon",
    "\u202eright-to-left 'quotes\" \\ back",
    "x" * 1024,
    "é" * 512,
]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_stored_as_it_is(bucket: storage.Bucket, name: str) -> None:
    bucket.blob(name).upload_from_string(name.encode(), content_type="text/plain")
    assert [blob.name for blob in bucket.list_blobs()] == [name]
    assert bucket.blob(name).download_as_bytes() == name.encode()
    bucket.blob(name).delete()
    assert not bucket.blob(name).exists()


def test_metadata_come_back(bucket: storage.Bucket) -> None:
    blob = bucket.blob("a.html")
    blob.cache_control, blob.content_disposition, blob.metadata = "private, max-age=60", "inline", {"k": "väl"}
    blob.upload_from_string(b"<p>", content_type="text/html")
    stored = bucket.get_blob("a.html")
    assert stored is not None
    assert (stored.content_type, stored.cache_control, stored.size) == ("text/html", "private, max-age=60", 3)
    assert (stored.content_disposition, stored.metadata) == ("inline", {"k": "väl"})
    assert stored.md5_hash == base64.b64encode(hashlib.md5(b"<p>").digest()).decode()
    assert stored.crc32c == base64.b64encode(google_crc32c.value(b"<p>").to_bytes(4, "big")).decode()
    assert stored.generation > 0
    assert stored.metageneration == 1
    assert stored.etag
    assert stored.time_created <= stored.updated


def test_a_wrong_checksum_is_refused(bucket: storage.Bucket) -> None:
    blob = bucket.blob("damaged")
    blob.md5_hash = base64.b64encode(bytes(16)).decode()
    with pytest.raises(Exception, match="400"):
        blob.upload_from_string(b"content", checksum=None)
    assert not bucket.blob("damaged").exists()


def test_patching_raises_the_metageneration_only(bucket: storage.Bucket) -> None:
    blob = bucket.blob("a")
    blob.upload_from_string(b"a")
    generation = blob.generation
    blob.metadata, blob.content_type = {"a": "1", "b": "2"}, "text/css"
    blob.patch()
    blob.metadata = {"a": None, "c": "3"}
    blob.patch(if_metageneration_match=2)
    stored = bucket.get_blob("a")
    assert stored is not None
    assert stored.metadata == {"b": "2", "c": "3"}
    assert (stored.generation, stored.metageneration, stored.content_type) == (generation, 3, "text/css")
    with pytest.raises(PreconditionFailed):
        blob.patch(if_metageneration_match=1)


def test_replacing_gives_a_greater_generation(bucket: storage.Bucket) -> None:
    generations = []
    for content in (b"1", b"2", b"3"):
        blob = bucket.blob("a")
        blob.upload_from_string(content)
        generations.append(blob.generation)
    assert generations == sorted(set(generations))
    assert bucket.blob("a").download_as_bytes() == b"3"


def test_an_object_is_created_once_under_generation_0(bucket: storage.Bucket) -> None:
    bucket.blob("a").upload_from_string(b"first", if_generation_match=0)
    with pytest.raises(PreconditionFailed):
        bucket.blob("a").upload_from_string(b"second", if_generation_match=0)
    assert bucket.blob("a").download_as_bytes() == b"first"


def test_a_write_names_the_generation_that_it_replaces(bucket: storage.Bucket) -> None:
    blob = bucket.blob("a")
    blob.upload_from_string(b"first")
    first = blob.generation
    bucket.blob("a").upload_from_string(b"second", if_generation_match=first)
    with pytest.raises(PreconditionFailed):
        bucket.blob("a").upload_from_string(b"third", if_generation_match=first)
    with pytest.raises(PreconditionFailed):
        bucket.blob("a").delete(if_generation_match=first)
    assert bucket.blob("a").download_as_bytes() == b"second"


def test_a_write_may_demand_that_something_is_there(bucket: storage.Bucket) -> None:
    with pytest.raises(PreconditionFailed):
        bucket.blob("a").upload_from_string(b"a", if_generation_not_match=0)
    with pytest.raises(PreconditionFailed):
        bucket.blob("a").upload_from_string(b"a", if_metageneration_match=1)
    assert not bucket.blob("a").exists()


def test_reads_have_preconditions_too(bucket: storage.Bucket) -> None:
    blob = bucket.blob("a")
    blob.upload_from_string(b"a")
    assert bucket.blob("a").download_as_bytes(if_generation_match=blob.generation) == b"a"
    with pytest.raises(PreconditionFailed):
        bucket.blob("a").download_as_bytes(if_generation_match=blob.generation + 1)


def test_what_is_not_there_is_not_found(client: storage.Client, bucket: storage.Bucket) -> None:
    assert bucket.get_blob("none") is None
    assert client.lookup_bucket("no-such-bucket-here") is None
    with pytest.raises(NotFound):
        bucket.blob("none").download_as_bytes()
    with pytest.raises(NotFound):
        bucket.blob("none").delete()
    with pytest.raises(NotFound):
        client.bucket("no-such-bucket-here").blob("a").upload_from_string(b"a")
    with pytest.raises(NotFound):
        list(client.list_blobs("no-such-bucket-here"))


def test_a_generation_that_was_replaced_is_gone(bucket: storage.Bucket) -> None:
    blob = bucket.blob("a")
    blob.upload_from_string(b"1")
    bucket.blob("a").upload_from_string(b"2")
    assert not bucket.blob("a", generation=blob.generation).exists()


def test_buckets_are_listed_once_created(client: storage.Client, bucket: storage.Bucket) -> None:
    assert bucket.name in [listed.name for listed in client.list_buckets()]
    assert client.get_bucket(bucket.name).name == bucket.name
    with pytest.raises(Conflict):
        client.create_bucket(bucket.name)


def test_only_an_empty_bucket_can_be_deleted(client: storage.Client, bucket: storage.Bucket) -> None:
    bucket.blob("a").upload_from_string(b"a")
    with pytest.raises(Conflict):
        bucket.delete()
    bucket.blob("a").delete()
    bucket.delete()
    assert client.lookup_bucket(bucket.name) is None


def test_pages_hold_all_names_once_in_order(bucket: storage.Bucket) -> None:
    names = sorted((f"p/{number:03}-é" for number in range(25)), key=str.encode)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: bucket.blob(name).upload_from_string(b""), ["o", *names, "q"]))
    listing = bucket.list_blobs(prefix="p/", page_size=10)
    pages = [[blob.name for blob in page] for page in listing.pages]
    assert [len(page) for page in pages] == [10, 10, 5]
    assert [name for page in pages for name in page] == names
    assert [blob.name for blob in bucket.list_blobs(prefix="p/", max_results=3)] == names[:3]
    some = bucket.list_blobs(start_offset=names[5], end_offset=names[8])
    assert [blob.name for blob in some] == names[5:8]


def test_a_delimiter_gathers_folders(bucket: storage.Bucket) -> None:
    for name in ("a", "b/1", "b/2/3", "c/1", "d", "b"):
        bucket.blob(name).upload_from_string(b"")
    top = bucket.list_blobs(delimiter="/")
    assert [blob.name for blob in top] == ["a", "b", "d"]
    assert top.prefixes == {"b/", "c/"}
    inner = bucket.list_blobs(prefix="b/", delimiter="/")
    assert [blob.name for blob in inner] == ["b/1"]
    assert inner.prefixes == {"b/2/"}


def test_folders_count_against_the_size_of_a_page(bucket: storage.Bucket) -> None:
    for name in ("a/1", "a/2", "b/1", "c", "d/1", "e"):
        bucket.blob(name).upload_from_string(b"")
    listing = bucket.list_blobs(delimiter="/", page_size=2)
    pages = [([blob.name for blob in page], sorted(page.prefixes)) for page in listing.pages]
    assert pages == [([], ["a/", "b/"]), (["c"], ["d/"]), (["e"], [])]


def test_composing_joins_objects(bucket: storage.Bucket) -> None:
    parts = [bucket.blob(f"part-{number}") for number in range(3)]
    for part, content in zip(parts, (b"one", b"two" * 50_000, b"three"), strict=True):
        part.upload_from_string(content)
    whole = bucket.blob("whole")
    whole.content_type = "text/plain"
    whole.compose(parts, if_generation_match=0)
    assert bucket.blob("whole").download_as_bytes() == b"one" + b"two" * 50_000 + b"three"
    with pytest.raises(PreconditionFailed):
        bucket.blob("whole").compose(parts, if_generation_match=0)


def test_composed_objects_have_no_md5(bucket: storage.Bucket) -> None:
    bucket.blob("a").upload_from_string(b"a")
    bucket.blob("b").compose([bucket.blob("a"), bucket.blob("a")])
    stored = bucket.get_blob("b")
    assert stored is not None
    assert (stored.component_count, stored.md5_hash) == (2, None)


@pytest.mark.parametrize("size", [5, 200_000])
def test_rewriting_copies_content_and_metadata(bucket: storage.Bucket, size: int) -> None:
    source = bucket.blob("a/ö")
    source.cache_control = "no-cache"
    source.upload_from_string(b"s" * size, content_type="text/css")
    token, rewritten, total = bucket.blob("b/ü").rewrite(source)
    assert (token, rewritten, total) == (None, size, size)
    source.delete()
    copied = bucket.get_blob("b/ü")
    assert copied is not None
    assert (copied.content_type, copied.cache_control) == ("text/css", "no-cache")
    assert copied.download_as_bytes() == b"s" * size


def test_a_batch_deletes_what_is_there(client: storage.Client, bucket: storage.Bucket) -> None:
    for number in range(5):
        bucket.blob(f"ü/{number}").upload_from_string(b"")
    with client.batch(raise_exception=False) as batch:
        for number in range(6):
            bucket.blob(f"ü/{number}").delete()
    assert [answer.status_code for answer in batch._responses] == [204] * 5 + [404]
    assert list(bucket.list_blobs()) == []


def test_a_batch_checks_each_precondition(client: storage.Client, bucket: storage.Bucket) -> None:
    bucket.blob("a").upload_from_string(b"")
    with client.batch(raise_exception=False) as batch:
        bucket.blob("a").delete(if_generation_match=1)
    assert [answer.status_code for answer in batch._responses] == [412]
    assert bucket.blob("a").exists()


def test_64_writers_at_once_lose_nothing(backend: Backend, bucket: storage.Bucket) -> None:
    clients = [backend.client() for _ in range(64)]

    def write(number: int) -> None:
        mine = clients[number].bucket(bucket.name)
        for turn in range(3):
            mine.blob(f"{number:02}/{turn}").upload_from_string(f"{number}:{turn}" * 1000)

    with ThreadPoolExecutor(64) as pool:
        list(pool.map(write, range(64)))
    assert sum(1 for _ in bucket.list_blobs()) == 192
    assert bucket.blob("41/2").download_as_bytes() == b"41:2" * 1000


def test_of_64_creators_one_wins(backend: Backend, bucket: storage.Bucket) -> None:
    clients = [backend.client() for _ in range(64)]

    def create(number: int) -> int | None:
        try:
            clients[number].bucket(bucket.name).blob("one").upload_from_string(str(number), if_generation_match=0)
        except PreconditionFailed:
            return None
        return number

    with ThreadPoolExecutor(64) as pool:
        winners = [number for number in pool.map(create, range(64)) if number is not None]
    assert [str(winner).encode() for winner in winners] == [bucket.blob("one").download_as_bytes()]


def test_a_reader_sees_one_version_while_it_is_replaced(backend: Backend, bucket: storage.Bucket) -> None:
    versions = [bytes([65 + number]) * 300_000 for number in range(4)]
    bucket.blob("a").upload_from_string(versions[0])
    reader = backend.client().bucket(bucket.name)

    def replace() -> None:
        for version in versions * 5:
            bucket.blob("a").upload_from_file(io.BytesIO(version), size=len(version))

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(replace)
        while not writing.done():
            assert reader.blob("a").download_as_bytes() in versions
        writing.result()
