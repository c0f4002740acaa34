"""Running an import: fetch the file and upload it, under one status.

A run takes the job by writing its own id into the row; whoever finds another id there has lost it, because the job was
cancelled or another run has taken over from one that seemed dead. The transaction that makes the package visible also
ends the job, so that a job never makes two.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import unquote
from uuid import UUID

from server.domain.egress import parse_url
from server.domain.errors import (
    Conflict,
    DomainError,
    InvalidRequest,
    QuotaExceeded,
    RemoteFailed,
    TooLarge,
    Unauthorized,
    Unavailable,
    ValidationFailed,
)
from server.domain.ids import new_id
from server.domain.imports import ImportFailure, ImportJob
from server.domain.packages import Package
from server.services.egress_ports import Egress, EgressLimits, OutgoingRequest, OutgoingResponse
from server.services.import_ports import ImportStore, Sealer, place_of
from server.services.imports import move
from server.services.ports import Clock, Database, Transaction
from server.services.uploads import RETRY_AFTER_SECONDS, Uploads
from server.services.watched import while_watched

log = logging.getLogger(__name__)

# These ask for patience: the server means to answer better later.
_WORTH_TRYING_AGAIN = (408, 425, 429)
# Trying again would end the same way.
_FINAL = (InvalidRequest, TooLarge, QuotaExceeded, Unauthorized)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportLimits:
    """A job may begin `attempts` times, with growing pauses; what finds no room here may wait for `patience`."""

    max_bytes: int
    attempts: int = 5
    first_pause_seconds: int = 5
    longest_pause_seconds: int = 600
    patience: timedelta = timedelta(days=1)
    report_seconds: float = 1
    total_seconds: float = 7200
    connect_seconds: float = 10
    idle_seconds: float = 30

    @property
    def egress(self) -> EgressLimits:
        """What the download may take."""
        return EgressLimits(
            total_seconds=self.total_seconds,
            max_bytes=self.max_bytes,
            what="The package",
            connect_seconds=self.connect_seconds,
            idle_seconds=self.idle_seconds,
        )


# Told how a run ended (succeeded, failed, put_off; lost to a cancellation or another run; stopped with its process)
# and how many seconds it took.
Observe = Callable[[str, float], None]


class _Lost(Conflict):
    """The job is not this run's any more."""


@dataclass(slots=True)
class _Progress:
    received: int = 0
    total: int | None = None
    # Once this is set, only the database knows whether the job has ended.
    committing: bool = False


