"""The RPC methods of documents over native gRPC: what they tell beside the document."""

import json
from hashlib import sha1
from typing import Any
from uuid import UUID, uuid4

import pytest
from google.api import httpbody_pb2

from server.domain.api_keys import Plan
from server.domain.errors import ValidationFailed
from server.gen.scorm.v1 import lrs_service_pb2 as pb
from server.rpc import context as calls
from server.rpc.lrs_documents import LrsDocumentMethods
from server.services.authentication import Caller
from server.storage.connection import PostgresDatabase, PostgresOperatorDatabase
from tests.contract.lrs_documents_fixtures import JSON, Desk, desk_of
from tests.rows import store_tenant


@pytest.fixture
async def desk(database: PostgresDatabase, operator_database: PostgresOperatorDatabase) -> Desk:
    return desk_of(database, (await store_tenant(operator_database)).id)


class Context:
    """As much of a servicer's context as the methods use."""

    def __init__(self) -> None:
        self.told: dict[str, str] = {}

    def set_trailing_metadata(self, metadata: tuple[tuple[str, str], ...]) -> None:
        self.told = dict(metadata)


def begin_call(tenant_id: UUID) -> None:
    """Native gRPC of 2.0 by a key of the tenant, in the task of the test."""
    caller = Caller(tenant_id=tenant_id, key_id=uuid4(), plan=Plan.STANDARD, scopes=frozenset(), expires_at=None)
    metadata = {"x-experience-api-version": "2.0.0"}
    calls.CURRENT.set(calls.Call(request_id="r", transcoded=False, metadata=metadata, caller=caller))


def state_request(name: str | None, **body: Any) -> pb.DocumentRequest:
    message = httpbody_pb2.HttpBody(**body) if body else None
    agent = json.dumps({"mbox": "mailto:ada@example.com"})
    return pb.DocumentRequest(body=message, activity_id="https://example.com/a", agent=agent, state_id=name)


async def test_the_methods_tell_the_document_with_its_headers(desk: Desk) -> None:
    methods, context = LrsDocumentMethods(documents=desk.documents), Context()
    served: Any = context

    async def call(method: Any, request: pb.DocumentRequest) -> Any:
        begin_call(desk.place.tenant_id)
        return await method(request, served)

    stored = await call(methods.PutState, state_request("s", data=b"x", content_type="a/b"))
    assert (stored, context.told) == (
        httpbody_pb2.HttpBody(),
        {"x-http-status": "204", "x-experience-api-version": "2.0.0"},
    )
    found = await call(methods.GetState, state_request("s"))
    assert (found.data, found.content_type) == (b"x", "a/b")
    modified = {"last-modified": "Wed, 04 Mar 2026 05:06:07 GMT", "x-experience-api-version": "2.0.0"}
    assert context.told == {"etag": f'"{sha1(b"x").hexdigest()}"', **modified}
    listed = await call(methods.GetState, state_request(None))
    assert (listed.data, listed.content_type, context.told) == (b'["s"]', JSON, modified)
    await call(methods.DeleteState, state_request(None))
    listed = await call(methods.GetState, state_request(None))
    assert (listed.data, context.told) == (b"[]", {"x-experience-api-version": "2.0.0"})


async def test_an_id_that_postgres_cannot_keep_is_named(desk: Desk) -> None:
    methods, served = LrsDocumentMethods(documents=desk.documents), Context()
    context: Any = served
    for method in (methods.GetState, methods.PutState, methods.PostState, methods.DeleteState):
        begin_call(desk.place.tenant_id)
        with pytest.raises(ValidationFailed) as failure:
            await method(state_request("a\0b", data=b"x", content_type="a/b"), context)
        assert list(failure.value.field_errors) == ["stateId"]
