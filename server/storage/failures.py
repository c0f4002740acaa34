"""What a failure of Postgres means to a caller."""

from typing import Any

import psycopg

from server.domain.errors import DatabaseFailed, DomainError, Unavailable


class ConstraintViolated(DatabaseFailed):
    """A constraint of `tables.py` refused a row. `constraint` is its name."""

    def __init__(self, constraint: str) -> None:
        super().__init__()
        self.constraint = constraint


def is_lost(connection: psycopg.AsyncConnection[Any], error: psycopg.Error) -> bool:
    """Whether the connection is beyond use: 57P01 to 57P05 are the last words of a backend that was ended."""
    return connection.broken or connection.closed or (error.sqlstate or "").startswith("57P")


# Classes of SQLSTATE that pass: connection, transaction rollback, resources, lock not available, intervention (57014
# is the statement timeout).
_PASSING = ("08", "40", "53", "55P03", "57")


def as_domain_error(error: psycopg.Error) -> DomainError:
    """Unavailable where trying again may help, ConstraintViolated where a row was refused, DatabaseFailed otherwise."""
    if isinstance(error, psycopg.IntegrityError) and error.diag.constraint_name:
        return ConstraintViolated(error.diag.constraint_name)
    no_answer = isinstance(error, psycopg.OperationalError) and error.sqlstate is None
    if no_answer or (error.sqlstate or "").startswith(_PASSING):
        return Unavailable(retry_after_seconds=1)
    return DatabaseFailed()
