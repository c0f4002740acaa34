"""Imports: rows of `import_jobs`, and how many of them are in each status."""

import dataclasses
import json
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Column,
    ColumnElement,
    Text,
    case,
    insert,
    literal_column,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql

from server.domain.imports import ImportFailure, ImportJob, ImportStatus
from server.services.ports import PageKey, Query
from server.storage import tables
from server.storage.sql import Row, any_row, every, first, nothing, param, statement
from server.storage.tables import import_job_counts, import_jobs

_FIELDS = (
    "tenant_id",
    "url",
    "title",
    "uploaded_by",
    "status",
    "attempts",
    "run_id",
    "bytes_received",
    "bytes_total",
    "package_id",
    "failure",
    "created_at",
    "started_at",
    "finished_at",
    "updated_at",
)
_COLUMNS = (import_jobs.c.import_job_id, *(import_jobs.c[name] for name in _FIELDS))


def _job(row: Row) -> ImportJob:
    values = dict(zip(_FIELDS, row[1:], strict=True))
    failure = values.pop("failure")
    return ImportJob(
        id=row[0],
        status=ImportStatus(values.pop("status")),
        failure=ImportFailure(**failure) if failure else None,
        **values,
    )


_ONE, _NONE = literal_column("1", BigInteger()), literal_column("0", BigInteger())
_OF_TENANT = import_jobs.c.tenant_id == param("tenant", tables.UUID)
_THE_JOB = import_jobs.c.import_job_id == param("job", tables.UUID)
_OF_STATUS = import_jobs.c.status == param("of_status", Text())
_NEWEST_FIRST = (import_jobs.c.created_at.desc(), import_jobs.c.import_job_id.desc())
_LIMIT, _OFFSET = param("limit", BigInteger()), param("offset", BigInteger())
_AFTER = tuple_(import_jobs.c.created_at, import_jobs.c.import_job_id) < tuple_(
    param("after_created_at", tables.TIME), param("after_job", tables.UUID)
)
_IS_FINAL = param("is_final", tables.BOOLEAN)

_page = select(*_COLUMNS).where(_OF_TENANT).order_by(*_NEWEST_FIRST).limit(_LIMIT)
_PAGE = statement("imports.page", _page.offset(_OFFSET), every(_job))
_PAGE_AFTER = statement("imports.page_after", _page.where(_AFTER), every(_job))
_PAGE_OF_STATUS = statement("imports.page_of_status", _page.where(_OF_STATUS).offset(_OFFSET), every(_job))
_PAGE_OF_STATUS_AFTER = statement("imports.page_of_status_after", _page.where(_OF_STATUS, _AFTER), every(_job))

_GET = statement("imports.get", select(*_COLUMNS).where(_OF_TENANT, _THE_JOB), first(_job))
_LOCK = statement("imports.lock", select(*_COLUMNS).where(_OF_TENANT, _THE_JOB).with_for_update(), first(_job))
_SEALED_URL = statement(
    "imports.sealed_url", select(import_jobs.c.sealed_url).where(_OF_TENANT, _THE_JOB), first(lambda row: row[0])
)
_INSERT = statement("imports.insert", insert(import_jobs), nothing)
_SAVE = statement(
    "imports.save",
    update(import_jobs)
    .values(
        status=param("new_status", Text()),
        attempts=param("new_attempts", import_jobs.c.attempts.type),
        run_id=param("new_run", tables.UUID),
        bytes_received=param("received", tables.BYTES),
        bytes_total=param("total", tables.BYTES),
        package_id=param("package", tables.UUID),
        failure=param("new_failure", import_jobs.c.failure.type),
        started_at=param("started", tables.TIME),
        finished_at=param("finished", tables.TIME),
        updated_at=param("at", tables.TIME),
        sealed_url=case((_IS_FINAL, None), else_=import_jobs.c.sealed_url),
    )
    .where(_OF_TENANT, _THE_JOB),
    nothing,
)
_PROGRESS = statement(
    "imports.progress",
    update(import_jobs)
    .values(
        bytes_received=param("received", tables.BYTES),
        bytes_total=param("total", tables.BYTES),
        updated_at=param("at", tables.TIME),
    )
    .where(_OF_TENANT, _THE_JOB, import_jobs.c.run_id == param("run", tables.UUID))
    .returning(_ONE),
    any_row,
)

