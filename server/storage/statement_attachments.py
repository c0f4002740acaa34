"""Attachments that are in the bucket: rows of `statement_attachments`."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, LargeBinary, column, func, select
from sqlalchemy.dialects import postgresql

from server.services.ports import Query
from server.storage import tables
from server.storage.sql import nothing, param, statement
from server.storage.tables import statement_attachments

_rows = (
    func.unnest(param("hashes", ARRAY(LargeBinary())), param("sizes", ARRAY(BigInteger())))
    .table_valued(column("sha2", LargeBinary()), column("size_bytes", BigInteger()))
    .render_derived()
)
_ADD = statement(
    "statement_attachments.add",
    postgresql.insert(statement_attachments)
    .from_select(
        ["tenant_id", "sha2", "size_bytes", "created_at"],
        select(param("tenant", tables.UUID), _rows.c.sha2, _rows.c.size_bytes, param("at", tables.TIME)),
    )
    .on_conflict_do_nothing(constraint="statement_attachments_pkey"),
    nothing,
)


class PostgresStatementAttachments:
    """Keeps `server.services.statement_attachments.AttachmentStore`."""

    def add(self, sizes: Mapping[str, int], *, tenant_id: UUID, at: datetime) -> Query[None]:
        """Says which are in the bucket: sizes by hash, in hex."""
        hashes = [bytes.fromhex(digest) for digest in sizes]
        return _ADD.bind(tenant=tenant_id, hashes=hashes, sizes=list(sizes.values()), at=at)
