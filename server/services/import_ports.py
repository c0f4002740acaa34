"""What imports need beside the ports of everybody."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from server.domain.imports import ImportJob, ImportStatus
from server.services.ports import PageKey, Query


class ImportStore(Protocol):
    """Rows of `import_jobs`, and `import_job_counts`, which tells how many there are in each status."""

    def page(self, *, tenant_id: UUID, status: ImportStatus | None, limit: int, offset: int) -> Query[list[ImportJob]]:
        """Newest first."""
        ...

    def page_after(
        self, *, tenant_id: UUID, status: ImportStatus | None, limit: int, after: PageKey
    ) -> Query[list[ImportJob]]:
        """As `page`, but what follows `after`."""
        ...

    def counts(self, *, tenant_id: UUID) -> Query[dict[ImportStatus, int]]:
        """How many there are in each status. Exact."""
        ...

    def get(self, *, tenant_id: UUID, import_job_id: UUID) -> Query[ImportJob | None]:
        """One import."""
        ...

    def lock(self, *, tenant_id: UUID, import_job_id: UUID) -> Query[ImportJob | None]:
        """As `get`; nobody else changes it until the transaction ends."""
        ...

    def sealed_url(self, *, tenant_id: UUID, import_job_id: UUID) -> Query[bytes | None]:
        """The whole URL, encrypted; None once the job has ended."""
        ...

    def insert(self, job: ImportJob, *, sealed_url: bytes) -> Query[None]:
        """A new job."""
        ...

    def save(self, job: ImportJob) -> Query[None]:
        """What has changed of a locked job; the whole URL is forgotten once it has ended."""
        ...

    def progress(self, job: ImportJob, *, bytes_received: int, bytes_total: int | None, at: datetime) -> Query[bool]:
        """Says how far a run is. False where the job is not this run's any more."""
        ...

    def count_new(self, *, tenant_id: UUID) -> Query[int]:
        """Counts a queued job and says how many there are now. In the transaction that inserts it."""
        ...

    def count_moved(self, *, tenant_id: UUID, before: ImportStatus, after: ImportStatus) -> Query[None]:
        """Counts a job in another status. In the transaction that saves it, after it was locked."""
        ...


class Sealer(Protocol):
    """Encrypts what customers entrust to us for the time that it lies in the database."""

    def seal(self, text: str, *, place: str) -> bytes:
        """Encrypts a text for the place where it will lie: elsewhere it cannot be opened."""
        ...

    def open(self, sealed: bytes, *, place: str) -> str:
        """Decrypts what `seal` made for that place."""
        ...


def place_of(tenant_id: UUID, import_job_id: UUID) -> str:
    """Where the URL of an import lies."""
    return f"import_jobs/{tenant_id}/{import_job_id}/url"
