"""Packages: rows of `packages`, and what they mean."""

import dataclasses
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Integer,
    any_,
    case,
    cast,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
    tuple_,
    update,
)

from server.domain.etags import ANY, IfMatch
from server.domain.packages import (
    Package,
    PackageChange,
    PackageItem,
    PackageMetadata,
    PackageOrganization,
    PackageSettings,
)
from server.services.ports import PageKey, Query
from server.storage import tables
from server.storage.sql import Row, any_row, every, first, nothing, param, statement
from server.storage.tables import packages


def _package(row: Row) -> Package:
    identifier, tenant_id, title, version, launch_path, manifest_path, size, by, created, updated, revision = row[:11]
    failed_completes, mastery_overrides_status = row[11:13]
    return Package(
        id=identifier,
        tenant_id=tenant_id,
        title=title,
        version=version,
        launch_path=launch_path,
        manifest_path=manifest_path,
        file_size_bytes=size,
        uploaded_by=by,
        created_at=created,
        updated_at=updated,
        revision=revision,
        settings=PackageSettings(failed_completes=failed_completes, mastery_overrides_status=mastery_overrides_status),
        metadata=_metadata(row[13]) if len(row) > 13 else None,
    )


_COLUMNS = (
    packages.c.package_id,
    packages.c.tenant_id,
    packages.c.title,
    packages.c.version,
    packages.c.launch_path,
    packages.c.manifest_path,
    packages.c.file_size_bytes,
    packages.c.uploaded_by,
    packages.c.created_at,
    packages.c.updated_at,
    packages.c.revision,
    packages.c.failed_completes,
    packages.c.mastery_overrides_status,
)
_OF_TENANT = packages.c.tenant_id == param("tenant", tables.UUID)
_THE_PACKAGE = packages.c.package_id == param("package", tables.UUID)
_NEWEST_FIRST = (packages.c.created_at.desc(), packages.c.package_id.desc())
_LIMIT = param("limit", BigInteger())

_PAGE = statement(
    "packages.page",
    select(*_COLUMNS).where(_OF_TENANT).order_by(*_NEWEST_FIRST).limit(_LIMIT).offset(param("offset", BigInteger())),
    every(_package),
)
_PAGE_AFTER = statement(
    "packages.page_after",
    select(*_COLUMNS)
    .where(
        _OF_TENANT,
        tuple_(packages.c.created_at, packages.c.package_id)
        < tuple_(param("after_created_at", tables.TIME), param("after_package", tables.UUID)),
    )
    .order_by(*_NEWEST_FIRST)
    .limit(_LIMIT),
    every(_package),
)
_GET = statement(
    "packages.get", select(*_COLUMNS, packages.c.metadata).where(_OF_TENANT, _THE_PACKAGE), first(_package)
)
_REVISION = statement(
    "packages.revision",
    select(packages.c.revision).where(_OF_TENANT, _THE_PACKAGE),
    first(lambda row: int(row[0])),
)
_EXISTS = statement("packages.exists", select(literal_column("1", Integer())).where(_OF_TENANT, _THE_PACKAGE), any_row)
_INSERT = statement("packages.insert", insert(packages), nothing)
# Part of the change itself, so that nothing can come between judging and changing.
_MATCHES = or_(
    param("revisions", ARRAY(BigInteger())).is_(None),
    packages.c.revision == any_(param("revisions", ARRAY(BigInteger()))),
)
_NEW = {
    column: func.coalesce(param(f"new_{column.name}", column.type), column)
    for column in (packages.c.title, packages.c.failed_completes, packages.c.mastery_overrides_status)
}
_DIFFERS = or_(*(column != new for column, new in _NEW.items()))
_UPDATE = statement(
    "packages.update",
    update(packages)
    .values(
        {
            **_NEW,
            packages.c.revision: packages.c.revision + cast(_DIFFERS, Integer()),
            packages.c.updated_at: case((_DIFFERS, param("at", tables.TIME)), else_=packages.c.updated_at),
        }
    )
    .where(_OF_TENANT, _THE_PACKAGE, _MATCHES)
    .returning(*_COLUMNS, packages.c.metadata),
    first(_package),
)
_DELETE = statement(
    "packages.delete",
    delete(packages)
    .where(_OF_TENANT, _THE_PACKAGE, _MATCHES)
    .returning(packages.c.file_size_bytes + packages.c.expanded_bytes),
    first(lambda row: int(row[0])),
)


