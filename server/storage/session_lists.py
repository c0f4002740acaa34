"""Lists of sessions: pages by every combination of filters, totals, and the counting that keeps them exact."""

from collections.abc import Sequence
from itertools import product
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Integer,
    Select,
    Text,
    column,
    delete,
    func,
    insert,
    literal_column,
    select,
    true,
    tuple_,
    union_all,
)
from sqlalchemy.dialects import postgresql

from server.domain.sessions.model import Session, Standing
from server.services.ports import PageKey, Query
from server.services.session_ports import MOST_COUNTED, SessionFilter, Total
from server.storage import tables
from server.storage.session_rows import OWN_COLUMNS, PACKAGE_COLUMNS, session_of
from server.storage.sessions import PostgresSessionRows
from server.storage.sql import Statement, every, nothing, param, statement
from server.storage.tables import packages, session_count_changes, session_counts, sessions

# The row of all packages together.
ALL_PACKAGES = UUID(int=0)

# One package for each session, and never the sessions of each package: of a join the planner believes that it has far
# fewer rows than it does, and sorts a million sessions for a page far behind. OFFSET 0 keeps it from making one of it.
_package = (
    select(*PACKAGE_COLUMNS)
    .where(
        packages.c.tenant_id == param("tenant", tables.UUID),
        packages.c.package_id == sessions.c.package_id,
    )
    .offset(literal_column("0"))
    .lateral("package")
)
_OF_TENANT = sessions.c.tenant_id == param("tenant", tables.UUID)

_FILTERS: dict[str, ColumnElement[bool]] = {
    "package": sessions.c.package_id == param("package", tables.UUID),
    "user": sessions.c.user_id == param("user", Text()),
    "completion": sessions.c.completion_status == param("completion", Text()),
    "success": sessions.c.success_status == param("success", Text()),
}
_NEWEST_FIRST = (sessions.c.created_at.desc(), sessions.c.session_id.desc())
_AFTER = tuple_(sessions.c.created_at, sessions.c.session_id) < tuple_(
    param("after_created_at", tables.TIME), param("after_session", tables.UUID)
)
_LIMIT, _OFFSET = param("limit", BigInteger()), param("offset", BigInteger())
_Given = frozenset[str]


def _given(wanted: SessionFilter) -> dict[str, Any]:
    """The filters that are there, as parameters."""
    found = {
        "package": wanted.package_id,
        "user": wanted.user_id,
        "completion": wanted.completion and wanted.completion.value,
        "success": wanted.success and wanted.success.value,
    }
    return {name: value for name, value in found.items() if value is not None}


def _combinations() -> list[_Given]:
    choices = product((False, True), repeat=len(_FILTERS))
    return [frozenset(name for name, there in zip(_FILTERS, one, strict=True) if there) for one in choices]


def _named(prefix: str, given: _Given) -> str:
    return ".".join(["sessions", "_".join([prefix, *(f"of_{name}" for name in _FILTERS if name in given)])])


def _select(given: _Given) -> Select[Any]:
    found = select(*OWN_COLUMNS, *_package.c).select_from(sessions.join(_package, true()))
    return found.where(_OF_TENANT, *(_FILTERS[name] for name in given))


def _page(given: _Given) -> Statement[list[Session]]:
    page = _select(given).order_by(*_NEWEST_FIRST).limit(_LIMIT).offset(_OFFSET)
    return statement(_named("page", given), page, every(session_of))


def _page_after(given: _Given) -> Statement[list[Session]]:
    page = _select(given).where(_AFTER).order_by(*_NEWEST_FIRST).limit(_LIMIT)
    return statement(_named("page_after", given), page, every(session_of))


_PAGES = {given: _page(given) for given in _combinations()}
_PAGES_AFTER = {given: _page_after(given) for given in _combinations()}


