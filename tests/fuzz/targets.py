"""What is fuzzed. A target fails by raising anything: the refusals of the domain are caught."""

import asyncio
import os
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import PurePosixPath

from server.domain.errors import DomainError
from server.domain.manifest import check_readable, from_json, launch, parse_manifest, summarise, to_json
from server.domain.zip_rules import ZipLimits, plan
from server.rpc.multipart import parse_form
from server.storage.archive import Archive
from tests.factories import course_files, manifest12, manifest2004, scorm12_package
from tests.factories.hostile import Family, Sent, corpus

Target = Callable[[bytes], None]

_LIMITS = ZipLimits(max_expanded_bytes=1024**2, max_files=500, ratio_floor_bytes=64 * 1024)
_NAMES = ("imsmanifest.xml", *course_files(2))
_MAX_SEED_BYTES = 20_000


def archive(data: bytes) -> None:
    """Directory, rules and content of an archive."""
    descriptor = os.memfd_create("archive")
    try:
        os.write(descriptor, data)
        opened = Archive.read(descriptor, size_bytes=len(data), max_entries=1000)
        planned = plan(opened.entries, archive_size=len(data), limits=_LIMITS)
        assert len(set(planned.names)) == len(planned.names)
        for file in planned.files:
            assert file.name == str(PurePosixPath(file.name)), file.name
            assert not file.name.startswith("/")
            assert ".." not in file.name.split("/")
            with opened.open(file.index) as entry:
                content = entry.read()
            assert (len(content), zlib.crc32(content)) == (file.size, opened.entries[file.index].crc)
    except DomainError:
        pass
    finally:
        os.close(descriptor)


def manifest(data: bytes) -> None:
    """A manifest, and all that is made of it."""
    try:
        parsed = parse_manifest(data, names=_NAMES, fallback_title="fallback")
        launched = launch(parsed)
        check_readable(summarise(parsed))
    except DomainError:
        return
    assert from_json(to_json(parsed)) == parsed
    assert not launched.path.startswith(("/", "http:", "https:", "javascript:")), launched.path
    for resource in parsed.resources:
        assert resource.path is None or resource.path in _NAMES
        assert set(resource.files) <= set(_NAMES)


def form(data: bytes) -> None:
    """A body behind a line with its content type; the result is the same however it is cut."""
    kind, _, body = data.partition(b"\n")
    whole = asyncio.run(_outcome(kind.decode("latin-1"), body, len(body) + 1))
    cut = asyncio.run(_outcome(kind.decode("latin-1"), body, 1 + zlib.crc32(data) % 1000))
    assert whole == cut, (whole, cut)


async def _outcome(kind: str, body: bytes, size: int) -> object:
    async def chunks() -> AsyncIterator[bytes]:
        for at in range(0, len(body), size):
            yield body[at : at + size]

    try:
        upload = parse_form(kind, chunks())
        return b"".join([piece async for piece in upload]), upload.uploaded_by, upload.filename
    except DomainError as error:
        return type(error), error.message, getattr(error, "field_errors", None)


TARGETS: Mapping[str, Target] = {"archive": archive, "manifest": manifest, "form": form}


def seeds(name: str) -> Iterator[bytes]:
    """What mutation begins with."""
    if name == "archive":
        yield scorm12_package()
        yield from _uploaded(Family.NAMES, Family.STRUCTURE)
    elif name == "manifest":
        for text in (manifest12(scos=2, mastery_score=80), manifest2004(scos=2, passing_score=0.5)):
            yield text.encode()
            yield text.encode("utf-16")
        yield from _manifests()
    else:
        yield from (b"%s\n%s" % (sent.content_type.encode(), sent.body) for sent in _sent(Family.BODIES))


def _sent(*families: Family) -> Iterator[Sent]:
    for case in corpus():
        if case.family in families and len((sent := case.send()).body) < _MAX_SEED_BYTES:
            yield sent


def _uploaded(*families: Family) -> Iterator[bytes]:
    for sent in _sent(*families):
        yield sent.body.partition(b"\r\n\r\n")[2].rpartition(b"\r\n--")[0]


def _manifests() -> Iterator[bytes]:
    for data in _uploaded(Family.MANIFESTS):
        descriptor = os.memfd_create("archive")
        os.write(descriptor, data)
        opened = Archive.read(descriptor, size_bytes=len(data), max_entries=1000)
        with opened.open(0) as entry:
            yield entry.read()
        os.close(descriptor)
