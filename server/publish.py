"""`python -m server publish`: puts the player's scripts and style into the bucket.

Run it before a new server starts, as `migrate`; it may be repeated. It needs GCS_BUCKET and a credential that may list
and create objects there.
"""

import dataclasses
import os
import sys

from google.auth.exceptions import GoogleAuthError

from server.config import Settings
from server.domain.errors import Unavailable
from server.services.static_files import files_of, hash_of, publish
from server.storage.blobs import GcsBlobs

_THREADS = 8


def main() -> int:
    """The exit status is 2 if it could not."""
    (default,) = (field.metadata["default"] for field in dataclasses.fields(Settings) if field.name == "gcs_bucket")
    bucket, files = os.environ.get("GCS_BUCKET") or default, files_of()
    try:
        written = publish(blobs=GcsBlobs(bucket, threads=_THREADS), files=files)
    except (GoogleAuthError, OSError, Unavailable) as error:
        print(f"publish: bucket {bucket} cannot be written: {error.__cause__ or error}", file=sys.stderr)
        return 2
    print(f"{written} of {len(files)} files written below _static/{hash_of(files)}/ in bucket {bucket}")
    return 0
