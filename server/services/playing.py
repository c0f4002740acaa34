"""What players do: open a session, lead a learner from item to item, and store what courses set."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from server.domain.errors import Gone, NotFound
from server.domain.ids import new_id
from server.domain.sequencing.navigation import Delivery, NavigationRequest, RequestRefused, Sequencer
from server.domain.sessions.answers import Situation, situation
from server.domain.sessions.commits import Commit, Committed, apply_commit
from server.domain.sessions.course import Course
from server.domain.sessions.launches import (
    TakenOver,
    begin_launch,
    leave,
    open_item,
    open_launch,
    require_holder,
    suspend,
    taken_up,
)
from server.domain.sessions.model import ItemState, Launch, Session, Standing
from server.domain.sessions.statements import Change, Statement, Teller
from server.services.ports import Clock, Database, Transaction
from server.services.session_changes import Stores, course_of, store_change
from server.services.session_ports import RunLink, SessionLink, SessionSigner

# A course that was played offline may come back after weeks. What the address is good for, the session decides.
RUN_LIFETIME = timedelta(days=90)
WAITS, WAIT_SECONDS = 15, 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSession:
    """A session as its player sees it."""

    session: Session
    course: Course


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What a player shows next. `run_token` opens `item`, if there is one to show. `token` is a fresh link, if due."""

    session: Session
    launch_id: str
    situation: Situation
    item: str | None = None
    run_token: str | None = None
    token: str | None = None
    redirect_url: str | None = None
    is_over: bool = False


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
    """What a commit led to."""

    result: Committed
    situation: Situation


