"""What is generated into the gateway: from whose facts, and that it agrees with them."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import MethodDescriptor
from google.rpc import error_details_pb2, status_pb2
from lupa import luajit21

from server.dev.gateway import blocks, catalogue, routes
from server.gen.scorm.v1 import lrs_service_pb2 as pb
from server.rpc import lifecycle
from server.rpc.access import Access, MissingAccess, access_of
from server.rpc.errors import CATALOGUE

ROOT = Path(__file__).resolve().parents[2]


def virtual_hosts() -> dict[str, Any]:
    config = yaml.safe_load((ROOT / "envoy.yaml").read_text())
    manager = config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    return {host["name"]: host for host in manager["route_config"]["virtual_hosts"]}


def test_the_checked_in_blocks_are_those_that_are_generated() -> None:
    text = (ROOT / "envoy.yaml").read_text()
    assert blocks.fill(text, blocks.envoy_blocks()) == text
    assert (ROOT / "gateway" / "catalogue.lua").read_text() == catalogue.lua_table()


def test_a_block_keeps_the_indentation_of_its_markers_and_all_around_it() -> None:
    text = "a:\n  # generated: one\n  old\n  # end generated\nb: 1\n"
    assert (
        blocks.fill(text, {"one": ["- x", "  y"]}) == "a:\n  # generated: one\n  - x\n    y\n  # end generated\nb: 1\n"
    )


@pytest.mark.parametrize("names", [[], ["one", "two"], ["two"]])
def test_markers_without_a_block_and_blocks_without_markers_are_refused(names: list[str]) -> None:
    with pytest.raises(blocks.BlockMismatch):
        blocks.fill("# generated: one\n# end generated\n", {name: [] for name in names})


def test_an_rpc_without_access_options_is_refused() -> None:
    file = descriptor_pb2.FileDescriptorProto(name="open_door.proto", package="open_door")
    file.message_type.add(name="Empty")
    method = file.service.add(name="Door").method.add(name="Walk")
    method.input_type = method.output_type = ".open_door.Empty"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    with pytest.raises(MissingAccess, match=r"open_door\.Door\.Walk"):
        routes.public_methods(routes.services_of([pool.FindFileByName("open_door.proto")]))


def test_every_public_rpc_has_its_routes_and_no_operators_rpc_has_one() -> None:
    names = {name: [route.get("name", "") for route in host["routes"]] for name, host in virtual_hosts().items()}
    methods = routes.public_methods(routes.services_of(blocks.service_files()))
    for method in methods:
        rpc, origin = f"{method.containing_service.full_name}/{method.name}", access_of(method).origin
        assert {host for host, theirs in names.items() for name in theirs if name == rpc} == {origin}
        assert names["base"].count(f"grpc {rpc}") == 1
    assert {access_of(method).origin for method in methods} == {"base", "content"}
    assert "AdminService" not in (ROOT / "envoy.yaml").read_text()


def test_every_route_says_who_may_use_it_and_tells_the_key_filter_the_same() -> None:
    for host in virtual_hosts().values():
        for route in host["routes"]:
            if route.get("name") == "preflight":
                continue
            said = route["metadata"]["filter_metadata"]["scorm.edge"]
            assert said["scope"] in ("public", "read", "write", "delete", "content", "static")
            check = route.get("typed_per_filter_config", {}).get("envoy.filters.http.ext_authz")
            if said["scope"] == "static":
                assert check["disabled"]
            elif said["scope"] != "public":
                assert check["check_settings"]["context_extensions"]["scope"] == said["scope"]


def test_what_needs_no_key_shares_no_limit_with_what_does_and_ends_some_time() -> None:
    for host in virtual_hosts().values():
        for route in host["routes"]:
            said = route.get("metadata", {}).get("filter_metadata", {}).get("scorm.edge", {})
            action = route.get("route")
            if action is None or "refuse" in said or route.get("name") == "preflight":
                continue
            assert (action["cluster"] in ("open", "player")) == (said["scope"] == "public")
            assert (action["cluster"] == "player") == ("PlayerService" in route["name"])
            if said["scope"] == "public":
                assert int(action["max_stream_duration"]["max_stream_duration"].removesuffix("s")) <= 30


def test_a_server_that_breaks_off_is_followed_by_another_only_where_a_call_may_come_twice() -> None:
    twice = [
        route["name"].removeprefix("grpc ").rpartition("/")[2]
        for host in virtual_hosts().values()
        for route in host["routes"]
        if "scorm.v1." in route.get("name", "") and route["route"].get("retry_policy")
    ]
    assert {name for name in twice if not name.startswith(("Get", "List", "Open", "Query"))} == {"CommitRun"}


def test_every_call_of_the_player_is_limited_by_its_link() -> None:
    for host in virtual_hosts().values():
        for route in host["routes"]:
            if route.get("name", "").startswith("scorm.v1."):
                player = route["metadata"]["filter_metadata"]["scorm.edge"].get("player", False)
                assert player == ("PlayerService" in route["name"])


def test_uploads_have_processes_of_their_own_no_overall_timeout_and_no_second_try() -> None:
    uploads = [route for route in virtual_hosts()["base"]["routes"] if "UploadPackage" in route.get("name", "")]
    assert len(uploads) == 2
    for route in uploads:
        assert route["route"] == {"cluster": "upload", "timeout": "0s", "idle_timeout": "3600s", "retry_policy": {}}


def test_bodies_are_large_only_with_a_key_and_every_buffer_has_room_for_them() -> None:
    large: set[str] = set()
    for route in virtual_hosts()["base"]["routes"]:
        buffer = route.get("typed_per_filter_config", {}).get("envoy.filters.http.buffer", {}).get("config", {})
        most = buffer.get("buffer", {}).get("max_request_bytes")
        # With less, requests hang.
        assert route.get("request_body_buffer_limit") == most
        if most is not None:
            said = route["metadata"]["filter_metadata"]["scorm.edge"]
            assert (most, said["scope"] == "public") == (16 * 1024 * 1024, False)
            large.add(route["name"].rpartition(".")[2])
    of_lrs = {name for name in large if name.startswith("LrsService/")}
    assert large - of_lrs == {"XapiService/StoreStatements"}
    assert len(of_lrs) == len(pb.DESCRIPTOR.services_by_name["LrsService"].methods) - 1
    assert lifecycle.LARGE_MESSAGE_BYTES > 16 * 1024 * 1024


def test_the_lrs_says_of_which_resource_a_route_is_and_is_never_compressed() -> None:
    for route in virtual_hosts()["base"]["routes"]:
        if "scorm.v1." not in (name := route.get("name", "")):
            continue
        service, method = name.rpartition(".")[2].split("/")
        access = access_of(described(service, method))
        said = route["metadata"]["filter_metadata"]["scorm.edge"]
        assert said.get("lrs") == access.lrs_resource
        check = route["typed_per_filter_config"]["envoy.filters.http.ext_authz"]
        assert check["check_settings"]["context_extensions"].get("lrs") == access.lrs_resource
        if not name.startswith("grpc "):
            off = [route["typed_per_filter_config"].get(f"scorm.{one}") for one in ("zstd", "brotli", "gzip")]
            disabled = [bool(one and one["disabled"]) for one in off]
            assert disabled == [service == "LrsService"] * 3


def described(service: str, method: str) -> MethodDescriptor:
    services = {one.name: one for one in routes.services_of(blocks.service_files())}
    return services[service].methods_by_name[method]


def test_a_path_with_a_variable_comes_behind_those_that_are_spelt_out() -> None:
    def route(path: str) -> routes.RestRoute:
        return routes.RestRoute("r", "GET", path, False, Access("read", "read"))

    lines = routes.refusal_lines([route("/a/{id}"), route("/a/{id}/b"), route("/a.b/c")])
    regexes = [re.search(r"regex: '(.*)'", line) for line in lines if "match" in line]
    patterns = [found.group(1) for found in regexes if found]
    assert patterns == ["/a/[^/]+", "/a/[^/]+/b"]
    assert re.fullmatch(patterns[0], "/a/1")
    assert not re.fullmatch(patterns[0], "/a/1/b")


def lua_catalogue() -> Any:
    # Bytes as they are, each a character.
    return luajit21.LuaRuntime(encoding="latin-1").execute(catalogue.lua_table())


def test_every_reason_that_callers_see_is_in_the_gateways_catalogue() -> None:
    theirs = lua_catalogue().by_reason
    for reason, entry in CATALOGUE.items():
        if reason in ("TENANT_NOT_FOUND", "API_KEY_NOT_FOUND"):
            assert theirs[reason] is None
            continue
        assert theirs[reason].http == str(entry.http_status)
        assert theirs[reason].grpc == str(entry.code.value[0])
        assert theirs[reason].message == entry.message


def test_every_prepared_status_says_what_its_entry_says() -> None:
    for name, entry in lua_catalogue().by_reason.items():
        status = status_pb2.Status.FromString(entry.status.encode("latin-1"))
        assert (str(status.code), status.message) == (entry.grpc, entry.message)
        info = error_details_pb2.ErrorInfo()
        assert [detail.Unpack(info) for detail in status.details] == [True]
        assert info.domain == "scorm-api"
        reason, _, variant = name.partition(":")
        assert info.reason == reason
        if reason == "FORBIDDEN" and variant:
            assert dict(info.metadata) == {"required_scope": variant}


def test_every_status_that_envoy_gives_has_a_reason_with_that_status() -> None:
    table = lua_catalogue()
    for http, reason in table.by_http.items():
        assert table.by_reason[reason].http == http