class _Download:
    """Keeps `PackageSource` with the answer of a server."""

    def __init__(self, response: OutgoingResponse, job: ImportJob, progress: _Progress) -> None:
        self._response = response
        self._progress = progress
        name = unquote(response.url.file_name)
        self.filename = name if name.isprintable() else None
        self.uploaded_by = job.uploaded_by

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self._progress.total = self._response.declared_bytes
        async for chunk in self._response:
            self._progress.received += len(chunk)
            yield chunk


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRuns:
    """The use case of running imports. One per process. `tell` says of an error what a caller may know."""

    database: Database
    imports: ImportStore
    uploads: Uploads
    egress: Egress
    sealer: Sealer
    clock: Clock
    limits: ImportLimits
    tell: Callable[[BaseException], ImportFailure]
    observe: Observe = lambda outcome, seconds: None

    async def run(self, *, tenant_id: UUID, import_job_id: UUID) -> None:
        """Brings the job to its end. Raises Unavailable where it is to be called again, after how many seconds.

        A call that is cancelled, or dies, leaves the job to the next.
        """
        job = await self._begin(tenant_id, import_job_id)
        if job is None:
            return
        began, outcome = self.clock.now(), "stopped"
        try:
            outcome = await self._run(job)
        except Unavailable:
            outcome = "put_off"
            raise
        finally:
            self.observe(outcome, (self.clock.now() - began).total_seconds())

    async def _run(self, job: ImportJob) -> str:
        """How it ended. Raises Unavailable as `run`."""
        progress = _Progress()
        try:
            await while_watched(self._import(job, progress), self._report(job, progress))
        except _Lost:
            log.info("import %s was cancelled or taken over", job.id)
            return "lost"
        except Exception as error:
            if not isinstance(error, DomainError):
                log.exception("import %s failed", job.id)
            return await self._end(job, error)
        return "succeeded"

    async def _begin(self, tenant_id: UUID, import_job_id: UUID) -> ImportJob | None:
        """Takes the job; None where there is nothing to do any more."""
        now = self.clock.now()
        async with self.database.write(tenant_id) as transaction:
            job = await transaction.run(self.imports.lock(tenant_id=tenant_id, import_job_id=import_job_id))
            if job is None or job.status.is_final:
                return None
            if job.attempts >= self.limits.attempts:
                # Its last run died with the process: it may be what kills it.
                await move(transaction, self.imports, job, job.fail(self.tell(RuntimeError()), at=now))
                return None
            begun = job.begin(run_id=new_id(now), at=now)
            await move(transaction, self.imports, job, begun)
        return begun

    async def _import(self, job: ImportJob, progress: _Progress) -> None:
        sealed = self.imports.sealed_url(tenant_id=job.tenant_id, import_job_id=job.id)
        sealed_url = await self.database.read(job.tenant_id, sealed)
        if sealed_url is None:
            raise _Lost
        url = parse_url(self.sealer.open(sealed_url, place=place_of(job.tenant_id, job.id)))

        async def succeed(transaction: Transaction, package: Package) -> None:
            progress.committing = True
            current = await self._locked(transaction, job)
            ended = current.succeed(package_id=package.id, size_bytes=package.file_size_bytes, at=package.created_at)
            await move(transaction, self.imports, current, ended)

        async with self.egress.send(OutgoingRequest(url=url), limits=self.limits.egress) as response:
            _require_success(response, now=self.clock.now())
            await self.uploads.upload(
                tenant_id=job.tenant_id,
                source=_Download(response, job, progress),
                declared_bytes=response.declared_bytes,
                title=job.title,
                also=succeed,
            )

    async def _locked(self, transaction: Transaction, job: ImportJob) -> ImportJob:
        """The job as it is now. Raises _Lost."""
        found = await transaction.run(self.imports.lock(tenant_id=job.tenant_id, import_job_id=job.id))
        if found is None or found.run_id != job.run_id:
            raise _Lost
        return found

    async def _report(self, job: ImportJob, progress: _Progress) -> None:
        """Tells of the progress. Raises _Lost once the job is not this run's any more; returns if it may have ended."""
        while True:
            await asyncio.sleep(self.limits.report_seconds)
            said = self.imports.progress(
                job, bytes_received=progress.received, bytes_total=progress.total, at=self.clock.now()
            )
            # Without a database the upload ends by itself.
            with contextlib.suppress(Unavailable):
                async with self.database.write(job.tenant_id) as transaction:
                    if not await transaction.run(said):
                        if progress.committing:
                            return
                        raise _Lost

    async def _end(self, job: ImportJob, error: Exception) -> str:
        """Writes down what became of a run that failed, and tells it. Raises Unavailable where another shall follow."""
        now = self.clock.now()
        pause = self._pause(job, error, now)
        with contextlib.suppress(_Lost):
            async with self.database.write(job.tenant_id) as transaction:
                current = await self._locked(transaction, job)
                if pause is None:
                    ended = current.fail(self.tell(error), at=now)
                else:
                    ended = current.put_off(counts=not isinstance(error, Unavailable), at=now)
                await move(transaction, self.imports, current, ended)
            if pause is not None:
                raise Unavailable(f"The import is put off: {error}", retry_after_seconds=pause) from error
            return "failed"
        return "lost"

    def _pause(self, job: ImportJob, error: Exception, now: datetime) -> int | None:
        """How many seconds to wait for another run, None if there shall be none."""
        longest = self.limits.longest_pause_seconds
        if isinstance(error, Unavailable):
            patient = now - job.created_at < self.limits.patience
            return min(error.retry_after_seconds or RETRY_AFTER_SECONDS, longest) if patient else None
        if isinstance(error, _FINAL) or job.attempts >= self.limits.attempts:
            return None
        asked = error.retry_after_seconds if isinstance(error, RemoteFailed) else None
        growing: int = self.limits.first_pause_seconds * 3 ** (job.attempts - 1)
        return min(max(growing, asked or 0), longest)


def _require_success(response: OutgoingResponse, *, now: datetime) -> None:
    """Raises RemoteFailed for what may pass, and ValidationFailed for any other answer without the file."""
    if response.status == 200:
        return
    fault = f"The server at this URL answered {response.status}"
    if response.status in _WORTH_TRYING_AGAIN or response.status >= 500:
        raise RemoteFailed(fault, retry_after_seconds=_retry_after(response.headers.get("retry-after", ""), now))
    raise ValidationFailed.of("url", fault)


def _retry_after(text: str, now: datetime) -> int | None:
    """Seconds, also from a date."""
    if text.isascii() and text.isdigit():
        return int(text[:9])
    try:
        return max(0, int((parsedate_to_datetime(text) - now).total_seconds()))
    except (ValueError, TypeError, OverflowError):  # TypeError: a date without its zone
        return None
