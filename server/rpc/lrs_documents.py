"""The document resources of `scorm.v1.LrsService`: state, agent profiles and activity profiles."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import grpc
from google.api import httpbody_pb2

from server.domain.errors import Faults, InvalidRequest, ValidationFailed
from server.domain.xapi.actors import parse_filter_agent
from server.domain.xapi.documents import Resource
from server.domain.xapi.keys import key
from server.domain.xapi.parameters import parse_time, parse_uuid
from server.domain.xapi.texts import is_iri
from server.gen.scorm.v1 import lrs_service_pb2 as pb
from server.rpc import context as calls
from server.rpc.fields import given
from server.rpc.lrs_requests import LrsCall, read_call
from server.rpc.times import http_date
from server.rpc.xapi_json import read_json
from server.services.lrs_document_ports import NO_REGISTRATION, Place
from server.services.lrs_documents import Conditions, LrsDocuments, is_json

Context = grpc.aio.ServicerContext[Any, Any]
_FIELDS = {
    "activityId": "activity_id",
    "agent": "agent",
    "registration": "registration",
    "stateId": "state_id",
    "profileId": "profile_id",
    "since": "since",
}


@dataclass(frozen=True, slots=True)
class _Kind:
    """A resource, and the parameters that it has: what a document belongs to, and which it is."""

    resource: Resource
    owner: tuple[str, ...]
    name: str
    has_registration: bool = False
    deletes_all: bool = False

    @property
    def allowed(self) -> Mapping[str, frozenset[str]]:
        named = frozenset((*self.owner, self.name, *(("registration",) if self.has_registration else ())))
        reads = named | {"since"}
        return {"GET": reads, "HEAD": reads, "PUT": named, "POST": named, "DELETE": named}


_STATE = _Kind(Resource.STATE, ("activityId", "agent"), "stateId", has_registration=True, deletes_all=True)
_AGENT_PROFILE = _Kind(Resource.AGENT_PROFILE, ("agent",), "profileId")
_ACTIVITY_PROFILE = _Kind(Resource.ACTIVITY_PROFILE, ("activityId",), "profileId")


class LrsDocumentMethods:
    """Converts, calls, converts."""

    def __init__(self, *, documents: LrsDocuments) -> None:
        self._documents = documents

    async def GetState(self, request: pb.DocumentRequest, context: Context) -> httpbody_pb2.HttpBody:
        return await self._serve_document("GET", _STATE, request, context)

    async def PutState(self, request: pb.DocumentRequest, context: Context) -> httpbody_pb2.HttpBody:
        return await self._serve_document("PUT", _STATE, request, context)

    async def PostState(self, request: pb.DocumentRequest, context: Context) -> httpbody_pb2.HttpBody:
        return await self._serve_document("POST", _STATE, request, context)

    async def DeleteState(self, request: pb.DocumentRequest, context: Context) -> httpbody_pb2.HttpBody:
        return await self._serve_document("DELETE", _STATE, request, context)

    async def GetAgentProfile(self, request: pb.DocumentRequest, context: Context) -> httpbody_pb2.HttpBody:
        return await self._serve_document("GET", _AGENT_PROFILE, request, context)

    async def PutAgentProfile(self, request: pb.DocumentRequest, context: Context) -> httpbody_pb2.HttpBody:
        return await self._serve_document("PUT", _AGENT_PROFILE, request, context)

    async def PostAgentProfile(self, request: pb.DocumentRequest, context: Context) -> httpbody_pb2.HttpBody:
        return await self._serve_document("POST", _AGENT_PROFILE, request, context)

    async def DeleteAgentProfile(self, request: pb.DocumentRequest, context: Context) -> httpbody_pb2.HttpBody:
        return await self._serve_document("DELETE", _AGENT_PROFILE, request, context)

    async def GetActivityProfile(self, request: pb.DocumentRequest, context: Context) -> httpbody_pb2.HttpBody:
        return await self._serve_document("GET", _ACTIVITY_PROFILE, request, context)

    async def PutActivityProfile(self, request: pb.DocumentRequest, context: Context) -> httpbody_pb2.HttpBody:
        return await self._serve_document("PUT", _ACTIVITY_PROFILE, request, context)

    async def PostActivityProfile(self, request: pb.DocumentRequest, context: Context) -> httpbody_pb2.HttpBody:
        return await self._serve_document("POST", _ACTIVITY_PROFILE, request, context)

    async def DeleteActivityProfile(self, request: pb.DocumentRequest, context: Context) -> httpbody_pb2.HttpBody:
        return await self._serve_document("DELETE", _ACTIVITY_PROFILE, request, context)

    async def _serve_document(
        self, method: str, kind: _Kind, request: pb.DocumentRequest, context: Context
    ) -> httpbody_pb2.HttpBody:
        """Whatever method the request is, or stands for."""
        told = {name: given(request, field) for name, field in _FIELDS.items()}
        call = read_call(method, told, request.body, allowed=kind.allowed)
        place = _place(kind, call.parameters)
        wanted = _name(kind, call.parameters)
        if call.method in ("GET", "HEAD"):
            return await self._get_document(call, wanted, place, context)
        if call.method in ("PUT", "POST"):
            await self._store_document(call, kind, wanted, place)
        else:
            await self._delete_documents(call, kind, wanted, place)
        calls.tell(context, ("x-http-status", "204"), *calls.current().response_metadata)
        return httpbody_pb2.HttpBody()

    async def _get_document(
        self, call: LrsCall, wanted: str | None, place: Place, context: Context
    ) -> httpbody_pb2.HttpBody:
        told = calls.current().response_metadata
        if wanted is not None:
            found = await self._documents.get(wanted, place=place)
            calls.tell(context, ("etag", found.etag), ("last-modified", http_date(found.updated_at)), *told)
            return httpbody_pb2.HttpBody(content_type=found.content_type, data=found.content)
        every = "registration" not in call.parameters
        listed = await self._documents.list(
            place=place, every_registration=every, since=parse_time("since", call.parameters.get("since"))
        )
        modified = [("last-modified", http_date(max(one.updated_at for one in listed)))] if listed else []
        calls.tell(context, *modified, *told)
        ids = list(dict.fromkeys(one.id for one in listed))
        return httpbody_pb2.HttpBody(content_type="application/json", data=json.dumps(ids).encode())

    async def _store_document(self, call: LrsCall, kind: _Kind, wanted: str | None, place: Place) -> None:
        if wanted is None:
            raise ValidationFailed.of(kind.name, "Is required")
        content_type = call.content_type or "application/octet-stream"
        if is_json(content_type):
            value = read_json(call.body)
            if call.method == "POST" and not isinstance(value, dict):
                raise InvalidRequest("Only a JSON object can be merged into a document")
        store = self._documents.put if call.method == "PUT" else self._documents.post
        await store(wanted, call.body, content_type, place=place, conditions=_conditions(call, kind))

    async def _delete_documents(self, call: LrsCall, kind: _Kind, wanted: str | None, place: Place) -> None:
        if wanted is not None:
            await self._documents.delete(wanted, place=place, conditions=_conditions(call, kind))
        elif kind.deletes_all:
            every = "registration" not in call.parameters
            await self._documents.delete_all(place=place, every_registration=every)
        else:
            raise ValidationFailed.of(kind.name, "Is required")


def _conditions(call: LrsCall, kind: _Kind) -> Conditions:
    return Conditions(
        version=call.version, resource=kind.resource, if_match=call.if_match, if_none_match=call.if_none_match
    )


def _place(kind: _Kind, parameters: Mapping[str, str]) -> Place:
    """Where the documents are that the parameters name. Raises ValidationFailed with every fault."""
    faults = Faults()
    parts = [faults.of(lambda name=name: _owner(name, parameters.get(name))) for name in kind.owner]  # type: ignore[misc]
    registration = faults.of(lambda: parse_uuid("registration", parameters.get("registration")))
    faults.of(lambda: parse_time("since", parameters.get("since")))
    faults.refuse()
    owner = json.dumps([kind.resource.value, *parts])
    return Place(
        tenant_id=calls.current().tenant_id, owner=key("owner", owner), registration=registration or NO_REGISTRATION
    )


def _name(kind: _Kind, parameters: Mapping[str, str]) -> str | None:
    """Which document is meant, if one is. Postgres keeps no text with NUL."""
    wanted = parameters.get(kind.name)
    if wanted is not None and "\0" in wanted:
        raise ValidationFailed.of(kind.name, "Must not contain NUL")
    return wanted


def _owner(name: str, text: str | None) -> str:
    if text is None:
        raise ValidationFailed.of(name, "Is required")
    if name == "activityId":
        if not is_iri(text):
            raise ValidationFailed.of(name, "Must be an IRI with a scheme")
        return text
    try:
        agent = read_json(text.encode())
    except InvalidRequest:
        raise ValidationFailed.of(name, "Must be the JSON of an agent") from None
    return parse_filter_agent(agent)
