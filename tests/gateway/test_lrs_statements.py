"""The statement resource of the Experience API, through Envoy. ADL's suite has the rest: `make conformance-xapi`."""

import hashlib
import json
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from server.domain.xapi.times import parse_timestamp
from tests.factories.statements import VERBS, a_statement, activity, agent, voiding
from tests.gateway.lrs import ADA, COURSE, FIRST, SECOND, VERSION_OF, found, lrs, new_statement, post
from tests.gateway.test_documented_packages import error_of
from tests.stack import Stack, tenant_of

REFERENCE = "StatementRef"


@pytest.fixture
def key(stack: Stack) -> str:
    return stack.new_tenant()


@pytest.fixture
def client(stack: Stack, key: str) -> Iterator[httpx.Client]:
    with lrs(stack, key) as opened:
        yield opened


def referring(target: str, **properties: Any) -> dict[str, Any]:
    return new_statement(object={"objectType": REFERENCE, "id": target}, **properties)


@pytest.mark.parametrize("root", [FIRST, SECOND])
def test_a_statement_comes_back_as_it_was_sent_with_what_the_store_adds(stack: Stack, key: str, root: str) -> None:
    identifier = str(uuid4())
    sent = (
        f'{{"id": "{identifier}", "actor": {{"mbox":"mailto:ada@example.com"}},\n "verb": {{"id":"https://x.org/v"}},'
        '"object":{"id":"https://x.org/a"}, "result": {"extensions": {"https://x.org/e": 12345678901234567890.10},'
        '"score": {"raw": 1e2}}, "stored": "2001-01-01T00:00:00Z", "authority": {"mbox": "mailto:eve@example.com"}}'
    )
    with lrs(stack, key, root) as client:
        put = client.put(
            "/statements",
            params={"statementId": identifier},
            content=sent,
            headers={"content-type": "application/json"},
        )
        assert (put.status_code, put.content) == (204, b"")
        got = client.get("/statements", params={"statementId": identifier})
    assert '{"extensions": {"https://x.org/e": 12345678901234567890.10},"score": {"raw": 1e2}}' in got.text
    told = got.json()
    assert told["authority"]["account"]["homePage"].endswith(f"/tenants/{tenant_of(key)}/api-keys")
    assert told["version"] == ("1.0.0" if root == FIRST else "2.0.0")
    assert abs(parse_timestamp(told["stored"]) - parse_timestamp(told["timestamp"])) < timedelta(seconds=5)
    assert got.headers["x-experience-api-version"] == VERSION_OF[root]
    assert "last-modified" in got.headers
    head = None
    with lrs(stack, key, root) as client:
        head = client.head("/statements", params={"statementId": identifier})
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(got.content)))


def test_a_repeated_id_is_accepted_for_the_same_statement_only(client: httpx.Client) -> None:
    statement = new_statement(result={"score": {"raw": 1}})
    assert post(client, statement) == post(client, {**statement, "result": {"score": {"raw": 1.0}}})
    other = client.post("/statements", json={**statement, "actor": agent("bob")})
    assert (other.status_code, error_of(other)["code"]) == (409, "CONFLICT")
    new = new_statement()
    batch = client.post("/statements", json=[new, {**statement, "verb": {"id": VERBS + "failed"}}])
    assert batch.status_code == 409
    assert found(client) == [statement["id"]], "all or none"


