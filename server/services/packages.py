"""Listing, reading and deleting packages, and granting their content."""

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from server.domain.errors import Gone, PackageNotFound, ValidationFailed
from server.domain.ids import parse_id
from server.domain.packages import Package
from server.services.ports import Database, Jobs, PackageStore, PageKey, QuotaStore, newest_first

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
    jobs: Jobs

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
        wanted = _require_id(package_id)
        found = await self.database.read(tenant_id, self.packages.get(tenant_id=tenant_id, package_id=wanted))
        if found is None:
            raise PackageNotFound
        return found

    async def delete(self, *, tenant_id: UUID, package_id: str) -> UUID:
        """Deletes the package at once and its files soon. Raises PackageNotFound, also when repeated."""
        wanted = _require_id(package_id)
        async with self.database.write(tenant_id) as transaction:
            size = await transaction.run(self.packages.delete(tenant_id=tenant_id, package_id=wanted))
            if size is None:
                raise PackageNotFound
            await transaction.run(self.quotas.release_package(tenant_id=tenant_id, stored_bytes=size))
            await transaction.run(self.jobs.delete_package_files(tenant_id=tenant_id, package_id=wanted))
        return wanted

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
