"""Native gRPC through the gateway: the same rules, told as statuses with details."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from server.domain import errors
from server.gen.scorm.v1 import package_service_pb2 as pb
from server.gen.scorm.v1.admin_service_pb2 import CreateTenantRequest
from server.gen.scorm.v1.admin_service_pb2_grpc import AdminServiceStub
from server.gen.scorm.v1.package_service_pb2_grpc import PackageServiceStub
from tests.edge import Edge
from tests.edge_upstreams import Key, fail

KEY = "grpc-key"


@pytest.fixture
def channel(edge: Edge) -> Iterator[Any]:
    edge.upstream.keys[KEY] = Key("grpc-tenant")
    edge.upstream.keys["grpc-reader"] = Key("grpc-tenant", scopes=("read",))
    with grpc.insecure_channel(f"localhost:{edge.port}") as channel:
        yield channel


@pytest.fixture
def stub(channel: Any) -> Any:
    return PackageServiceStub(channel)


def failure(call: Callable[[], Any]) -> tuple[grpc.StatusCode, str, error_details_pb2.ErrorInfo, dict[str, Any]]:
    """Code, message, ErrorInfo and metadata of a call that must fail; code and message must stand in the details."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    error: Any = caught.value
    metadata = dict(error.trailing_metadata() or ()) | dict(error.initial_metadata() or ())
    status = status_pb2.Status.FromString(metadata["grpc-status-details-bin"])
    assert (status.code, status.message) == (error.code().value[0], error.details())
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.domain == "scorm-api"
    return error.code(), error.details(), info, metadata


def get(stub: Any, key: str | None = KEY, package_id: str = "1", **metadata: str) -> Any:
    pairs = [*metadata.items(), *([("x-api-key", key)] if key else [])]
    return stub.GetPackage(pb.GetPackageRequest(package_id=package_id), metadata=pairs)


def check(channel: Any, service: str) -> Any:
    health: Any = health_pb2_grpc.HealthStub(channel)
    return health.Check(health_pb2.HealthCheckRequest(service=service))


def test_a_call_with_a_key_passes(stub: Any) -> None:
    assert get(stub).id == "1"


@pytest.mark.parametrize("key", [None, "unknown"])
def test_a_call_without_a_valid_key_is_unauthenticated(stub: Any, key: str | None) -> None:
    code, message, info, metadata = failure(lambda: get(stub, key))
    assert (code, message) == (grpc.StatusCode.UNAUTHENTICATED, "Missing or invalid API key")
    assert info.reason == "UNAUTHORIZED"
    assert metadata["x-request-id"]
    assert "x-error-reason" not in metadata


def test_a_missing_scope_is_named(stub: Any) -> None:
    request = pb.DeletePackageRequest(package_id="1")
    code, message, info, _ = failure(lambda: stub.DeletePackage(request, metadata=[("x-api-key", "grpc-reader")]))
    assert (code, message) == (grpc.StatusCode.PERMISSION_DENIED, "This API key lacks the scope 'delete'")
    assert (info.reason, dict(info.metadata)) == ("FORBIDDEN", {"required_scope": "delete"})


def test_an_error_of_the_core_passes_untouched(edge: Edge, stub: Any) -> None:
    edge.upstream.behaviours["grpc-missing"] = lambda request, context: fail(context, errors.PackageNotFound())
    code, _, info, metadata = failure(lambda: get(stub, package_id="grpc-missing"))
    assert (code, info.reason) == (grpc.StatusCode.NOT_FOUND, "PACKAGE_NOT_FOUND")
    assert not {"x-error-json", "x-http-status"} & set(metadata)


def test_nobody_can_ask_for_the_form_of_rest_over_grpc(edge: Edge, stub: Any) -> None:
    edge.upstream.behaviours["grpc-forged"] = lambda request, context: fail(context, errors.PackageNotFound())
    forged = {"x-envoy-original-path": "/api/v1/packages/grpc-forged"}
    *_, metadata = failure(lambda: get(stub, package_id="grpc-forged", **forged))
    assert "x-error-json" not in metadata


def test_limits_hold_over_grpc_together_with_rest(edge: Edge, stub: Any) -> None:
    edge.upstream.keys["grpc-limited"] = Key("grpc-limited-tenant", plan="standard")
    with edge.client("grpc-limited") as client:
        for _ in range(9):
            assert client.post("/api/v1/packages", content=b"zip").status_code == 201

    def upload() -> Any:
        return stub.UploadPackage(iter([pb.UploadPackageRequest()]), metadata=[("x-api-key", "grpc-limited")])

    assert upload().package_id == "p1"
    code, message, info, metadata = failure(upload)
    assert (code, message) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "Rate limit exceeded")
    assert info.reason == "RATE_LIMIT_EXCEEDED"
    assert metadata["retry-after"] == "6"
    assert metadata["x-ratelimit-remaining"] == "0"


@pytest.mark.parametrize("method", ["/scorm.v1.PackageService/Nothing", "/no.such.Service/Method", "/nothing"])
def test_an_unknown_method_is_unimplemented(channel: Any, method: str) -> None:
    code, message, info, _ = failure(lambda: channel.unary_unary(method)(b"", metadata=[("x-api-key", KEY)]))
    assert (code, message) == (grpc.StatusCode.UNIMPLEMENTED, "Unknown method")
    assert info.reason == "NOT_FOUND"


def test_administration_and_the_key_filter_are_out_of_reach(edge: Edge, channel: Any) -> None:
    edge.upstream.checks.clear()
    admin: Any = AdminServiceStub(channel)
    operator = [("x-api-key", KEY), ("x-operator-token", "token")]
    code, *_ = failure(lambda: admin.CreateTenant(CreateTenantRequest(name="x"), metadata=operator))
    assert code == grpc.StatusCode.UNIMPLEMENTED
    key_filter = channel.unary_unary("/envoy.service.auth.v3.Authorization/Check")
    code, *_ = failure(lambda: key_filter(b"", metadata=operator))
    assert code == grpc.StatusCode.UNIMPLEMENTED
    assert edge.upstream.checks == []


def test_health_needs_no_key(channel: Any) -> None:
    answer = check(channel, "")
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_an_unknown_service_keeps_the_words_of_the_health_protocol(channel: Any) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        check(channel, "no.such")
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


def test_no_browser_headers_are_added_to_grpc(stub: Any) -> None:
    _, call = stub.GetPackage.with_call(pb.GetPackageRequest(package_id="1"), metadata=[("x-api-key", KEY)])
    metadata = dict(call.initial_metadata())
    assert not {"content-security-policy", "cross-origin-opener-policy"} & set(metadata)
    assert metadata["x-request-id"]


def test_grpc_and_rest_name_the_same_reason(edge: Edge, stub: Any) -> None:
    with edge.client("unknown") as client:
        told = json.loads(client.get("/api/v1/packages/1").text)["error"]
    _, message, info, _ = failure(lambda: get(stub, "unknown"))
    assert (told["code"], told["message"]) == (info.reason, message)
