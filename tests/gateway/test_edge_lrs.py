"""Requests of the strict LRS at the edge: which RPC they reach, and what of them."""

import json

import httpx
import pytest

from server.gen.scorm.v1 import lrs_service_pb2 as pb
from tests.edge import Edge
from tests.gateway.edge_lrs import FORM, LARGEST, MIB, last
from tests.gateway.lrs import FIRST, SECOND
from tests.gateway.test_edge_answers import assert_error

# Of every resource, the RPC of each method.
BINDINGS = {
    "/statements": {"GET": "QueryStatements", "PUT": "PutStatement", "POST": "PostStatements"},
    "/statements/more/page-2": {"GET": "QueryMoreStatements"},
    "/activities/state": {"GET": "GetState", "PUT": "PutState", "POST": "PostState", "DELETE": "DeleteState"},
    "/agents/profile": {
        "GET": "GetAgentProfile",
        "PUT": "PutAgentProfile",
        "POST": "PostAgentProfile",
        "DELETE": "DeleteAgentProfile",
    },
    "/activities/profile": {
        "GET": "GetActivityProfile",
        "PUT": "PutActivityProfile",
        "POST": "PostActivityProfile",
        "DELETE": "DeleteActivityProfile",
    },
    "/activities": {"GET": "GetActivity"},
    "/agents": {"GET": "GetAgent"},
    "/about": {"GET": "GetAbout"},
}
# Where a form may stand for another method that the resource does not take by POST itself.
TUNNELS = {"/activities": "GetActivity", "/agents": "GetAgent", "/about": "GetAbout"}


def test_the_table_of_bindings_knows_every_rpc() -> None:
    known = {rpc for methods in BINDINGS.values() for rpc in methods.values()}
    assert known == set(pb.DESCRIPTOR.services_by_name["LrsService"].methods_by_name)


@pytest.mark.parametrize("root", [FIRST, SECOND])
@pytest.mark.parametrize(
    ("path", "method", "rpc"), [(path, method, rpc) for path in BINDINGS for method, rpc in BINDINGS[path].items()]
)
def test_every_binding_reaches_its_rpc_under_both_roots(
    edge: Edge, lrs_client: httpx.Client, root: str, path: str, method: str, rpc: str
) -> None:
    response = lrs_client.request(method, root + path)
    assert (response.status_code, response.json()) == (200, {"rpc": rpc})
    assert last(edge).metadata["x-envoy-original-path"] == root + path
    assert last(edge).metadata["x-envoy-original-method"] == method
    if method == "GET":
        assert lrs_client.head(root + path).status_code == 200
        assert last(edge).rpc == rpc


@pytest.mark.parametrize(("path", "rpc"), TUNNELS.items())
def test_forms_reach_the_rpc_that_they_stand_for_where_nothing_else_is_posted(
    edge: Edge, lrs_client: httpx.Client, path: str, rpc: str
) -> None:
    response = lrs_client.post(f"{FIRST}{path}?method=GET", data={"agent": "{}"})
    assert (response.status_code, response.json()) == (200, {"rpc": rpc})
    assert last(edge).request.body.data == b"agent=%7B%7D"
    assert last(edge).metadata["x-envoy-original-method"] == "POST"
    for other in (f"{SECOND}{path}?method=GET", f"{FIRST}{path}", f"{FIRST}{path}?agent=method"):
        refused = lrs_client.post(other, data={"agent": "{}"})
        assert_error(refused, 405, "METHOD_NOT_ALLOWED")
        assert refused.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("root", [FIRST, SECOND])
@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", "/statements", "GET, HEAD, POST, PUT"),
        ("PATCH", "/activities/state", "DELETE, GET, HEAD, POST, PUT"),
        ("PUT", "/statements/more/x", "GET, HEAD"),
        ("DELETE", "/about", "GET, HEAD"),
    ],
)
def test_other_methods_are_refused_with_those_that_there_are(
    lrs_client: httpx.Client, root: str, method: str, path: str, allow: str
) -> None:
    response = lrs_client.request(method, root + path)
    assert_error(response, 405, "METHOD_NOT_ALLOWED")
    assert response.headers["allow"] == allow


