"""Exporting statements, all that there are, in the order of the store."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

from server.domain.errors import ValidationFailed
from server.domain.xapi.parameters import parse_position
from server.domain.xapi.positions import FIRST
from server.services.ports import Database
from server.services.statement_lists import parse_cursor
from server.services.statement_ports import StatementStore, StoredStatement

# Of one query.
PAGE = 500
POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementExports:
    """Never beyond what is settled: nothing is to come before a place that was passed."""

    database: Database
    store: StatementStore

    async def pages(self, after: int, *, tenant_id: UUID, wait_seconds: float) -> AsyncIterator[list[StoredStatement]]:
        """What was stored after a place, page by page; goes on with what is stored meanwhile for so long."""
        until = time.monotonic() + wait_seconds
        while True:
            query = self.store.settled_page(after=after, tenant_id=tenant_id, limit=PAGE)
            page = await self.database.read(tenant_id, query)
            if page:
                yield page
                after = page[-1].position
            if len(page) == PAGE:
                continue
            if time.monotonic() >= until:
                return
            await asyncio.sleep(POLL_SECONDS)


def begins_after(*, cursor: str | None, since: str | None) -> int:
    """The place that an export begins after. Raises ValidationFailed."""
    if cursor is not None and since is not None:
        raise ValidationFailed.of("since", "Does not go together with cursor")
    if cursor is not None:
        return parse_cursor(cursor)
    return parse_position("since", since, default=FIRST)