def test_every_fault_of_a_batch_is_told_and_nothing_is_stored(client: httpx.Client) -> None:
    bad = [new_statement(), {**new_statement(actor={"mbox": "x"}), "verb": {}}, new_statement(context=None)]
    answer = client.post("/statements", json=bad)
    assert answer.status_code == 400
    faults = error_of(answer)["details"]["fieldErrors"]
    assert {"[1].actor.mbox", "[1].verb.id", "[2].context"} <= set(faults)
    assert found(client) == []


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]]", b'{"a":1,"a":2}', b"\xff", b"[1]", b"NaN", b"[" * 100_000, b'"text"', b"null"],
)
def test_what_is_no_statement_is_told(client: httpx.Client, body: bytes) -> None:
    answer = client.post("/statements", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert error_of(answer)["code"] in ("BAD_REQUEST", "VALIDATION_ERROR")
    assert answer.headers["x-experience-api-version"] == "2.0.0"


def test_filters_find_what_they_say_alone_and_together(client: httpx.Client) -> None:
    registration = str(uuid4())
    ada = new_statement(context={"registration": registration})
    bob = new_statement(actor=agent("bob"), verb={"id": VERBS + "passed"}, object=activity("other"))
    team = new_statement(
        actor={"objectType": "Group", "member": [agent("bob"), agent("cyd")]},
        context={"contextActivities": {"parent": {"id": COURSE}}},
        object=activity("other"),
    )
    post(client, ada, bob, team)
    ids = {name: one["id"] for name, one in {"ada": ada, "bob": bob, "team": team}.items()}

    def names(**query: Any) -> list[str]:
        return [name for one in found(client, **query) for name, identifier in ids.items() if identifier == one]

    assert names() == ["team", "bob", "ada"]
    assert names(ascending="true") == ["ada", "bob", "team"]
    assert names(agent=json.dumps(agent("bob"))) == ["team", "bob"]
    assert names(verb=VERBS + "passed") == ["bob"]
    assert names(activity=COURSE) == ["ada"]
    assert names(activity=COURSE, related_activities="true") == ["team", "ada"]
    assert names(registration=registration.upper()) == ["ada"]
    assert names(agent=json.dumps(agent("bob")), verb=VERBS + "experienced") == ["team"]
    assert names(agent=json.dumps(ADA), verb=VERBS + "passed") == []
    stored = client.get("/statements", params={"statementId": ids["bob"]}).json()["stored"]
    assert names(since=stored) == ["team"]
    assert names(until=stored) == ["bob", "ada"]
    authority = client.get("/statements", params={"statementId": ids["bob"]}).json()["authority"]
    assert names(agent=json.dumps(authority), related_agents="true") == ["team", "bob", "ada"]
    assert names(agent=json.dumps(authority)) == []


def test_pages_lead_from_one_to_the_next_whatever_is_stored_meanwhile(client: httpx.Client) -> None:
    ids = post(client, *(new_statement() for _ in range(7)))
    first = client.get("/statements", params={"limit": 3}).json()
    post(client, new_statement())
    second = client.get(str(client.base_url.copy_with(path=first["more"]))).json()
    third = client.get(str(client.base_url.copy_with(path=second["more"]))).json()
    told = [one["id"] for page in (first, second, third) for one in page["statements"]]
    assert told == ids[::-1]
    assert third["more"] == ""


def test_a_more_of_another_tenant_or_of_nobody_is_not_found(stack: Stack, client: httpx.Client) -> None:
    post(client, *(new_statement() for _ in range(2)))
    more = client.get("/statements", params={"limit": 1}).json()["more"]
    with lrs(stack, stack.new_tenant()) as other:
        assert other.get(str(other.base_url.copy_with(path=more))).status_code == 404
    for token in (more.rpartition("/")[2][:-2] + "xx", "x", "%20", "é"):
        assert client.get(f"/statements/more/{token}").status_code == 404


def test_voiding_hides_a_statement_and_shows_it_to_who_asks_for_voided_ones(client: httpx.Client) -> None:
    target = new_statement()
    post(client, target)
    void = {"id": str(uuid4()), **voiding(target["id"])}
    post(client, void)
    assert client.get("/statements", params={"statementId": target["id"]}).status_code == 404
    assert client.get("/statements", params={"voidedStatementId": target["id"]}).json()["id"] == target["id"]
    assert client.get("/statements", params={"voidedStatementId": void["id"]}).status_code == 404
    assert found(client, activity=COURSE) == [void["id"]], "who refers to it is found by it"
    # It cannot be voided itself.
    again = {"id": str(uuid4()), **voiding(void["id"])}
    post(client, again)
    assert client.get("/statements", params={"statementId": void["id"]}).status_code == 200


def test_a_statement_is_born_voided_where_what_voids_it_came_first(client: httpx.Client) -> None:
    target = new_statement()
    post(client, voiding(target["id"]))
    post(client, target)
    assert client.get("/statements", params={"statementId": target["id"]}).status_code == 404
    assert client.get("/statements", params={"voidedStatementId": target["id"]}).status_code == 200


def test_only_the_author_or_a_key_for_everything_may_void(stack: Stack, key: str, client: httpx.Client) -> None:
    target = new_statement()
    post(client, target)
    tenant = tenant_of(key)
    with lrs(stack, stack.new_key(tenant)) as other:
        refused = other.post("/statements", json=voiding(target["id"]))
        assert (refused.status_code, error_of(refused)["details"]) == (403, {"required_scope": "lrs:all"})
        # Nor by being first.
        early = new_statement()
        post(other, voiding(early["id"]))
    post(client, early)
    assert client.get("/statements", params={"statementId": early["id"]}).status_code == 200
    with lrs(stack, stack.new_key(tenant, scopes=["lrs:all"])) as over_all:
        post(over_all, voiding(target["id"]))
    assert client.get("/statements", params={"statementId": target["id"]}).status_code == 404


def test_who_refers_is_found_by_what_it_refers_to_however_far_and_in_whichever_order(client: httpx.Client) -> None:
    target = new_statement(verb={"id": VERBS + "passed"})
    near, far = referring(target["id"]), None
    far = referring(near["id"])
    post(client, far)
    post(client, near)
    post(client, target)
    deadline = time.monotonic() + 10
    while (told := found(client, verb=VERBS + "passed", activity=COURSE)) != [target["id"], near["id"], far["id"]]:
        assert time.monotonic() < deadline, told
        time.sleep(0.1)
    # Filters must hold of one and the same: the verb of this one, and the object of that one, do not count.
    assert found(client, verb=VERBS + "experienced", activity=COURSE) == []


def test_what_is_settled_comes_close_behind(client: httpx.Client) -> None:
    (identifier,) = post(client, new_statement())
    stored = parse_timestamp(client.get("/statements", params={"statementId": identifier}).json()["stored"])
    deadline = time.monotonic() + 10
    while True:
        answer = client.get("/statements", params={"limit": "x"})
        assert answer.status_code == 400
        through = parse_timestamp(answer.headers["x-experience-api-consistent-through"])
        if through >= stored:
            break
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_attachments_come_back_byte_for_byte(client: httpx.Client) -> None:
    content = bytes(range(256)) * 40 + b"\r\n--x\r\n"
    digest = hashlib.sha256(content).hexdigest()
    attachment = {
        "usageType": "https://example.com/usage",
        "display": {"en": "a file"},
        "contentType": "application/octet-stream",
        "length": len(content),
        "sha2": digest,
    }
    statement = new_statement(attachments=[attachment])
    body = (
        b"--limit\r\nContent-Type: application/json\r\n\r\n"
        + json.dumps(statement).encode()
        + b"\r\n--limit\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n"
        + f"X-Experience-API-Hash: {digest}\r\n\r\n".encode()
        + content
        + b"\r\n--limit--\r\n"
    )
    assert client.post("/statements", json=statement).status_code == 400, "its file is missing"
    headers = {"content-type": "multipart/mixed; boundary=limit"}
    assert client.post("/statements", content=body, headers=headers).json() == [statement["id"]]
    damaged = body.replace(b"\x00\x01\x02", b"\x00\x01\x03", 1)
    assert client.post("/statements", content=damaged, headers=headers).status_code == 400
    got = client.get("/statements", params={"statementId": statement["id"], "attachments": "true"})
    assert got.headers["content-type"].startswith("multipart/mixed; boundary=")
    assert content in got.content
    assert digest.encode() in got.content


@pytest.mark.parametrize("wanted", ["ids", "canonical"])
def test_formats_tell_less(client: httpx.Client, wanted: str) -> None:
    statement = new_statement(
        object={"id": COURSE, "definition": {"name": {"en": "Course", "de": "Kurs"}}},
        result={"extensions": {"https://x.org/e": 0.125}},
    )
    sent = json.dumps(statement).replace("0.125", "0.12500")
    client.post("/statements", content=sent, headers={"content-type": "application/json"}).raise_for_status()
    answer = client.get("/statements", params={"format": wanted}, headers={"accept-language": "de-AT, en;q=0.5"})
    (told,) = answer.json()["statements"]
    if wanted == "ids":
        assert (told["actor"], told["object"]) == (ADA, {"id": COURSE})
    else:
        assert told["object"]["definition"] == {"name": {"de": "Kurs"}}
    assert "0.12500" in answer.text, "digits are kept"


@pytest.mark.parametrize(
    "query",
    [
        "statementId=x&limit=1",
        "statementId=a&voidedStatementId=b",
        "limit=-1",
        "limit=1&limit=2",
        "Verb=x",
        "agent=x",
        "agent={}",
        "since=yesterday",
        "registration=1",
        "ascending=yes",
        "format=xml",
    ],
)
def test_queries_that_mean_nothing_are_refused(client: httpx.Client, query: str) -> None:
    answer = client.get(f"/statements?{query}")
    assert (answer.status_code, error_of(answer)["code"]) == (400, "VALIDATION_ERROR")


def test_a_form_stands_for_another_request_in_1_0_3_only(stack: Stack, key: str) -> None:
    with lrs(stack, key, FIRST) as client:
        statement = a_statement()
        identifier = str(uuid4())
        form = {
            "statementId": identifier,
            "content": json.dumps(statement),
            "X-Experience-API-Version": "1.0.3",
            "Authorization": str(client.build_request("GET", "/").headers.get("authorization", "")),
        }
        request = client.build_request("GET", "/about")
        basic = next(client.auth.auth_flow(request)).headers["authorization"]  # type: ignore[union-attr]
        form["Authorization"] = basic
        bare = httpx.post(f"{client.base_url}statements?method=PUT", data=form)
        assert bare.status_code == 204, bare.text
        read = client.post("/statements?method=GET", data={"statementId": identifier})
        assert read.json()["id"] == identifier
        form["Authorization"] = "Basic eDp5"
        assert httpx.post(f"{client.base_url}statements?method=GET", data=form).status_code == 401
        assert client.post("/statements?method=PATCH", data={}).status_code == 400
        assert client.post("/statements?method=GET&limit=1", data={}).status_code == 400
    with lrs(stack, key, SECOND) as client:
        assert client.post("/statements?method=GET", data={}).status_code == 400


def test_times_without_a_statement_are_those_of_a_reader(client: httpx.Client) -> None:
    answer = client.get("/statements", headers={"x-experience-api-version": "2.0.0"})
    assert answer.json() == {"statements": [], "more": ""}
    through = answer.headers["x-experience-api-consistent-through"]
    assert parse_timestamp(through) > datetime.fromisoformat("2026-01-01T00:00:00+00:00")
