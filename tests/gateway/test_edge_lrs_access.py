"""Who may ask the strict LRS, as the edge judges it: HTTP Basic, LRS scopes, forms, and limits."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import grpc
import httpx
import pytest
from google.api import httpbody_pb2

from server.gen.scorm.v1 import lrs_service_pb2 as pb
from server.gen.scorm.v1.lrs_service_pb2_grpc import LrsServiceStub
from tests.edge import Edge
from tests.gateway.edge_lrs import LARGEST, basic, last, new_key
from tests.gateway.lrs import FIRST, SECOND, VERSION_OF
from tests.gateway.test_edge_answers import assert_error
from tests.gateway.test_native_grpc import refusal


def checks_of(edge: Edge, credential: str) -> int:
    """How often the key filter was asked about a header's value."""
    return sum(credential in check.attributes.request.http.headers.values() for check in list(edge.upstream.checks))


def test_a_key_comes_as_basic_or_as_a_header(edge: Edge, lrs_key: str) -> None:
    ways = [
        {"authorization": basic(lrs_key)},
        {"x-api-key": lrs_key},
        {"authorization": basic(lrs_key), "x-api-key": lrs_key},
        {"authorization": basic(lrs_key).replace("Basic", "basic")},
    ]
    with edge.client() as client:
        for headers in ways * 2:  # the second time from the cache
            assert client.get(f"{SECOND}/statements", headers=headers).status_code == 200
            # The core authenticates once more.
            assert last(edge).metadata.get("authorization") == headers.get("authorization")
            assert last(edge).metadata.get("x-api-key") == headers.get("x-api-key")


@pytest.mark.parametrize("scopes", [("read",), ("lrs:statements/read",)])
def test_basic_is_asked_about_once_in_a_while_only(edge: Edge, scopes: tuple[str, ...]) -> None:
    credential = basic(new_key(edge, scopes=scopes))
    began = time.monotonic()
    with edge.client() as client:
        for _ in range(30):
            response = client.get(f"{SECOND}/statements", headers={"authorization": credential})
            assert response.status_code == 200
    # Again after 2 s, before the 3 s are over.
    assert 1 <= checks_of(edge, credential) <= 1 + (time.monotonic() - began) / 2


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize(
    "refused",
    [
        lambda key, other: {"authorization": basic(key, user=str(UUID(int=99)))},
        lambda key, other: {"authorization": basic(key, user="")},
        lambda key, other: {"authorization": basic(key)[:-8]},
        lambda key, other: {"authorization": "Basic"},
        lambda key, other: {"authorization": "Basic !"},
        lambda key, other: {"authorization": "Basic " + "A" * 2000},
        lambda key, other: {"authorization": "Basic ü"},
        lambda key, other: {"authorization": f"Bearer {key}"},
        lambda key, other: {"authorization": key},
        lambda key, other: {"authorization": basic(key), "x-api-key": other},
        lambda key, other: {"authorization": basic(other), "x-api-key": key},
        lambda key, other: {"authorization": basic(key), "x-api-key": "nonsense"},
        lambda key, other: {"authorization": "Bearer x", "x-api-key": key},
        lambda key, other: {"authorization": f"{basic(key)}, {basic(key)}"},
        # What the cache knows a key by is none.
        lambda key, other: {"x-api-key": f"{basic(key)} {key}"},
        lambda key, other: {"x-api-key": basic(key)},
        lambda key, other: {},
    ],
)
def test_whatever_is_no_key_is_refused_and_told_how_to_come(
    edge: Edge, lrs_key: str, refused: Callable[[str, str], dict[str, str]], known: bool
) -> None:
    other = new_key(edge)
    with edge.client() as client:
        if known:
            for headers in ({"authorization": basic(lrs_key)}, {"x-api-key": lrs_key}, {"x-api-key": other}):
                assert client.get(f"{SECOND}/statements", headers=headers).status_code == 200
        raw = [(name.encode(), value.encode()) for name, value in refused(lrs_key, other).items()]
        for root in (FIRST, SECOND):
            response = client.get(f"{root}/statements", headers=raw)
            assert_error(response, 401, "UNAUTHORIZED")
            assert response.headers["www-authenticate"] == 'Basic realm="xapi", charset="UTF-8"'
            assert response.headers["x-experience-api-version"] == VERSION_OF[root]


