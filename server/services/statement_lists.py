"""Pages and totals of statements, as the other resources have them."""

import base64
import binascii
from dataclasses import dataclass
from uuid import UUID

from server.domain.errors import Faults, NotFound, ValidationFailed
from server.domain.xapi.keys import key
from server.domain.xapi.parameters import parse_position, parse_uuid
from server.domain.xapi.positions import FIRST, LAST
from server.services.packages import DEFAULT_LIMIT
from server.services.ports import Database, Query
from server.services.session_ports import Total
from server.services.statement_ports import StatementStore, StoredStatement, Window
from server.services.statements import Statements


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementQuery:
    """Filters as they were given; None is all."""

    statement_id: str | None = None
    verb: str | None = None
    activity: str | None = None
    registration: str | None = None
    since: str | None = None
    until: str | None = None
    cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementPage:
    """Some statements, how many there are in all, and where the next page begins (None: nowhere)."""

    statements: list[StoredStatement]
    total: Total
    page: int
    limit: int
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementLists:
    """Lists of the documented surface."""

    database: Database
    store: StatementStore
    statements: Statements

    async def find(
        self, query: StatementQuery, *, tenant_id: UUID, page: int | None, limit: int | None
    ) -> StatementPage:
        """The last stored first. Raises ValidationFailed with every faulty filter."""
        number, size = page or 1, limit or DEFAULT_LIMIT
        window, cursor, wanted = _read(query)
        if wanted is not None:
            found = await self._one(wanted, window, tenant_id)
            shown = found if number == 1 else []
            return StatementPage(statements=shown, total=Total(len(found)), page=number, limit=size, next_cursor=None)
        from_here = window if cursor is None else _before(window, cursor)
        rows, counted = await self.database.read(
            tenant_id,
            self.store.page(
                from_here, tenant_id=tenant_id, limit=size + 1, offset=0 if cursor is not None else (number - 1) * size
            ),
            self._total(query, window, tenant_id),
        )
        total = Total.bounded(counted) if _is_narrow(query) else Total(counted)
        next_cursor = format_cursor(rows[size - 1].position) if len(rows) > size else None
        return StatementPage(statements=rows[:size], total=total, page=number, limit=size, next_cursor=next_cursor)

    def _total(self, query: StatementQuery, window: Window, tenant_id: UUID) -> Query[int]:
        if _is_narrow(query):
            return self.store.total(window, tenant_id=tenant_id)
        found_by = window.keys[0] if window.keys else None
        assert not isinstance(found_by, tuple)
        return self.store.counted(found_by, tenant_id=tenant_id)

    async def _one(self, wanted: UUID, window: Window, tenant_id: UUID) -> list[StoredStatement]:
        """The statement of an id, if the other filters find it too."""
        try:
            found, _ = await self.statements.get(str(wanted), tenant_id=tenant_id)
        except NotFound:
            return []
        place = Window(
            keys=window.keys,
            after=max(window.after, found.position - 1),
            before=min(window.before, found.position + 1),
        )
        return await self.database.read(tenant_id, self.store.page(place, tenant_id=tenant_id, limit=1))


def _read(query: StatementQuery) -> tuple[Window, int | None, UUID | None]:
    """What the filters mean."""
    faults = Faults()
    statement_id = faults.of(lambda: parse_uuid("statementId", query.statement_id))
    registration = faults.of(lambda: parse_uuid("registration", query.registration))
    since = faults.of(lambda: parse_position("since", query.since, default=FIRST))
    until = faults.of(lambda: parse_position("until", query.until, default=LAST - 1))
    cursor = faults.of(lambda: None if query.cursor is None else parse_cursor(query.cursor))
    faults.refuse()
    keys = []
    if registration is not None:
        keys.append(key("registration", str(registration)))
    if query.activity is not None:
        keys.append(key("activity", query.activity))
    if query.verb is not None:
        keys.append(key("verb", query.verb))
    window = Window(keys=tuple(keys), after=since or FIRST, before=(until if until is not None else LAST - 1) + 1)
    return window, cursor, statement_id


def _is_narrow(query: StatementQuery) -> bool:
    """Whether there is no counter for what is asked for."""
    filters = (query.verb, query.activity)
    return sum(one is not None for one in filters) > 1 or any(
        one is not None for one in (query.registration, query.since, query.until)
    )


def _before(window: Window, cursor: int) -> Window:
    return Window(keys=window.keys, after=window.after, before=min(window.before, cursor))


def format_cursor(position: int) -> str:
    """An opaque name for a place in the store."""
    return base64.urlsafe_b64encode(position.to_bytes(8)).decode().rstrip("=")


def parse_cursor(text: str) -> int:
    """The place that `format_cursor` named. Raises ValidationFailed."""
    try:
        raw = base64.b64decode((text + "=").encode("ascii"), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        raw = b""
    if len(raw) != 8:
        raise ValidationFailed.of("cursor", "Must be a next_cursor of an earlier answer")
    return int.from_bytes(raw)
