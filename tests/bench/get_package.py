"""GET package through Envoy, with key and limit, against FastAPI doing the same behind the same Envoy."""

from tests.bench import upload_client
from tests.bench.against_fastapi import BASELINE, OURS, Case, check_alike, compare, sides
from tests.bench.figures import Row
from tests.bench.running_copy import Copy
from tests.factories import packages


def measure(copy: Copy, *, quick: bool) -> list[Row]:
    """CPU per request of everything that serves it, at 16 connections, in turns."""
    key = copy.stack.new_tenant()
    file = copy.scratch / "course.zip"
    file.write_bytes(packages.scorm2004_package(scos=3))
    package_id = upload_client.upload(copy.stack.port, key, file)["package_id"]
    case = Case(
        name="get_package",
        what="GET package through Envoy with key and limit",
        targets=[f"/api/v1/packages/{package_id}"],
        headers={"X-API-Key": key},
    )
    with sides(copy) as both:
        check_alike(both[OURS].ask(case), both[BASELINE].ask(case))
        return [compare(both, case, quick=quick)]
