"""What run-time pages do: open, and store what courses set."""

import asyncio
from dataclasses import dataclass
from uuid import UUID

from server.domain.errors import Gone, NotFound
from server.domain.sequencing.navigation import Sequencer
from server.domain.sessions.answers import Situation, situation
from server.domain.sessions.commits import Commit, Committed, apply_commit
from server.domain.sessions.launches import TakenOver, require_holder
from server.domain.sessions.model import ItemState, Session
from server.domain.sessions.statements import Change, Teller
from server.services.playing import expired, still_there
from server.services.ports import Clock, Database
from server.services.session_changes import Stores, course_of, store_change
from server.services.session_ports import RunLink, SessionSigner

WAITS, WAIT_SECONDS = 15, 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """An item that is being played. `recording` False: a preview."""

    session: Session
    item: ItemState
    situation: Situation
    link: RunLink
    recording: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitAnswer:
    """What a commit led to. `situation` is None where the learner's is what it was."""

    result: Committed
    situation: Situation | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """The use cases of run-time pages, who show the token that is their address."""

    database: Database
    stores: Stores
    signer: SessionSigner
    sequencer: Sequencer
    teller: Teller
    clock: Clock

    def read(self, token: str) -> RunLink:
        """What the address of a run-time page says. Raises NotFound and Gone."""
        link = self.signer.read_run(token)
        if link is None:
            raise NotFound("This link is invalid")
        if link.expires_at <= self.clock.now():
            raise expired()
        return link

    async def open(self, link: RunLink, session_id: UUID) -> Run:
        """What a run-time page begins with. Raises Gone, and TakenOver once the run is not the session's latest."""
        ids = {"tenant_id": link.tenant_id, "session_id": session_id}
        found, item = await self.database.read(
            link.tenant_id, self.stores.sessions.get(**ids), self.stores.items.get(**ids, item_id=link.item_id)
        )
        session = still_there(found, link.issued_at)
        require_holder(session, link.launch)
        if item is None or item.run != link.run:
            raise TakenOver
        standings = await self.database.read(link.tenant_id, self.stores.items.standings(**ids))
        course = await self.stores.courses.get(tenant_id=link.tenant_id, package_id=link.package_id)
        if course is None:
            raise Gone("This course is no longer available")
        return Run(
            session=session, item=item, situation=situation(session, standings, course, self.sequencer), link=link
        )

    async def commit(self, commit: Commit, *, link: RunLink, session_id: UUID) -> CommitAnswer:
        """Stores a commit. Raises Gone, and TakenOver once a newer launch holds the session.

        One that overtook what it is based on, in a browser that is going away, is tried again for a moment.
        """
        for _ in range(WAITS if commit.waits else 0):
            answer = await self._commit(commit, link=link, session_id=session_id)
            if answer.result.resend_from is None:
                return answer
            await asyncio.sleep(WAIT_SECONDS)
        return await self._commit(commit, link=link, session_id=session_id)

    async def _commit(self, commit: Commit, *, link: RunLink, session_id: UUID) -> CommitAnswer:
        ids = {"tenant_id": link.tenant_id, "session_id": session_id}
        now = self.clock.now()
        async with self.database.write(link.tenant_id) as transaction:
            found, item, standings, launch = await transaction.run_all(
                self.stores.sessions.lock(**ids),
                self.stores.items.get(**ids, item_id=link.item_id),
                self.stores.items.standings(**ids),
                self.stores.launches.numbered(**ids, number=link.launch),
            )
            session = still_there(found, link.issued_at)
            if item is None or launch is None:
                raise TakenOver
            course = await course_of(self.stores, transaction, session)
            result = apply_commit(session, item, launch, commit, course=course, others=standings, at=now)
            if result.changed:
                change = Change(
                    before=session, after=result.session, item_before=item, item_after=result.item, launch=result.launch
                )
                await store_change(
                    self.stores,
                    transaction,
                    before=session,
                    after=result.session,
                    item=result.item,
                    launch=result.launch if result.launch != launch else None,
                    statements=self.teller.changed(change, course, at=now),
                )
        if result.item.standing == item.standing and result.session.standing == session.standing:
            return CommitAnswer(result=result, situation=None)
        after = {**standings, result.item.id: result.item.standing}
        return CommitAnswer(result=result, situation=situation(result.session, after, course, self.sequencer))