def _total(given: _Given) -> Statement[Total]:
    """Out of the counters where they know; the sessions of one learner are counted."""
    if "user" not in given:
        return statement(_named("total", given), _counted(given), lambda rows: Total(int(rows[0][0])))
    found = (
        select(literal_column("1", Integer()).label("one"))
        .select_from(sessions.join(_package, true()))
        .where(_OF_TENANT, *(_FILTERS[name] for name in given))
        .limit(MOST_COUNTED + 1)
        .subquery()
    )
    return statement(_named("total", given), select(func.count(found.c.one)), lambda rows: _bounded(rows[0][0]))


def _bounded(counted: int) -> Total:
    return Total.bounded(counted)


def _counted(given: _Given) -> Any:
    """Both in one statement, hence as of one moment: what was folded, and what was not yet."""
    folded, waiting = session_counts.c, session_count_changes.c
    whose = param("package", tables.UUID) if "package" in given else literal_column(f"'{ALL_PACKAGES}'", tables.UUID)
    parts = []
    for table, amount in ((folded, folded.session_count), (waiting, waiting.difference)):
        part = select(amount.label("amount")).where(table.tenant_id == param("tenant", tables.UUID))
        if table is folded or "package" in given:
            part = part.where(table.package_id == whose)
        if "completion" in given:
            part = part.where(table.completion_status == param("completion", Text()))
        if "success" in given:
            part = part.where(table.success_status == param("success", Text()))
        parts.append(part)
    both = union_all(*parts).subquery()
    return select(func.coalesce(func.sum(both.c.amount), 0).cast(BigInteger()))


_TOTALS = {given: _total(given) for given in _combinations()}

_changes = (
    func.unnest(
        param("completions", ARRAY(Text())),
        param("successes", ARRAY(Text())),
        param("differences", ARRAY(BigInteger())),
    )
    .table_valued(column("completion", Text()), column("success", Text()), column("difference", BigInteger()))
    .render_derived()
)
_CHANGE_NAMES = ["tenant_id", "package_id", "completion_status", "success_status", "difference"]
_COUNT = statement(
    "sessions.count",
    insert(session_count_changes).from_select(
        _CHANGE_NAMES,
        select(
            param("tenant", tables.UUID),
            param("package", tables.UUID),
            _changes.c.completion,
            _changes.c.success,
            _changes.c.difference,
        ),
    ),
    nothing,
)


def _of_package(amount: str, table: Any) -> Any:
    return select(
        table.completion_status.label("completion"),
        table.success_status.label("success"),
        table[amount].label("amount"),
    ).where(
        table.tenant_id == param("tenant", tables.UUID),
        table.package_id == param("package", tables.UUID),
    )


_known = union_all(
    _of_package("session_count", session_counts.c), _of_package("difference", session_count_changes.c)
).subquery()
_FORGET_PACKAGE = statement(
    "sessions.forget_package",
    insert(session_count_changes).from_select(
        _CHANGE_NAMES,
        select(
            param("tenant", tables.UUID),
            param("package", tables.UUID),
            _known.c.completion,
            _known.c.success,
            -func.sum(_known.c.amount).cast(BigInteger()),
        )
        .group_by(_known.c.completion, _known.c.success)
        .having(func.sum(_known.c.amount) != 0),
    ),
    nothing,
)

