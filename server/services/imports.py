"""Asking for imports, watching and cancelling them. What does the work is in `import_runs`."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from server.domain.egress import OutgoingUrl, UrlRefused, parse_url
from server.domain.errors import ImportNotFound, Unavailable, ValidationFailed
from server.domain.idempotency import KeyedRequest
from server.domain.ids import new_id, parse_id
from server.domain.imports import ImportJob, ImportStatus
from server.services.attempt import MAX_TITLE_LENGTH
from server.services.egress_ports import Egress
from server.services.idempotency import Idempotency
from server.services.idempotency_ports import Facts
from server.services.import_ports import ImportStore, Sealer, place_of
from server.services.packages import DEFAULT_LIMIT, format_cursor, parse_cursor
from server.services.ports import Clock, Database, Jobs, PageKey, Transaction

MAX_USER_LENGTH = 255
# So many imports of a tenant may wait: whoever looks for the next job passes all that wait for their turn.
MAX_WAITING = 1000
WAITING_RETRY_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPage:
    """Some imports, which page of which size they are, how many there are in all, and where the next page begins."""

    jobs: list[ImportJob]
    page: int
    limit: int
    total: int
    next_cursor: str | None

    @property
    def total_pages(self) -> int:
        """How many pages there are in all."""
        return -(-self.total // self.limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Imports:
    """The use cases of imports but running them."""

    database: Database
    imports: ImportStore
    jobs: Jobs
    egress: Egress
    sealer: Sealer
    clock: Clock
    idempotency: Idempotency

    async def create(
        self,
        *,
        tenant_id: UUID,
        url: str,
        uploaded_by: str | None,
        title: str | None,
        request: KeyedRequest | None = None,
    ) -> tuple[ImportJob, bool]:
        """Queues an import: the job as it is then, and whether it was queued before.

        Raises ValidationFailed for what is wrong, Unavailable if too many wait already, and IdempotencyConflict.
        """
        judged = self._judged(url, uploaded_by, title)
        now = self.clock.now()
        job = ImportJob(
            id=new_id(now),
            tenant_id=tenant_id,
            url=judged.shown,
            title=(title or "").strip() or None,
            uploaded_by=uploaded_by or None,
            created_at=now,
            updated_at=now,
        )

        async def queue(transaction: Transaction) -> Facts:
            sealed_url = self.sealer.seal(str(judged), place=place_of(tenant_id, job.id))
            await transaction.run(self.imports.insert(job, sealed_url=sealed_url))
            if await transaction.run(self.imports.count_new(tenant_id=tenant_id)) > MAX_WAITING:
                fault = f"This tenant has {MAX_WAITING} imports waiting, and may not have more"
                raise Unavailable(fault, retry_after_seconds=WAITING_RETRY_SECONDS)
            await transaction.run(self.jobs.import_package(tenant_id=tenant_id, import_job_id=job.id))
            return {"id": str(job.id), "created_at": job.created_at.isoformat()}

        outcome = await self.idempotency.once(tenant_id=tenant_id, request=request, work=queue)
        return _as_queued(job, outcome.facts), outcome.replayed

    async def list(
        self, *, tenant_id: UUID, page: int | None, limit: int | None, cursor: str | None, status: str | None
    ) -> ImportPage:
        """Newest first. Raises ValidationFailed for an unknown status or a cursor that was not made here."""
        size, wanted_status = limit or DEFAULT_LIMIT, _status(status)
        # One more than is shown tells whether there is a next page.
        if cursor:
            after = parse_cursor(cursor)
            wanted = self.imports.page_after(tenant_id=tenant_id, status=wanted_status, limit=size + 1, after=after)
        else:
            offset = ((page or 1) - 1) * size
            wanted = self.imports.page(tenant_id=tenant_id, status=wanted_status, limit=size + 1, offset=offset)
        found, counts = await self.database.read(tenant_id, wanted, self.imports.counts(tenant_id=tenant_id))
        shown = found[:size]
        more = len(found) > size
        return ImportPage(
            jobs=shown,
            page=page or 1,
            limit=size,
            total=counts[wanted_status] if wanted_status else sum(counts.values()),
            next_cursor=format_cursor(PageKey(shown[-1].created_at, shown[-1].id)) if more else None,
        )

    async def get(self, *, tenant_id: UUID, import_job_id: str) -> ImportJob:
        """One import. Raises ImportNotFound."""
        wanted = _require_id(import_job_id)
        found = await self.database.read(tenant_id, self.imports.get(tenant_id=tenant_id, import_job_id=wanted))
        if found is None:
            raise ImportNotFound
        return found

    async def cancel(
        self, *, tenant_id: UUID, import_job_id: str, request: KeyedRequest | None = None
    ) -> tuple[ImportJob, bool]:
        """Ends an import that has not ended; may be repeated, and says whether it was under the same key.

        Raises ImportNotFound, Conflict if it has ended otherwise, and IdempotencyConflict.
        """
        wanted = _require_id(import_job_id)

        async def end(transaction: Transaction) -> Facts:
            job = await transaction.run(self.imports.lock(tenant_id=tenant_id, import_job_id=wanted))
            if job is None:
                raise ImportNotFound
            await move(transaction, self.imports, job, job.cancel(at=self.clock.now()))
            return {}

        outcome = await self.idempotency.once(tenant_id=tenant_id, request=request, work=end)
        # What was cancelled never changes again: it is told from its row each time.
        return await self.get(tenant_id=tenant_id, import_job_id=import_job_id), outcome.replayed

    def _judged(self, url: str, uploaded_by: str | None, title: str | None) -> OutgoingUrl:
        """The URL, if nothing is wrong with it and what comes with it."""
        faults: dict[str, list[str]] = {}
        judged = None
        try:
            judged = parse_url(url)
            self.egress.check(judged)
        except UrlRefused as fault:
            faults["url"] = [str(fault)]
        except ValidationFailed as fault:
            faults |= fault.field_errors
        for name, text, longest in (
            ("uploaded_by", uploaded_by, MAX_USER_LENGTH),
            ("title", title, MAX_TITLE_LENGTH),
        ):
            if text and len(text) > longest:
                faults[name] = [f"Must have at most {longest} characters"]
            elif text and "\0" in text:
                faults[name] = ["Must not contain NUL"]
        if faults or judged is None:
            raise ValidationFailed(faults)
        return judged


async def move(transaction: Transaction, imports: ImportStore, job: ImportJob, moved: ImportJob) -> None:
    """Saves a job that the transaction has locked, and counts it where it is now."""
    if moved is job:
        return
    await transaction.run(imports.save(moved))
    if moved.status is not job.status:
        moved_count = imports.count_moved(tenant_id=job.tenant_id, before=job.status, after=moved.status)
        await transaction.run(moved_count)


def _as_queued(job: ImportJob, facts: Facts) -> ImportJob:
    """The job that was queued for the same request, whatever has become of it."""
    at = datetime.fromisoformat(facts["created_at"])
    return replace(job, id=UUID(facts["id"]), created_at=at, updated_at=at)


def _status(text: str | None) -> ImportStatus | None:
    if not text:
        return None
    try:
        return ImportStatus(text)
    except ValueError:
        raise ValidationFailed.of("status", f"Must be one of {', '.join(ImportStatus)}") from None


def _require_id(text: str) -> UUID:
    parsed = parse_id(text)
    if parsed is None:
        raise ImportNotFound
    return parsed
