"""The same operations over native gRPC with a stock client, through Envoy."""

import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.api import httpbody_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status

from server.gen.scorm.v1 import admin_service_pb2, admin_service_pb2_grpc, health_service_pb2, health_service_pb2_grpc
from server.gen.scorm.v1 import package_service_pb2 as pb
from server.gen.scorm.v1.package_service_pb2_grpc import PackageServiceStub
from tests.factories import scorm12_package
from tests.stack import Stack, tenant_of

CHUNK_BYTES = 64 * 1024
Metadata = tuple[tuple[str, str], ...]


@pytest.fixture
def channel(stack: Stack) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(stack.grpc_address) as opened:
        yield opened


@pytest.fixture
def packages(channel: grpc.Channel) -> PackageServiceStub:
    return PackageServiceStub(channel)


@pytest.fixture
def metadata(stack: Stack) -> Metadata:
    return (("x-api-key", stack.new_tenant()),)


def pieces(package: bytes, filename: str = "course.zip") -> Iterator[pb.UploadPackageRequest]:
    """An upload as a native client sends it: the package itself, piece by piece."""
    for start in range(0, len(package), CHUNK_BYTES):
        yield pb.UploadPackageRequest(
            body=httpbody_pb2.HttpBody(content_type="application/zip", data=package[start : start + CHUNK_BYTES]),
            uploaded_by="user-123",
            filename=filename,
        )


def refusal(call: Any) -> tuple[status_pb2.Status, error_details_pb2.ErrorInfo]:
    """The status of a failed call and its ErrorInfo, which every error has, as it has RequestInfo."""
    status = rpc_status.from_call(call)
    assert status is not None, "no google.rpc.Status in the trailers"
    info, request = error_details_pb2.ErrorInfo(), error_details_pb2.RequestInfo()
    assert any(detail.Unpack(info) for detail in status.details)
    assert any(detail.Unpack(request) for detail in status.details)
    assert info.domain == "scorm-api"
    assert request.request_id
    return status, info


def test_a_package_goes_in_is_listed_read_and_deleted(packages: PackageServiceStub, metadata: Metadata) -> None:
    uploaded = packages.UploadPackage(pieces(scorm12_package(title="By gRPC")), metadata=metadata)
    assert (uploaded.title, uploaded.version) == ("By gRPC", "1.2")
    listed = packages.ListPackages(pb.ListPackagesRequest(), metadata=metadata)
    assert ([package.id for package in listed.packages], listed.count) == ([uploaded.package_id], 1)
    read = packages.GetPackage(pb.GetPackageRequest(package_id=uploaded.package_id), metadata=metadata)
    assert (read.uploaded_by, read.metadata.sco_count) == ("user-123", 1)
    assert read.launch_url == uploaded.launch_url
    deleted = packages.DeletePackage(pb.DeletePackageRequest(package_id=uploaded.package_id), metadata=metadata)
    assert (deleted.success, deleted.package_id) == (True, uploaded.package_id)
    with pytest.raises(grpc.RpcError) as gone:
        packages.GetPackage(pb.GetPackageRequest(package_id=uploaded.package_id), metadata=metadata)
    status, info = refusal(gone.value)
    assert gone.value.code() is grpc.StatusCode.NOT_FOUND
    assert (status.message, info.reason) == ("SCORM package not found", "PACKAGE_NOT_FOUND")


def test_validation_tells_every_field_and_the_request_id(packages: PackageServiceStub, metadata: Metadata) -> None:
    with pytest.raises(grpc.RpcError) as error:
        packages.ListPackages(
            pb.ListPackagesRequest(page=0, limit=101), metadata=(*metadata, ("x-request-id", "grpc-1"))
        )
    status, info = refusal(error.value)
    bad, request = error_details_pb2.BadRequest(), error_details_pb2.RequestInfo()
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert info.reason == "VALIDATION_ERROR"
    assert any(detail.Unpack(bad) for detail in status.details)
    assert any(detail.Unpack(request) for detail in status.details)
    assert {violation.field for violation in bad.field_violations} == {"page", "limit"}
    assert request.request_id == "grpc-1"


def test_what_is_no_package_is_refused_at_the_file(packages: PackageServiceStub, metadata: Metadata) -> None:
    with pytest.raises(grpc.RpcError) as error:
        packages.UploadPackage(pieces(b"no zip"), metadata=metadata)
    status, info = refusal(error.value)
    bad = error_details_pb2.BadRequest()
    assert info.reason == "VALIDATION_ERROR"
    assert any(detail.Unpack(bad) for detail in status.details)
    assert bad.field_violations[0].field == "file"


def test_a_message_that_is_too_large_is_told_as_such(packages: PackageServiceStub, metadata: Metadata) -> None:
    body = httpbody_pb2.HttpBody(content_type="application/zip", data=b"x" * 5_000_000)
    with pytest.raises(grpc.RpcError) as error:
        packages.UploadPackage(iter([pb.UploadPackageRequest(body=body)]), metadata=metadata)
    assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert refusal(error.value)[1].reason == "PAYLOAD_TOO_LARGE"


@pytest.mark.parametrize("request_id", ["short", "x" * 128])
def test_the_gateways_own_refusals_carry_the_callers_request_id(packages: PackageServiceStub, request_id: str) -> None:
    with pytest.raises(grpc.RpcError) as error:
        packages.ListPackages(pb.ListPackagesRequest(), metadata=(("x-request-id", request_id),))
    request = error_details_pb2.RequestInfo()
    assert any(detail.Unpack(request) for detail in refusal(error.value)[0].details)
    assert request.request_id == request_id


