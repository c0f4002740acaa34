"""Previews: links to look at a package without a session. Nothing of them is recorded."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from server.domain.errors import Gone, NotFound
from server.domain.idempotency import KeyedRequest
from server.domain.packages import Package
from server.domain.previews import Preview
from server.services.idempotency import Idempotency
from server.services.idempotency_ports import Facts
from server.services.packages import Packages
from server.services.ports import Clock, PreviewSigner, Transaction

DEFAULT_SECONDS = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Previews:
    """The use cases of previews."""

    packages: Packages
    idempotency: Idempotency
    signer: PreviewSigner
    clock: Clock

    async def create(
        self,
        *,
        tenant_id: UUID,
        package_id: str,
        expires_in_seconds: int | None,
        redirect_url: str | None,
        request: KeyedRequest | None = None,
    ) -> tuple[Preview, str, bool]:
        """A preview, its token, and whether it was asked for before; its time begins now all the same.

        Raises PackageNotFound and IdempotencyConflict.
        """

        async def find(transaction: Transaction) -> Facts:
            found = await self.packages.require(transaction, tenant_id=tenant_id, package_id=package_id)
            return {"package_id": str(found)}

        outcome = await self.idempotency.once(tenant_id=tenant_id, request=request, work=find)
        # Whole seconds, as a token tells them.
        now = self.clock.now().replace(microsecond=0)
        preview = Preview(
            tenant_id=tenant_id,
            package_id=UUID(outcome.facts["package_id"]),
            expires_at=now + timedelta(seconds=expires_in_seconds or DEFAULT_SECONDS),
            redirect_url=redirect_url,
        )
        return preview, self.signer.sign(preview), outcome.replayed

    async def open(self, *, token: str) -> tuple[Preview, Package]:
        """What a token allows to look at. Raises NotFound where it is none of ours, Gone where its time is over."""
        preview = self.signer.read(token)
        if preview is None:
            raise NotFound("This preview link is invalid")
        if preview.expires_at <= self.clock.now():
            raise Gone("This preview link has expired")
        package = await self.packages.find(tenant_id=preview.tenant_id, package_id=preview.package_id)
        if package is None:
            raise Gone("The course of this preview link is no longer available")
        return preview, package
