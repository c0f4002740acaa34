"""The links that open sessions, and the launches that begin with them."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from server.domain.errors import SessionNotFound
from server.domain.idempotency import KeyedRequest
from server.domain.ids import new_id
from server.domain.sessions.launches import begin_launch
from server.services.idempotency import Idempotency
from server.services.idempotency_ports import Facts
from server.services.ports import Clock, Database, Transaction
from server.services.session_changes import Stores
from server.services.session_ports import SessionLink, SessionSigner
from server.services.sessions import require_id

LINK_LIFETIME = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedLink:
    """A link to a session, fresh."""

    token: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLinks:
    """The use cases of links."""

    database: Database
    stores: Stores
    idempotency: Idempotency
    signer: SessionSigner
    clock: Clock

    async def launch(
        self,
        *,
        tenant_id: UUID,
        session_id: str,
        expires_in_seconds: int | None,
        redirect_url: str | None,
        request: KeyedRequest | None = None,
    ) -> tuple[UUID, OpenedLink, bool]:
        """Begins a launch: its id, a link that opens it, and whether it was asked for before.

        Raises SessionNotFound and IdempotencyConflict.
        """
        wanted = require_id(session_id)
        ids = {"tenant_id": tenant_id, "session_id": wanted}

        async def work(transaction: Transaction) -> Facts:
            session = await transaction.run(self.stores.sessions.lock(**ids))
            if session is None:
                raise SessionNotFound
            now = self.clock.now()
            after, launch = begin_launch(session, launch_id=new_id(now), at=now)
            after = replace(after, redirect_url=redirect_url or after.redirect_url, revision=after.revision + 1)
            await transaction.run_all(self.stores.sessions.save(after), self.stores.launches.save(launch, **ids))
            return {"launch_id": str(launch.id), "number": launch.number}

        outcome = await self.idempotency.once(tenant_id=tenant_id, request=request, work=work)
        lifetime = timedelta(seconds=expires_in_seconds) if expires_in_seconds else LINK_LIFETIME
        link = self.link(tenant_id=tenant_id, session_id=wanted, launch=outcome.facts["number"], lifetime=lifetime)
        return UUID(outcome.facts["launch_id"]), link, outcome.replayed

    async def revoke(
        self, *, tenant_id: UUID, session_id: str, request: KeyedRequest | None = None
    ) -> tuple[UUID, bool]:
        """Voids every link that was made so far: the session's id, and whether it was asked for before.

        Raises SessionNotFound and IdempotencyConflict.
        """
        wanted = require_id(session_id)

        async def work(transaction: Transaction) -> Facts:
            session = await transaction.run(self.stores.sessions.lock(tenant_id=tenant_id, session_id=wanted))
            if session is None:
                raise SessionNotFound
            now = self.clock.now()
            after = replace(session, links_valid_from=now, revision=session.revision + 1, updated_at=now)
            await transaction.run(self.stores.sessions.save(after))
            return {}

        outcome = await self.idempotency.once(tenant_id=tenant_id, request=request, work=work)
        return wanted, outcome.replayed

    def link(
        self,
        *,
        tenant_id: UUID,
        session_id: UUID,
        launch: int | None = None,
        lifetime: timedelta = LINK_LIFETIME,
    ) -> OpenedLink:
        """A fresh link to a session."""
        now = self.clock.now()
        expires_at = now.replace(microsecond=0) + lifetime
        link = SessionLink(
            tenant_id=tenant_id, session_id=session_id, issued_at=now, expires_at=expires_at, launch=launch
        )
        return OpenedLink(token=self.signer.sign_session(link), expires_at=expires_at)
