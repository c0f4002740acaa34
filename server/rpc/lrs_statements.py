"""The statement resource of `scorm.v1.LrsService`, with what is known from statements of activities and agents."""

import json
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import grpc
from google.api import httpbody_pb2

from server.domain.errors import InvalidRequest, ValidationFailed
from server.domain.media_types import kind_of
from server.domain.xapi.content import with_stored
from server.domain.xapi.formats import as_canonical, as_ids
from server.domain.xapi.languages import parse_accept_language
from server.domain.xapi.positions import stored_at, stored_text
from server.domain.xapi.times import format_timestamp
from server.gen.scorm.v1 import lrs_service_pb2 as pb
from server.rpc import context as calls
from server.rpc.fields import given
from server.rpc.lrs_multipart import MIXED, read_mixed, write_mixed
from server.rpc.lrs_requests import LrsCall, read_call
from server.rpc.times import http_date
from server.rpc.xapi_json import decode_exactly, encode, joined, read_json, read_statements
from server.services.statement_attachments import Attachments, SentFile
from server.services.statement_queries import Answer, StatementQueries, flag, format_of
from server.services.statements import NO_FILES, Sent, Statements

Context = grpc.aio.ServicerContext[Any, Any]
_JSON = "application/json"
SETTLED_SECONDS = 0.1
_CONSISTENT = "x-experience-api-consistent-through"
_FILTERS = frozenset(
    {
        "agent",
        "verb",
        "activity",
        "registration",
        "related_activities",
        "related_agents",
        "since",
        "until",
        "limit",
        "ascending",
    }
)
_TOLD = frozenset({"format", "attachments"})
_ONE = frozenset({"statementId", "voidedStatementId"})
_READ = _FILTERS | _TOLD | _ONE
ALLOWED: Mapping[str, frozenset[str]] = {
    "GET": _READ,
    "HEAD": _READ,
    "PUT": frozenset({"statementId"}),
    "POST": frozenset(),
}
_NONE: Mapping[str, frozenset[str]] = {"GET": frozenset(), "HEAD": frozenset()}


