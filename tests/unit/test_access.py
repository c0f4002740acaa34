"""Every RPC says who may call it."""

import importlib
from pathlib import Path
from uuid import UUID

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import ServiceDescriptor

from server.domain.api_keys import Plan
from server.domain.errors import MissingScope
from server.rpc.access import Access, MissingAccess, access_of, access_table
from server.services.authentication import Caller

GENERATED = Path(__file__).resolve().parents[2] / "server/gen/scorm/v1"


def our_services() -> list[ServiceDescriptor]:
    modules = [
        importlib.import_module(f"server.gen.scorm.v1.{path.stem}") for path in GENERATED.glob("*_service_pb2.py")
    ]
    return [service for module in modules for service in module.DESCRIPTOR.services_by_name.values()]


def test_every_rpc_of_the_protos_has_scope_and_rate_class() -> None:
    table = access_table(our_services())
    assert table["/scorm.v1.PackageService/DeletePackage"] == Access("delete", "write")
    assert table["/scorm.v1.PackageService/UploadPackage"] == Access("write", "upload")
    assert table["/scorm.v1.HealthService/GetHealth"] == Access("public", "none")
    assert table["/scorm.v1.LrsService/DeleteState"] == Access("delete", "xapi", lrs_resource="state")
    assert table["/scorm.v1.LrsService/GetAgent"] == Access("read", "xapi", lrs_resource="statements")
    assert table["/scorm.v1.XapiService/StoreStatements"] == Access("write", "write")
    assert all(access.scope == "operator" for method, access in table.items() if "AdminService" in method)


def test_what_is_of_the_lrs_has_its_limit_and_says_of_which_resource_it_is() -> None:
    for method, access in access_table(our_services()).items():
        mine = method.startswith("/scorm.v1.LrsService/") and not method.endswith("/GetAbout")
        assert (access.lrs_resource in ("statements", "state", "profile")) == mine, method
        assert (access.rate_class == "xapi") == mine, method


def caller(*scopes: str) -> Caller:
    return Caller(UUID(int=1), UUID(int=2), Plan.STANDARD, frozenset(scopes), None)


@pytest.mark.parametrize("operation", ["read", "write", "delete"])
@pytest.mark.parametrize("resource", ["statements", "state", "profile"])
def test_scopes_of_the_lrs_count_for_its_resources_only(resource: str, operation: str) -> None:
    caller("lrs:all").require(operation, lrs_resource=resource)
    caller(operation).require(operation, lrs_resource=resource)
    caller(operation).require(operation)
    everything_else = {"read", "write", "delete"} - {operation}
    for scopes, asked in ((["lrs:all"], None), (everything_else, None), (everything_else, resource), ([], resource)):
        with pytest.raises(MissingScope) as refused:
            caller(*scopes).require(operation, lrs_resource=asked)
        assert refused.value.required_scope == operation


def test_an_rpc_without_access_is_an_error() -> None:
    file = descriptor_pb2.FileDescriptorProto(name="open_door.proto", package="t", syntax="proto3")
    file.message_type.add(name="M")
    file.service.add(name="S").method.add(name="OpenDoor", input_type=".t.M", output_type=".t.M")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    with pytest.raises(MissingAccess, match="OpenDoor"):
        access_of(pool.FindServiceByName("t.S").methods_by_name["OpenDoor"])