def test_basic_counts_on_the_lrs_only_and_goes_nowhere_else(edge: Edge, lrs_client: httpx.Client, lrs_key: str) -> None:
    assert lrs_client.get(f"{SECOND}/statements").status_code == 200
    for path in ("/api/v1/packages", "/api/v1/xapi/statements"):
        response = lrs_client.get(path)
        assert_error(response, 401, "UNAUTHORIZED")
        assert "www-authenticate" not in response.headers
    assert lrs_client.get("/api/v1/packages", headers={"x-api-key": lrs_key}).status_code == 200
    assert "authorization" not in edge.upstream.seen[-1]
    asked = [check.attributes.request.http for check in list(edge.upstream.checks)]
    assert all("authorization" not in one.headers for one in asked if not one.path.startswith(SECOND))


def test_a_revoked_key_is_refused_as_basic_too(edge: Edge, lrs_client: httpx.Client, lrs_key: str) -> None:
    assert lrs_client.get(f"{SECOND}/statements").status_code == 200
    del edge.upstream.keys[lrs_key]
    revoked_at = asked_at = time.monotonic()
    while lrs_client.get(f"{SECOND}/statements").status_code == 200:
        assert asked_at - revoked_at < 3.05
        time.sleep(0.02)
        asked_at = time.monotonic()
    assert lrs_client.get(f"{SECOND}/statements").status_code == 401


ALL = [
    (resource, operation)
    for resource in ("statements", "state", "profile")
    for operation in ("read", "write", "delete")
    if (resource, operation) != ("statements", "delete")
]
REQUESTS = {
    ("statements", "read"): [("GET", "/statements"), ("HEAD", "/activities"), ("GET", "/statements/more/x")],
    ("statements", "write"): [("PUT", "/statements"), ("POST", "/statements")],
    ("state", "read"): [("GET", "/activities/state")],
    ("state", "write"): [("PUT", "/activities/state"), ("POST", "/activities/state")],
    ("state", "delete"): [("DELETE", "/activities/state")],
    ("profile", "read"): [("GET", "/agents/profile"), ("HEAD", "/activities/profile")],
    ("profile", "write"): [("PUT", "/agents/profile"), ("POST", "/activities/profile")],
    ("profile", "delete"): [("DELETE", "/agents/profile")],
}
ALLOWED = {
    "read": [one for one in ALL if one[1] == "read"],
    "write": [one for one in ALL if one[1] == "write"],
    "delete": [one for one in ALL if one[1] == "delete"],
    "lrs:all": ALL,
    "lrs:statements/read": [("statements", "read")],
    "lrs:statements/read/mine": [("statements", "read")],
    "lrs:statements/write": [("statements", "write")],
    "lrs:state": [one for one in ALL if one[0] == "state"],
    "lrs:profile": [one for one in ALL if one[0] == "profile"],
}


@pytest.mark.parametrize("scope", ALLOWED)
def test_a_scope_allows_what_it_says_whether_the_key_is_known_or_not(edge: Edge, scope: str) -> None:
    key = new_key(edge, scopes=(scope,))
    with edge.client(key) as client:
        for _ in range(2):
            for (resource, operation), requests in REQUESTS.items():
                for method, path in requests:
                    _assert_allowed(client, method, path, operation, (resource, operation) in ALLOWED[scope])
        # Those of the LRS are none elsewhere.
        assert (client.get("/api/v1/packages").status_code == 200) == (scope == "read")


@pytest.mark.parametrize("scope", ALLOWED)
def test_of_a_form_counts_what_it_stands_for(edge: Edge, scope: str) -> None:
    key = new_key(edge, scopes=(scope,))
    with edge.client(key) as client:
        for _ in range(2):
            for (resource, operation), requests in REQUESTS.items():
                for method, path in requests:
                    if "/more/" not in path:
                        tunnel = f"{FIRST}{path}?method={method}"
                        _assert_allowed(client, "POST", tunnel, operation, (resource, operation) in ALLOWED[scope])