@dataclass(frozen=True, slots=True, kw_only=True)
class Playing:
    """The use cases of players, who show the token of a link for everything they do."""

    database: Database
    stores: Stores
    signer: SessionSigner
    sequencer: Sequencer
    teller: Teller
    clock: Clock

    async def open(self, *, token: str) -> OpenSession:
        """What a link opens; nothing changes. Raises NotFound and Gone."""
        link = self._read_link(token)
        session = await self.database.read(
            link.tenant_id, self.stores.sessions.get(tenant_id=link.tenant_id, session_id=link.session_id)
        )
        session = _still(session, link.issued_at)
        course = await self.stores.courses.get(tenant_id=session.tenant_id, package_id=session.package_id)
        if course is None:
            raise Gone("This course is no longer available")
        return OpenSession(session=session, course=course)

    async def begin(self, *, token: str) -> Played:
        """Begins a launch, or opens the one that the link was made with, and shows where to start.

        Raises NotFound and Gone.
        """
        link, now = self._read_link(token), self.clock.now()
        async with self.database.write(link.tenant_id) as transaction:
            session, items, latest = await self._locked(transaction, link)
            course = await course_of(self.stores, transaction, session)
            items = taken_up(session, items, course)
            if latest is not None and latest.opened_at is None and latest.number == link.launch:
                launched, launch = session, latest
            else:
                launched, launch = begin_launch(session, launch_id=new_id(now), at=now)
            opened, launch = open_launch(launched, launch, course=course, at=now)
            delivery = self.sequencer.start(course, situation(session, items, course, self.sequencer).progress)
            statements = self.teller.launched(opened, course, at=now)
            played = await self._deliver(
                transaction, session, opened, items, launch, delivery, course, statements, at=now
            )
        return replace(played, token=self._renewed(link, now))

    async def navigate(self, *, token: str, launch_id: str, request: NavigationRequest, target: str | None) -> Played:
        """Follows a request; one that is not valid now leaves the choice to the learner.

        Raises NotFound, Gone, and TakenOver.
        """
        link, now = self._read_link(token), self.clock.now()
        async with self.database.write(link.tenant_id) as transaction:
            session, items, _ = await self._locked(transaction, link)
            launch = await transaction.run(
                self.stores.launches.numbered(tenant_id=session.tenant_id, session_id=session.id, number=session.holder)
            )
            if launch is None or str(launch.id) != launch_id:
                raise TakenOver
            course = await course_of(self.stores, transaction, session)
            progress = situation(session, items, course, self.sequencer).progress
            try:
                delivery = self.sequencer.navigate(course, progress, request, target)
            except RequestRefused:
                delivery = Delivery()
            played = await self._deliver(transaction, session, session, items, launch, delivery, course, [], at=now)
        return replace(played, token=self._renewed(link, now))

    async def _deliver(
        self,
        transaction: Transaction,
        before: Session,
        session: Session,
        items: Mapping[str, ItemState],
        launch: Launch,
        delivery: Delivery,
        course: Course,
        statements: list[Statement],
        *,
        at: datetime,
    ) -> Played:
        item = None
        if delivery.item is not None:
            known = items.get(delivery.item, ItemState(id=delivery.item))
            begun = open_item(session, known, launch, course=course, others=_standings(items), at=at)
            session, item, launch = begun.session, begun.item, begun.launch
            items = {**items, item.id: item}
            change = Change(before=before, after=session, item_before=known, item_after=item, launch=launch)
            statements = [*statements, *self.teller.changed(change, course, at=at)]
        elif delivery.is_over:
            session = leave(session, suspends=delivery.is_suspended, at=at)
            left = items.get(session.current_item or "")
            item = suspend(left, course) if left is not None and delivery.is_suspended else None
        session = replace(session, revision=session.revision + 1, updated_at=at)
        await store_change(
            self.stores, transaction, before=before, after=session, item=item, launch=launch, statements=statements
        )
        return Played(
            session=session,
            launch_id=str(launch.id),
            situation=situation(session, items, course, self.sequencer),
            item=delivery.item,
            run_token=self._run_token(session, item, at) if item and delivery.item is not None else None,
            redirect_url=session.redirect_url,
            is_over=delivery.is_over,
        )

    def _run_token(self, session: Session, item: ItemState, at: datetime) -> str:
        return self.signer.sign_run(
            RunLink(
                tenant_id=session.tenant_id,
                package_id=session.package_id,
                session_id=session.id,
                launch=item.launch,
                run=item.run,
                item_id=item.id,
                issued_at=at,
                expires_at=at + RUN_LIFETIME,
            )
        )

    async def open_run(self, link: RunLink, session_id: UUID) -> Run:
        """What a run-time page begins with. Raises Gone, and TakenOver once the run is not the session's latest."""
        ids = {"tenant_id": link.tenant_id, "session_id": session_id}
        found, items = await self.database.read(
            link.tenant_id, self.stores.sessions.get(**ids), self.stores.items.all(**ids)
        )
        session = _still(found, link.issued_at)
        known = {item.id: item for item in items}
        item = known.get(link.item_id)
        require_holder(session, link.launch)
        if item is None or item.run != link.run:
            raise TakenOver
        course = await self.stores.courses.get(tenant_id=link.tenant_id, package_id=link.package_id)
        if course is None:
            raise Gone("This course is no longer available")
        return Run(session=session, item=item, situation=situation(session, known, course, self.sequencer), link=link)

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
            session = _still(found, link.issued_at)
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
        after = {name: ItemState(id=name, standing=one) for name, one in standings.items()}
        after[result.item.id] = result.item
        return CommitAnswer(result=result, situation=situation(result.session, after, course, self.sequencer))

    async def _locked(
        self, transaction: Transaction, link: SessionLink
    ) -> tuple[Session, Mapping[str, ItemState], Launch | None]:
        ids = {"tenant_id": link.tenant_id, "session_id": link.session_id}
        found, items, latest = await transaction.run_all(
            self.stores.sessions.lock(**ids), self.stores.items.all(**ids), self.stores.launches.latest(**ids)
        )
        return _still(found, link.issued_at), {item.id: item for item in items}, latest

    def _read_link(self, token: str) -> SessionLink:
        link = self.signer.read_session(token)
        if link is None:
            raise NotFound("This link is invalid")
        if link.expires_at <= self.clock.now():
            raise Gone("This link has expired")
        return link

    def _renewed(self, link: SessionLink, now: datetime) -> str | None:
        """A fresh link, once half the time of this one is over."""
        lifetime = link.expires_at - link.issued_at
        if link.expires_at - now > lifetime / 2:
            return None
        return self.signer.sign_session(replace(link, issued_at=now, expires_at=now + lifetime, launch=None))


def read_run(signer: SessionSigner, token: str, *, at: datetime) -> RunLink:
    """What the address of a run-time page says. Raises NotFound and Gone."""
    link = signer.read_run(token)
    if link is None:
        raise NotFound("This link is invalid")
    if link.expires_at <= at:
        raise Gone("This link has expired")
    return link


def _still(session: Session | None, issued_at: datetime) -> Session:
    """The session, if it is there and its links of that time are good."""
    if session is None:
        raise Gone("This course session is no longer available")
    if session.links_valid_from is not None and issued_at < session.links_valid_from:
        raise Gone("This link was revoked")
    return session


def _standings(items: Mapping[str, ItemState]) -> dict[str, Standing]:
    return {name: item.standing for name, item in items.items()}
