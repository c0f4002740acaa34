"""How calls of the LRS are read, who makes them, and what is kept of a statement."""

import base64
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from google.api import httpbody_pb2

from server.domain.api_keys import LRS_SCOPES, KeyText, lrs_permissions
from server.domain.errors import InvalidRequest, Unauthorized, ValidationFailed
from server.domain.ids import new_id, new_ids
from server.domain.xapi.content import completed, with_stored
from server.domain.xapi.formats import as_canonical, as_ids
from server.domain.xapi.keys import facts_of, key, related
from server.domain.xapi.positions import POSITION_BITS, last_until, stored_at, stored_text
from server.domain.xapi.versions import Version
from server.rpc import context as calls
from server.rpc.credentials import key_of
from server.rpc.lrs_access import operation
from server.rpc.lrs_multipart import read_mixed, write_mixed
from server.rpc.lrs_requests import LrsCall, read_call
from server.services.statement_attachments import SentFile
from tests.factories.statements import OURS, a_statement, activity, agent

ALLOWED = {"GET": frozenset({"agent", "limit"}), "PUT": frozenset({"statementId"}), "POST": frozenset[str]()}
KEY = str(KeyText(UUID(int=1), UUID(int=7), b"s" * 32))
AT = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)


@pytest.fixture
def call() -> Iterator[calls.Call]:
    current = calls.Call(request_id="r", transcoded=True, metadata={})
    token = calls.CURRENT.set(current)
    yield current
    calls.CURRENT.reset(token)


def reading(
    call: calls.Call, method: str, path: str, body: str = "", content_type: str = "application/json", **headers: str
) -> LrsCall:
    call.metadata = {
        "x-envoy-original-path": path,
        "x-envoy-original-method": method,
        "x-experience-api-version": "2.0.0",
        "content-type": content_type,
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return read_call(method, {}, httpbody_pb2.HttpBody(data=body.encode()), allowed=ALLOWED)


def test_parameters_are_those_of_the_query_decoded(call: calls.Call) -> None:
    read = reading(call, "GET", "/xapi/statements?agent=%7B%22a%22%3A+%22%C3%A9%22%7D&limit=")
    assert (read.parameters, read.method, read.root) == ({"agent": '{"a": "é"}', "limit": ""}, "GET", "/xapi")
    assert ("x-experience-api-version", "2.0.0") in call.response_metadata


@pytest.mark.parametrize("query", ["limit=1&limit=1", "Limit=1", "x=1", "statementId=1"])
def test_parameters_that_are_none_are_refused(call: calls.Call, query: str) -> None:
    with pytest.raises(ValidationFailed):
        reading(call, "GET", f"/xapi/statements?{query}")


def test_a_form_is_the_request_that_it_stands_for(call: calls.Call) -> None:
    form = "statementId=x&content=%7B%7D&X-Experience-API-Version=1.0&If-Match=%22a%22"
    read = reading(
        call, "POST", "/xapi/1.0.3/statements?method=PUT", form, "application/x-www-form-urlencoded; charset=UTF-8"
    )
    assert (read.method, read.version, dict(read.parameters)) == ("PUT", Version.V1, {"statementId": "x"})
    assert (read.body, read.content_type, read.if_match) == (b"{}", "application/json", '"a"')


@pytest.mark.parametrize(
    ("path", "form", "kind"),
    [
        ("/xapi/statements?method=PUT", "statementId=x", "application/x-www-form-urlencoded"),
        ("/xapi/1.0.3/statements?method=PATCH", "", "application/x-www-form-urlencoded"),
        ("/xapi/1.0.3/statements?method=PUT&statementId=x", "content=x", "application/x-www-form-urlencoded"),
        ("/xapi/1.0.3/statements?method=PUT&method=PUT", "", "application/x-www-form-urlencoded"),
        ("/xapi/1.0.3/statements?method=PUT", "{}", "application/json"),
        ("/xapi/1.0.3/statements?method=PUT", "{}", "application/x-www-form-urlencoded"),
        ("/xapi/1.0.3/statements?method=PUT", "a=1&a=2", "application/x-www-form-urlencoded"),
    ],
)
def test_forms_that_stand_for_nothing_are_refused(call: calls.Call, path: str, form: str, kind: str) -> None:
    with pytest.raises(InvalidRequest):
        reading(call, "POST", path, form, kind, x_experience_api_version="1.0.3")


@pytest.mark.parametrize(
    ("path", "method", "does"),
    [
        ("/xapi/1.0.3/statements?method=GET", "POST", "read"),
        ("/xapi/1.0.3/activities/state?method=DELETE", "POST", "delete"),
        ("/xapi/1.0.3/statements?a=method=GET", "POST", "write"),
        ("/xapi/1.0.3/statements", "POST", "write"),
    ],
)
def test_what_a_form_does_is_what_its_key_needs(path: str, method: str, does: str) -> None:
    metadata = {"x-envoy-original-path": path, "x-envoy-original-method": method}
    assert operation("write", metadata) == does


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({}, None),
        ({"x-api-key": KEY}, KEY),
        ({"authorization": basic(str(UUID(int=7)), KEY)}, KEY),
        ({"authorization": basic(str(UUID(int=7)), KEY).replace("Basic", "bAsIc"), "x-api-key": KEY}, KEY),
    ],
)
def test_keys_come_in_two_ways(headers: Mapping[str, str], found: str | None) -> None:
    assert key_of(headers, basic=True) == found


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": basic(str(UUID(int=8)), KEY)},
        {"authorization": basic("", KEY)},
        {"authorization": basic(str(UUID(int=7)), KEY[:-1])},
        {"authorization": "Basic é"},
        {"authorization": "Bearer " + KEY},
        {"authorization": basic(str(UUID(int=7)), KEY), "x-api-key": "other"},
    ],
)
def test_basic_that_is_not_of_the_key_is_refused(headers: Mapping[str, str]) -> None:
    with pytest.raises(Unauthorized):
        key_of(headers, basic=True)
    assert key_of(headers, basic=False) == headers.get("x-api-key")


