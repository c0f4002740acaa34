"""Importing a package from a URL: a job with a status."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from server.domain.errors import Conflict


class ImportStatus(enum.StrEnum):
    """`queued` ⇄ `running` → `succeeded`, `failed` or `cancelled`; `queued` → `failed` or `cancelled`."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether the job has ended."""
        return self not in (ImportStatus.QUEUED, ImportStatus.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportFailure:
    """What an upload of the same package would have been refused with."""

    code: str
    message: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportJob:
    """One import. `url` is without its query. `run_id` names the run that may change it, as long as it is running.

    `attempts` counts runs that have begun, but for those that were put off because there was no room.
    """

    id: UUID
    tenant_id: UUID
    url: str
    title: str | None
    uploaded_by: str | None
    created_at: datetime
    updated_at: datetime
    status: ImportStatus = ImportStatus.QUEUED
    attempts: int = 0
    run_id: UUID | None = None
    bytes_received: int = 0
    bytes_total: int | None = None
    package_id: UUID | None = None
    failure: ImportFailure | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None

    def begin(self, *, run_id: UUID, at: datetime) -> "ImportJob":
        """A run takes the job, also from one that died."""
        return replace(
            self,
            status=ImportStatus.RUNNING,
            attempts=self.attempts + 1,
            run_id=run_id,
            bytes_received=0,
            bytes_total=None,
            started_at=self.started_at or at,
            updated_at=at,
        )

    def put_off(self, *, counts: bool, at: datetime) -> "ImportJob":
        """The run ended without a result; another will follow. `counts` False: it was not the job's fault."""
        return replace(
            self,
            status=ImportStatus.QUEUED,
            attempts=self.attempts if counts else self.attempts - 1,
            run_id=None,
            updated_at=at,
        )

    def succeed(self, *, package_id: UUID, size_bytes: int, at: datetime) -> "ImportJob":
        """The package is there."""
        ended = self._end(ImportStatus.SUCCEEDED, at=at)
        return replace(ended, package_id=package_id, bytes_received=size_bytes, bytes_total=size_bytes)

    def fail(self, failure: ImportFailure, *, at: datetime) -> "ImportJob":
        """There will be no package."""
        return replace(self._end(ImportStatus.FAILED, at=at), failure=failure)

    def cancel(self, *, at: datetime) -> "ImportJob":
        """As the caller wishes; repeating it changes nothing. Raises Conflict for a job that has ended otherwise."""
        if self.status is ImportStatus.CANCELLED:
            return self
        if self.status.is_final:
            raise Conflict(f"The import has already {self.status}")
        return self._end(ImportStatus.CANCELLED, at=at)

    def _end(self, status: ImportStatus, *, at: datetime) -> "ImportJob":
        return replace(self, status=status, run_id=None, finished_at=at, updated_at=at)
