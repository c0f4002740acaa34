"""Storing a package: all of it, or nothing.

The row in `uploads` comes before the first byte in storage and goes in the transaction that makes the package visible.
Whoever finds it without a recent sign of life may delete what lies under its prefix.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote
from uuid import UUID

from server.domain.api_keys import TenantUsage
from server.domain.errors import (
    Conflict,
    DatabaseFailed,
    DomainError,
    IdempotencyConflict,
    QuotaExceeded,
    Unauthorized,
    Unavailable,
)
from server.domain.ids import new_id
from server.domain.manifest import to_json
from server.domain.packages import Package, storage_prefix
from server.domain.zip_rules import ZipLimits
from server.services import upload_answers
from server.services.attempt import Attempt, Contents
from server.services.idempotency import Claim
from server.services.ports import Blobs, Clock, Database, PackageStore, QuotaStore, Transaction, UploadStore
from server.services.transfer import TransferThreads, wait_for
from server.services.upload_ports import PackageSource, Spool
from server.services.watched import cancel, while_watched

log = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 30

# What else the transaction does that makes a package visible. Whatever it raises, there will be no package.
Also = Callable[[Transaction, Package], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadLimits:
    """What one upload may be, and how many of them one tenant may have on their way, so that others find room.

    An upload is given up once it could not be reported alive for `lost_seconds`. The sweeper takes uploads for dead
    that it has not heard of for longer than that.
    """

    zip: ZipLimits
    per_tenant: int = 64
    beat_seconds: float = 10
    lost_seconds: float = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploads:
    """The use case of uploading. One per process."""

    database: Database
    uploads: UploadStore
    packages: PackageStore
    quotas: QuotaStore
    blobs: Blobs
    clock: Clock
    spool: Spool
    limits: UploadLimits
    threads: TransferThreads
    # Uploads that ended so far: stored, refused, failed, cancelled.
    outcomes: Counter[str] = field(default_factory=Counter, init=False)
    _running: dict[UUID, UUID] = field(default_factory=dict, init=False)
    _cleaning: "set[asyncio.Task[None]]" = field(default_factory=set, init=False)

    async def upload(
        self,
        *,
        tenant_id: UUID,
        source: PackageSource,
        declared_bytes: int | None = None,
        claim: Claim | None = None,
        title: str | None = None,
        also: Also | None = None,
    ) -> Package:
        """Takes in a package and answers once it is complete and visible. `title` counts before the manifest's.

        Raises ValidationFailed (`file`), TooLarge, QuotaExceeded, Unavailable, Conflict if it was taken for dead, and
        whatever `source` raises. Of an upload that fails or is cancelled nothing remains; that is done afterwards,
        see `drain`. A `claim` is kept alive, and completed with the package; raises IdempotencyConflict if it is lost.
        """
        await self._check_quota(tenant_id, stored_bytes=1)
        self._check_running(tenant_id)
        attempt = Attempt(
            tenant_id=tenant_id,
            package_id=new_id(self.clock.now()),
            spooled=self.spool.open(tenant_id=tenant_id, declared_bytes=declared_bytes),
            blobs=self.blobs,
            threads=self.threads,
            claim=claim,
        )
        self._running[attempt.package_id] = tenant_id
        try:
            await self._begin(attempt)
            package = await while_watched(self._store(attempt, source, title, also), self._beat(attempt))
        except BaseException as error:
            self.outcomes[outcome_of(error)] += 1
            attempt.claim = None
            self._later(self._clean_up(attempt))
            raise
        self.outcomes["stored"] += 1
        self._later(self._end(attempt))
        return package

    @property
    def running(self) -> int:
        """Uploads on their way, those whose clean-up goes on included."""
        return len(self._running)

    async def drain(self) -> None:
        """Waits until the clean-up of all uploads that have ended is done."""
        while self._cleaning:
            await asyncio.wait(self._cleaning)

    def _check_running(self, tenant_id: UUID) -> None:
        if sum(running == tenant_id for running in self._running.values()) >= self.limits.per_tenant:
            fault = f"This tenant has {self.limits.per_tenant} uploads on their way, and may not have more"
            raise Unavailable(fault, retry_after_seconds=RETRY_AFTER_SECONDS)
        if len(self._running) >= self.threads.max_uploads:
            raise Unavailable("Too many uploads are on their way", retry_after_seconds=RETRY_AFTER_SECONDS)

    async def _check_quota(self, tenant_id: UUID, *, stored_bytes: int) -> None:
        usage = await self.database.read(tenant_id, self.quotas.usage(tenant_id=tenant_id))
        if usage is None:
            # The tenant went between authentication and now.
            raise Unauthorized
        exceeded = quota_exceeded(usage, stored_bytes=stored_bytes)
        if exceeded:
            raise exceeded

    async def _begin(self, attempt: Attempt) -> None:
        async with self.database.write(attempt.tenant_id) as transaction:
            await transaction.run(
                self.uploads.begin(tenant_id=attempt.tenant_id, package_id=attempt.package_id, at=self.clock.now())
            )

    async def _store(self, attempt: Attempt, source: PackageSource, title: str | None, also: Also | None) -> Package:
        await attempt.receive(source)
        contents = await attempt.read(limits=self.limits.zip, filename=source.filename)
        # Judged again with the package itself, but by now gigabytes need not be copied in vain.
        await self._check_quota(attempt.tenant_id, stored_bytes=_stored_bytes(attempt, contents))
        await attempt.store(contents)
        contents = replace(contents, title=title or contents.title)
        return await self._publish(attempt, contents, source, also)

    async def _publish(self, attempt: Attempt, contents: Contents, source: PackageSource, also: Also | None) -> Package:
        now = self.clock.now()
        tenant_id, package_id = attempt.tenant_id, attempt.package_id
        package = Package(
            id=package_id,
            tenant_id=tenant_id,
            title=contents.title,
            version=contents.manifest.version,
            launch_path=contents.launch_path,
            manifest_path=quote(contents.plan.manifest_name),
            file_size_bytes=attempt.spooled.size_bytes,
            uploaded_by=source.uploaded_by,
            created_at=now,
            updated_at=now,
            metadata=contents.metadata,
        )
        insert = self.packages.insert(
            package,
            manifest_json=to_json(contents.manifest),
            expanded_bytes=contents.plan.expanded_bytes,
            file_count=len(contents.plan.files),
        )
        size = _stored_bytes(attempt, contents)
        attempt.committing = True
        async with self.database.write(tenant_id) as transaction:
            if not await transaction.run(self.uploads.finish(tenant_id=tenant_id, package_id=package_id)):
                raise _taken_for_dead()
            if attempt.claim and not await transaction.run(
                upload_answers.complete(attempt.claim, package, source, at=now)
            ):
                raise IdempotencyConflict.running()
            if not await transaction.run(self.quotas.charge_package(tenant_id=tenant_id, stored_bytes=size)):
                usage = await transaction.run(self.quotas.usage(tenant_id=tenant_id))
                exceeded = usage and quota_exceeded(usage, stored_bytes=size)
                # None where another package was deleted in between.
                raise exceeded or Unavailable(retry_after_seconds=1)
            await transaction.run(insert)
            if also:
                await also(transaction, package)
        return package

    async def _beat(self, attempt: Attempt) -> None:
        """Reports the upload alive. Raises Conflict once clean-up has claimed it, Unavailable if nobody listens.

        Returns where it may have ended as a package: its own transaction judges then.
        """
        loop = asyncio.get_running_loop()
        heard = loop.time()
        while True:
            await asyncio.sleep(self.limits.beat_seconds)
            beat = self.uploads.beat(tenant_id=attempt.tenant_id, package_id=attempt.package_id, at=self.clock.now())
            try:
                async with self.database.write(attempt.tenant_id) as transaction:
                    alive = await transaction.run(beat)
                    kept = not attempt.claim or await transaction.run(attempt.claim.extend(at=self.clock.now()))
            except DomainError:
                if loop.time() - heard > self.limits.lost_seconds:
                    raise
                continue
            if attempt.committing and not (alive and kept):
                return
            if not alive:
                raise _taken_for_dead()
            if not kept:
                raise IdempotencyConflict.running()
            heard = loop.time()

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._cleaning.add(task)
        task.add_done_callback(self._cleaning.discard)

    async def _end(self, attempt: Attempt) -> None:
        self._running.pop(attempt.package_id, None)
        await attempt.spooled.close()

    async def _clean_up(self, attempt: Attempt) -> None:
        """Ends the threads of a failed upload, then deletes what it stored. What fails here is left to the sweeper."""
        attempt.stop()
        # Alive until the last thread has ended, or the sweeper would delete before that one writes.
        beating = asyncio.create_task(self._beat(attempt))
        try:
            await attempt.ended()
        finally:
            await cancel(beating)
            await self._end(attempt)
        if not await self._abandon(attempt):
            return
        prefix = f"{storage_prefix(attempt.tenant_id, attempt.package_id)}/"
        try:
            await wait_for(self.threads.chores.submit(self.blobs.delete_prefix, prefix))
        except DomainError:
            log.warning("files of upload %s are left to the sweeper", attempt.package_id, exc_info=True)

    async def _abandon(self, attempt: Attempt) -> bool:
        """Leaves the upload to clean-up; False if it is, or may be, a package because COMMIT got no answer."""
        ids = {"tenant_id": attempt.tenant_id, "package_id": attempt.package_id}
        try:
            # In this order: a commit still under way holds the row, and is seen once the row is free.
            async with self.database.write(attempt.tenant_id) as transaction:
                await transaction.run(self.uploads.abandon(**ids))
            return not await self.database.read(attempt.tenant_id, self.packages.exists(**ids))
        except DomainError:
            log.warning("the row of upload %s is left to the sweeper", attempt.package_id, exc_info=True)
            return not attempt.committing


def _stored_bytes(attempt: Attempt, contents: Contents) -> int:
    """What a package takes in storage: the uploaded file and what was unpacked from it."""
    return attempt.spooled.size_bytes + contents.plan.expanded_bytes


def quota_exceeded(usage: TenantUsage, *, stored_bytes: int) -> QuotaExceeded | None:
    """Why a tenant cannot have another package that takes so much, or None if it can."""
    if usage.package_limit is not None and usage.package_count >= usage.package_limit:
        return QuotaExceeded(what="Package", limit=usage.package_limit, current=usage.package_count)
    if usage.stored_bytes_limit is not None and usage.stored_bytes + stored_bytes > usage.stored_bytes_limit:
        return QuotaExceeded(what="Storage", limit=usage.stored_bytes_limit, current=usage.stored_bytes)
    return None


def outcome_of(error: BaseException) -> str:
    """How an upload ended that raised: cancelled by its caller, refused for what it is, or failed."""
    if isinstance(error, asyncio.CancelledError):
        return "cancelled"
    ours = not isinstance(error, DomainError) or isinstance(error, Unavailable | DatabaseFailed)
    return "failed" if ours else "refused"


def _taken_for_dead() -> Conflict:
    return Conflict("The upload gave no sign of life for too long and was given up")
