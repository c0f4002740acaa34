"""A hosted course package."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageOrganization:
    """One organization of a manifest; exactly one of a package is the default."""

    identifier: str
    title: str
    default: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageItem:
    """A node of the table of contents. `href` and `scorm_type` ("sco" or "asset") are None for a mere group."""

    identifier: str
    title: str
    href: str | None
    scorm_type: str | None
    visible: bool
    children: tuple["PackageItem", ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageMetadata:
    """What the API tells of a manifest. `schema_version` is "1.2" or "2004 2nd|3rd|4th Edition"."""

    description: str
    sco_count: int
    schema_version: str
    organizations: tuple[PackageOrganization, ...] = ()
    items: tuple[PackageItem, ...] = ()
    mastery_score: float | None = None
    language: str | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package as it is stored.

    `launch_path` and `manifest_path` are relative to the package's content, the former with query and fragment and
    already percent-encoded as a URL. `version` is "1.2" or "2004". `metadata` is None where it was not asked for.
    `revision` counts changes from 1.
    """

    id: UUID
    tenant_id: UUID
    title: str
    version: str
    launch_path: str
    manifest_path: str
    file_size_bytes: int
    uploaded_by: str | None
    created_at: datetime
    updated_at: datetime
    revision: int = 1
    metadata: PackageMetadata | None = field(default=None)


def storage_prefix(tenant_id: UUID, package_id: UUID) -> str:
    """Where everything of a package lies in the bucket, without a slash at the end."""
    return f"tenants/{tenant_id}/packages/{package_id}"


def content_prefix(tenant_id: UUID, package_id: UUID) -> str:
    """Where the files lie that learners may see."""
    return f"{storage_prefix(tenant_id, package_id)}/content"


def original_name(tenant_id: UUID, package_id: UUID) -> str:
    """The object that is the file as it was uploaded."""
    return f"{storage_prefix(tenant_id, package_id)}/original.zip"
