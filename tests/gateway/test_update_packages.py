"""Changing packages, and the versions that changes are conditional on, over REST and gRPC."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import httpx
import pytest

from server.gen.scorm.v1 import package_service_pb2 as pb
from server.gen.scorm.v1.package_service_pb2_grpc import PackageServiceStub
from tests.factories import scorm12_package
from tests.gateway.test_documented_packages import client, error_of, upload
from tests.gateway.test_native_grpc import refusal
from tests.stack import Stack

UNKNOWN = "01a20774-d357-7618-8c21-183dda924c56"
DEFAULTS = {"failed_completes": True, "mastery_overrides_status": True}


@pytest.fixture
def key(stack: Stack) -> str:
    return stack.new_tenant()


@pytest.fixture
def api(stack: Stack, key: str) -> Iterator[httpx.Client]:
    with client(stack, key) as opened:
        # Compressed answers have their tags weakened, as they are other bytes.
        opened.headers["accept-encoding"] = "identity"
        yield opened


@pytest.fixture
def path(api: httpx.Client) -> str:
    return f"/api/v1/packages/{upload(api)['package_id']}"


def faults(answer: httpx.Response) -> dict[str, list[str]]:
    error = error_of(answer)
    assert (answer.status_code, error["code"]) == (400, "VALIDATION_ERROR")
    found: dict[str, list[str]] = error["details"]["fieldErrors"]
    return found


def test_only_what_is_given_changes(api: httpx.Client, path: str) -> None:
    before = api.get(path).json()
    assert before["settings"] == DEFAULTS
    answer = api.patch(path, json={"title": "  A new title ", "settings": {"failed_completes": False}})
    after = answer.json()
    assert answer.status_code == 200
    changed = {"title", "settings", "updated_at"}
    assert after["title"] == "A new title"
    assert after["settings"] == {**DEFAULTS, "failed_completes": False}
    assert after["updated_at"] > before["updated_at"]
    links = {"launch_url", "manifest_url", "launch_url_expires_at"}
    assert {name for name in after if after[name] != before[name]} - links == changed
    again = api.patch(path, json={"settings": {"mastery_overrides_status": False}}).json()
    assert (again["title"], list(again["settings"].values())) == ("A new title", [False, False])
    assert api.get(path).json() == again
    (listed,) = api.get("/api/v1/packages").json()["packages"]
    assert (listed["title"], listed["settings"]) == (again["title"], again["settings"])


@pytest.mark.parametrize(
    "body", ["{}", "", '{"settings":{}}', '{"title":null,"settings":null}', '{"settings":{"failed_completes":true}}']
)
def test_a_patch_that_changes_nothing_keeps_version_and_time(api: httpx.Client, path: str, body: str) -> None:
    before = api.get(path)
    answer = api.patch(path, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["updated_at"] == before.json()["updated_at"]
    assert answer.headers["etag"] == before.headers["etag"] == '"1"'


@pytest.mark.parametrize(
    "title", ["", "   ", "\u3000", "x" * 501, "a\nb", "a\u0000b", "a\u007fb", "a\u0085b", "😀" * 501]
)
def test_a_title_out_of_bounds_is_named(api: httpx.Client, path: str, title: str) -> None:
    assert list(faults(api.patch(path, json={"title": title}))) == ["title"]


@pytest.mark.parametrize("title", ["x", "x" * 500, "😀" * 500, " " * 600 + "x", "\tx\n", "<b>\"&'\\"])
def test_a_title_within_bounds_is_kept_to_the_letter(api: httpx.Client, path: str, title: str) -> None:
    assert api.patch(path, json={"title": title}).json()["title"] == title.strip()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ('{"settings":{"failed_completes":"maybe"}}', "settings.failed_completes"),
        ('{"settings":{"mastery_overrides_status":2}}', "settings.mastery_overrides_status"),
        ('{"title":5}', "title"),
    ],
)
def test_a_value_of_another_type_is_named_by_its_path(api: httpx.Client, path: str, body: str, field: str) -> None:
    assert list(faults(api.patch(path, content=body))) == [field]


@pytest.mark.parametrize("body", ["[]", "x", '{"title":', '"title"', "1"])
def test_what_is_no_json_object_is_a_bad_request(api: httpx.Client, path: str, body: str) -> None:
    answer = api.patch(path, content=body)
    assert (answer.status_code, error_of(answer)["code"]) == (400, "BAD_REQUEST")


def test_a_body_cannot_name_another_package(api: httpx.Client, path: str) -> None:
    other = upload(api)["package_id"]
    assert api.patch(path, json={"package_id": other, "title": "x"}).status_code == 400
    assert api.get(f"/api/v1/packages/{other}").headers["etag"] == '"1"'


@pytest.mark.parametrize("package_id", [UNKNOWN, "pkg-123", "x" * 300])
def test_a_package_that_is_not_there_is_not_found(api: httpx.Client, package_id: str) -> None:
    for headers in ({}, {"if-match": '"1"'}, {"if-match": "*"}):
        for method in ("PATCH", "DELETE"):
            answer = api.request(method, f"/api/v1/packages/{package_id}", headers=headers)
            assert (answer.status_code, error_of(answer)["code"]) == (404, "PACKAGE_NOT_FOUND")


def test_a_foreign_package_is_not_found_and_stays_as_it_is(stack: Stack, api: httpx.Client, path: str) -> None:
    with client(stack, stack.new_tenant()) as foreign:
        answer = foreign.patch(path, json={"title": "mine"}, headers={"if-match": '"1"'})
        assert (answer.status_code, error_of(answer)["code"]) == (404, "PACKAGE_NOT_FOUND")
    assert api.get(path).headers["etag"] == '"1"'


def test_updating_needs_the_scope_write_and_counts_as_a_write(stack: Stack, path: str) -> None:
    with client(stack, stack.new_tenant(scopes=["read", "delete"])) as reader:
        answer = reader.patch(path, json={})
        assert (answer.status_code, error_of(answer)["details"]) == (403, {"required_scope": "write"})
    with client(stack, stack.new_tenant(plan="standard")) as standard:
        assert standard.patch(path, json={}).headers["x-ratelimit-limit"] == "100"


def test_every_answer_with_one_package_tells_its_version(api: httpx.Client) -> None:
    created = api.post("/api/v1/packages", files={"file": ("a.zip", scorm12_package())})
    path = created.headers["location"]
    assert created.headers["etag"] == '"1"'
    assert api.get(path).headers["etag"] == api.head(path).headers["etag"] == '"1"'
    title = "b" * 500
    assert api.patch(path, json={"title": title}).headers["etag"] == '"2"'
    compressed = api.get(path, headers={"accept-encoding": "gzip"}).headers
    assert (compressed["etag"], compressed["content-encoding"]) == ('W/"2"', "gzip")


def test_a_package_is_read_whatever_version_the_caller_has(api: httpx.Client, path: str) -> None:
    answer = api.get(path, headers={"if-none-match": '"1"'})
    assert (answer.status_code, answer.headers["etag"]) == (200, '"1"')


def test_browsers_may_send_conditions_and_read_versions(api: httpx.Client, path: str) -> None:
    browser = api.get(path, headers={"origin": "https://lms.example"})
    assert "ETag" in browser.headers["access-control-expose-headers"]
    preflight = {"origin": "https://lms.example", "access-control-request-method": "PATCH"}
    allowed = api.options(path, headers={**preflight, "access-control-request-headers": "if-match"}).headers
    assert "If-Match" in allowed["access-control-allow-headers"]
    assert "PATCH" in allowed["access-control-allow-methods"]


@pytest.mark.parametrize("tags", ['"1"', 'W/"1"', '"9", W/"1"', "*"])
def test_a_change_is_made_where_the_version_is_named(api: httpx.Client, path: str, tags: str) -> None:
    headers = {"if-match": tags}
    assert api.patch(path, json={"title": "b"}, headers=headers).headers["etag"] == '"2"'
    if tags != "*":
        assert api.patch(path, json={}, headers=headers).status_code == 409
        assert api.delete(path, headers=headers).status_code == 409
    assert api.delete(path, headers={"if-match": '"2"'}).status_code == 200


@pytest.mark.parametrize("tags", ['"2"', 'W/"2", "3"', '"x"', '""', '"01"'])
def test_a_change_of_another_version_is_a_conflict_that_tells_the_current(
    api: httpx.Client, path: str, tags: str
) -> None:
    for answer in (
        api.patch(path, json={"title": "b"}, headers={"if-match": tags}),
        api.delete(path, headers={"if-match": tags}),
    ):
        assert answer.status_code == 409
        assert error_of(answer) == {
            "code": "CONFLICT",
            "message": "The resource is not at a version that If-Match names; read it again",
            "details": {"current_etag": '"1"'},
        }
    assert api.get(path).headers["etag"] == '"1"'


@pytest.mark.parametrize("tags", ["1", '"1', "", '*, "1"', '"1" "2"'])
def test_a_condition_that_cannot_be_read_is_named_beside_all_other_faults(
    api: httpx.Client, path: str, tags: str
) -> None:
    assert list(faults(api.delete(path, headers={"if-match": tags}))) == ["if_match"]
    found = faults(api.patch(path, json={"title": ""}, headers={"if-match": tags}))
    assert list(found) == ["title", "if_match"]


def test_a_repeated_condition_is_one_list(api: httpx.Client, path: str) -> None:
    both = [("if-match", '"7"'), ("if-match", 'W/"1"')]
    assert api.patch(path, json={}, headers=both).status_code == 200


def test_of_many_at_once_one_wins(api: httpx.Client, path: str) -> None:
    def rename(number: int) -> int:
        return api.patch(path, json={"title": f"t{number}"}, headers={"if-match": '"1"'}).status_code

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(rename, range(8))) == [200] + [409] * 7
    assert api.get(path).headers["etag"] == '"2"'


def test_the_same_over_grpc(stack: Stack, key: str, path: str) -> None:
    package_id, metadata = path.rpartition("/")[2], (("x-api-key", key),)

    def version(call: Any) -> str:
        return str(dict(call.trailing_metadata())["etag"])

    with grpc.insecure_channel(stack.grpc_address) as channel:
        stub = PackageServiceStub(channel)
        request = pb.UpdatePackageRequest(package_id=package_id, settings={"failed_completes": False})
        package, call = stub.UpdatePackage.with_call(request, metadata=(*metadata, ("if-match", '"1"')))
        assert (package.settings.failed_completes, package.settings.mastery_overrides_status) == (False, True)
        assert version(call) == '"2"'
        _, call = stub.GetPackage.with_call(pb.GetPackageRequest(package_id=package_id), metadata=metadata)
        assert version(call) == '"2"'
        stale: list[tuple[Any, Any]] = [
            (stub.UpdatePackage, request),
            (stub.DeletePackage, pb.DeletePackageRequest(package_id=package_id)),
        ]
        for method, again in stale:
            with pytest.raises(grpc.RpcError) as conflict:
                method(again, metadata=(*metadata, ("if-match", '"1"')))
            assert conflict.value.code() is grpc.StatusCode.ABORTED
            info = refusal(conflict.value)[1]
            assert (info.reason, dict(info.metadata)) == ("CONFLICT", {"current_etag": '"2"'})
