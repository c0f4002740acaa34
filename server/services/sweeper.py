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

# Twice what an upload waits before it gives itself up, see `UploadLimits.lost_seconds`.
STALE_SECONDS = 120
BATCH = 100


@dataclass(slots=True)
class Swept:
    """What was done so far: dead uploads claimed, cleaned up after, left to the next pass; objects removed."""

    claimed: int = 0
    swept: int = 0
    left: int = 0
    removed_objects: int = 0


async def sweep(
    *, database: OperatorDatabase, uploads: UploadStore, blobs: Blobs, clock: Clock, counts: Swept | None = None
) -> int:
    """Cleans up after dead uploads and says after how many. May run in several workers at once, and be repeated.

    One that cannot be cleaned up now stays for the next pass.
    """
    before = clock.now() - timedelta(seconds=STALE_SECONDS)
    async with database.write() as transaction:
        claimed = await transaction.run(uploads.claim_stale(before=before, limit=BATCH))
    counts, swept = counts or Swept(), 0
    counts.claimed += len(claimed)
    for upload in claimed:
        try:
            await _sweep_one(upload, database=database, uploads=uploads, blobs=blobs, counts=counts)
            counts.swept += 1
            swept += 1
        except DomainError:
            counts.left += 1
            log.warning("upload %s is left to the next pass", upload.package_id, exc_info=True)
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
