"""Whatever the upload accepts can be read back through Envoy, as JSON and by a stock gRPC client."""

import grpc
import httpx

from server.gen.scorm.v1 import package_service_pb2 as pb
from server.gen.scorm.v1.package_service_pb2_grpc import PackageServiceStub
from tests.factories import Member, course_files, manifest12, zip_bytes
from tests.stack import Stack


def package(items: str, *, query: str = "") -> bytes:
    manifest = manifest12().replace("</organization>", f"{items}</organization>")
    manifest = manifest.replace('href="sco1/index.html">', f'href="sco1/index.html{query}">', 1)
    members = [Member(name, b"x") for name in course_files(1)]
    return zip_bytes([Member("imsmanifest.xml", manifest.encode()), *members])


def chain(depth: int) -> str:
    return "".join(f'<item identifier="d{n}"><title>t</title>' for n in range(depth)) + "</item>" * depth


def sharing(count: int) -> str:
    return "".join(f'<item identifier="s{n}" identifierref="RES-1"><title>t</title></item>' for n in range(count))


def upload(stack: Stack, key: str, data: bytes) -> httpx.Response:
    return httpx.post(
        f"{stack.base_url}/api/v1/packages", headers={"x-api-key": key}, files={"file": ("c.zip", data)}, timeout=60
    )


def test_the_deepest_and_the_largest_metadata_are_read_both_ways(stack: Stack) -> None:
    key = stack.new_tenant()
    with grpc.insecure_channel(stack.grpc_address) as channel:
        for data in (package(chain(45)), package(sharing(700), query=f"?{'x' * 4000}")):
            answer = upload(stack, key, data)
            assert answer.status_code == 201, answer.text
            package_id = answer.json()["package_id"]
            url = f"{stack.base_url}/api/v1/packages/{package_id}"
            read = httpx.get(url, headers={"x-api-key": key}, timeout=60)
            assert read.status_code == 200, read.text[:500]
            message = PackageServiceStub(channel).GetPackage(
                pb.GetPackageRequest(package_id=package_id), metadata=(("x-api-key", key),)
            )
            assert len(message.metadata.items) == len(read.json()["metadata"]["items"])


def test_what_could_not_be_read_back_is_refused_by_its_name(stack: Stack) -> None:
    key = stack.new_tenant()
    for data, fault in (
        (package(chain(46)), "The default organization nests items 46 deep; at most 45 are accepted"),
        (
            package(sharing(1000), query=f"?{'x' * 4000}"),
            "The titles, addresses and warnings of the package are more than 3145728 bytes",
        ),
    ):
        answer = upload(stack, key, data)
        assert answer.status_code == 400, answer.text
        assert fault in answer.text
