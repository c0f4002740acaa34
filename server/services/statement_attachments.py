"""Attachments of statements: in the bucket, once for each content, under its hash (xAPI 1.0.3 Part Two 2.4.11)."""

import asyncio
import hashlib
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from server.domain.errors import ValidationFailed
from server.domain.xapi.signatures import is_signature
from server.services.ports import Blobs, Database, Query

# All that one answer may hold of attachments; what is beyond it is left out.
MOST_BYTES = 24 * 1024 * 1024
_FAMILY = {56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512"}


@dataclass(frozen=True, slots=True)
class SentFile:
    """An attachment that came with statements."""

    content_type: str
    content: bytes


class HasValue(Protocol):
    """Whatever has a statement's value."""

    @property
    def value(self) -> dict[str, Any]:
        """The statement."""
        ...


class AttachmentStore(Protocol):
    """Rows of `statement_attachments`."""

    def add(self, sizes: Mapping[str, int], *, tenant_id: UUID, at: datetime) -> Query[None]:
        """Says which are in the bucket: sizes by hash, in hex."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachments:
    """`check_signature` judges a signed statement: its value and the signature."""

    database: Database
    store: AttachmentStore
    blobs: Blobs
    check_signature: Callable[[dict[str, Any], bytes], None]

    async def check(self, sent: Sequence[HasValue], files: Mapping[str, SentFile]) -> None:
        """Raises ValidationFailed unless each attachment has a file or a URL, each file an attachment, and signatures
        hold.
        """
        told = {hash_of(one): one for statement in sent for one in _attachments(statement.value)}
        for digest, file in files.items():
            if digest not in told:
                raise ValidationFailed.of("attachments", f"No attachment has the hash {digest} of a file that was sent")
            # FIPS 180-2: which of the SHA-2 family it is, its length says.
            if hashlib.new(_FAMILY[len(digest)], file.content).hexdigest() != digest:
                raise ValidationFailed.of("attachments", f"The file does not have the hash {digest}")
        for digest, one in told.items():
            if digest not in files and "fileUrl" not in one:
                raise ValidationFailed.of("attachments", f"The file of the attachment {digest} was not sent")
        for statement in sent:
            for one in _attachments(statement.value):
                if is_signature(one):
                    self._check_signature(statement.value, files.get(hash_of(one)))

    def _check_signature(self, value: dict[str, Any], file: SentFile | None) -> None:
        # xAPI 1.0.3 Part Two 2.6.
        if file is None:
            raise ValidationFailed.of("attachments", "The signature was not sent")
        self.check_signature(value, file.content)

    async def keep(self, files: Mapping[str, SentFile], *, tenant_id: UUID, at: datetime) -> None:
        """Puts files into the bucket. What is there already stays."""
        if not files:
            return
        await asyncio.gather(*(asyncio.to_thread(self._put, tenant_id, digest, file) for digest, file in files.items()))
        sizes = {digest: len(file.content) for digest, file in files.items()}
        async with self.database.write(tenant_id) as transaction:
            await transaction.finish(self.store.add(sizes, tenant_id=tenant_id, at=at))

    def _put(self, tenant_id: UUID, digest: str, file: SentFile) -> None:
        self.blobs.upload(
            object_name(tenant_id, digest),
            io.BytesIO(file.content),
            size_bytes=len(file.content),
            content_type="application/octet-stream",
            cache_control="private, no-store",
        )

    async def fetch(self, values: Iterable[dict[str, Any]], *, tenant_id: UUID) -> dict[str, SentFile]:
        """The files of statements' attachments that are in the bucket, by hash."""
        wanted = {hash_of(one): one for value in values for one in _attachments(value)}
        found: dict[str, SentFile] = {}
        left = MOST_BYTES
        for digest, one in wanted.items():
            content = await asyncio.to_thread(self._get, tenant_id, digest)
            if content is not None and len(content) <= left:
                left -= len(content)
                found[digest] = SentFile(str(one.get("contentType", "application/octet-stream")), content)
        return found

    def _get(self, tenant_id: UUID, digest: str) -> bytes | None:
        into = io.BytesIO()
        try:
            self.blobs.download(object_name(tenant_id, digest), into)
        except KeyError:
            return None
        return into.getvalue()


def object_name(tenant_id: UUID, digest: str) -> str:
    """Where a file is in the bucket."""
    return f"tenants/{tenant_id}/attachments/{digest}"


def hash_of(attachment: Mapping[str, Any]) -> str:
    """Its SHA-2 in lower-case hex."""
    return str(attachment["sha2"]).lower()


def _attachments(statement: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = list(statement.get("attachments", ()))
    inner = statement.get("object")
    if isinstance(inner, dict) and inner.get("objectType") == "SubStatement":
        found += inner.get("attachments", ())
    return found
