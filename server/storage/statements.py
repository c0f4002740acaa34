"""xAPI statements: storing, finding by id, voiding, and what refers to what. Pages are in `statement_pages`."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    ColumnElement,
    Double,
    Integer,
    Text,
    any_,
    bindparam,
    cast,
    column,
    exists,
    false,
    func,
    insert,
    literal_column,
    not_,
    or_,
    select,
    table,
    true,
    update,
)
from sqlalchemy.dialects import postgresql

from server.domain.xapi.positions import POSITION_BITS
from server.services.ports import Query
from server.services.statement_ports import FoundStatement, Inserted, NewStatement, StoredStatement
from server.storage import tables
from server.storage.arrays import Bools, Float8s, Int8s, Texts, Times, Uuids
from server.storage.sql import Row, every, nothing, param, statement
from server.storage.statement_pages import PostgresStatementPages
from server.storage.statement_totals import PostgresStatementTotals
from server.storage.tables import statement_keys, statements, tenants

# One key for all who store statements: what is settled cannot move while somebody has it.
INGEST_LOCK: ColumnElement[int] = literal_column("hashtextextended('statements', 0)", BigInteger())
# A chain of references that is longer is cut: nobody writes one by accident.
LONGEST_CHAIN = 100

_TENANT = param("tenant", tables.UUID)
_UUIDS, _INT8S = ARRAY(tables.UUID), ARRAY(BigInteger())
_HOLD = statement(
    "statements.hold",
    select(func.pg_advisory_xact_lock_shared(INGEST_LOCK)).select_from(tenants).where(tenants.c.tenant_id == _TENANT),
    nothing,
)

_settled = table("statements_settled", column("last_value", BigInteger()))
SETTLED = select(_settled.c.last_value).scalar_subquery()
_SETTLED = statement(
    "statements.settled",
    select(SETTLED).select_from(tenants).where(tenants.c.tenant_id == _TENANT),
    lambda rows: int(rows[0][0]) if rows else 0,
)

# The clock of the database, which all processes share. Where it was set back, time stands still.
_base = select(
    func.greatest(
        cast(func.extract("epoch", func.clock_timestamp()) / literal_column("0.000001"), BigInteger()),
        SETTLED.op(">>")(literal_column(str(POSITION_BITS))) + literal_column("1"),
    ).label("microsecond"),
    func.nextval(literal_column("'statement_ties'::regclass"))
    .op("&")(literal_column(str(2**POSITION_BITS - 1)))
    .label("tie"),
    bindparam("keys", type_=_UUIDS).label("keys"),
).cte("base")

_given = (
    func.unnest(
        bindparam("statement_ids", type_=_UUIDS),
        bindparam("places", type_=_INT8S),
        bindparam("verbs", type_=_UUIDS),
        bindparam("activities", type_=_UUIDS),
        bindparam("actors", type_=_UUIDS),
        bindparam("authorities", type_=_UUIDS),
        bindparam("references", type_=_UUIDS),
        bindparam("voidings", type_=ARRAY(Boolean())),
        bindparam("voids", type_=ARRAY(Boolean())),
        bindparam("occurred", type_=ARRAY(tables.TIME)),
        bindparam("scores", type_=ARRAY(Double())),
        bindparam("key_ends", type_=_INT8S),
        bindparam("key_counts", type_=_INT8S),
        bindparam("contents", type_=ARRAY(Text())),
    )
    .table_valued(
        column("statement_id", tables.UUID),
        column("place", BigInteger()),
        column("verb", tables.UUID),
        column("activity", tables.UUID),
        column("actor", tables.UUID),
        column("authority", tables.UUID),
        column("refers_to", tables.UUID),
        column("is_voiding", Boolean()),
        column("voids_any", Boolean()),
        column("occurred", tables.TIME),
        column("scaled", Double()),
        column("key_end", BigInteger()),
        column("key_count", BigInteger()),
        column("content", Text()),
    )
    .render_derived()
)
_keys_of_given = _base.c["keys"][
    cast(_given.c.key_end - _given.c.key_count + literal_column("1"), Integer()) : cast(_given.c.key_end, Integer())
]
_rows = select(
    _TENANT,
    _given.c.statement_id,
    (_base.c.microsecond + _given.c.place).op("<<")(literal_column(str(POSITION_BITS))).op("|")(_base.c.tie),
    _given.c.verb,
    _given.c.activity,
    _given.c.actor,
    _given.c.authority,
    _given.c.refers_to,
    _given.c.is_voiding,
    _given.c.voids_any,
    false(),
    _given.c.occurred,
    _given.c.scaled,
    _keys_of_given,
    _given.c.content,
).select_from(_given.join(_base, literal_column("true")))
_COLUMNS = [
    "tenant_id", "statement_id", "position", "verb_key", "activity_key", "actor_key", "authority_key", "refers_to",
    "is_voiding", "voids_any", "voided", "occurred_at", "scaled", "keys", "statement",
]  # fmt: skip
_inserted = (
    postgresql.insert(statements)
    .from_select(_COLUMNS, _rows)
    .on_conflict_do_nothing(constraint="statements_pkey")
    .returning(statements.c.statement_id, statements.c.position, statements.c["keys"])
    .cte("inserted")
)
_keyed = (
    insert(statement_keys)
    .from_select(
        ["tenant_id", "key", "position", "owner"],
        # Sorted, so that neighbours in the index come one after the other.
        select(
            _TENANT, func.unnest(_inserted.c["keys"]).label("key"), _inserted.c.position, _inserted.c.position
        ).order_by("key"),
    )
    .cte("keyed")
)
_referring = statements.alias("referring")
# Not EXISTS: that would be answered by reading the whole table once where the planner knows little of it.
_REFERRED_TO = (
    select(true())
    .where(_referring.c.tenant_id == _TENANT, _referring.c.refers_to == _inserted.c.statement_id)
    .limit(literal_column("1"))
    .scalar_subquery()
    .is_not(None)
)
_INSERT = statement(
    "statements.insert",
    select(_inserted.c.statement_id, _inserted.c.position, _REFERRED_TO).add_cte(_keyed),
    every(lambda row: Inserted(*row)),
)

_target, _voiding = statements.alias("target"), statements.alias("voiding")
# In the order of their ids, so that nobody waits for somebody who waits for them.
_voided = (
    select(_target.c.statement_id)
    .where(
        _target.c.tenant_id == _TENANT,
        _target.c.statement_id == any_(bindparam("statement_ids", type_=_UUIDS)),
        not_(_target.c.voided),
        # xAPI 1.0.3 Part Two 2.3.2: a voiding statement cannot be voided.
        not_(_target.c.is_voiding),
        exists(
            select(literal_column("1")).where(
                _voiding.c.tenant_id == _TENANT,
                _voiding.c.refers_to == _target.c.statement_id,
                _voiding.c.is_voiding,
                or_(_voiding.c.voids_any, _voiding.c.authority_key == _target.c.authority_key),
            )
        ),
    )
    .order_by(_target.c.statement_id)
    .with_for_update(of=_target)
    .cte("voided")
)
_VOID = statement(
    "statements.void",
    update(statements)
    .values(voided=True)
    .where(statements.c.tenant_id == _TENANT, statements.c.statement_id.in_(select(_voided.c.statement_id))),
    nothing,
)

_origin, _referred = statements.alias("origin"), statements.alias("referred")
_chain = (
    select(_origin.c.position, _origin.c.refers_to, literal_column("1", Integer()).label("depth"))
    .where(
        _origin.c.tenant_id == _TENANT,
        _origin.c.statement_id == any_(bindparam("statement_ids", type_=_UUIDS)),
        _origin.c.refers_to.is_not(None),
    )
    .cte("chain", recursive=True)
)
_chain = _chain.union_all(
    select(_chain.c.position, _referred.c.refers_to, _chain.c.depth + literal_column("1")).where(
        _referred.c.tenant_id == _TENANT,
        _referred.c.statement_id == _chain.c.refers_to,
        _referred.c.refers_to.is_not(None),
        _chain.c.depth < literal_column(str(LONGEST_CHAIN)),
    )
)
_INHERIT = statement(
    "statements.inherit",
    postgresql.insert(statement_keys)
    .from_select(
        ["tenant_id", "key", "position", "owner"],
        select(_TENANT, func.unnest(statements.c["keys"]), _chain.c.position, statements.c.position)
        .distinct()
        .where(statements.c.tenant_id == _TENANT, statements.c.statement_id == _chain.c.refers_to),
    )
    .on_conflict_do_nothing(constraint="statement_keys_pkey"),
    nothing,
)


_SETTLED_PAGE = statement(
    "statements.settled_page",
    select(statements.c.position, statements.c.statement)
    .where(
        statements.c.tenant_id == _TENANT,
        statements.c.position > param("after_position", BigInteger()),
        statements.c.position <= SETTLED,
    )
    .order_by(statements.c.position)
    .limit(param("limit", BigInteger())),
    every(lambda row: StoredStatement(*row)),
)


def _found(row: Row) -> FoundStatement:
    return FoundStatement(*row[1:])


_EXISTING = statement(
    "statements.existing",
    select(
        statements.c.statement_id,
        statements.c.position,
        statements.c.statement,
        statements.c.voided,
        statements.c.is_voiding,
        statements.c.authority_key,
    ).where(
        statements.c.tenant_id == _TENANT, statements.c.statement_id == any_(bindparam("statement_ids", type_=_UUIDS))
    ),
    lambda rows: {row[0]: _found(row) for row in rows},
)


class PostgresStatements(PostgresStatementPages, PostgresStatementTotals):
    """Keeps `server.services.statement_ports.StatementStore`."""

    def hold(self, *, tenant_id: UUID) -> Query[None]:
        """Keeps what is settled where it is until the transaction ends. Before `insert`, in a query of its own."""
        return _HOLD.bind(tenant=tenant_id)

    def insert(self, statements: Sequence[NewStatement], *, tenant_id: UUID) -> Query[list[Inserted]]:
        """Stores those whose ids are not there, and answers them. Positions are in the order given."""
        # In the order of their ids, as `void`.
        places = sorted(range(len(statements)), key=lambda place: statements[place].id)
        rows = [statements[place] for place in places]
        facts = [row.facts for row in rows]
        ends, end = [], 0
        for one in facts:
            end += len(one.keys)
            ends.append(end)
        return _INSERT.bind(
            tenant=tenant_id,
            statement_ids=Uuids.of(row.id for row in rows),
            places=Int8s.of(places),
            verbs=Uuids.of(one.verb for one in facts),
            activities=Uuids.of(one.activity for one in facts),
            actors=Uuids.of(one.actor for one in facts),
            authorities=Uuids.of(row.authority for row in rows),
            references=Uuids.of(one.refers_to for one in facts),
            voidings=Bools.of(one.is_voiding for one in facts),
            voids=Bools.of(row.voids_any for row in rows),
            occurred=Times.of(row.occurred_at for row in rows),
            scores=Float8s.of(one.scaled for one in facts),
            key_ends=Int8s.of(ends),
            key_counts=Int8s.of(len(one.keys) for one in facts),
            keys=Uuids.of(key for one in facts for key in one.keys),
            contents=Texts.of(row.content for row in rows),
        )

    def void(self, ids: Sequence[UUID], *, tenant_id: UUID) -> Query[None]:
        """Marks those of these statements as voided that are, by whichever statements there are."""
        return _VOID.bind(tenant=tenant_id, statement_ids=Uuids.of(ids))

    def inherit(self, ids: Sequence[UUID], *, tenant_id: UUID) -> Query[None]:
        """Lets these statements be found by what finds the statements that they refer to."""
        return _INHERIT.bind(tenant=tenant_id, statement_ids=Uuids.of(ids))

    def existing(self, ids: Sequence[UUID], *, tenant_id: UUID) -> Query[Mapping[UUID, FoundStatement]]:
        """Those of these that are there."""
        return _EXISTING.bind(tenant=tenant_id, statement_ids=Uuids.of(ids))

    def settled_page(self, *, after: int, tenant_id: UUID, limit: int) -> Query[list[StoredStatement]]:
        """What was stored after a place, voided or not, in its order, as far as it is settled."""
        return _SETTLED_PAGE.bind(tenant=tenant_id, after_position=after, limit=limit)

    def settled(self, *, tenant_id: UUID) -> Query[int]:
        """The position up to which no statement is to come."""
        return _SETTLED.bind(tenant=tenant_id)
