"""Pages of analytics: by every column and both orders, each read in the order of an index."""

from itertools import combinations
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Select, Table, func, literal_column, select

from server.services.analytics import (
    ACTIVITY_SORTS,
    ACTOR_SORTS,
    SUMS,
    ActivityFilter,
    ActivityRow,
    ActorFilter,
    ActorRow,
    Order,
    Sums,
)
from server.services.ports import Query
from server.services.session_ports import MOST_COUNTED
from server.storage import tables
from server.storage.rollup_keys import ACTIVITIES, ACTORS
from server.storage.sql import Row, Statement, every, param, statement
from server.storage.tables import activity_rollups, actor_rollups, statement_counts

_TENANT = param("tenant", tables.UUID)
_LIMIT, _OFFSET = param("limit", BigInteger()), param("offset", BigInteger())
_ACTOR = ("name", "mbox", "mbox_sha1sum", "openid", "home_page", "account_name", "unique_activities")
_ACTIVITY = ("activity_id", "activity_type", "package_id", "unique_learners")
_Given = frozenset[str]

_ACTOR_FILTERS: dict[str, ColumnElement[bool]] = {
    "actor": actor_rollups.c.actor_key == param("actor", tables.UUID),
    "min_activities": actor_rollups.c.unique_activities >= param("min_activities", BigInteger()),
}
_ACTIVITY_FILTERS: dict[str, ColumnElement[bool]] = {
    "activity": activity_rollups.c.activity_key == param("activity", tables.UUID),
    "type_key": activity_rollups.c.type_key == param("type_key", tables.UUID),
    "package_id": activity_rollups.c.package_id == param("package_id", tables.UUID),
    "min_learners": activity_rollups.c.unique_learners >= param("min_learners", BigInteger()),
}


def _every_choice(filters: dict[str, ColumnElement[bool]]) -> list[_Given]:
    return [frozenset(one) for size in range(len(filters) + 1) for one in combinations(filters, size)]


def _sums(row: Row) -> Sums:
    return Sums(**dict(zip(SUMS, row[: len(SUMS)], strict=True)))


def _actor(row: Row) -> ActorRow:
    return ActorRow(sums=_sums(row), **dict(zip(_ACTOR, row[len(SUMS) :], strict=True)))


def _activity(row: Row) -> ActivityRow:
    identifier, kind, package_id, learners = row[len(SUMS) :]
    return ActivityRow(id=identifier, type=kind, package_id=package_id, sums=_sums(row), unique_learners=learners)


def _page(table: Table, names: tuple[str, ...], filters: list[ColumnElement[bool]], order: Order) -> Select[Any]:
    # Only with the tie-breaker in the same direction is the order that of an index.
    columns = [table.c[order.column], table.c[table.primary_key.columns.keys()[1]]]
    ordered = [column.desc() if order.descending else column.asc() for column in columns]
    if order.column == "avg_score_scaled":
        ordered[0] = ordered[0].nulls_last()
    return (
        select(*(table.c[name] for name in (*SUMS, *names)))
        .where(table.c.tenant_id == _TENANT, *filters)
        .order_by(*ordered)
        .limit(_LIMIT)
        .offset(_OFFSET)
    )


def _total(table: Table, filters: list[ColumnElement[bool]], counter: UUID) -> Select[Any]:
    if not filters:
        counted = select(func.coalesce(func.sum(statement_counts.c.statement_count), 0).cast(BigInteger()))
        return counted.where(
            statement_counts.c.tenant_id == _TENANT,
            statement_counts.c["key"] == literal_column(f"'{counter}'", tables.UUID),
        )
    found: Select[Any] = select(literal_column("1").label("one")).where(table.c.tenant_id == _TENANT, *filters)
    limited = found.limit(literal_column(str(MOST_COUNTED + 1))).subquery()
    return select(func.count(limited.c.one))


def _pages(
    kind: str,
    table: Table,
    names: tuple[str, ...],
    filters: dict[str, ColumnElement[bool]],
    sorts: tuple[str, ...],
    read: Any,
) -> dict[tuple[_Given, str, bool], Statement[Any]]:
    made = {}
    for given in _every_choice(filters):
        for column in sorts:
            for descending in (True, False):
                clause = _page(
                    table,
                    names,
                    [filters[one] for one in filters if one in given],
                    Order(column=column, descending=descending),
                )
                name = "_".join([kind, *sorted(given), "by", column, "desc" if descending else "asc"])
                made[given, column, descending] = statement(f"analytics.{name}", clause, every(read))
    return made


def _totals(
    kind: str, table: Table, filters: dict[str, ColumnElement[bool]], counter: UUID
) -> dict[_Given, Statement[int]]:
    return {
        given: statement(
            f"analytics.{'_'.join(['total', kind, *sorted(given)])}",
            _total(table, [filters[one] for one in filters if one in given], counter),
            lambda rows: int(rows[0][0]),
        )
        for given in _every_choice(filters)
    }


_ACTORS = _pages("actors", actor_rollups, _ACTOR, _ACTOR_FILTERS, ACTOR_SORTS, _actor)
_ACTIVITIES = _pages("activities", activity_rollups, _ACTIVITY, _ACTIVITY_FILTERS, ACTIVITY_SORTS, _activity)
_ACTOR_TOTALS = _totals("actors", actor_rollups, _ACTOR_FILTERS, ACTORS)
_ACTIVITY_TOTALS = _totals("activities", activity_rollups, _ACTIVITY_FILTERS, ACTIVITIES)


def _given(wanted: ActorFilter | ActivityFilter, filters: dict[str, ColumnElement[bool]]) -> dict[str, Any]:
    return {name: value for name in filters if (value := getattr(wanted, name)) is not None}


class PostgresAnalytics:
    """Keeps `server.services.analytics.AnalyticsStore`."""

    def actors(
        self, wanted: ActorFilter, order: Order, *, tenant_id: UUID, limit: int, offset: int
    ) -> Query[list[ActorRow]]:
        """A page of actors."""
        given = _given(wanted, _ACTOR_FILTERS)
        page = _ACTORS[frozenset(given), order.column, order.descending]
        return page.bind(tenant=tenant_id, limit=limit, offset=offset, **given)

    def actor_total(self, wanted: ActorFilter, *, tenant_id: UUID) -> Query[int]:
        """How many there are; where they are filtered, counted up to MOST_COUNTED + 1."""
        given = _given(wanted, _ACTOR_FILTERS)
        return _ACTOR_TOTALS[frozenset(given)].bind(tenant=tenant_id, **given)

    def activities(
        self, wanted: ActivityFilter, order: Order, *, tenant_id: UUID, limit: int, offset: int
    ) -> Query[list[ActivityRow]]:
        """A page of activities."""
        given = _given(wanted, _ACTIVITY_FILTERS)
        page = _ACTIVITIES[frozenset(given), order.column, order.descending]
        return page.bind(tenant=tenant_id, limit=limit, offset=offset, **given)

    def activity_total(self, wanted: ActivityFilter, *, tenant_id: UUID) -> Query[int]:
        """As `actor_total`."""
        given = _given(wanted, _ACTIVITY_FILTERS)
        return _ACTIVITY_TOTALS[frozenset(given)].bind(tenant=tenant_id, **given)
