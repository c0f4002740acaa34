"""The servicer of `scorm.v1.XapiService`: statements in the manner of the other resources."""

import json
from typing import Any

import grpc
from google.api import httpbody_pb2

from server.domain.errors import UnsupportedMediaType
from server.domain.xapi.content import with_stored
from server.domain.xapi.positions import stored_text
from server.domain.xapi.versions import Version
from server.gen.scorm.v1 import xapi_service_pb2 as pb
from server.gen.scorm.v1 import xapi_service_pb2_grpc
from server.rpc import context as calls
from server.rpc.xapi_json import joined, read_statements
from server.services.statement_lists import StatementLists, StatementQuery
from server.services.statements import Statements

Context = grpc.aio.ServicerContext[Any, Any]
_JSON = "application/json"


class XapiServicer(xapi_service_pb2_grpc.XapiServiceServicer):
    """Converts, calls, converts."""

    def __init__(self, *, statements: Statements, lists: StatementLists) -> None:
        self._statements = statements
        self._lists = lists

    async def StoreStatements(self, request: pb.StoreStatementsRequest, context: Context) -> httpbody_pb2.HttpBody:
        _check_type(request.body.content_type)
        sent, is_list = read_statements(request.body.data)
        # Both versions' statements are welcome here; 2.0 has all of what 1.0.3 has.
        ids = await self._statements.add(sent, caller=calls.caller(), version=Version.V2, is_list=is_list)
        told: Any = [str(one) for one in ids]
        return _body(json.dumps(told if is_list else told[0]))

    async def ListStatements(self, request: pb.ListStatementsRequest, context: Context) -> httpbody_pb2.HttpBody:
        found = await self._lists.find(
            StatementQuery(
                **{
                    name: getattr(request, name) if request.HasField(name) else None
                    for name in ("statement_id", "verb", "activity", "registration", "since", "until", "cursor")
                }
            ),
            tenant_id=calls.current().tenant_id,
            page=request.page if request.HasField("page") else None,
            limit=request.limit if request.HasField("limit") else None,
        )
        pagination: dict[str, Any] = {
            "page": found.page,
            "limit": found.limit,
            "total": found.total.count,
            "total_pages": -(-found.total.count // found.limit),
        }
        if found.total.is_estimate:
            pagination["total_is_estimate"] = True
        statements = joined(with_stored(one.content, stored_text(one.position)) for one in found.statements)
        rest = {"pagination": pagination, "next_cursor": found.next_cursor or ""}
        return _body(f'{{"statements":{statements},{json.dumps(rest, separators=(",", ":"))[1:]}')

    async def GetStatement(self, request: pb.GetStatementRequest, context: Context) -> httpbody_pb2.HttpBody:
        found, _ = await self._statements.get(request.statement_id, tenant_id=calls.current().tenant_id)
        return _body(with_stored(found.content, stored_text(found.position)))

    async def ListActorAnalytics(self, request: pb.ListActorAnalyticsRequest, context: Context) -> Any:
        raise NotImplementedError

    async def ListActivityAnalytics(self, request: pb.ListActivityAnalyticsRequest, context: Context) -> Any:
        raise NotImplementedError


def _body(text: str) -> httpbody_pb2.HttpBody:
    return httpbody_pb2.HttpBody(content_type=_JSON, data=text.encode())


def _check_type(given: str) -> None:
    kind = (given or calls.current().metadata.get("content-type", "")).partition(";")[0].strip().lower()
    if kind not in ("", _JSON, "application/grpc", "application/octet-stream"):
        raise UnsupportedMediaType(accepted=[_JSON])
