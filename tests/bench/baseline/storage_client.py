"""What a script with google-cloud-storage would do with a zip on disk, as its documentation shows.

`python -m tests.bench.baseline.storage_client` with `{path, prefix, threads, whole, files}` as JSON. `whole`: the zip
itself goes to storage too, first. `files`: no more of them than that.
"""

import json
import sys
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from google.cloud import storage

from tests.bench.running_copy import BUCKET


def upload_all(request: dict[str, Any]) -> int:
    """Uploads, and answers how many files of the zip."""
    bucket = storage.Client().bucket(BUCKET)
    path, prefix = request["path"], request["prefix"]

    def whole() -> None:
        bucket.blob(f"{prefix}/original.zip").upload_from_filename(path, content_type="application/zip")

    def extracted(entry: zipfile.ZipInfo) -> None:
        with archive.open(entry) as file:
            bucket.blob(f"{prefix}/content/{entry.filename}").upload_from_file(file, size=entry.file_size)

    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()[: request["files"]]
        if request["threads"] == 1:
            for entry in entries:
                extracted(entry)
            return len(entries)
        with ThreadPoolExecutor(request["threads"]) as pool:
            running = [pool.submit(whole)] if request["whole"] else []
            running += [pool.submit(extracted, entry) for entry in entries]
            for future in running:
                future.result()
    return len(entries)


def main() -> None:
    """See the module."""
    request = json.load(sys.stdin)
    began = time.perf_counter()
    files = upload_all(request)
    print(json.dumps({"files": files, "seconds": time.perf_counter() - began, "cpu_seconds": time.process_time()}))


if __name__ == "__main__":
    main()
