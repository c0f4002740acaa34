"""Connection strings of Postgres, judged before libpq quotes them in a message."""

from collections.abc import Mapping
from typing import NewType

import psycopg
from psycopg.conninfo import conninfo_to_dict

Dsn = NewType("Dsn", str)
"""A connection string that libpq can read. It may hold a password."""


def parse_dsn(text: str) -> Dsn:
    """Raises ValueError for what libpq would refuse later, and would quote with parts of the password."""
    try:
        parts = conninfo_to_dict(text)
    except psycopg.Error:
        parts = None
    if parts is None or _has_misplaced_password(text, parts):
        raise ValueError(
            "is neither postgresql://user:password@host:port/database nor key=value pairs; "
            "in a URL, percent-encode special characters of user and password"
        )
    return Dsn(text)


def _has_misplaced_password(text: str, parts: Mapping[str, object]) -> bool:
    """Whether a `/` or `@` in the password made a part of it the port, the host or the database."""
    if any(port and not port.isdecimal() for port in str(parts.get("port", "")).split(",")):
        return True
    if not text.startswith(("postgresql://", "postgres://")):
        return False
    path = text.partition("://")[2].partition("?")[0].partition("/")[2]
    # A host may begin with @: an abstract unix socket.
    return "@" in path or "@" in str(parts.get("host", ""))[1:]
