"""The servicer of `scorm.v1.LrsService`: the Experience API itself."""

import json
from typing import Any

import grpc
from google.api import httpbody_pb2

from server.domain.errors import ValidationFailed
from server.gen.scorm.v1 import lrs_service_pb2 as pb
from server.gen.scorm.v1 import lrs_service_pb2_grpc
from server.rpc import context as calls
from server.rpc.fields import given
from server.rpc.lrs_documents import LrsDocumentMethods
from server.rpc.lrs_requests import VERSION_HEADER, read_call, version_of
from server.rpc.lrs_statements import LrsStatementMethods
from server.rpc.xapi_json import encode, read_json
from server.services.lrs_documents import LrsDocuments
from server.services.statement_attachments import Attachments
from server.services.statement_queries import StatementQueries
from server.services.statement_subjects import StatementSubjects
from server.services.statements import Statements

Context = grpc.aio.ServicerContext[Any, Any]
_ACTIVITY = {"GET": frozenset({"activityId"}), "HEAD": frozenset({"activityId"})}
_AGENT = {"GET": frozenset({"agent"}), "HEAD": frozenset({"agent"})}
_NOTHING: dict[str, frozenset[str]] = {"GET": frozenset(), "HEAD": frozenset()}
SUPPORTED = ["2.0.0", "1.0.3", "1.0.2", "1.0.1", "1.0.0"]


class LrsServicer(LrsStatementMethods, LrsDocumentMethods, lrs_service_pb2_grpc.LrsServiceServicer):
    """Statements and documents have files of their own."""

    def __init__(
        self,
        *,
        statements: Statements,
        queries: StatementQueries,
        attachments: Attachments,
        subjects: StatementSubjects,
        documents: LrsDocuments,
    ) -> None:
        LrsStatementMethods.__init__(self, statements=statements, queries=queries, attachments=attachments)
        LrsDocumentMethods.__init__(self, documents=documents)
        self._subjects = subjects

    async def GetActivity(self, request: pb.GetActivityRequest, context: Context) -> httpbody_pb2.HttpBody:
        told = {"activityId": given(request, "activity_id")}
        call = read_call("GET", told, request.body, allowed=_ACTIVITY)
        wanted = call.parameters.get("activityId")
        if wanted is None:
            raise ValidationFailed.of("activityId", "Is required")
        return _json(context, await self._subjects.activity(wanted, tenant_id=calls.current().tenant_id))

    async def GetAgent(self, request: pb.GetAgentRequest, context: Context) -> httpbody_pb2.HttpBody:
        told = {"agent": given(request, "agent")}
        call = read_call("GET", told, request.body, allowed=_AGENT)
        if "agent" not in call.parameters:
            raise ValidationFailed.of("agent", "Is required")
        agent = read_json(call.parameters["agent"].encode())
        return _json(context, await self._subjects.person(agent, tenant_id=calls.current().tenant_id))

    async def GetAbout(self, request: pb.GetAboutRequest, context: Context) -> httpbody_pb2.HttpBody:
        # No version is needed to learn which there are.
        path = calls.current().metadata.get("x-envoy-original-path", "")
        calls.tell(context, (VERSION_HEADER, version_of(path).header))
        return httpbody_pb2.HttpBody(content_type="application/json", data=json.dumps({"version": SUPPORTED}).encode())


def _json(context: Context, value: dict[str, Any]) -> httpbody_pb2.HttpBody:
    calls.tell(context, *calls.current().response_metadata)
    return httpbody_pb2.HttpBody(content_type="application/json", data=encode(value))