def test_an_upload_without_a_message_is_a_bad_request(packages: PackageServiceStub, metadata: Metadata) -> None:
    with pytest.raises(grpc.RpcError) as error:
        packages.UploadPackage(iter(()), metadata=metadata)
    assert refusal(error.value)[1].reason == "BAD_REQUEST"


@pytest.mark.parametrize("key", [None, "nonsense", "scorm_" + "A" * 86])
def test_a_bad_key_is_unauthenticated(packages: PackageServiceStub, key: str | None) -> None:
    with pytest.raises(grpc.RpcError) as error:
        packages.ListPackages(pb.ListPackagesRequest(), metadata=(("x-api-key", key),) if key else ())
    status, info = refusal(error.value)
    assert error.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert (status.message, info.reason) == ("Missing or invalid API key", "UNAUTHORIZED")


def test_a_missing_scope_is_permission_denied(stack: Stack, packages: PackageServiceStub) -> None:
    reader = (("x-api-key", stack.new_tenant(scopes=["read"])),)
    packages.ListPackages(pb.ListPackagesRequest(), metadata=reader)
    for _ in range(2):  # once from the key filter, and again from a warm cache
        with pytest.raises(grpc.RpcError) as error:
            packages.DeletePackage(pb.DeletePackageRequest(package_id="x"), metadata=reader)
        assert error.value.code() is grpc.StatusCode.PERMISSION_DENIED
        assert refusal(error.value)[1].reason == "FORBIDDEN"


def test_a_revoked_key_is_refused_within_five_seconds(stack: Stack, packages: PackageServiceStub) -> None:
    key = stack.new_tenant()
    metadata = (("x-api-key", key),)
    packages.ListPackages(pb.ListPackagesRequest(), metadata=metadata)
    (listed,) = stack.admin("key", "list", "--tenant", tenant_of(key))["api_keys"]
    stack.admin("key", "revoke", listed["id"])
    revoked, code = time.monotonic(), None
    while code is None and time.monotonic() - revoked < 10:
        time.sleep(0.1)
        try:
            packages.ListPackages(pb.ListPackagesRequest(), metadata=metadata)
        except grpc.RpcError as error:
            code = error.code()
    assert code is grpc.StatusCode.UNAUTHENTICATED
    assert time.monotonic() - revoked < 5


def test_the_limit_counts_native_calls_too(stack: Stack, packages: PackageServiceStub) -> None:
    metadata = (("x-api-key", stack.new_tenant(plan="standard")),)
    codes = []
    for _ in range(11):
        try:
            packages.UploadPackage(pieces(b"no zip"), metadata=metadata)
        except grpc.RpcError as error:
            codes.append((error.code(), refusal(error)[1].reason))
    assert codes == [(grpc.StatusCode.INVALID_ARGUMENT, "VALIDATION_ERROR")] * 10 + [
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMIT_EXCEEDED")
    ]


def test_administration_has_no_way_through_the_gateway(stack: Stack, channel: grpc.Channel) -> None:
    token = (stack.var / "operator-token").read_text().strip()
    stub = admin_service_pb2_grpc.AdminServiceStub(channel)
    with pytest.raises(grpc.RpcError) as error:
        stub.GetUsage(admin_service_pb2.GetUsageRequest(), metadata=(("x-operator-token", token),))
    assert error.value.code() in (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.NOT_FOUND)


def test_administration_needs_the_operators_credential(stack: Stack) -> None:
    with grpc.insecure_channel((stack.var / "admin-address").read_text().strip()) as direct:
        stub = admin_service_pb2_grpc.AdminServiceStub(direct)
        key = stack.new_tenant()
        for metadata in ((), (("x-operator-token", "wrong"),), (("x-api-key", key),)):
            with pytest.raises(grpc.RpcError) as error:
                stub.GetUsage(admin_service_pb2.GetUsageRequest(), metadata=metadata)
            assert error.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_reflection_lists_the_public_services(channel: grpc.Channel) -> None:
    services = set(ProtoReflectionDescriptorDatabase(channel).get_services())
    assert {"scorm.v1.PackageService", "scorm.v1.HealthService", "grpc.health.v1.Health"} <= services
    assert "scorm.v1.AdminService" not in services


def test_reflection_answers_by_its_newer_name_too(channel: grpc.Channel) -> None:
    ask: Any = channel.stream_stream(
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    for file in ("scorm/v1/package_service.proto", "scorm/v1/error_reason.proto"):
        (answer,) = ask(iter([reflection_pb2.ServerReflectionRequest(file_by_filename=file)]))
        assert answer.file_descriptor_response.file_descriptor_proto


def test_health_answers_both_services(channel: grpc.Channel) -> None:
    serving = health_pb2.HealthCheckResponse.SERVING
    health: Any = health_pb2_grpc.HealthStub(channel)
    assert health.Check(health_pb2.HealthCheckRequest()).status == serving
    assert health.Check(health_pb2.HealthCheckRequest(service="scorm.v1.PackageService")).status == serving
    ours = health_service_pb2_grpc.HealthServiceStub(channel).GetHealth(health_service_pb2.GetHealthRequest())
    assert (ours.status, dict(ours.checks)) == ("healthy", {"database": True})