def _assert_allowed(client: httpx.Client, method: str, path: str, operation: str, allowed: bool) -> None:
    response = client.request(method, path if path.startswith(SECOND) else SECOND + path)
    assert response.status_code == (200 if allowed else 403), (method, path)
    if not allowed and method != "HEAD":
        assert_error(response, 403, "FORBIDDEN", {"required_scope": operation})


@pytest.mark.parametrize(
    ("method", "url", "needed"),
    [
        # Encoded, it says the same to whoever reads it; the core refuses the spelling.
        ("POST", f"{FIRST}/activities/state?m%65thod=G%45T", "read"),
        ("POST", f"{FIRST}/activities/state?a=1&method=DELETE", "delete"),
        # Not once, unknown, in another version, or of another method: what it is itself.
        ("POST", f"{FIRST}/activities/state?method=GET&method=GET", "write"),
        ("POST", f"{FIRST}/activities/state?method=GET&m%65thod=DELETE", "write"),
        ("POST", f"{FIRST}/activities/state?method=PATCH", "write"),
        ("POST", f"{FIRST}/activities/state?method=get", "write"),
        ("POST", f"{FIRST}/activities/state?method=", "write"),
        ("POST", f"{FIRST}/activities/state?amethod=GET", "write"),
        ("POST", f"{FIRST}/activities/state?x=method=GET", "write"),
        ("POST", f"{SECOND}/activities/state?method=GET", "write"),
        ("PUT", f"{FIRST}/activities/state?method=GET", "write"),
        ("DELETE", f"{FIRST}/activities/state?method=GET", "delete"),
        ("GET", f"{FIRST}/activities/state?method=DELETE", "read"),
    ],
)
def test_only_a_post_of_the_first_version_stands_for_another_method(
    edge: Edge, method: str, url: str, needed: str
) -> None:
    others = tuple(one for one in ("read", "write", "delete") if one != needed)
    with edge.client(new_key(edge, scopes=(needed,))) as client:
        assert client.request(method, url).status_code == 200
        assert client.request(method, url).status_code == 200
    with edge.client(new_key(edge, scopes=others)) as client:
        for _ in range(2):
            assert_error(client.request(method, url), 403, "FORBIDDEN", {"required_scope": needed})


def test_callers_cannot_say_what_a_request_does(edge: Edge) -> None:
    forged = {
        "x-operation": "read",
        "x-envoy-original-path": f"{FIRST}/x?method=GET",
        "x-envoy-original-method": "POST",
    }
    with edge.client(new_key(edge, scopes=("read",))) as client:
        for _ in range(2):
            response = client.put(f"{SECOND}/activities/state", content=b"x", headers=forged)
            assert_error(response, 403, "FORBIDDEN", {"required_scope": "write"})
            assert client.get(f"{SECOND}/statements", headers=forged).status_code == 200
            assert last(edge).metadata["x-envoy-original-path"] == f"{SECOND}/statements"


def test_a_credential_may_come_in_the_form(edge: Edge, lrs_key: str) -> None:
    with edge.client() as client:
        for _ in range(2):
            form = {"stateId": "s", "Authorization": basic(lrs_key)}
            assert client.post(f"{FIRST}/activities/state?method=GET", data=form).status_code == 200
            assert last(edge).request.body.data.startswith(b"stateId=s&Authorization=")
            assert client.post(f"{FIRST}/activities/state", data=form).status_code == 401
            assert client.post(f"{SECOND}/activities/state?method=GET", data=form).status_code == 401
            wrong = {"Authorization": basic(lrs_key, user="x")}
            assert client.post(f"{FIRST}/activities/state?method=GET", data=wrong).status_code == 401


