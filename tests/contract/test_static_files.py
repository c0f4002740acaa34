"""Publishing the player's scripts: what lies in the bucket afterwards, however often it happens."""

import io
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from google.cloud import storage

from server.domain.errors import Unavailable
from server.services.static_files import CACHE_CONTROL, files_of, hash_of, publish, static_hash
from server.storage.blobs import GcsBlobs
from tests.contract.backends import Backend

ROOT = Path(__file__).resolve().parents[2]
FILES = {
    "shell/shell.js": b"export {};",
    "shell/shell.css": b"a{}",
    "run/recover.html": b"<p>",
    "vendor/LICENSE": b"MIT",
}
ROOT_NAME = f"_static/{hash_of(FILES)}/"


def test_each_file_lies_below_the_hash_of_all_with_its_type_for_ever(blobs: GcsBlobs, bucket: storage.Bucket) -> None:
    assert publish(blobs=blobs, files=FILES) == len(FILES)
    found = {blob.name.removeprefix(ROOT_NAME): blob for blob in bucket.list_blobs()}
    assert {name: blob.download_as_bytes() for name, blob in found.items()} == FILES
    assert {name: blob.content_type for name, blob in found.items()} == {
        "shell/shell.js": "text/javascript; charset=utf-8",
        "shell/shell.css": "text/css; charset=utf-8",
        "run/recover.html": "text/html; charset=utf-8",
        "vendor/LICENSE": "text/plain; charset=utf-8",
    }
    assert {blob.cache_control for blob in found.values()} == {"public, max-age=31536000, immutable"}


def test_what_is_there_is_left_alone_and_what_is_missing_or_broken_is_written(
    blobs: GcsBlobs, bucket: storage.Bucket
) -> None:
    publish(blobs=blobs, files=FILES)
    before = {blob.name: blob.generation for blob in bucket.list_blobs()}
    assert publish(blobs=blobs, files=FILES) == 0
    bucket.blob(f"{ROOT_NAME}shell/shell.css").delete()
    kind = {"content_type": "text/plain", "cache_control": CACHE_CONTROL}
    blobs.upload(f"{ROOT_NAME}run/recover.html", io.BytesIO(b"half"), size_bytes=4, **kind)
    assert publish(blobs=blobs, files=FILES) == 2
    after = {blob.name: blob.generation for blob in bucket.list_blobs()}
    assert {name.removeprefix(ROOT_NAME) for name in after if after[name] == before[name]} == {
        "shell/shell.js",
        "vendor/LICENSE",
    }
    assert bucket.blob(f"{ROOT_NAME}run/recover.html").download_as_bytes() == b"<p>"


def test_files_of_an_older_release_stay(blobs: GcsBlobs, bucket: storage.Bucket) -> None:
    older = FILES | {"shell/shell.js": b"export const old = 1;"}
    publish(blobs=blobs, files=older)
    publish(blobs=blobs, files=FILES)
    assert bucket.blob(f"_static/{hash_of(older)}/shell/shell.js").download_as_bytes() == older["shell/shell.js"]


def test_several_may_publish_at_once(blobs: GcsBlobs, bucket: storage.Bucket) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: publish(blobs=blobs, files=FILES), range(4)))
    found = {blob.name.removeprefix(ROOT_NAME): blob.download_as_bytes() for blob in bucket.list_blobs()}
    assert found == FILES


def test_no_bucket_is_no_success(backend: Backend) -> None:
    blobs = GcsBlobs("no-such-bucket-here", threads=1, client=backend.client())
    with pytest.raises(Unavailable):
        publish(blobs=blobs, files=FILES)
    blobs.close()


def test_the_role_publishes_what_came_with_the_server(backend: Backend, bucket: storage.Bucket) -> None:
    environment = {"PATH": os.environ["PATH"], "STORAGE_EMULATOR_HOST": backend.url}

    def run(name: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "server", "publish"]
        variables = environment | {"GCS_BUCKET": name}
        return subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True)

    done = run(bucket.name)
    assert (done.returncode, done.stderr) == (0, "")
    ours, root = files_of(), f"_static/{static_hash()}/"
    assert done.stdout == f"{len(ours)} of {len(ours)} files written below {root} in bucket {bucket.name}\n"
    assert {blob.name for blob in bucket.list_blobs()} == {root + name for name in ours}
    assert run(bucket.name).stdout.startswith("0 of ")
    failed = run("no-such-bucket-here")
    assert failed.returncode == 2
    assert failed.stderr.startswith("publish: bucket no-such-bucket-here cannot be written: 404 ")
    assert failed.stderr.count("\n") == 1
