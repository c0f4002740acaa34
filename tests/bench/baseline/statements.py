"""Storing statements one at a time, each in a transaction of its own. Rules and statement of the store are the same."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from server.domain.ids import new_id
from server.domain.xapi.authority import Authority
from server.domain.xapi.content import completed
from server.domain.xapi.keys import facts_of
from server.domain.xapi.times import format_timestamp, parse_timestamp
from server.domain.xapi.versions import Version
from server.rpc.xapi_json import read_statements
from server.services.statement_ports import NewStatement
from server.services.statements import Sent, check_all
from server.storage.statements import PostgresStatements
from tests.bench.baseline.database import run, writing
from tests.bench.baseline.keys import Caller, caller

STORE = PostgresStatements()

router = APIRouter()


@router.post("/api/v1/xapi/statements")
async def store_statements(request: Request, who: Annotated[Caller, Depends(caller)]) -> Response:
    sent, is_list = read_statements(await request.body())
    check_all([one.value for one in sent], version=Version.V2, is_list=is_list)
    authority = Authority.of_installation("https://scorm.example.com")
    ids = []
    for one in sent:
        new = _new(one, authority, datetime.now(UTC))
        await _store(new, who.tenant_id)
        ids.append(f'"{new.id}"')
    return Response(f"[{','.join(ids)}]" if is_list else ids[0], media_type="application/json")


def _new(sent: Sent, authority: Authority, now: datetime) -> NewStatement:
    facts = facts_of(sent.value, authority.agent)
    identifier = facts.statement_id or new_id(now)
    ours = {
        "id": f'"{identifier}"'.encode(),
        "timestamp": f'"{format_timestamp(now)}"'.encode(),
        "version": b'"2.0.0"',
        "authority": authority.content,
    }
    return NewStatement(
        id=identifier,
        facts=facts,
        authority=authority.key,
        content=completed(sent.members, ours),
        occurred_at=parse_timestamp(facts.timestamp) if facts.timestamp else now,
        is_named=facts.statement_id is not None,
    )


async def _store(new: NewStatement, tenant_id: UUID) -> None:
    async with writing(tenant_id) as connection:
        await run(connection, STORE.hold(tenant_id=tenant_id), STORE.insert([new], tenant_id=tenant_id))
