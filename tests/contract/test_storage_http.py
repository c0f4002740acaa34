"""What a gateway needs: GET and HEAD of /{bucket}/{object} with ranges, validators and headers."""

import hashlib
from urllib.parse import quote

import httpx
import pytest
from google.cloud import storage

# Where fake-gcs-server differs from what Cloud Storage documents; it is left out of these tests.
FAKE_DIVERGES = {
    "test_the_etag_is_the_md5": "gives the MD5 in base64",
    "test_a_known_etag_is_not_modified": "has no conditional requests",
    "test_not_modified_since_its_date": "has no conditional requests",
    "test_a_wanted_etag_must_match": "has no conditional requests",
    "test_if_range_decides_between_part_and_whole": "ignores If-Range",
    "test_a_missing_object_is_an_xml_error": "answers in plain text",
}

SMALL = b"0123456789"
LARGE = bytes(range(256)) * 1000


@pytest.fixture
def path(bucket: storage.Bucket) -> str:
    blob = bucket.blob("dir/ä b.txt")
    blob.cache_control, blob.content_disposition = "private, max-age=600", "inline"
    blob.upload_from_string(SMALL, content_type="text/plain; charset=utf-8")
    bucket.blob("large").upload_from_string(LARGE)
    return f"/{bucket.name}/{quote('dir/ä b.txt')}"


def test_get_has_content_and_headers(http: httpx.Client, path: str) -> None:
    answer = http.get(path)
    assert (answer.status_code, answer.content) == (200, SMALL)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["content-length"] == "10"
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["last-modified"].endswith(" GMT")
    assert int(answer.headers["x-goog-generation"]) > 0


def test_metadata_become_headers(http: httpx.Client, path: str) -> None:
    headers = http.get(path).headers
    assert headers["cache-control"] == "private, max-age=600"
    assert headers["content-disposition"] == "inline"
    assert "crc32c=" in headers["x-goog-hash"]
    assert "md5=" in headers["x-goog-hash"]
    assert headers["x-goog-stored-content-length"] == "10"


def test_the_etag_is_the_md5(http: httpx.Client, path: str) -> None:
    assert http.get(path).headers["etag"] == f'"{hashlib.md5(SMALL).hexdigest()}"'


def test_head_is_get_without_content(http: httpx.Client, path: str) -> None:
    got, answer = http.get(path), http.head(path)
    assert (answer.status_code, answer.content) == (200, b"")
    for name in ("etag", "content-length", "content-type", "last-modified"):
        assert answer.headers[name] == got.headers[name]


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [("bytes=0-0", 0, 1), ("bytes=2-5", 2, 6), ("bytes=7-", 7, 10), ("bytes=7-99", 7, 10)],
)
def test_a_range_is_a_part(http: httpx.Client, path: str, asked: str, start: int, end: int) -> None:
    answer = http.get(path, headers={"Range": asked})
    assert (answer.status_code, answer.content) == (206, SMALL[start:end])
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/10"
    assert answer.headers["content-length"] == str(end - start)


@pytest.mark.parametrize("size", [3, 10, 4000])
def test_a_suffix_range_is_the_end(http: httpx.Client, path: str, size: int) -> None:
    answer = http.get(path, headers={"Range": f"bytes=-{size}"})
    assert (answer.status_code, answer.content) == (206, SMALL[-size:])


def test_a_range_of_a_large_object_is_a_part(http: httpx.Client, bucket: storage.Bucket, path: str) -> None:
    answer = http.get(f"/{bucket.name}/large", headers={"Range": "bytes=100000-199999"})
    assert (answer.status_code, answer.content) == (206, LARGE[100_000:200_000])


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=10-20", "bytes=-0"])
def test_a_range_outside_is_refused_with_the_size(http: httpx.Client, path: str, asked: str) -> None:
    answer = http.get(path, headers={"Range": asked})
    assert (answer.status_code, answer.headers.get("content-range")) == (416, "bytes */10")