_some = (
    select(session_count_changes.c.tenant_id, session_count_changes.c.change_id)
    .order_by(session_count_changes.c.tenant_id, session_count_changes.c.change_id)
    .limit(_LIMIT)
)
_taken = (
    delete(session_count_changes)
    .where(tuple_(session_count_changes.c.tenant_id, session_count_changes.c.change_id).in_(_some))
    .returning(session_count_changes)
    .cte("taken")
)
_each = union_all(
    select(
        _taken.c.tenant_id,
        _taken.c.package_id,
        _taken.c.completion_status,
        _taken.c.success_status,
        _taken.c.difference,
    ),
    select(
        _taken.c.tenant_id,
        literal_column(f"'{ALL_PACKAGES}'::uuid", tables.UUID),
        _taken.c.completion_status,
        _taken.c.success_status,
        _taken.c.difference,
    ),
).subquery()
_sums = select(
    _each.c.tenant_id,
    _each.c.package_id,
    _each.c.completion_status,
    _each.c.success_status,
    func.sum(_each.c.difference).cast(BigInteger()),
).group_by(_each.c.tenant_id, _each.c.package_id, _each.c.completion_status, _each.c.success_status)
_fold_insert = postgresql.insert(session_counts).from_select(
    ["tenant_id", "package_id", "completion_status", "success_status", "session_count"], _sums
)
_folded = (
    _fold_insert.on_conflict_do_update(
        constraint="session_counts_pkey",
        set_={"session_count": session_counts.c.session_count + _fold_insert.excluded.session_count},
    )
    .returning(session_counts.c.tenant_id)
    .cte("folded")
)
_FOLD = statement(
    "sessions.fold",
    select(
        select(func.count(_taken.c.change_id)).scalar_subquery(),
        select(func.count(_folded.c.tenant_id)).scalar_subquery(),
    ),
    lambda rows: int(rows[0][0]),
    across_tenants="counts what sessions of all tenants have changed",
)

_doomed = (
    select(sessions.c.session_id)
    .where(sessions.c.tenant_id == param("tenant", tables.UUID), sessions.c.package_id == param("package", tables.UUID))
    # The first pages, which show none of them, have the least to skip then.
    .order_by(*_NEWEST_FIRST)
    .limit(_LIMIT)
)
_DELETE_OF_PACKAGE = statement(
    "sessions.delete_of_package",
    delete(sessions)
    .where(sessions.c.tenant_id == param("tenant", tables.UUID), sessions.c.session_id.in_(_doomed))
    .returning(sessions.c.session_id),
    len,
)


class PostgresSessionUpkeep:
    """Keeps `server.services.session_ports.SessionUpkeep`."""

    def fold(self, *, limit: int) -> Query[int]:
        """Counts changes that wait, some of them, and says how many."""
        return _FOLD.bind(limit=limit)

    def delete_of_package(self, *, tenant_id: UUID, package_id: UUID, limit: int) -> Query[int]:
        """Removes sessions of a deleted package, some of them, and says how many."""
        return _DELETE_OF_PACKAGE.bind(tenant=tenant_id, package=package_id, limit=limit)


class PostgresSessions(PostgresSessionRows):
    """Keeps `server.services.session_ports.SessionStore`."""

    def page(self, wanted: SessionFilter, *, tenant_id: UUID, limit: int, offset: int) -> Query[list[Session]]:
        """Newest first."""
        given = _given(wanted)
        return _PAGES[frozenset(given)].bind(tenant=tenant_id, limit=limit, offset=offset, **given)

    def page_after(self, wanted: SessionFilter, *, tenant_id: UUID, limit: int, after: PageKey) -> Query[list[Session]]:
        """As `page`, but what follows `after`."""
        given = _given(wanted)
        return _PAGES_AFTER[frozenset(given)].bind(
            tenant=tenant_id, limit=limit, after_created_at=after.created_at, after_session=after.id, **given
        )

    def total(self, wanted: SessionFilter, *, tenant_id: UUID) -> Query[Total]:
        """How many there are. Exact but for a learner with more than MOST_COUNTED sessions."""
        given = _given(wanted)
        return _TOTALS[frozenset(given)].bind(tenant=tenant_id, **given)

    def count(self, changes: Sequence[tuple[Standing, int]], *, tenant_id: UUID, package_id: UUID) -> Query[None]:
        """Adds to the totals: of each standing so many more."""
        return _COUNT.bind(
            tenant=tenant_id,
            package=package_id,
            completions=[standing.completion.value for standing, _ in changes],
            successes=[standing.success.value for standing, _ in changes],
            differences=[difference for _, difference in changes],
        )

    def forget_package(self, *, tenant_id: UUID, package_id: UUID) -> Query[None]:
        """Takes a deleted package's sessions from the totals."""
        return _FORGET_PACKAGE.bind(tenant=tenant_id, package=package_id)