class LrsStatementMethods:
    """Converts, calls, converts."""

    def __init__(self, *, statements: Statements, queries: StatementQueries, attachments: Attachments) -> None:
        self._statements = statements
        self._queries = queries
        self._attachments = attachments
        # What was settled when it was last read, and when that was: still true, and enough for an answer that reads
        # nothing.
        self._settled = 0
        self._settled_at = -math.inf

    async def PutStatement(self, request: pb.PutStatementRequest, context: Context) -> httpbody_pb2.HttpBody:
        told = {"statementId": request.statement_id or None}
        return await self._serve(read_call("PUT", told, request.body, allowed=ALLOWED), context)

    async def PostStatements(self, request: pb.PostStatementsRequest, context: Context) -> httpbody_pb2.HttpBody:
        return await self._serve(read_call("POST", {}, request.body, allowed=ALLOWED), context)

    async def QueryStatements(self, request: pb.QueryStatementsRequest, context: Context) -> httpbody_pb2.HttpBody:
        await self._look_up_consistent()
        told = {name: given(request, field) for name, field in _QUERY_FIELDS.items()}
        return await self._serve(read_call("GET", told, None, allowed=ALLOWED), context)

    async def QueryMoreStatements(
        self, request: pb.QueryMoreStatementsRequest, context: Context
    ) -> httpbody_pb2.HttpBody:
        await self._look_up_consistent()
        call = read_call("GET", {}, None, allowed=_NONE)
        return await self._tell_page(await self._queries.next(request.token, caller=calls.caller()), call, context)

    async def _serve(self, call: LrsCall, context: Context) -> httpbody_pb2.HttpBody:
        """Whatever method the request is, or stands for."""
        if call.method == "PUT":
            return await self._put(call, context)
        if call.method == "POST":
            return await self._post(call, context)
        if call.method in ("GET", "HEAD"):
            return await self._get(call, context)
        raise InvalidRequest(f"The statement resource does not have {call.method}")

    async def _put(self, call: LrsCall, context: Context) -> httpbody_pb2.HttpBody:
        wanted = call.parameters.get("statementId")
        if wanted is None:
            raise ValidationFailed.of("statementId", "Is required")
        sent, files, is_list = _sent(call)
        if is_list:
            raise ValidationFailed.of("", "Must be a single statement")
        (one,) = sent
        given = one.value.setdefault("id", wanted)
        if not isinstance(given, str) or given.lower() != wanted.lower():
            raise ValidationFailed.of("id", "Must be the statementId of the request")
        if "id" not in one.members:
            one = Sent(one.value, {"id": json.dumps(wanted).encode(), **one.members})
        await self._statements.add([one], caller=calls.caller(), version=call.version, is_list=False, files=files)
        _tell(context, ("x-http-status", "204"))
        return httpbody_pb2.HttpBody()

    async def _post(self, call: LrsCall, context: Context) -> httpbody_pb2.HttpBody:
        sent, files, is_list = _sent(call)
        ids = await self._statements.add(
            sent, caller=calls.caller(), version=call.version, is_list=is_list, files=files
        )
        _tell(context)
        return httpbody_pb2.HttpBody(content_type=_JSON, data=json.dumps([str(one) for one in ids]).encode())

    async def _get(self, call: LrsCall, context: Context) -> httpbody_pb2.HttpBody:
        await self._look_up_consistent()
        given = call.parameters.keys()
        named = _ONE & given
        if not named:
            answer = await self._queries.first(_with_agent(call.parameters), caller=calls.caller())
            return await self._tell_page(answer, call, context)
        if len(named) > 1 or given & _FILTERS:
            # xAPI 1.0.3 Part Three 2.1.3.
            raise ValidationFailed({name: ["Does not go together with other filters"] for name in sorted(named)})
        (name,) = named
        with_files, form = flag(call.parameters, "attachments"), format_of(call.parameters)
        found, settled = await self._queries.one(
            call.parameters[name], caller=calls.caller(), voided=name == "voidedStatementId"
        )
        self._tell_consistent(settled)
        content = _formatted(with_stored(found.content, stored_text(found.position)), form, call)
        modified = ("last-modified", http_date(stored_at(found.position)))
        return await self._tell_all(content, [found.content], with_files, context, modified)

    async def _tell_page(self, answer: Answer, call: LrsCall, context: Context) -> httpbody_pb2.HttpBody:
        self._tell_consistent(answer.page.settled)
        found = answer.page.statements
        told = [
            _formatted(with_stored(one.content, stored_text(one.position)), answer.query.format, call) for one in found
        ]
        more = f"{call.root}/statements/more/{answer.more}" if answer.more else ""
        content = f'{{"statements":{joined(told)},"more":{json.dumps(more)}}}'
        modified = [("last-modified", http_date(stored_at(max(one.position for one in found))))] if found else []
        return await self._tell_all(
            content, [one.content for one in found], answer.query.attachments, context, *modified
        )

    async def _tell_all(
        self, content: str, kept: Sequence[str], with_files: bool, context: Context, *metadata: tuple[str, str]
    ) -> httpbody_pb2.HttpBody:
        _tell(context, *metadata)
        if not with_files:
            return httpbody_pb2.HttpBody(content_type=_JSON, data=content.encode())
        files: Mapping[str, SentFile] = await self._attachments.fetch(
            [decode_exactly(one) for one in kept if '"attachments"' in one], tenant_id=calls.current().tenant_id
        )
        content_type, data = write_mixed(content.encode(), files)
        return httpbody_pb2.HttpBody(content_type=content_type, data=data)

    async def _look_up_consistent(self) -> None:
        """As `_tell_consistent`, as it was a moment ago."""
        if time.monotonic() - self._settled_at > SETTLED_SECONDS:
            settled = await self._statements.settled(tenant_id=calls.current().tenant_id)
        else:
            settled = self._settled
        self._tell_consistent(settled)

    def _tell_consistent(self, settled: int) -> None:
        """Says up to when the store is complete, whatever becomes of the call."""
        if settled > self._settled:
            self._settled, self._settled_at = settled, time.monotonic()
        told = calls.current().response_metadata
        told[:] = [pair for pair in told if pair[0] != _CONSISTENT]
        told.append((_CONSISTENT, format_timestamp(stored_at(self._settled))))


_QUERY_FIELDS = {
    "statementId": "statement_id",
    "voidedStatementId": "voided_statement_id",
    **{name: name for name in sorted(_FILTERS | _TOLD)},
}


def _tell(context: Context, *metadata: tuple[str, str]) -> None:
    calls.tell(context, *metadata, *calls.current().response_metadata)


def _with_agent(parameters: Mapping[str, str]) -> dict[str, Any]:
    """The parameters, with the agent read."""
    if "agent" not in parameters:
        return dict(parameters)
    try:
        return {**parameters, "agent": read_json(parameters["agent"].encode())}
    except InvalidRequest:
        raise ValidationFailed.of("agent", "Must be the JSON of an agent or identified group") from None


def _sent(call: LrsCall) -> tuple[list[Sent], Mapping[str, SentFile], bool]:
    """The statements of a request, and the files that came with them."""
    kind = kind_of(call.content_type)
    files: Mapping[str, SentFile] = NO_FILES
    body = call.body
    if kind == MIXED:
        body, files = read_mixed(call.content_type, body)
    elif kind != _JSON:
        raise InvalidRequest("Send application/json or multipart/mixed")
    sent, is_list = read_statements(body)
    return sent, files, is_list


def _formatted(content: str, form: str, call: LrsCall) -> str:
    if form == "exact":
        return content
    value = decode_exactly(content)
    if form == "ids":
        return encode(as_ids(value)).decode()
    return encode(as_canonical(value, parse_accept_language(call.accept_language), {})).decode()