class PostgresPackages:
    """Keeps `server.services.ports.PackageStore`."""

    def page(self, *, tenant_id: UUID, limit: int, offset: int) -> Query[list[Package]]:
        """Newest first, without metadata."""
        return _PAGE.bind(tenant=tenant_id, limit=limit, offset=offset)

    def page_after(self, *, tenant_id: UUID, limit: int, after: PageKey) -> Query[list[Package]]:
        """As `page`, but what follows `after`."""
        return _PAGE_AFTER.bind(
            tenant=tenant_id, limit=limit, after_created_at=after.created_at, after_package=after.id
        )

    def get(self, *, tenant_id: UUID, package_id: UUID) -> Query[Package | None]:
        """With metadata."""
        return _GET.bind(tenant=tenant_id, package=package_id)

    def exists(self, *, tenant_id: UUID, package_id: UUID) -> Query[bool]:
        """Whether content of the package may be served."""
        return _EXISTS.bind(tenant=tenant_id, package=package_id)

    def insert(self, package: Package, *, manifest_json: str, expanded_bytes: int, file_count: int) -> Query[None]:
        """Makes the package visible. Raises ValueError where `package.metadata` is missing."""
        if package.metadata is None:
            raise ValueError("a package is stored with its metadata")
        return _INSERT.bind(
            tenant_id=package.tenant_id,
            package_id=package.id,
            title=package.title,
            version=package.version,
            schema_version=package.metadata.schema_version,
            launch_path=package.launch_path,
            manifest_path=package.manifest_path,
            file_size_bytes=package.file_size_bytes,
            expanded_bytes=expanded_bytes,
            file_count=file_count,
            uploaded_by=package.uploaded_by,
            metadata=json.dumps(dataclasses.asdict(package.metadata), ensure_ascii=False),
            manifest=manifest_json,
            revision=package.revision,
            created_at=package.created_at,
            updated_at=package.updated_at,
            failed_completes=package.settings.failed_completes,
            mastery_overrides_status=package.settings.mastery_overrides_status,
        )

    def revision(self, *, tenant_id: UUID, package_id: UUID) -> Query[int | None]:
        """The current one, or None if there is no such package."""
        return _REVISION.bind(tenant=tenant_id, package=package_id)

    def update(
        self, *, tenant_id: UUID, package_id: UUID, change: PackageChange, if_match: IfMatch, at: datetime
    ) -> Query[Package | None]:
        """Applies the change and answers the package with metadata; None if there is none of those revisions."""
        return _UPDATE.bind(
            tenant=tenant_id,
            package=package_id,
            new_title=change.title,
            new_failed_completes=change.failed_completes,
            new_mastery_overrides_status=change.mastery_overrides_status,
            revisions=_revisions(if_match),
            at=at,
        )

    def delete(self, *, tenant_id: UUID, package_id: UUID, if_match: IfMatch = ANY) -> Query[int | None]:
        """Deletes the row and answers the bytes stored for it, original and unpacked; None as `update`."""
        return _DELETE.bind(tenant=tenant_id, package=package_id, revisions=_revisions(if_match))


def _revisions(if_match: IfMatch) -> list[int] | None:
    return None if if_match.revisions is None else sorted(if_match.revisions)


def _metadata(stored: Mapping[str, Any]) -> PackageMetadata:
    """Undoes `dataclasses.asdict`. A field that is newer than the row has its default."""
    values = dict(stored)
    values["organizations"] = tuple(PackageOrganization(**entry) for entry in stored.get("organizations", ()))
    values["items"] = tuple(map(_item, stored.get("items", ())))
    values["warnings"] = tuple(stored.get("warnings", ()))
    return PackageMetadata(**values)


def _item(stored: Mapping[str, Any]) -> PackageItem:
    return PackageItem(**{**stored, "children": tuple(map(_item, stored.get("children", ())))})
