"""Creating, listing, reading, writing and deleting sessions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from uuid import UUID

from server.domain.errors import (
    Conflict,
    Faults,
    PackageNotFound,
    RevisionMismatch,
    SessionNotFound,
    ValidationFailed,
)
from server.domain.etags import ANY, format_etag, parse_if_match
from server.domain.idempotency import KeyedRequest
from server.domain.ids import new_id, parse_id
from server.domain.sessions.course import Course
from server.domain.sessions.launches import unlaunched
from server.domain.sessions.model import ItemState, Launch, Session
from server.domain.sessions.run_data import run_values
from server.domain.sessions.statements import Change, Teller
from server.domain.sessions.updates import SessionUpdate, apply_update, faults_of, target_of
from server.services.idempotency import Idempotency
from server.services.idempotency_ports import Facts
from server.services.packages import DEFAULT_LIMIT, format_cursor, parse_cursor
from server.services.ports import Clock, Database, PageKey, Transaction
from server.services.session_changes import Stores, course_of, hold_package, store_change
from server.services.session_ports import SessionFilter, Total

NO_FAULTS: Mapping[str, Iterable[str]] = {}
_NO_LAUNCH = "Must be the launch_id of a launch of this session"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionView:
    """A session with everything that is told of it. `items` are those that were opened or written, by id."""

    session: Session
    course: Course
    items: Mapping[str, ItemState]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPage:
    """Some sessions, how many there are in all, and where the next page begins (None: nowhere)."""

    sessions: list[Session]
    total: Total
    page: int
    limit: int
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSession:
    """Who is to learn what."""

    package_id: str
    user_id: str
    user_name: str | None = None
    new_attempt: bool = False
    redirect_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sessions:
    """The use cases of customers. What players do is in `server.services.playing`."""

    database: Database
    stores: Stores
    idempotency: Idempotency
    teller: Teller
    clock: Clock

    async def create(
        self, wanted: NewSession, *, tenant_id: UUID, request: KeyedRequest | None = None
    ) -> tuple[SessionView, bool, bool]:
        """The session, whether it is new, and whether it was asked for before.

        Raises PackageNotFound and IdempotencyConflict.
        """
        package_id = parse_id(wanted.package_id)
        if package_id is None:
            raise PackageNotFound

        async def work(transaction: Transaction) -> Facts:
            session, is_new = await self._find_or_make(transaction, wanted, tenant_id, package_id)
            return {"session_id": str(session.id), "is_new": is_new}

        outcome = await self.idempotency.once(tenant_id=tenant_id, request=request, work=work)
        try:
            view = await self.get(tenant_id=tenant_id, session_id=outcome.facts["session_id"])
        except SessionNotFound:
            raise Conflict("The session that this request made was deleted") from None
        return view, bool(outcome.facts["is_new"]), outcome.replayed

    async def _find_or_make(
        self, transaction: Transaction, wanted: NewSession, tenant_id: UUID, package_id: UUID
    ) -> tuple[Session, bool]:
        sessions = self.stores.sessions
        package = await transaction.run(sessions.hold_package(tenant_id=tenant_id, package_id=package_id))
        if package is None:
            raise PackageNotFound
        while True:
            latest = await transaction.run(
                sessions.latest(tenant_id=tenant_id, package_id=package_id, user_id=wanted.user_id)
            )
            if latest is not None and not wanted.new_attempt:
                return await self._refresh(transaction, latest, wanted), False
            now = self.clock.now()
            session = Session(
                id=new_id(now),
                tenant_id=tenant_id,
                package_id=package_id,
                user_id=wanted.user_id,
                user_name=wanted.user_name,
                attempt=latest.attempt + 1 if latest else 1,
                package=package,
                redirect_url=wanted.redirect_url,
                created_at=now,
                updated_at=now,
            )
            # Of several requests at once one makes the attempt; the others find it, or make the next.
            if await transaction.run(sessions.insert(session)):
                counted = sessions.count([(session.standing, 1)], tenant_id=tenant_id, package_id=package_id)
                await transaction.run(counted)
                return session, True

    async def _refresh(self, transaction: Transaction, latest: Session, wanted: NewSession) -> Session:
        """The latest attempt, with what the caller says of the learner now."""
        name, url = wanted.user_name or latest.user_name, wanted.redirect_url or latest.redirect_url
        if (name, url) == (latest.user_name, latest.redirect_url):
            return latest
        locked = await transaction.run(self.stores.sessions.lock(tenant_id=latest.tenant_id, session_id=latest.id))
        if locked is None:
            raise Conflict("The session was deleted meanwhile; try again")
        changed = replace(
            locked, user_name=name, redirect_url=url, revision=locked.revision + 1, updated_at=self.clock.now()
        )
        await transaction.run(self.stores.sessions.save(changed))
        return changed

    async def get(self, *, tenant_id: UUID, session_id: str) -> SessionView:
        """With every item. Raises SessionNotFound."""
        wanted = require_id(session_id)
        session, items = await self.database.read(
            tenant_id,
            self.stores.sessions.get(tenant_id=tenant_id, session_id=wanted),
            self.stores.items.all(tenant_id=tenant_id, session_id=wanted),
        )
        if session is None:
            raise SessionNotFound
        course = await self.stores.courses.get(tenant_id=tenant_id, package_id=session.package_id)
        if course is None:
            raise SessionNotFound
        return SessionView(session=session, course=course, items={item.id: item for item in items})

    async def list(
        self, wanted: SessionFilter, *, tenant_id: UUID, page: int | None, limit: int | None, cursor: str | None
    ) -> SessionPage:
        """Newest first. Raises ValidationFailed for a cursor that was not made here."""
        size, number = limit or DEFAULT_LIMIT, page or 1
        store = self.stores.sessions
        # One more than is shown tells whether there is a next page.
        if cursor:
            rows = store.page_after(wanted, tenant_id=tenant_id, limit=size + 1, after=parse_cursor(cursor))
        else:
            rows = store.page(wanted, tenant_id=tenant_id, limit=size + 1, offset=(number - 1) * size)
        total_query = store.total(wanted, tenant_id=tenant_id)
        if wanted.is_narrow:
            # Where there are none, no index would soon end the search for them.
            total = await self.database.read(tenant_id, total_query)
            found = await self.database.read(tenant_id, rows) if total.count else []
        else:
            found, total = await self.database.read(tenant_id, rows, total_query)
        shown = found[:size]
        has_more = len(found) > size
        next_cursor = format_cursor(PageKey(shown[-1].created_at, shown[-1].id)) if has_more else None
        return SessionPage(sessions=shown, total=total, page=number, limit=size, next_cursor=next_cursor)

    async def update(
        self,
        update: SessionUpdate,
        *,
        tenant_id: UUID,
        session_id: str,
        if_match: str | None,
        faults: Mapping[str, Iterable[str]] = NO_FAULTS,
    ) -> Session:
        """Applies the update. `if_match` is the header, `faults` is what is known to be wrong with the request.

        Raises SessionNotFound, ValidationFailed with all faults, and RevisionMismatch.
        """
        wanted = require_id(session_id)
        found = Faults(faults)
        condition = found.of(lambda: parse_if_match(if_match)) or ANY
        launch_id = found.of(lambda: _launch_id(update.launch_id))
        ids = {"tenant_id": tenant_id, "session_id": wanted}
        launches = self.stores.launches
        launch_query = launches.latest(**ids) if launch_id is None else launches.named(**ids, launch_id=launch_id)
        async with self.database.write(tenant_id) as transaction:
            session, items, launch = await transaction.run_all(
                self.stores.sessions.lock(**ids), self.stores.items.all(**ids), launch_query
            )
            if session is None:
                raise SessionNotFound
            if condition.revisions is not None and session.revision not in condition.revisions:
                raise RevisionMismatch(current_etag=format_etag(session.revision))
            if launch is None and launch_id is not None:
                found.add({"launch_id": [_NO_LAUNCH]})
            if launch_id is None and launch is not None and launch.opened_at is None and session.holder:
                # A link that nobody has opened yet: the learner is still in the launch before it.
                launch = await transaction.run(launches.numbered(**ids, number=session.holder))
            course = await course_of(self.stores, transaction, session)
            return await self._apply(transaction, update, session, course, items, launch, found)

    async def _apply(
        self,
        transaction: Transaction,
        update: SessionUpdate,
        session: Session,
        course: Course,
        items: Iterable[ItemState],
        launch: Launch | None,
        found: Faults,
    ) -> Session:
        now = self.clock.now()
        known = {item.id: item for item in items}
        target = found.of(lambda: target_of(update, session, course))
        item = known.get(target, ItemState(id=target)) if target is not None else None
        stored = run_values(session, item, course=course) if item else {}
        found.add(faults_of(update, stored, version=course.version))
        found.refuse()
        result = apply_update(
            session,
            item,
            launch or unlaunched(session, launch_id=new_id(now), at=now),
            update,
            course=course,
            others={name: one.standing for name, one in known.items() if name != target},
            at=now,
        )
        if result.session == session:
            return session
        change = Change(before=session, after=result.session, item_before=item, item_after=result.item)
        await store_change(
            self.stores,
            transaction,
            before=session,
            after=result.session,
            item=result.item if result.item != item else None,
            launch=result.launch if result.launch != launch and update.tells_time else None,
            statements=self.teller.changed(change, course, at=now),
        )
        return result.session

    async def delete(self, *, tenant_id: UUID, session_id: str, if_match: str | None) -> UUID:
        """Deletes it with all that belongs to it but statements. `if_match` is the header.

        Raises SessionNotFound, also when repeated, ValidationFailed, and RevisionMismatch.
        """
        wanted, condition = require_id(session_id), parse_if_match(if_match)
        ids = {"tenant_id": tenant_id, "session_id": wanted}
        async with self.database.write(tenant_id) as transaction:
            session = await transaction.run(self.stores.sessions.lock(**ids))
            if session is None:
                raise SessionNotFound
            await hold_package(self.stores, transaction, tenant_id=tenant_id, package_id=session.package_id)
            deleted = await transaction.run(self.stores.sessions.delete(**ids, if_match=condition))
            if deleted is None:
                raise RevisionMismatch(current_etag=format_etag(session.revision))
            await transaction.finish(
                self.stores.sessions.count([(deleted.standing, -1)], tenant_id=tenant_id, package_id=deleted.package_id)
            )
        return wanted


def require_id(text: str) -> UUID:
    """The id of a session. Raises SessionNotFound."""
    parsed = parse_id(text)
    if parsed is None:
        raise SessionNotFound
    return parsed


def _launch_id(text: str | None) -> UUID | None:
    if text is None:
        return None
    parsed = parse_id(text)
    if parsed is None:
        raise ValidationFailed.of("launch_id", _NO_LAUNCH)
    return parsed
