"""One upload on its way: what it has on disk, in storage and in threads, and how all of that ends."""

import asyncio
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from server.domain.errors import ValidationFailed
from server.domain.manifest import Manifest, check_readable, launch, parse_manifest, summarise
from server.domain.manifest.reading import MAX_BYTES as MAX_MANIFEST_BYTES
from server.domain.packages import PackageMetadata, content_prefix, original_name
from server.domain.zip_rules import ZipLimits, ZipPlan, plan
from server.services.idempotency import Claim
from server.services.ports import Blobs
from server.services.transfer import Transfer, TransferThreads, copy_original, wait_for
from server.services.upload_ports import Archive, PackageSource, SpooledFile

MAX_TITLE_LENGTH = 500
UNTITLED = "Untitled package"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What an archive turned out to be. `launch_path` is a URL relative to the content, `title` is never empty."""

    archive: Archive
    plan: ZipPlan
    manifest: Manifest
    title: str
    launch_path: str
    metadata: PackageMetadata


@dataclass(slots=True, kw_only=True)
class Attempt:
    """An upload that is no package yet; once `committing`, only the database knows whether it still is none.

    `ended` must be awaited before `spooled` is closed. `claim` is the idempotency key that it has, if any.
    """

    tenant_id: UUID
    package_id: UUID
    spooled: SpooledFile
    blobs: Blobs
    threads: TransferThreads
    claim: Claim | None = None
    transfer: Transfer | None = None
    original: "Future[None] | None" = None
    committing: bool = False
    _reading: "Future[Contents] | None" = None

    async def receive(self, source: PackageSource) -> None:
        """Takes the body in, while the original goes on to storage. Raises what is wrong with either."""
        name = original_name(self.tenant_id, self.package_id)
        self.original = copy_original(self.threads, self.blobs, self.spooled, name=name)
        async for chunk in source:
            await self.spooled.write(chunk)
            if self.original.done():
                # It cannot have succeeded yet: better to refuse now than after gigabytes.
                self.original.result()
        await self.spooled.finish()

    async def read(self, *, limits: ZipLimits, filename: str | None) -> Contents:
        """Judges archive and manifest as a whole. Raises ValidationFailed under `file`, and TooLarge."""
        self._reading = self.threads.chores.submit(read_contents, self.spooled, limits=limits, filename=filename)
        return await wait_for(self._reading)

    async def store(self, contents: Contents) -> None:
        """Completes the original and copies all files. Raises the first failure, once the threads have ended."""
        assert self.original is not None
        self.spooled.accept()
        prefix = content_prefix(self.tenant_id, self.package_id)
        self.transfer = Transfer(self.threads, self.blobs, contents.archive, contents.plan.files, prefix=prefix)
        await wait_for(self.transfer.ended)
        await wait_for(self.original)

    def stop(self) -> None:
        """Makes all threads end soon."""
        self.spooled.stop()
        if self.transfer:
            self.transfer.stop()

    async def ended(self) -> None:
        """Waits until no thread works for this upload any more."""
        working: list[Future[Any] | None] = [
            self._reading,
            self.original,
            self.transfer.ended if self.transfer else None,
        ]
        await asyncio.gather(*(wait_for(future) for future in working if future), return_exceptions=True)


def read_contents(spooled: SpooledFile, *, limits: ZipLimits, filename: str | None) -> Contents:
    """Blocking. See `Attempt.read`."""
    # `plan` tolerates as many folders as files.
    archive = spooled.archive(max_entries=2 * limits.max_files)
    planned = plan(archive.entries, archive_size=spooled.size_bytes, limits=limits)
    if planned.manifest.size > MAX_MANIFEST_BYTES:
        raise ValidationFailed.of("file", f"The manifest is larger than {MAX_MANIFEST_BYTES} bytes")
    with archive.open(planned.manifest.index) as entry:
        data = entry.read()
    fallback = title_from(filename)
    manifest = parse_manifest(data, names=planned.names, fallback_title=fallback)
    summary = summarise(manifest)
    metadata = replace(summary, warnings=(*planned.warnings, *summary.warnings))
    check_readable(metadata)
    return Contents(
        archive=archive,
        plan=planned,
        manifest=manifest,
        title=manifest.title.strip()[:MAX_TITLE_LENGTH] or fallback,
        launch_path=launch(manifest).path,
        metadata=metadata,
    )


def title_from(filename: str | None) -> str:
    """The name of the file without its ending, for packages that have no title of their own."""
    stem = (filename or "").rpartition("/")[2]
    if stem.lower().endswith(".zip"):
        stem = stem[:-4]
    return stem.strip()[:MAX_TITLE_LENGTH] or UNTITLED
