"""What players do: open a session, lead a learner from item to item, and store what courses set."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from server.domain.errors import Gone, NotFound
from server.domain.ids import new_id
from server.domain.sequencing.navigation import Delivery, NavigationRequest, RequestRefused, Sequencer
from server.domain.sessions.answers import Situation, situation
from server.domain.sessions.course import Course
from server.domain.sessions.launches import (
    HeldMeanwhile,
    TakenOver,
    begin_launch,
    leave,
    open_item,
    open_launch,
    suspend,
    taken_up,
)
from server.domain.sessions.model import ItemState, Launch, Session, Standing
from server.domain.sessions.statements import Change, Teller
from server.services.ports import Clock, Database, Transaction
from server.services.session_changes import Stores, course_of, store_change
from server.services.session_ports import RunLink, SessionLink, SessionSigner

# A course that was played offline may come back after weeks. What the address is good for, the session decides.
RUN_LIFETIME = timedelta(days=90)


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
class Step:
    """What a decision is carried out upon. `before` is the session as it is stored."""

    before: Session
    session: Session
    launch: Launch
    standings: Mapping[str, Standing]
    course: Course


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
        session = still_there(session, link.issued_at)
        course = await self.stores.courses.get(tenant_id=session.tenant_id, package_id=session.package_id)
        if course is None:
            raise Gone("This course is no longer available")
        return OpenSession(session=session, course=course)

    async def begin(self, *, token: str, holder: int | None = None) -> Played:
        """Begins a launch, or opens the one that the link was made with, and shows where to start.

        `holder` is the number of the launch that held the session when the player was opened. Raises NotFound, Gone,
        and HeldMeanwhile if it is another one by now.
        """
        link, now = self._read_link(token), self.clock.now()
        async with self.database.write(link.tenant_id) as transaction:
            session, standings, latest = await self._locked(transaction, link)
            if holder is not None and holder != session.holder:
                raise HeldMeanwhile(session.holder)
            course = await course_of(self.stores, transaction, session)
            if latest is not None and latest.opened_at is None and latest.number == link.launch:
                launched, launch = session, latest
            else:
                launched, launch = begin_launch(session, launch_id=new_id(now), at=now)
            opened, launch = open_launch(launched, launch, course=course, at=now)
            delivery = self.sequencer.start(course, situation(session, standings, course, self.sequencer).progress)
            step = Step(before=session, session=opened, launch=launch, standings=standings, course=course)
            played = await self._deliver(transaction, step, delivery, at=now, begins=True)
        return replace(played, token=self._renewed(link, now))

    async def navigate(self, *, token: str, launch_id: str, request: NavigationRequest, target: str | None) -> Played:
        """Follows a request; one that is not valid now leaves the choice to the learner.

        A link whose time is over still serves the launch that holds the session. Raises NotFound, Gone, and TakenOver.
        """
        link, now = self._read_link(token, in_use=True), self.clock.now()
        async with self.database.write(link.tenant_id) as transaction:
            session, standings, _ = await self._locked(transaction, link)
            ids = {"tenant_id": session.tenant_id, "session_id": session.id}
            launch = await transaction.run(self.stores.launches.numbered(**ids, number=session.holder))
            if launch is None or str(launch.id) != launch_id:
                raise expired() if link.expires_at <= now else TakenOver
            course = await course_of(self.stores, transaction, session)
            progress = situation(session, standings, course, self.sequencer).progress
            try:
                delivery = self.sequencer.navigate(course, progress, request, target)
            except RequestRefused:
                delivery = Delivery()
            step = Step(before=session, session=session, launch=launch, standings=standings, course=course)
            played = await self._deliver(transaction, step, delivery, at=now)
        return replace(played, token=self._renewed(link, now))

    async def _deliver(
        self, transaction: Transaction, step: "Step", delivery: Delivery, *, at: datetime, begins: bool = False
    ) -> Played:
        """Does what was decided, and stores it."""
        change = Change(before=step.before, after=step.session, launch=step.launch)
        if delivery.item is not None:
            change = await self._open(transaction, step, delivery.item, at=at, begins=begins)
        elif delivery.is_over:
            change = await self._leave(transaction, step, suspends=delivery.is_suspended, at=at)
        session = replace(change.after, revision=step.session.revision + 1, updated_at=at)
        item, shown = change.item_after, delivery.item
        launched = self.teller.launched(session, step.course, at=at) if begins else []
        told = self.teller.changed(replace(change, after=session), step.course, at=at) if shown is not None else []
        await store_change(
            self.stores,
            transaction,
            before=step.before,
            after=session,
            item=item,
            launch=change.launch,
            statements=[*launched, *told],
        )
        standings = {**step.standings, item.id: item.standing} if item is not None else step.standings
        return Played(
            session=session,
            launch_id=str(step.launch.id),
            situation=situation(session, standings, step.course, self.sequencer),
            item=shown,
            run_token=self._run_token(session, item, at) if item is not None and shown is not None else None,
            redirect_url=session.redirect_url,
            is_over=delivery.is_over,
        )

    async def _open(
        self, transaction: Transaction, step: "Step", item_id: str, *, at: datetime, begins: bool
    ) -> Change:
        known = await self._item(transaction, step.before, item_id) or ItemState(id=item_id)
        found = taken_up(step.before, known, step.course) if begins else known
        begun = open_item(step.session, found, step.launch, course=step.course, others=step.standings, at=at)
        return Change(
            before=step.before, after=begun.session, item_before=known, item_after=begun.item, launch=begun.launch
        )

    async def _leave(self, transaction: Transaction, step: "Step", *, suspends: bool, at: datetime) -> Change:
        left = leave(step.session, suspends=suspends, at=at)
        item = None if left.is_over else await self._item(transaction, left, left.current_item or "")
        suspended = suspend(item, step.course) if item is not None else None
        return Change(before=step.before, after=left, item_before=item, item_after=suspended, launch=step.launch)

    async def _item(self, transaction: Transaction, session: Session, item_id: str) -> ItemState | None:
        ids = {"tenant_id": session.tenant_id, "session_id": session.id}
        return await transaction.run(self.stores.items.get(**ids, item_id=item_id))

    async def _locked(
        self, transaction: Transaction, link: SessionLink
    ) -> tuple[Session, Mapping[str, Standing], Launch | None]:
        ids = {"tenant_id": link.tenant_id, "session_id": link.session_id}
        found, standings, latest = await transaction.run_all(
            self.stores.sessions.lock(**ids), self.stores.items.standings(**ids), self.stores.launches.latest(**ids)
        )
        return still_there(found, link.issued_at), standings, latest

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

    def _read_link(self, token: str, *, in_use: bool = False) -> SessionLink:
        """What a link says. One that is `in_use` holds the session, and goes on doing so when its time is over."""
        link = self.signer.read_session(token)
        if link is None:
            raise NotFound("This link is invalid")
        if link.expires_at <= self.clock.now() and not in_use:
            raise expired()
        return link

    def _renewed(self, link: SessionLink, now: datetime) -> str:
        """A fresh link, for as long as the first was good."""
        lifetime = link.expires_at - link.issued_at
        return self.signer.sign_session(replace(link, issued_at=now, expires_at=now + lifetime, launch=None))


def expired() -> Gone:
    """What to raise for a link whose time is over."""
    return Gone("This link has expired")


def still_there(session: Session | None, issued_at: datetime) -> Session:
    """The session, if it is there and its links of that time are good."""
    if session is None:
        raise Gone("This course session is no longer available")
    if session.links_valid_from is not None and issued_at < session.links_valid_from:
        raise Gone("This link was revoked")
    return session