def test_scopes_allow_nothing_that_they_do_not_name() -> None:
    assert lrs_permissions(frozenset()) == frozenset()
    assert lrs_permissions(frozenset({"lrs:state"})) == {f"lrs/state/{one}" for one in ("read", "write", "delete")}
    everything = lrs_permissions(frozenset(LRS_SCOPES))
    assert (
        everything == lrs_permissions(frozenset({"lrs:all"})) == lrs_permissions(frozenset({"read", "write", "delete"}))
    )


def test_facts_say_what_a_statement_is_found_by() -> None:
    statement = a_statement(
        context={
            "registration": "01890000-0000-7000-8000-00000000000A",
            "instructor": agent("bob"),
            "contextActivities": {"parent": activity("parent"), "other": [activity("course")]},
        },
        result={"score": {"scaled": 0.5}},
    )
    facts = facts_of(statement, OURS.agent)
    ada, bob = "mbox|mailto:ada@example.com", "mbox|mailto:bob@example.com"
    assert set(facts.keys) == {
        key("verb", statement["verb"]["id"]),
        key("activity", activity("course")["id"]),
        key("related_activity", activity("parent")["id"]),
        key("agent", ada),
        key("related_agent", bob),
        related("agent", "account|" + json.dumps(["https://scorm.example.com", "scorm-api"], separators=(",", ":")))[1],
        key("registration", "01890000-0000-7000-8000-00000000000a"),
    }
    assert len(facts.keys) == len(set(facts.keys))
    assert (facts.actor, facts.activity, facts.scaled) == (
        key("agent", ada),
        key("activity", activity("course")["id"]),
        0.5,
    )


def test_a_position_is_a_time() -> None:
    last = last_until(AT)
    assert stored_at(last) == stored_at(last - 2**POSITION_BITS + 1) == AT
    assert stored_at(last + 1) == AT + timedelta(microseconds=1)
    assert stored_text(last) == "2026-01-02T03:04:05.678901Z"
    assert last_until(datetime(1, 1, 1, tzinfo=UTC)) == 0


def test_what_the_store_adds_comes_behind_what_the_sender_wrote() -> None:
    members = {"actor": b'{"a": 1.0}', "stored": b'"x"', "authority": b"{}", "id": b'"i"'}
    kept = completed(members, {"id": b'"j"', "authority": b'{"ours":1}', "version": b'"1.0.0"'})
    assert kept == b'{"actor":{"a": 1.0},"id":"i","authority":{"ours":1},"version":"1.0.0"}'
    assert with_stored(kept.decode(), "t").endswith(',"version":"1.0.0","stored":"t"}')


def test_ids_and_canonical_reach_everywhere() -> None:
    named = {"id": "urn:x:y", "definition": {"name": {"en": "N", "de": "M"}}}
    inner = {"objectType": "SubStatement", **a_statement(object=named)}
    statement = a_statement(object=inner, context={"contextActivities": {"parent": [named]}})
    told = as_ids(statement)
    assert told["object"]["object"] == {"id": "urn:x:y"}
    assert told["object"]["actor"] == {"mbox": "mailto:ada@example.com"}
    assert told["context"]["contextActivities"]["parent"] == [{"id": "urn:x:y"}]
    german = as_canonical(statement, ["de"])
    assert german["object"]["object"]["definition"]["name"] == {"de": "M"}
    assert german["context"]["contextActivities"]["parent"][0]["definition"]["name"] == {"de": "M"}
    assert as_canonical(statement, ["fr"])["object"]["object"]["definition"]["name"] == {"en": "N"}


def test_mixed_parts_come_back_as_they_went() -> None:
    files = {"a" * 64: SentFile("image/png", b"\r\n--x\r\n\0\xff"), "b" * 64: SentFile("text/plain", b"")}
    kind, body = write_mixed(b'{"x":1}', files)
    assert read_mixed(kind, body) == (b'{"x":1}', files)


@pytest.mark.parametrize(
    "kind", ["multipart/mixed", "multipart/mixed; boundary=", f"multipart/mixed; boundary={'x' * 71}"]
)
def test_mixed_needs_a_boundary(kind: str) -> None:
    with pytest.raises(InvalidRequest):
        read_mixed(kind, b"--x\r\n\r\n\r\n--x--\r\n")


def test_many_ids_are_as_one() -> None:
    ids = new_ids(AT, 1_000)
    assert len(set(ids)) == 1_000
    assert {one.version for one in ids} == {7}
    assert {one.variant for one in ids} == {new_id(AT).variant}
    assert {one.int >> 80 for one in ids} == {new_id(AT).int >> 80}
