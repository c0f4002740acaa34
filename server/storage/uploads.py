"""Uploads on their way: rows of `uploads`, each a prefix in storage that no package owns yet."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Integer, delete, func, insert, literal_column, or_, select, update

from server.services.ports import Query, StaleUpload
from server.storage import tables
from server.storage.sql import any_row, every, nothing, param, statement
from server.storage.tables import uploads

_THE_UPLOAD = (
    uploads.c.tenant_id == param("tenant", tables.UUID),
    uploads.c.package_id == param("package", tables.UUID),
)
_UNCLAIMED = uploads.c.claimed_at.is_(None)
_FOUND = literal_column("1", Integer())
# Claimed once; claiming again changes nothing.
_CLAIMED = func.coalesce(uploads.c.claimed_at, func.now())

_BEGIN = statement(
    "uploads.begin",
    insert(uploads).values(
        tenant_id=param("tenant", tables.UUID),
        package_id=param("package", tables.UUID),
        started_at=param("at", tables.TIME),
        beat_at=param("at", tables.TIME),
    ),
    nothing,
)
_BEAT = statement(
    "uploads.beat",
    update(uploads).values(beat_at=param("at", tables.TIME)).where(*_THE_UPLOAD, _UNCLAIMED).returning(_FOUND),
    any_row,
)
_FINISH = statement("uploads.finish", delete(uploads).where(*_THE_UPLOAD, _UNCLAIMED).returning(_FOUND), any_row)
_ABANDON = statement("uploads.abandon", update(uploads).values(claimed_at=_CLAIMED).where(*_THE_UPLOAD), nothing)
_FORGET = statement("uploads.forget", delete(uploads).where(*_THE_UPLOAD, uploads.c.claimed_at.is_not(None)), nothing)

_due = (
    select(uploads.c.tenant_id, uploads.c.package_id)
    .where(or_(uploads.c.claimed_at.is_not(None), uploads.c.beat_at < param("before", tables.TIME)))
    .order_by(uploads.c.beat_at)
    .limit(param("limit", BigInteger()))
    # A row that an upload is beating or finishing right now is not stale.
    .with_for_update(skip_locked=True)
    .cte("due")
)
_CLAIM_STALE = statement(
    "uploads.claim_stale",
    update(uploads)
    .values(claimed_at=_CLAIMED)
    .where(uploads.c.tenant_id == _due.c.tenant_id, uploads.c.package_id == _due.c.package_id)
    .returning(uploads.c.tenant_id, uploads.c.package_id),
    every(lambda row: StaleUpload(row[0], row[1])),
    across_tenants="the sweeper looks after the uploads of all tenants",
)


class PostgresUploads:
    """Keeps `server.services.ports.UploadStore`."""

    def begin(self, *, tenant_id: UUID, package_id: UUID, at: datetime) -> Query[None]:
        """Written before the first byte reaches storage."""
        return _BEGIN.bind(tenant=tenant_id, package=package_id, at=at)

    def beat(self, *, tenant_id: UUID, package_id: UUID, at: datetime) -> Query[bool]:
        """Says that the upload goes on. False once clean-up has claimed it."""
        return _BEAT.bind(tenant=tenant_id, package=package_id, at=at)

    def finish(self, *, tenant_id: UUID, package_id: UUID) -> Query[bool]:
        """Removes the row in the transaction that makes the package visible. False once clean-up has claimed it."""
        return _FINISH.bind(tenant=tenant_id, package=package_id)

    def abandon(self, *, tenant_id: UUID, package_id: UUID) -> Query[None]:
        """Claims the row for clean-up: the upload failed."""
        return _ABANDON.bind(tenant=tenant_id, package=package_id)

    def claim_stale(self, *, before: datetime, limit: int) -> Query[list[StaleUpload]]:
        """Claims uploads that last beat before `before`, and answers all that are claimed. Operator role."""
        return _CLAIM_STALE.bind(before=before, limit=limit)

    def forget(self, *, tenant_id: UUID, package_id: UUID) -> Query[None]:
        """Removes a claimed row, once its prefix is empty. Operator role."""
        return _FORGET.bind(tenant=tenant_id, package=package_id)
