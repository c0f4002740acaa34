"""What the services need from the world, as promises. `server.storage` keeps them; tests may replace the clock only.

Reads and writes of the database are described as `Query` values, made by the stores and run by a `Database`:
one pipeline for a read, one transaction for a write.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO, Protocol, TypeVar, overload
from uuid import UUID

from server.domain.api_keys import ApiKey, KeyIdentity, Plan, Tenant, TenantUsage
from server.domain.etags import ANY, IfMatch
from server.domain.packages import Package, PackageChange
from server.domain.previews import Preview

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
A = TypeVar("A")
B = TypeVar("B")


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """The time, with time zone UTC."""
        ...


class Query(Protocol[T_co]):
    """One prepared statement with its parameters, and how its rows become a value. Made by a store, opaque here."""

    @property
    def result(self) -> type[T_co] | None:
        """Never used; carries the type."""
        ...


class Transaction(Protocol):
    """A running transaction. Everything in it is committed together or not at all."""

    async def run(self, query: Query[T]) -> T:
        """Runs one query. Raises DatabaseFailed, and Unavailable where Postgres cannot be reached."""
        ...

    async def run_all(self, *queries: Query[Any]) -> tuple[Any, ...]:
        """Runs queries one after the other in one round trip: what each answers."""
        ...

    async def finish(self, *queries: Query[Any]) -> None:
        """Runs queries and commits, in one round trip. Nothing may be run afterwards."""
        ...


class Database(Protocol):
    """Postgres as seen by one tenant at a time; row-level security hides all others."""

    @overload
    async def read(self, tenant_id: UUID, query: Query[A], /) -> A: ...
    @overload
    async def read(self, tenant_id: UUID, query: Query[A], second: Query[B], /) -> tuple[A, B]: ...

    def write(self, *tenant_ids: UUID) -> AbstractAsyncContextManager[Transaction]:
        """Opens a transaction that sees exactly these tenants. Leaving it by an exception rolls it back."""
        ...

    async def ping(self) -> bool:
        """Whether Postgres answers a query within a second. Never raises."""
        ...


class OperatorDatabase(Protocol):
    """Postgres as the operator role sees it: every tenant. Only the worker has it."""

    @overload
    async def read(self, query: Query[A], /) -> A: ...
    @overload
    async def read(self, query: Query[A], second: Query[B], /) -> tuple[A, B]: ...

    def write(self) -> AbstractAsyncContextManager[Transaction]:
        """Opens a transaction over all tenants."""
        ...


@dataclass(frozen=True, slots=True)
class PageKey:
    """The last row of a page, after which the next begins."""

    created_at: datetime
    id: UUID


class PackageStore(Protocol):
    """Rows of `packages`."""

    def page(self, *, tenant_id: UUID, limit: int, offset: int) -> Query[list[Package]]:
        """Newest first, without metadata."""
        ...

    def page_after(self, *, tenant_id: UUID, limit: int, after: PageKey) -> Query[list[Package]]:
        """As `page`, but what follows `after`."""
        ...

    def get(self, *, tenant_id: UUID, package_id: UUID) -> Query[Package | None]:
        """With metadata."""
        ...

    def exists(self, *, tenant_id: UUID, package_id: UUID) -> Query[bool]:
        """Whether content of the package may be served."""
        ...

    def insert(self, package: Package, *, manifest_json: str, expanded_bytes: int, file_count: int) -> Query[None]:
        """Makes the package visible. `package.metadata` must be there."""
        ...

    def revision(self, *, tenant_id: UUID, package_id: UUID) -> Query[int | None]:
        """The current one, or None if there is no such package."""
        ...

    def update(
        self, *, tenant_id: UUID, package_id: UUID, change: PackageChange, if_match: IfMatch, at: datetime
    ) -> Query[Package | None]:
        """Applies the change and answers the package with metadata; None if there is none of those revisions.

        Its revision and `updated_at` change only if something else does.
        """
        ...

    def delete(self, *, tenant_id: UUID, package_id: UUID, if_match: IfMatch = ANY) -> Query[int | None]:
        """Deletes the row and answers the bytes stored for it, original and unpacked; None as `update`."""
        ...


@dataclass(frozen=True, slots=True)
class StaleUpload:
    """An upload whose process stopped beating. Its files must go."""

    tenant_id: UUID
    package_id: UUID


class UploadStore(Protocol):
    """Rows of `uploads`: each stands for a prefix in storage that no package owns yet."""

    def begin(self, *, tenant_id: UUID, package_id: UUID, at: datetime) -> Query[None]:
        """Written before the first byte reaches storage."""
        ...

    def beat(self, *, tenant_id: UUID, package_id: UUID, at: datetime) -> Query[bool]:
        """Says that the upload goes on. False once clean-up has claimed it."""
        ...

    def finish(self, *, tenant_id: UUID, package_id: UUID) -> Query[bool]:
        """Removes the row in the transaction that makes the package visible. False once clean-up has claimed it."""
        ...

    def abandon(self, *, tenant_id: UUID, package_id: UUID) -> Query[None]:
        """Claims the row for clean-up: the upload failed."""
        ...

    def claim_stale(self, *, before: datetime, limit: int) -> Query[list[StaleUpload]]:
        """Claims uploads that last beat before `before`, and answers all that are claimed. Operator role."""
        ...

    def forget(self, *, tenant_id: UUID, package_id: UUID) -> Query[None]:
        """Removes a claimed row, once its prefix is empty. Operator role."""
        ...


class QuotaStore(Protocol):
    """Rows of `tenant_quotas`: limits and exact counters."""

    def charge_package(self, *, tenant_id: UUID, stored_bytes: int) -> Query[bool]:
        """One conditional UPDATE: counts a package of that size, or answers False and counts nothing."""
        ...

    def release_package(self, *, tenant_id: UUID, stored_bytes: int) -> Query[None]:
        """Takes a deleted package off."""
        ...

    def usage(self, *, tenant_id: UUID) -> Query[TenantUsage | None]:
        """Counters and limits. Also the exact total of packages."""
        ...


class SessionTotals(Protocol):
    """How many sessions there are. The rest of it is `server.services.session_ports.SessionStore`."""

    def forget_package(self, *, tenant_id: UUID, package_id: UUID) -> Query[None]:
        """Takes a deleted package's sessions from the totals, in the transaction that deletes it."""
        ...