@pytest.mark.parametrize("asked", ["bytes=5-2", "lines=1-2", "bytes=a-b", "bytes=0-1,4-5", "bytes=-", ""])
def test_a_range_that_makes_no_sense_is_ignored(http: httpx.Client, path: str, asked: str) -> None:
    answer = http.get(path, headers={"Range": asked})
    assert (answer.status_code, answer.content) == (200, SMALL)


def test_ranges_go_through_the_json_api_too(http: httpx.Client, bucket: storage.Bucket, path: str) -> None:
    url = f"/storage/v1/b/{bucket.name}/o/{quote('dir/ä b.txt', safe='')}?alt=media"
    answer = http.get(url, headers={"Range": "bytes=2-5"})
    assert (answer.status_code, answer.content) == (206, b"2345")
    assert http.get(url).content == SMALL


def test_a_known_etag_is_not_modified(http: httpx.Client, path: str) -> None:
    etag = http.get(path).headers["etag"]
    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        answer = http.get(path, headers={"If-None-Match": known})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
    assert http.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_not_modified_since_its_date(http: httpx.Client, path: str) -> None:
    modified = http.get(path).headers["last-modified"]
    assert http.get(path, headers={"If-Modified-Since": modified}).status_code == 304
    assert http.get(path, headers={"If-Modified-Since": "Mon, 01 Jan 2001 00:00:00 GMT"}).status_code == 200
    assert http.get(path, headers={"If-Modified-Since": "yesterday"}).status_code == 200
    both = {"If-Modified-Since": modified, "If-None-Match": '"other"'}
    assert http.get(path, headers=both).status_code == 200


def test_a_wanted_etag_must_match(http: httpx.Client, path: str) -> None:
    etag = http.get(path).headers["etag"]
    assert http.get(path, headers={"If-Match": etag}).status_code == 200
    assert http.get(path, headers={"If-Match": '"other"'}).status_code == 412


def test_if_range_decides_between_part_and_whole(http: httpx.Client, path: str) -> None:
    etag = http.get(path).headers["etag"]
    assert http.get(path, headers={"Range": "bytes=0-1", "If-Range": etag}).status_code == 206
    assert http.get(path, headers={"Range": "bytes=0-1", "If-Range": '"other"'}).status_code == 200


def test_a_replaced_object_has_another_etag(http: httpx.Client, bucket: storage.Bucket, path: str) -> None:
    etag = http.get(path).headers["etag"]
    bucket.blob("dir/ä b.txt").upload_from_string(b"new")
    answer = http.get(path, headers={"If-None-Match": etag})
    assert (answer.status_code, answer.content) == (200, b"new")


def test_a_missing_object_is_an_xml_error(http: httpx.Client, bucket: storage.Bucket) -> None:
    answer = http.get(f"/{bucket.name}/none")
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("application/xml")
    assert b"<Code>NoSuchKey</Code>" in answer.content


@pytest.mark.parametrize("name", ["a/../b", "a//b", "a/", "100%25", "a%2Fb", "a+b c", "?#", "ä/日本"])
def test_names_are_decoded_exactly_once(http: httpx.Client, bucket: storage.Bucket, name: str) -> None:
    bucket.blob(name).upload_from_string(name.encode())
    # Everything encoded, so that no client normalises the path.
    encoded = "".join(f"%{byte:02X}" for byte in name.encode())
    assert http.get(f"/{bucket.name}/{encoded}").content == name.encode()


def test_an_empty_object_is_served(http: httpx.Client, bucket: storage.Bucket) -> None:
    bucket.blob("empty").upload_from_string(b"")
    answer = http.get(f"/{bucket.name}/empty")
    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "0")


def test_a_connection_serves_many_requests(http: httpx.Client, path: str) -> None:
    answers = [http.get(path) for _ in range(20)]
    streams = {id(answer.extensions["network_stream"]) for answer in answers}
    assert [answer.status_code for answer in answers] == [200] * 20
    assert len(streams) == 1