def test_native_calls_come_with_basic_too(edge: Edge, lrs_key: str) -> None:
    reader = new_key(edge, scopes=("lrs:state",))
    with grpc.insecure_channel(f"localhost:{edge.port}") as channel:
        stub = LrsServiceStub(channel)
        for _ in range(2):
            answer = stub.GetState(pb.DocumentRequest(state_id="s"), metadata=(("authorization", basic(lrs_key)),))
            assert json.loads(answer.data) == {"rpc": "GetState"}
            with pytest.raises(grpc.RpcError) as refused:
                stub.GetState(pb.DocumentRequest(), metadata=(("authorization", basic(lrs_key, user="x")),))
            assert refusal(refused.value)[1].reason == "UNAUTHORIZED"
            assert stub.DeleteState(pb.DocumentRequest(), metadata=(("x-api-key", reader),)).data
            with pytest.raises(grpc.RpcError) as refused:
                stub.PostStatements(pb.PostStatementsRequest(), metadata=(("x-api-key", reader),))
            assert dict(refusal(refused.value)[1].metadata) == {"required_scope": "write"}
        large = pb.DocumentRequest(body=httpbody_pb2.HttpBody(data=b"x" * (LARGEST - 1000)))
        assert stub.PutState(large, metadata=(("x-api-key", lrs_key),)).data


def test_credentials_are_not_logged(edge: Edge, lrs_key: str) -> None:
    secrets = [basic(lrs_key).removeprefix("Basic "), lrs_key]
    with edge.client() as client:
        headers = {"authorization": basic(lrs_key), "x-request-id": "lrs-logged"}
        client.get(f"{SECOND}/statements?agent=private-query", headers=headers)
        client.get(f"{SECOND}/statements", headers={"authorization": basic(lrs_key)[:-8], "x-api-key": lrs_key})
        client.post(f"{FIRST}/statements?method=GET", data={"Authorization": basic(lrs_key)})
        client.get(f"{SECOND}/statements", headers={"x-request-id": lrs_key})
    time.sleep(0.5)
    text = (edge.directory / "access.log").read_text() + (edge.directory / "envoy.log").read_text()
    assert [secret for secret in [*secrets, secrets[0][:60], "private-query"] if secret in text] == []
    line = next(line for line in edge.access_log() if line["request_id"] == "lrs-logged")
    assert (line["path"], line["tenant_id"], line["status"]) == (f"{SECOND}/statements", "lrs-tenant", 200)


@pytest.mark.parametrize(("plan", "limit"), [("standard", "60000"), ("high", "600000"), ("unlimited", None)])
def test_the_lrs_has_a_limit_of_its_own(edge: Edge, plan: str, limit: str | None) -> None:
    with edge.client(new_key(edge, tenant=f"lrs-{plan}", plan=plan)) as client:
        for method, path in (("GET", "/statements"), ("PUT", "/activities/state"), ("DELETE", "/agents/profile")):
            assert client.request(method, SECOND + path).headers.get("x-ratelimit-limit") == limit
        documented = client.post("/api/v1/xapi/statements", json={}).headers.get("x-ratelimit-limit")
        assert documented == {"standard": "100", "high": "1000"}.get(plan)


def few(config: str) -> str:
    """The limit of the LRS, small enough to be reached at once."""
    return re.sub(r'"(max_tokens|tokens_per_fill)": 60000\b', r'"\1": 2', config)


def test_what_the_gateway_refuses_by_itself_has_the_version_too(tmp_path: Path) -> None:
    with Edge.start(tmp_path, edit=few) as edge, edge.client(new_key(edge, plan="standard")) as client:
        for _ in range(2):
            assert client.get(f"{FIRST}/statements").status_code == 200
        for root in (FIRST, SECOND):
            refused = client.get(f"{root}/statements")
            assert_error(refused, 429, "RATE_LIMIT_EXCEEDED")
            assert (refused.headers["x-ratelimit-limit"], refused.headers["retry-after"]) == ("2", "30")
            assert refused.headers["x-experience-api-version"] == VERSION_OF[root]
        edge.server.stop(0).wait()
        for root in (FIRST, SECOND):
            # Unknown keys need the key filter, `about` the core.
            for path, headers in (("/statements", {"x-api-key": "other"}), ("/about", {})):
                refused = client.get(root + path, headers=headers)
                assert_error(refused, 503, "SERVICE_UNAVAILABLE")
                assert refused.headers["x-experience-api-version"] == VERSION_OF[root]