class TenantStore(Protocol):
    """Rows of `tenants`, with their quotas. Operator role."""

    def insert(self, tenant: Tenant) -> Query[None]:
        """With an empty row of quotas."""
        ...

    def set_quota(
        self, *, tenant_id: UUID, package_limit: int | None, stored_bytes_limit: int | None
    ) -> Query[TenantUsage | None]:
        """Sets both; None is unlimited. Answers None if there is no such tenant."""
        ...

    def set_plan(self, *, tenant_id: UUID, plan: Plan) -> Query[Tenant | None]:
        """Answers None if there is no such tenant."""
        ...

    def usage(self, *, tenant_id: UUID | None) -> Query[list[TenantUsage]]:
        """Of one tenant or all, oldest first."""
        ...


class ApiKeyStore(Protocol):
    """Rows of `api_keys`."""

    def identity(self, *, tenant_id: UUID, key_id: UUID) -> Query[KeyIdentity | None]:
        """What authentication needs, with the tenant's plan. Revoked and expired keys too: the caller judges."""
        ...

    def touch(self, *, tenant_id: UUID, key_id: UUID, at: datetime) -> Query[None]:
        """Sets last_used_at, unless it was set within the minute before."""
        ...

    def insert(self, key: ApiKey, *, secret_hash: bytes) -> Query[bool]:
        """False if there is no such tenant. Operator role."""
        ...

    def list(self, *, tenant_id: UUID | None) -> Query[list[ApiKey]]:
        """Newest first. Operator role."""
        ...

    def revoke(self, *, key_id: UUID, at: datetime) -> Query[ApiKey | None]:
        """Sets revoked_at once; None if there is no such key. Operator role."""
        ...


class Jobs(Protocol):
    """Work for later, enqueued in the caller's transaction. Arguments hold ids, never secrets."""

    def delete_package_files(self, *, tenant_id: UUID, package_id: UUID) -> Query[None]:
        """Removes everything under the package's prefix, again and again until it is gone."""
        ...

    def import_package(self, *, tenant_id: UUID, import_job_id: UUID) -> Query[None]:
        """Runs an import. Of one tenant few run at once, so that others find room."""
        ...


@dataclass(frozen=True, slots=True)
class BlobInfo:
    """An object in the bucket."""

    name: str
    size_bytes: int
    content_type: str
    generation: int


class Blobs(Protocol):
    """The bucket. Blocking: call it from a thread. Raises Unavailable once its retries are used up."""

    def upload(
        self, name: str, source: BinaryIO, *, size_bytes: int | None, content_type: str, cache_control: str
    ) -> None:
        """Writes one object, all or nothing, replacing what was there. `size_bytes` None: until `source` ends.

        Memory stays flat whatever the size. `source` is read from where it stands; it must be seekable, for retries.
        """
        ...

    def download(self, name: str, into: BinaryIO) -> None:
        """Copies an object. Raises KeyError if there is none."""
        ...

    def list(self, prefix: str) -> Iterator[BlobInfo]:
        """Every object whose name starts with `prefix`, in order of name."""
        ...

    def delete_prefix(self, prefix: str) -> int:
        """Deletes every object under `prefix` and says how many. One that is gone already is no error."""
        ...

    def ping(self) -> bool:
        """Whether the bucket can be reached. Never raises."""
        ...


@dataclass(frozen=True, slots=True)
class SignedContent:
    """A token that opens a package's content, and when it stops."""

    token: str
    expires_at: datetime


class ContentSigner(Protocol):
    """Makes tokens that the gateway verifies."""

    def sign(self, *, tenant_id: UUID, package_id: UUID, now: datetime) -> SignedContent:
        """The same token within a clock hour, valid for 24 hours at least."""
        ...


class DownloadSigner(Protocol):
    """Makes tokens that the gateway verifies."""

    def sign(self, *, tenant_id: UUID, package_id: UUID, object_name: str, filename: str, expires_at: datetime) -> str:
        """Opens one object for as long as the package is there."""
        ...


class PreviewSigner(Protocol):
    """Makes tokens that the core reads again."""

    def sign(self, preview: Preview) -> str:
        """Everything is in the token: nothing is stored."""
        ...

    def read(self, token: str) -> Preview | None:
        """None unless it was signed here. It may have expired: the caller judges."""
        ...


def newest_first(packages: Sequence[Package]) -> PageKey | None:
    """The key of the last package of a page."""
    return PageKey(packages[-1].created_at, packages[-1].id) if packages else None
