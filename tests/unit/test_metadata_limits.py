"""What is accepted can be read back: as JSON, and by stock clients of gRPC."""

import tempfile
from dataclasses import dataclass, replace
from typing import Any, cast

import pytest

from server.domain.errors import ValidationFailed
from server.domain.ids import new_id
from server.domain.manifest import check_readable, summarise
from server.domain.packages import PackageItem
from server.domain.zip_rules import ZipLimits
from server.rpc.packages import to_message
from server.services.attempt import Contents, read_contents
from server.storage.archive import Archive
from tests.factories import Member, course_files, manifest12, zip_bytes
from tests.rows import NOW, a_package, some_metadata
from tests.unit.manifests import parse

LIMITS = ZipLimits(max_expanded_bytes=10**9, max_files=1000)
GRPC_CLIENT_BYTES = 4 * 1024**2


def with_items(items: str) -> str:
    return manifest12().replace("</organization>", f"{items}</organization>")


def chain(depth: int, *, prefix: str = "d", inside: str = "") -> str:
    start = "".join(f'<item identifier="{prefix}{n}"><title>t</title>' for n in range(depth))
    return f"{start}{inside}{'</item>' * depth}"


@dataclass(frozen=True)
class Spooled:
    """A whole zip on disk."""

    descriptor: int
    size_bytes: int

    def archive(self, *, max_entries: int) -> Archive:
        return Archive.read(self.descriptor, size_bytes=self.size_bytes, max_entries=max_entries)


def contents_of(manifest: str) -> Contents:
    members = [Member(name, b"x") for name in course_files(1)]
    data = zip_bytes([Member("imsmanifest.xml", manifest.encode()), *members])
    with tempfile.TemporaryFile(buffering=0) as file:
        file.write(data)
        return read_contents(cast(Any, Spooled(file.fileno(), len(data))), limits=LIMITS, filename=None)


def faults_of(manifest: str) -> list[str]:
    with pytest.raises(ValidationFailed) as refused:
        contents_of(manifest)
    return refused.value.field_errors["file"]


def test_items_may_be_nested_45_deep() -> None:
    contents_of(with_items(chain(45)))
    assert faults_of(with_items(chain(46))) == ["The default organization nests items 46 deep; at most 45 are accepted"]


def test_items_of_nested_manifests_count_for_the_depth() -> None:
    organization = f'<organization identifier="O">{chain(20, prefix="n")}</organization>'
    nested = f'<manifest identifier="M"><organizations>{organization}</organizations></manifest>'
    reference = '<item identifier="r" identifierref="M"><title>t</title></item>'
    text = with_items(chain(30, inside=reference)).replace("</manifest>", f"{nested}</manifest>")
    assert faults_of(text) == ["The default organization nests items 51 deep; at most 45 are accepted"]


def test_metadata_of_more_than_three_mebibytes_are_refused() -> None:
    text = manifest12().replace('href="sco1/index.html">', f'href="sco1/index.html?{"x" * 4000}">', 1)
    many = "".join(f'<item identifier="x{n}" identifierref="RES-1"/>' for n in range(800))
    assert faults_of(text.replace("</organization>", f"{many}</organization>")) == [
        "The titles, addresses and warnings of the package are more than 3145728 bytes"
    ]


def test_what_is_within_the_limit_is_within_that_of_stock_grpc_clients() -> None:
    item = PackageItem(identifier="é", title="", href="", scorm_type="sco", visible=True)
    low, high = 0, 200_000
    while high - low > 1:
        middle = (low + high) // 2
        try:
            check_readable(replace(some_metadata(), items=(item,) * middle))
            low = middle
        except ValidationFailed:
            high = middle
    package = a_package(new_id(NOW), title="x" * 500)
    message = to_message(replace(package, metadata=replace(some_metadata(), items=(item,) * low)))
    assert low > 10_000
    assert message.ByteSize() < GRPC_CLIENT_BYTES - 500_000


def test_an_ordinary_course_is_far_from_the_limits() -> None:
    check_readable(summarise(parse(manifest12())))
