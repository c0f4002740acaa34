"""State and profiles of the Experience API, through Envoy."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx
import pytest

from tests.gateway.lrs import ADA, COURSE, FIRST, SECOND, lrs, new_statement, post, state_url
from tests.gateway.test_documented_packages import error_of
from tests.stack import Stack

PROFILE = f"/activities/profile?activityId={COURSE}&profileId=p"
AGENT = {"agent": json.dumps(ADA), "profileId": "p"}


@pytest.fixture
def key(stack: Stack) -> str:
    return stack.new_tenant()


@pytest.fixture
def client(stack: Stack, key: str) -> Iterator[httpx.Client]:
    with lrs(stack, key) as opened:
        yield opened


def test_a_document_comes_back_as_it_was_with_its_type_and_tag(client: httpx.Client) -> None:
    content = bytes(range(256))
    stored = client.put(state_url(stateId="s"), content=content, headers={"content-type": "image/x; a=b"})
    assert (stored.status_code, stored.content) == (204, b"")
    got = client.get(state_url(stateId="s"))
    assert (got.content, got.headers["content-type"]) == (content, "image/x; a=b")
    assert got.headers["etag"].startswith('"')
    assert "last-modified" in got.headers
    assert client.head(state_url(stateId="s")).headers["etag"] == got.headers["etag"]
    assert client.get(state_url()).json() == ["s"]
    assert client.delete(state_url(stateId="s")).status_code == 204
    assert client.get(state_url(stateId="s")).status_code == 404


def test_documents_of_other_registrations_are_others(client: httpx.Client) -> None:
    registration = str(uuid4())
    client.put(state_url(stateId="s"), content=b"without")
    client.put(state_url(stateId="s", registration=registration), content=b"with")
    client.put(state_url(stateId="t", registration=registration), content=b"with")
    assert client.get(state_url(stateId="s")).content == b"without"
    assert client.get(state_url(stateId="s", registration=registration)).content == b"with"
    assert sorted(client.get(state_url()).json()) == ["s", "t"]
    client.delete(state_url(registration=registration))
    assert client.get(state_url()).json() == ["s"]
    client.delete(state_url())
    assert client.get(state_url()).json() == []


def test_merging_keeps_what_was_not_sent_digit_by_digit(client: httpx.Client) -> None:
    headers = {"content-type": "application/json"}
    client.put(state_url(stateId="s"), content=b'{"a": 1.10, "b": {"c": 1}}', headers=headers)
    assert client.post(state_url(stateId="s"), content=b'{"b": 2e0}', headers=headers).status_code == 204
    assert client.get(state_url(stateId="s")).text.replace(" ", "") == '{"a":1.10,"b":2e0}'
    for body in (b"[]", b"{", b'{"a":1,"a":2}'):
        assert client.post(state_url(stateId="s"), content=body, headers=headers).status_code == 400
    assert client.post(state_url(stateId="s"), content=b"x", headers={"content-type": "text/plain"}).status_code == 400


@pytest.mark.parametrize("root", [FIRST, SECOND])
def test_who_replaces_a_profile_must_know_it(stack: Stack, key: str, root: str) -> None:
    with lrs(stack, key, root) as client:
        blind = client.put(PROFILE, json={"a": 1})
        assert blind.status_code == (400 if root == FIRST else 204)
        client.delete(PROFILE)
        assert client.put(PROFILE, json={"a": 1}, headers={"if-none-match": "*"}).status_code == 204
        assert client.put(PROFILE, json={"a": 2}, headers={"if-none-match": "*"}).status_code == 412
        blind = client.put(PROFILE, json={"a": 2})
        assert (blind.status_code, error_of(blind)["code"]) == (409, "CONFLICT")
        tag = client.get(PROFILE).headers["etag"]
        refused = client.put(PROFILE, json={"a": 2}, headers={"if-match": '"other"'})
        assert (refused.status_code, error_of(refused)["code"]) == (412, "PRECONDITION_FAILED")
        assert client.put(PROFILE, json={"a": 2}, headers={"if-match": tag}).status_code == 204
        assert client.put(PROFILE, json={"a": 3}, headers={"if-match": tag}).status_code == 412
        assert client.delete(PROFILE, headers={"if-match": tag}).status_code == 412
        assert client.get(PROFILE).json() == {"a": 2}


def test_writers_at_once_lose_nothing(stack: Stack, key: str) -> None:
    def merge(number: int) -> int:
        with lrs(stack, key) as client:
            return client.post(state_url(stateId="s"), json={f"k{number}": number}).status_code

    def create(number: int) -> int:
        with lrs(stack, key) as client:
            return client.put(PROFILE, json=number, headers={"if-none-match": "*"}).status_code

    with ThreadPoolExecutor(16) as threads:
        assert set(threads.map(merge, range(48))) == {204}
        assert sorted(threads.map(create, range(16))) == [204] + [412] * 15
    with lrs(stack, key) as client:
        assert client.get(state_url(stateId="s")).json() == {f"k{number}": number for number in range(48)}


def test_profiles_of_agents_are_found_by_whoever_they_are(client: httpx.Client) -> None:
    assert client.put("/agents/profile", params=AGENT, content=b"x").status_code == 204
    named = {**AGENT, "agent": json.dumps({**ADA, "name": "Ada", "objectType": "Agent"})}
    assert client.get("/agents/profile", params=named).content == b"x"
    assert client.get("/agents/profile", params={"agent": named["agent"]}).json() == ["p"]


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("GET", "/activities/state?stateId=s"),
        ("PUT", state_url()),
        ("GET", state_url(registration="1")),
        ("GET", state_url(since="never")),
        ("GET", state_url(stateID="s")),
        ("DELETE", f"/activities/profile?activityId={COURSE}"),
        ("GET", "/activities/profile?activityId=nothing"),
        ("GET", "/agents/profile?agent=[]"),
    ],
)
def test_what_is_missing_or_wrong_is_named(client: httpx.Client, method: str, url: str) -> None:
    answer = client.request(method, url)
    assert (answer.status_code, error_of(answer)["code"]) == (400, "VALIDATION_ERROR")
    assert error_of(answer)["details"]["fieldErrors"]


def test_activities_and_agents_are_what_statements_told(client: httpx.Client) -> None:
    assert client.get("/activities", params={"activityId": COURSE}).json() == {"objectType": "Activity", "id": COURSE}
    first = {"id": COURSE, "definition": {"name": {"en": "Course"}, "type": "https://example.com/t"}}
    post(client, new_statement(actor={**ADA, "name": "Ada"}, object=first))
    post(
        client,
        new_statement(actor={**ADA, "name": "Ada L."}, object={"id": COURSE, "definition": {"name": {"de": "Kurs"}}}),
    )
    told = client.get("/activities", params={"activityId": COURSE}).json()
    assert told["definition"] == {"name": {"en": "Course", "de": "Kurs"}, "type": "https://example.com/t"}
    person = client.get("/agents", params={"agent": json.dumps(ADA)}).json()
    assert (person["objectType"], sorted(person["name"]), person["mbox"]) == (
        "Person",
        ["Ada", "Ada L."],
        [ADA["mbox"]],
    )
