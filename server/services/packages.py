"""Listing, reading, changing and deleting packages, and granting their content."""

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from server.domain.errors import DomainError, Gone, PackageNotFound, RevisionMismatch, ValidationFailed, all_of
from server.domain.etags import format_etag, parse_if_match
from server.domain.ids import parse_id
from server.domain.packages import Package, PackageChange
from server.services.ports import (
    Clock,
    Database,
    Jobs,
    PackageStore,
    PageKey,
    QuotaStore,
    SessionTotals,
    Transaction,
    newest_first,
)

DEFAULT_LIMIT = 20


@dataclass(frozen=True, slots=True)
class PackagePage:
    """Some packages, how many there are in all, and where the next page begins (None: nowhere)."""

    packages: list[Package]
    count: int
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Packages:
    """The use cases of packages but uploading."""

    database: Database
    packages: PackageStore
    quotas: QuotaStore
    sessions: SessionTotals
    jobs: Jobs
    clock: Clock

    async def list(self, *, tenant_id: UUID, page: int | None, limit: int | None, cursor: str | None) -> PackagePage:
        """Newest first. Raises ValidationFailed for a cursor that was not made here."""
        size = limit or DEFAULT_LIMIT
        # One more than is shown tells whether there is a next page.
        if cursor:
            wanted = self.packages.page_after(tenant_id=tenant_id, limit=size + 1, after=parse_cursor(cursor))
        else:
            offset = ((page or 1) - 1) * size
            wanted = self.packages.page(tenant_id=tenant_id, limit=size + 1, offset=offset)
        found, usage = await self.database.read(tenant_id, wanted, self.quotas.usage(tenant_id=tenant_id))
        shown = found[:size]
        last = newest_first(shown)
        next_cursor = format_cursor(last) if last and len(found) > size else None
        return PackagePage(shown, usage.package_count if usage else 0, next_cursor)

    async def get(self, *, tenant_id: UUID, package_id: str) -> Package:
        """With metadata. Raises PackageNotFound."""
        found = await self.find(tenant_id=tenant_id, package_id=_require_id(package_id))
        if found is None:
            raise PackageNotFound
        return found

    async def find(self, *, tenant_id: UUID, package_id: UUID) -> Package | None:
        """With metadata, or None."""
        return await self.database.read(tenant_id, self.packages.get(tenant_id=tenant_id, package_id=package_id))

    async def require(self, transaction: Transaction, *, tenant_id: UUID, package_id: str) -> UUID:
        """The id of a package that the transaction sees. Raises PackageNotFound."""
        wanted = _require_id(package_id)
        if not await transaction.run(self.packages.exists(tenant_id=tenant_id, package_id=wanted)):
            raise PackageNotFound
        return wanted

    async def update(self, *, tenant_id: UUID, package_id: str, change: PackageChange, if_match: str | None) -> Package:
        """Applies the change, and answers the package with metadata. `if_match` is the header.

        Raises PackageNotFound, ValidationFailed, and RevisionMismatch where the header names other versions.
        """
        wanted = _require_id(package_id)
        change, condition = all_of(change.checked, lambda: parse_if_match(if_match))
        update = self.packages.update(
            tenant_id=tenant_id, package_id=wanted, change=change, if_match=condition, at=self.clock.now()
        )
        async with self.database.write(tenant_id) as transaction:
            updated = await transaction.run(update)
            if updated is None:
                raise await self._why_not(transaction, tenant_id, wanted)
        return updated

    async def delete(self, *, tenant_id: UUID, package_id: str, if_match: str | None = None) -> UUID:
        """Deletes the package with its sessions at once, and its files soon. `if_match` is the header.

        Raises PackageNotFound, also when repeated, ValidationFailed, and RevisionMismatch as `update`.
        """
        wanted, condition = _require_id(package_id), parse_if_match(if_match)
        async with self.database.write(tenant_id) as transaction:
            delete = self.packages.delete(tenant_id=tenant_id, package_id=wanted, if_match=condition)
            size = await transaction.run(delete)
            if size is None:
                raise await self._why_not(transaction, tenant_id, wanted)
            await transaction.run(self.sessions.forget_package(tenant_id=tenant_id, package_id=wanted))
            await transaction.run(self.quotas.release_package(tenant_id=tenant_id, stored_bytes=size))
            await transaction.run(self.jobs.delete_package_files(tenant_id=tenant_id, package_id=wanted))
        return wanted

    async def _why_not(self, transaction: Transaction, tenant_id: UUID, package_id: UUID) -> DomainError:
        """Why a change found nothing of the revisions that it is for."""
        current = await transaction.run(self.packages.revision(tenant_id=tenant_id, package_id=package_id))
        return PackageNotFound() if current is None else RevisionMismatch(current_etag=format_etag(current))

    async def grant_content(self, *, tenant_id: UUID, package_id: UUID) -> None:
        """Says that a content token still stands. Raises Gone."""
        if not await self.database.read(tenant_id, self.packages.exists(tenant_id=tenant_id, package_id=package_id)):
            raise Gone


def format_cursor(key: PageKey) -> str:
    """An opaque name for a place in the list."""
    microseconds = int((key.created_at - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1_000_000 + 0.5)
    return base64.urlsafe_b64encode(microseconds.to_bytes(8) + key.id.bytes).decode()


def parse_cursor(text: str) -> PageKey:
    """The place that `format_cursor` named. Raises ValidationFailed."""
    try:
        raw = base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True)
        microseconds, package_id = int.from_bytes(raw[:8]), UUID(bytes=raw[8:])
        seconds, fraction = divmod(microseconds, 1_000_000)
        return PageKey(datetime.fromtimestamp(seconds, UTC).replace(microsecond=fraction), package_id)
    except (ValueError, OverflowError, OSError, binascii.Error) as error:
        raise ValidationFailed.of("cursor", "Must be a next_cursor of an earlier answer") from error


def _require_id(text: str) -> UUID:
    parsed = parse_id(text)
    if parsed is None:
        raise PackageNotFound
    return parsed
