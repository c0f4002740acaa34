"""Every RPC says who may call it."""

import importlib
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import ServiceDescriptor

from server.rpc.access import Access, MissingAccess, access_of, access_table

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
    assert all(access.scope == "operator" for method, access in table.items() if "AdminService" in method)


def test_an_rpc_without_access_is_an_error() -> None:
    file = descriptor_pb2.FileDescriptorProto(name="open_door.proto", package="t", syntax="proto3")
    file.message_type.add(name="M")
    file.service.add(name="S").method.add(name="OpenDoor", input_type=".t.M", output_type=".t.M")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    with pytest.raises(MissingAccess, match="OpenDoor"):
        access_of(pool.FindServiceByName("t.S").methods_by_name["OpenDoor"])