_STATUSES = tuple(import_job_counts.c[status] for status in ImportStatus)
_COUNTS_OF_TENANT = import_job_counts.c.tenant_id == param("tenant", tables.UUID)
_COUNTS = statement(
    "imports.counts",
    select(*_STATUSES).where(_COUNTS_OF_TENANT),
    lambda rows: dict(zip(ImportStatus, rows[0] if rows else (0,) * len(_STATUSES), strict=True)),
)
_COUNT_NEW = statement(
    "imports.count_new",
    postgresql.insert(import_job_counts)
    .values(tenant_id=param("tenant", tables.UUID), queued=_ONE)
    .on_conflict_do_update(
        index_elements=[import_job_counts.c.tenant_id],
        set_={"queued": import_job_counts.c.queued + _ONE},
    )
    .returning(import_job_counts.c.queued),
    lambda rows: int(rows[0][0]),
)


def _one_if(column: Column[int], named: BindParameter[str]) -> ColumnElement[int]:
    return case((named == literal_column(f"'{column.name}'", Text()), _ONE), else_=_NONE)


_COUNT_MOVED = statement(
    "imports.count_moved",
    update(import_job_counts)
    .values(
        {
            column.name: column + _one_if(column, param("after", Text())) - _one_if(column, param("before", Text()))
            for column in _STATUSES
        }
    )
    .where(_COUNTS_OF_TENANT),
    nothing,
)


class PostgresImports:
    """Keeps `server.services.import_ports.ImportStore`."""

    def page(self, *, tenant_id: UUID, status: ImportStatus | None, limit: int, offset: int) -> Query[list[ImportJob]]:
        """Newest first."""
        if status is None:
            return _PAGE.bind(tenant=tenant_id, limit=limit, offset=offset)
        return _PAGE_OF_STATUS.bind(tenant=tenant_id, of_status=status.value, limit=limit, offset=offset)

    def page_after(
        self, *, tenant_id: UUID, status: ImportStatus | None, limit: int, after: PageKey
    ) -> Query[list[ImportJob]]:
        """As `page`, but what follows `after`."""
        place = {"tenant": tenant_id, "after_created_at": after.created_at, "after_job": after.id}
        if status is None:
            return _PAGE_AFTER.bind(limit=limit, **place)
        return _PAGE_OF_STATUS_AFTER.bind(of_status=status.value, limit=limit, **place)

    def counts(self, *, tenant_id: UUID) -> Query[dict[ImportStatus, int]]:
        """How many there are in each status. Exact."""
        return _COUNTS.bind(tenant=tenant_id)

    def get(self, *, tenant_id: UUID, import_job_id: UUID) -> Query[ImportJob | None]:
        """One import."""
        return _GET.bind(tenant=tenant_id, job=import_job_id)

    def lock(self, *, tenant_id: UUID, import_job_id: UUID) -> Query[ImportJob | None]:
        """As `get`; nobody else changes it until the transaction ends."""
        return _LOCK.bind(tenant=tenant_id, job=import_job_id)

    def sealed_url(self, *, tenant_id: UUID, import_job_id: UUID) -> Query[bytes | None]:
        """The whole URL, encrypted; None once the job has ended."""
        return _SEALED_URL.bind(tenant=tenant_id, job=import_job_id)

    def insert(self, job: ImportJob, *, sealed_url: bytes) -> Query[None]:
        """A new job."""
        values: dict[str, Any] = {name: getattr(job, name) for name in _FIELDS}
        return _INSERT.bind(**(values | {"status": job.status.value}), import_job_id=job.id, sealed_url=sealed_url)

    def save(self, job: ImportJob) -> Query[None]:
        """What has changed of a locked job; the whole URL is forgotten once it has ended."""
        return _SAVE.bind(
            tenant=job.tenant_id,
            job=job.id,
            new_status=job.status.value,
            new_attempts=job.attempts,
            new_run=job.run_id,
            received=job.bytes_received,
            total=job.bytes_total,
            package=job.package_id,
            new_failure=json.dumps(dataclasses.asdict(job.failure)) if job.failure else None,
            started=job.started_at,
            finished=job.finished_at,
            at=job.updated_at,
            is_final=job.status.is_final,
        )

    def progress(self, job: ImportJob, *, bytes_received: int, bytes_total: int | None, at: datetime) -> Query[bool]:
        """Says how far a run is. False where the job is not this run's any more."""
        return _PROGRESS.bind(
            tenant=job.tenant_id, job=job.id, run=job.run_id, received=bytes_received, total=bytes_total, at=at
        )

    def count_new(self, *, tenant_id: UUID) -> Query[int]:
        """Counts a queued job and says how many there are now. In the transaction that inserts it."""
        return _COUNT_NEW.bind(tenant=tenant_id)

    def count_moved(self, *, tenant_id: UUID, before: ImportStatus, after: ImportStatus) -> Query[None]:
        """Counts a job in another status. In the transaction that saves it, after it was locked."""
        return _COUNT_MOVED.bind(tenant=tenant_id, before=before.value, after=after.value)
