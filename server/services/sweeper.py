"""Removing files that belong to no package: of uploads that died, and of packages that were deleted."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from server.domain.errors import DomainError
from server.domain.packages import storage_prefix
from server.services.ports import Blobs, Clock, OperatorDatabase, StaleUpload, UploadStore

log = logging.getLogger(__name__)

BATCH = 100


@dataclass(slots=True)
class Swept:
    """What was done so far: dead uploads claimed, cleaned up after, left to the next pass; objects removed."""

    claimed: int = 0
    swept: int = 0
    left: int = 0
    removed_objects: int = 0


async def sweep(
    *,
    database: OperatorDatabase,
    uploads: UploadStore,
    blobs: Blobs,
    clock: Clock,
    lost_seconds: float,
    counts: Swept | None = None,
) -> int:
    """Cleans up after dead uploads and says after how many. May run in several workers at once, and be repeated.

    Dead is what was silent for twice `lost_seconds`, after which an upload gives itself up. One that cannot be cleaned
    up now stays for the next pass.
    """
    before = clock.now() - timedelta(seconds=2 * lost_seconds)
    counts, swept = counts or Swept(), 0
    while True:
        async with database.write() as transaction:
            claimed = await transaction.run(uploads.claim_stale(before=before, limit=BATCH))
        done = 0
        for upload in claimed:
            try:
                await _sweep_one(upload, database=database, uploads=uploads, blobs=blobs, counts=counts)
                done += 1
            except DomainError:
                log.warning("upload %s is left to the next pass", upload.package_id, exc_info=True)
        swept += done
        counts.claimed += len(claimed)
        counts.swept += done
        counts.left += len(claimed) - done
        # Behind a full batch there may be more; one that failed would be claimed again and again.
        if done < BATCH:
            return swept


async def _sweep_one(
    upload: StaleUpload, *, database: OperatorDatabase, uploads: UploadStore, blobs: Blobs, counts: Swept
) -> None:
    ids = {"tenant_id": upload.tenant_id, "package_id": upload.package_id}
    await delete_package_files(blobs=blobs, counts=counts, **ids)
    async with database.write() as transaction:
        await transaction.run(uploads.forget(**ids))


async def delete_package_files(*, blobs: Blobs, tenant_id: UUID, package_id: UUID, counts: Swept | None = None) -> None:
    """Removes everything under a package's prefix, until a look finds nothing. Raises Unavailable; may be repeated."""
    prefix = f"{storage_prefix(tenant_id, package_id)}/"
    while removed := await asyncio.to_thread(blobs.delete_prefix, prefix):
        if counts is not None:
            counts.removed_objects += removed
