"""Uploading under an Idempotency-Key: the body may take an hour, and tells only at its end what it was."""

import asyncio
import logging
from dataclasses import dataclass, field
from uuid import UUID

from server.domain.errors import DomainError, IdempotencyConflict
from server.domain.idempotency import KeyedRequest
from server.domain.packages import Package
from server.services.idempotency import Claim, Idempotency
from server.services.upload_answers import package_of, streamed_fingerprint
from server.services.upload_ports import PackageSource
from server.services.uploads import Uploads

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotentUploads:
    """The use case of uploading as a POST reaches it."""

    uploads: Uploads
    idempotency: Idempotency
    _freeing: "set[asyncio.Task[None]]" = field(default_factory=set, init=False)

    async def upload(
        self,
        *,
        tenant_id: UUID,
        source: PackageSource,
        declared_bytes: int | None = None,
        request: KeyedRequest | None = None,
    ) -> tuple[Package, bool]:
        """The package, without metadata where it was there before, and whether it was.

        Raises IdempotencyConflict, and what `Uploads.upload` raises.
        """
        if request is None:
            return await self.uploads.upload(tenant_id=tenant_id, source=source, declared_bytes=declared_bytes), False
        found = await self.idempotency.find(tenant_id=tenant_id, request=request)
        if found is not None and found.facts is not None:
            await _drain(source, expected_bytes=found.facts["file_size_bytes"], expected=found.streamed_fingerprint)
            return package_of(found.facts, tenant_id=tenant_id), True
        claim = self.idempotency.new_claim(tenant_id=tenant_id, request=request)
        try:
            await self.idempotency.take(claim, request)
            package = await self.uploads.upload(
                tenant_id=tenant_id, source=source, declared_bytes=declared_bytes, claim=claim
            )
        except BaseException as error:
            freeing = asyncio.create_task(self._free(claim))
            self._freeing.add(freeing)
            freeing.add_done_callback(self._freeing.discard)
            if isinstance(error, Exception):
                # Free before the caller knows. One that was cancelled hears nothing any more.
                await asyncio.wait((freeing,))
            raise
        return package, False

    async def drain(self) -> None:
        """Waits until the keys of all uploads that failed are free."""
        while self._freeing:
            await asyncio.wait(self._freeing)

    async def _free(self, claim: Claim) -> None:
        try:
            await self.idempotency.release(claim)
        except DomainError:
            log.warning("a key is left to the end of its lease", exc_info=True)


async def _drain(source: PackageSource, *, expected_bytes: int, expected: bytes | None) -> None:
    """Reads a body that was stored before, to its end: only then a client over HTTP/1.1 reads the answer.

    Raises IdempotencyConflict where it is another, as soon as that is known.
    """
    received = 0
    async for chunk in source:
        received += len(chunk)
        if received > expected_bytes:
            raise IdempotencyConflict.another()
    if streamed_fingerprint(source, size_bytes=received) != expected:
        raise IdempotencyConflict.another()
