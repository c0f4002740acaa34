"""Exports of statements: lines of JSON over REST, a stream over gRPC."""

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import grpc
import httpx
import pytest

from server.gen.scorm.v1 import xapi_service_pb2 as pb
from server.gen.scorm.v1.xapi_service_pb2_grpc import XapiServiceStub
from tests.factories.statements import a_statement, voiding
from tests.gateway.lrs import lrs, new_statement, post
from tests.gateway.test_documented_packages import client, error_of
from tests.stack import Stack

PATH = "/api/v1/xapi/export"


@pytest.fixture
def key(stack: Stack) -> str:
    return stack.new_tenant()


@pytest.fixture
def api(stack: Stack, key: str) -> Iterator[httpx.Client]:
    with client(stack, key) as opened:
        yield opened


def exported(api: httpx.Client, **query: Any) -> tuple[list[Any], str]:
    answer = api.get(PATH, params=query)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-ndjson"), answer.text
    *statements, last = map(json.loads, answer.text.splitlines())
    assert list(last) == ["next_cursor"]
    return statements, last["next_cursor"]


def all_of(api: httpx.Client, ids: list[str]) -> tuple[list[Any], str]:
    """The export, once everything stored is settled."""
    deadline = time.monotonic() + 10
    told = exported(api)
    while [one["id"] for one in told[0]] != ids:
        assert time.monotonic() < deadline, told
        time.sleep(0.05)
        told = exported(api)
    return told


def test_everything_is_told_in_its_order_voided_or_not_and_goes_on_by_the_cursor(
    stack: Stack, key: str, api: httpx.Client
) -> None:
    target = new_statement()
    with lrs(stack, key) as strict:
        ids = post(strict, target, *(new_statement() for _ in range(1200)))
        ids += post(strict, voiding(target["id"]))
    statements, cursor = all_of(api, ids)
    assert statements[0]["actor"] == target["actor"]
    assert exported(api, cursor=cursor) == ([], cursor)
    assert [one["id"] for one in exported(api, since=statements[1199]["stored"])[0]] == ids[1200:]
    (new,) = [api.post("/api/v1/xapi/statements", json=a_statement()).json()]
    deadline = time.monotonic() + 10
    while not (more := exported(api, cursor=cursor)[0]):
        assert time.monotonic() < deadline
    assert [one["id"] for one in more] == [new]
    assert exported(api, cursor=exported(api)[1])[0] == []


def test_nothing_of_another_tenant_is_exported(stack: Stack, api: httpx.Client) -> None:
    with lrs(stack, stack.new_tenant()) as other:
        post(other, new_statement())
    time.sleep(0.5)
    assert exported(api)[0] == []


def test_an_export_that_waits_tells_what_is_stored_meanwhile(stack: Stack, key: str) -> None:
    stored: list[str] = []

    def store() -> None:
        with lrs(stack, key) as strict:
            for _ in range(5):
                stored.extend(post(strict, new_statement()))
                time.sleep(0.2)

    with grpc.insecure_channel(stack.grpc_address) as channel:
        call = XapiServiceStub(channel).ExportStatements(
            pb.ExportStatementsRequest(wait_seconds=4), metadata=(("x-api-key", key),), timeout=30
        )
        writer = threading.Thread(target=store)
        writer.start()
        *statements, last = [json.loads(line) for body in call for line in body.data.splitlines()]
        writer.join()
    assert [one["id"] for one in statements] == stored
    assert list(last) == ["next_cursor"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"cursor": "x"}, "cursor"),
        ({"since": "x"}, "since"),
        ({"wait_seconds": 601}, "wait_seconds"),
        ({"cursor": "AAAAAAAAAAA", "since": "2026-01-01T00:00:00Z"}, "since"),
    ],
)
def test_what_is_no_beginning_is_named(api: httpx.Client, query: dict[str, Any], field: str) -> None:
    answer = api.get(PATH, params=query)
    assert (answer.status_code, error_of(answer)["code"]) == (400, "VALIDATION_ERROR")
    assert list(error_of(answer)["details"]["fieldErrors"]) == [field]


def test_a_key_is_needed(stack: Stack) -> None:
    answer = httpx.get(stack.base_url + PATH)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "UNAUTHORIZED")
    with grpc.insecure_channel(stack.grpc_address) as channel, pytest.raises(grpc.RpcError) as error:
        list(XapiServiceStub(channel).ExportStatements(pb.ExportStatementsRequest()))
    assert error.value.code() is grpc.StatusCode.UNAUTHENTICATED
