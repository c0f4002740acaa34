"""A hosted course package."""

import unicodedata
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from server.domain.errors import ValidationFailed

MAX_TITLE_LENGTH = 500
MAX_STEM_BYTES = 120
_NOT_IN_NAMES = frozenset('\\/:*?"<>|')


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
class PackageSettings:
    """How sessions of a package judge.

    `failed_completes`: whoever failed has completed too. `mastery_overrides_status`: a SCORM 1.2 score against the
    mastery score decides passed or failed, whatever status the course has set.
    """

    failed_completes: bool = True
    mastery_overrides_status: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageChange:
    """What is to become of a package; None leaves a field as it is."""

    title: str | None = None
    failed_completes: bool | None = None
    mastery_overrides_status: bool | None = None

    def checked(self) -> "PackageChange":
        """With the title trimmed. Raises ValidationFailed."""
        if self.title is None:
            return self
        title = self.title.strip()
        if any(unicodedata.category(character) == "Cc" for character in title):
            raise ValidationFailed.of("title", "Must not contain control characters")
        if not 1 <= len(title) <= MAX_TITLE_LENGTH:
            raise ValidationFailed.of(
                "title", f"Must have 1 to {MAX_TITLE_LENGTH} characters, blanks around not counted"
            )
        return replace(self, title=title)


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
    settings: PackageSettings = PackageSettings()
    metadata: PackageMetadata | None = field(default=None)


def download_name(title: str) -> str:
    """A name for the package's file that every system takes, made of its title: at most 120 bytes of UTF-8 and `.zip`.

    Not printable counts as a blank; so no name has a control character or a mark that changes the direction of text.
    """
    plain = "".join(
        character if character.isprintable() and character not in _NOT_IN_NAMES else " "
        for character in unicodedata.normalize("NFC", title)
    )
    stem = " ".join(plain.split()).encode()[:MAX_STEM_BYTES].decode(errors="ignore").strip(" .")
    return f"{stem or 'package'}.zip"


def storage_prefix(tenant_id: UUID, package_id: UUID) -> str:
    """Where everything of a package lies in the bucket, without a slash at the end."""
    return f"tenants/{tenant_id}/packages/{package_id}"


def content_prefix(tenant_id: UUID, package_id: UUID) -> str:
    """Where the files lie that learners may see."""
    return f"{storage_prefix(tenant_id, package_id)}/content"


def original_name(tenant_id: UUID, package_id: UUID) -> str:
    """The object that is the file as it was uploaded."""
    return f"{storage_prefix(tenant_id, package_id)}/original.zip"