@pytest.mark.parametrize("path", ["", "/", "/statement", "/statements/", "/statements/more", "/2.0/statements", "/x"])
@pytest.mark.parametrize("root", [FIRST, SECOND])
def test_other_paths_are_not_found(lrs_client: httpx.Client, root: str, path: str) -> None:
    assert_error(lrs_client.get(root + path), 404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b'{"a": 1.0, "a": 12345678901234567890}'),
        ("application/json", b"not json"),
        ('multipart/mixed; boundary="x"', b"--x\r\n\r\n{}\r\n--x\r\n\r\n\0\xff\r\n--x--"),
        ("application/octet-stream", bytes(range(256)) * 100),
        ("text/plain;charset=utf-16", "ü".encode("utf-16")),
        (FORM, b"statementId=x&content=%7B%7D"),
        ("application/grpc", b"\0\0\0\0\0"),
        ("application/json", b""),
    ],
)
def test_bodies_arrive_byte_by_byte_with_their_type(
    edge: Edge, lrs_client: httpx.Client, kind: str, body: bytes
) -> None:
    response = lrs_client.put(f"{SECOND}/activities/state?stateId=s", content=body, headers={"content-type": kind})
    assert response.status_code == 200
    told = last(edge).request.body
    # Of the type that a gRPC call has the transcoder must not learn.
    expected = "application/octet-stream" if kind == "application/grpc" else kind
    assert (told.data, told.content_type or last(edge).metadata["content-type"]) == (body, expected)


def test_parameters_arrive_decoded(edge: Edge, lrs_client: httpx.Client) -> None:
    agent = json.dumps({"mbox": "mailto:a+b@example.com", "name": "Ü & =%?"})
    lrs_client.get(f"{SECOND}/statements", params={"agent": agent, "related_agents": "true", "limit": "0"})
    request = last(edge).request
    assert (request.agent, request.related_agents, request.limit) == (agent, "true", "0")
    assert not request.HasField("verb")
    query = "activityId=http%3A%2F%2Fx.org%2F%3Fa%3Db&stateId=a+b&agent=%7B%7D&since="
    lrs_client.get(f"{SECOND}/activities/state?{query}")
    request = last(edge).request
    assert (request.activity_id, request.state_id, request.agent) == ("http://x.org/?a=b", "a b", "{}")
    assert request.HasField("since")
    # The core reads it once more, for what a message cannot say.
    assert last(edge).metadata["x-envoy-original-path"] == f"{SECOND}/activities/state?{query}"
    lrs_client.put(f"{FIRST}/statements?statementId=1", json={})
    assert last(edge).request.statement_id == "1"


def test_a_query_cannot_say_otherwise_what_the_path_says(edge: Edge, lrs_client: httpx.Client) -> None:
    lrs_client.get(f"{SECOND}/statements/more/mine?token=theirs&t%6fken=theirs")
    assert last(edge).request.token == "mine"


def test_conditions_arrive_strong(edge: Edge, lrs_client: httpx.Client) -> None:
    headers = {"if-match": 'W/"a"', "if-none-match": "*", "accept-language": "de"}
    lrs_client.put(f"{SECOND}/activities/state", content=b"x", headers=headers)
    told = last(edge).metadata
    assert (told["if-match"], told["if-none-match"], told["accept-language"]) == ('"a"', "*", "de")


@pytest.mark.parametrize("path", [f"{FIRST}/statements", f"{SECOND}/activities/state", "/api/v1/xapi/statements"])
@pytest.mark.parametrize("chunked", [False, True])
def test_16_mib_are_taken_and_no_more(
    edge: Edge, lrs_client: httpx.Client, lrs_key: str, path: str, chunked: bool
) -> None:
    method = "PUT" if path.endswith("/state") else "POST"

    def send(size: int) -> httpx.Response:
        content = (b"x" * MIB for _ in range(size // MIB)) if chunked else b"x" * size
        more = iter([*content, b"x" * (size % MIB)]) if chunked else content
        return lrs_client.request(
            method, path, content=more, headers={"content-type": "application/octet-stream", "x-api-key": lrs_key}
        )

    assert send(LARGEST).status_code == 200
    assert len(last(edge).request.body.data) == LARGEST
    before = len(edge.upstream.lrs_calls)
    assert_error(send(LARGEST + 1), 413, "PAYLOAD_TOO_LARGE")
    assert len(edge.upstream.lrs_calls) == before, "refused before the core sees it"


def test_what_needs_no_key_takes_no_large_body(edge: Edge) -> None:
    with edge.client(timeout=30) as client:
        path = f"{FIRST}/about?method=GET"
        assert client.post(path, content=b"x" * MIB, headers={"content-type": FORM}).status_code == 200
        assert_error(
            client.post(path, content=b"x" * 3 * MIB, headers={"content-type": FORM}), 413, "PAYLOAD_TOO_LARGE"
        )
