"""Rate limits: per tenant, plan and class, and per address for keys that must be looked up."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import pytest

from server.gen.scorm.v1 import package_service_pb2 as pb
from server.gen.scorm.v1.package_service_pb2_grpc import PackageServiceStub
from tests.edge import PREFIX, Edge
from tests.edge_upstreams import Key
from tests.gateway.test_edge_answers import assert_error
from tests.gateway.test_native_grpc import refusal

FEW = 20


def test_the_eleventh_upload_in_a_minute_is_refused_with_the_documented_answer(edge: Edge) -> None:
    edge.upstream.keys["uploader"] = Key("uploading-tenant", plan="standard")
    edge.upstream.keys["bystander"] = Key("other-tenant", plan="standard")
    with edge.client("uploader") as client:
        for expected in range(9, -1, -1):
            response = client.post("/api/v1/packages", content=b"zip")
            assert response.status_code == 201
            assert response.headers["x-ratelimit-limit"] == "10"
            assert response.headers["x-ratelimit-remaining"] == str(expected)
            full_again = time.time() + (10 - expected) * 6
            assert abs(int(response.headers["x-ratelimit-reset"]) - full_again) < 3
        refused = client.post("/api/v1/packages", content=b"zip")
        assert_error(refused, 429, "RATE_LIMIT_EXCEEDED")
        assert refused.json()["error"]["message"] == "Rate limit exceeded"
        assert refused.headers["x-ratelimit-limit"] == "10"
        assert refused.headers["x-ratelimit-remaining"] == "0"
        assert refused.headers["retry-after"] == "6"
        assert abs(int(refused.headers["x-ratelimit-reset"]) - time.time() - 60) < 3
        assert client.get("/api/v1/packages").status_code == 200, "another class"
    with edge.client("bystander") as client:
        assert client.post("/api/v1/packages", content=b"zip").status_code == 201


def test_all_keys_of_a_tenant_share_its_buckets(edge: Edge) -> None:
    edge.upstream.keys |= {name: Key("sharing-tenant", plan="standard") for name in ("share-1", "share-2")}
    with edge.client() as client:
        remaining = [
            client.delete("/api/v1/packages/1", headers={"x-api-key": name}).headers["x-ratelimit-remaining"]
            for name in ("share-1", "share-2", "share-1")
        ]
    assert remaining == ["99", "98", "97"]


@pytest.mark.parametrize(
    ("plan", "read", "write", "upload"), [("standard", 1000, 100, 10), ("high", 10_000, 1000, 100)]
)
def test_a_plan_has_its_sizes_over_rest_and_grpc_alike(
    edge: Edge, plan: str, read: int, write: int, upload: int
) -> None:
    edge.upstream.keys[f"plan-{plan}"] = Key(f"tenant-{plan}", plan=plan)
    with edge.client(f"plan-{plan}") as client:
        limits = [
            client.request(method, path).headers["x-ratelimit-limit"]
            for method, path in (
                ("GET", "/api/v1/packages"),
                ("DELETE", "/api/v1/packages/1"),
                ("POST", "/api/v1/packages"),
            )
        ]
    assert limits == [str(read), str(write), str(upload)]


def test_an_unlimited_tenant_has_no_limit_and_no_headers_of_one(edge: Edge) -> None:
    edge.upstream.keys["free"] = Key("free-tenant", plan="unlimited")
    with edge.client("free") as client:
        for _ in range(30):
            response = client.post("/api/v1/packages", content=b"zip")
            assert response.status_code == 201
    assert not any(name.startswith("x-ratelimit") for name in response.headers)


def test_errors_behind_the_limiter_show_the_limit_too(edge: Edge) -> None:
    edge.upstream.keys["erring"] = Key("erring-tenant", plan="standard")
    edge.upstream.behaviours["limit-boom"] = lambda request, context: 1 / 0
    with edge.client("erring") as client:
        for path in ("/api/v1/packages/limit-boom", "/api/v1/packages?limit=x"):
            assert client.get(path).headers["x-ratelimit-limit"] == "1000"


def test_health_and_unknown_paths_cost_nothing(edge: Edge) -> None:
    edge.upstream.keys["idle"] = Key("idle-tenant", plan="standard")
    with edge.client("idle") as client:
        for path in ("/api/health", "/nope"):
            assert "x-ratelimit-limit" not in client.get(path).headers
        assert client.get("/api/v1/packages").headers["x-ratelimit-remaining"] == "999"


def test_one_address_may_not_try_keys_without_end(tmp_path: Path) -> None:
    with Edge.start(tmp_path) as edge:
        edge.upstream.keys["good"] = Key("t")
        with edge.client() as client:
            assert client.get("/api/v1/packages", headers={"x-api-key": "good"}).status_code == 200
            statuses: list[int] = []
            began = time.monotonic()
            while 429 not in statuses[-1:] and len(statuses) < 5000:
                response = client.get("/api/v1/packages", headers={"x-api-key": f"guess-{len(statuses)}"})
                statuses.append(response.status_code)
            # 1,200 at once, and 20 more with each second.
            assert 1190 <= len(statuses) <= 1220 + 20 * (time.monotonic() - began)
            assert set(statuses[:-1]) == {401}
            assert_error(response, 429, "RATE_LIMIT_EXCEEDED")
            assert response.headers["retry-after"] == "1"
            # The first request of all, and each guess but the last.
            assert len(edge.upstream.checks) == len(statuses)
            assert client.get("/api/health").status_code == 200


def few(config: str) -> str:
    """The limits per address, small enough to be reached at once and never to be filled again meanwhile."""
    for many in (1200, 12000, 6000):
        config = re.sub(rf'"(max_tokens|tokens_per_fill)": {many}\b', rf'"\1": {FEW}', config)
    return re.sub(r'("tokens_per_fill": 20,\s+"fill_interval": )"60s"', r'\1"3600s"', config)


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Edge]:
    """A gateway behind one proxy, whose word tests give for the address of a client."""
    with Edge.start(tmp_path, edit=few, trusted_proxies=1) as edge:
        edge.upstream.keys["good"] = Key("t")
        yield edge


def ask(edge: Edge, address: str, key: str = "bad") -> httpx.Response:
    headers = {"x-forwarded-for": address, "x-api-key": key}
    return httpx.get(f"{edge.base_url}/api/v1/packages", headers=headers)


def test_each_address_has_its_own_limit_and_a_64_of_ipv6_is_one(strict: Edge) -> None:
    for number in range(FEW):
        assert ask(strict, f"2001:db8:1:2::{number:x}", f"bad-{number}").status_code == 401
    refused = ask(strict, "2001:db8:1:2:ffff::1")
    assert_error(refused, 429, "RATE_LIMIT_EXCEEDED")
    assert refused.headers["retry-after"] == "1"
    assert ask(strict, "2001:db8:1:3::1").status_code == 401
    assert ask(strict, "192.0.2.1").status_code == 401
    assert ask(strict, "192.0.2.1, 2001:db8:1:2::1").status_code == 429, "only what the proxy wrote counts"


def test_what_is_known_goes_on_while_others_try_keys_from_the_same_address(strict: Edge) -> None:
    with strict.client() as client:
        client.headers["x-forwarded-for"] = "192.0.2.1"

        def status(key: str) -> int:
            return client.get("/api/v1/packages", headers={"x-api-key": key}).status_code

        assert status("good") == 200
        # Each time both: what is known is asked about again only while it is in use.
        tried = [(status(f"bad-{number}"), status("good")) for number in range(FEW)]
        assert tried == [(401, 200)] * (FEW - 1) + [(429, 200)]
        began = time.monotonic()
        # Longer than what was looked up is remembered.
        while time.monotonic() - began < 4:
            assert status("good") == 200
            time.sleep(0.05)


def test_native_calls_are_counted_with_those_of_rest(strict: Edge) -> None:
    for number in range(FEW):
        assert ask(strict, "192.0.2.1", f"bad-{number}").status_code == 401
    metadata = (("x-forwarded-for", "192.0.2.1"), ("x-api-key", "bad"))
    with grpc.insecure_channel(f"localhost:{strict.port}") as channel:
        packages = PackageServiceStub(channel)
        with pytest.raises(grpc.RpcError) as error:
            packages.ListPackages(pb.ListPackagesRequest(), metadata=metadata)
    assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert refusal(error.value)[1].reason == "RATE_LIMIT_EXCEEDED"


def test_tokens_are_counted_before_they_are_verified(strict: Edge) -> None:
    strict.bucket.objects[f"{PREFIX}/a.txt"] = b"a"
    address = {"x-forwarded-for": "192.0.2.1"}
    good, forged = strict.token(), strict.token()[:-10] + "AAAAAAAAAA"
    assert strict.content("a.txt", token=good, headers=address).status_code == 200
    statuses = [strict.content("a.txt", token=forged, headers=address).status_code for _ in range(FEW)]
    assert statuses == [401] * (FEW - 1) + [429]
    refused = strict.content("a.txt", token=strict.token(exp=1), headers=address)
    assert_error(refused, 429, "RATE_LIMIT_EXCEEDED")
    assert refused.headers["retry-after"] == "1"
    assert strict.content("a.txt", token=good, headers=address).status_code == 200, "known"
    assert strict.content("a.txt", token=forged, headers={"x-forwarded-for": "192.0.2.2"}).status_code == 401


def test_what_needs_no_key_is_limited_apart_from_what_does(strict: Edge) -> None:
    with strict.client("good") as client:
        client.headers["x-forwarded-for"] = "192.0.2.1"
        assert {client.get("/api/health").status_code for _ in range(FEW)} == {200}
        assert_error(client.get("/api/health"), 429, "RATE_LIMIT_EXCEEDED")
        assert client.get("/api/v1/packages").status_code == 200
        assert client.get("/nope").status_code == 404, (
            "what the gateway answers by itself costs too little to be counted"
        )
