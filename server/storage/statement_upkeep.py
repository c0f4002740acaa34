"""What the worker does with statements of all tenants: saying up to which of them everything is settled."""

from sqlalchemy import BigInteger, Text, case, cast, column, func, literal_column, select, table

from server.domain.xapi.positions import POSITION_BITS
from server.services.ports import Query
from server.storage.sql import nothing, statement
from server.storage.statements import INGEST_LOCK

_sequence = table("statements_settled", column("last_value", BigInteger()))
_now = (
    cast(func.extract("epoch", func.clock_timestamp()) / literal_column("0.000001"), BigInteger())
    .op("<<")(literal_column(str(POSITION_BITS)))
    .op("|")(literal_column(str(2**POSITION_BITS - 1)))
)
_forward = func.setval(literal_column("'statements_settled'::regclass"), func.greatest(_sequence.c.last_value, _now))
_ALL = "there is one store, of all tenants together"
_TRY = statement(
    "statements.try_to_settle",
    select(case((func.pg_try_advisory_xact_lock(INGEST_LOCK), _forward))).select_from(_sequence),
    lambda rows: rows[0][0] is not None,
    across_tenants=_ALL,
)
# Who stores statements waits meanwhile, hence not for long.
_PATIENCE = statement(
    "statements.settle_patience",
    select(
        func.set_config(
            literal_column("'lock_timeout'", Text()), literal_column("'50ms'", Text()), literal_column("true")
        )
    ),
    nothing,
    across_tenants=_ALL,
)
_WAIT = statement(
    "statements.wait_to_settle",
    select(func.pg_advisory_xact_lock(INGEST_LOCK)),
    nothing,
    across_tenants=_ALL,
)
_SETTLE = statement("statements.settle", select(_forward).select_from(_sequence), nothing, across_tenants=_ALL)


class PostgresStatementUpkeep:
    """Keeps `server.services.statement_upkeep.StatementUpkeep`. Operator role."""

    def try_to_settle(self) -> Query[bool]:
        """Settles everything if nobody is storing statements right now."""
        return _TRY.bind()

    def settle(self) -> tuple[Query[None], ...]:
        """The queries of a transaction that waits until nobody is storing statements, and settles everything."""
        return _PATIENCE.bind(), _WAIT.bind(), _SETTLE.bind()
