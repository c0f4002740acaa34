"""A file's name on its whole way: out of an archive, into storage, into a URL, and through the gateway back to it."""

import re
import urllib.parse

from hypothesis import example, given, settings
from hypothesis import strategies as st

from server.domain.errors import ValidationFailed
from server.domain.manifest.references import url_path
from server.domain.zip_rules import ZipEntry, ZipLimits, plan
from tests.unit.test_gateway_lua import module

PREFIX = "tenants/t/packages/p/content"
LIMITS = ZipLimits(max_expanded_bytes=10**9, max_files=1000)
PATHS = module("paths")

PIECES = (
    *("a", "B", "é", "e\u0301", "..", ".", "", "%2e%2e", "%2F", "%5c", "%25", "%", "C:", "?", "#", ";", "&", "+", "~"),
    *("．．", "／", "\\", "\0", "\x7f", "\x85", "\u202e", "\ufffe", "\U0001f393", " ", "__MACOSX", "CON", "x.html"),
)
pieces = st.sampled_from(PIECES)
names = st.one_of(
    st.text(max_size=20),
    st.builds("/".join, st.lists(st.builds("".join, st.lists(pieces, max_size=3)), min_size=1, max_size=5)),
)


def planned(found: list[str]) -> list[str]:
    """The objects, relative to the prefix, that become of an archive with files of these names."""
    entries = [entry(name, number) for number, name in enumerate(["imsmanifest.xml", *found])]
    return list(plan(entries, archive_size=30 * len(entries), limits=LIMITS).names)


def entry(name: str, number: int) -> ZipEntry:
    return ZipEntry(
        name=name,
        is_dir=name.endswith(("/", "\\")),
        compressed_size=0,
        size=0,
        crc=0,
        flag_bits=0,
        external_attr=0,
        header_offset=30 * number,
        compress_type=0,
    )


def requested(name: str) -> bytes | None:
    """The object of the bucket that the gateway asks storage for when a browser opens the file's URL."""
    path = url_path(name)
    # What browsers take for dot segments (WHATWG URL, 4.4) would never reach the gateway.
    assert not {".", ".."} & set(path.lower().replace("%2e", ".").split("/"))
    root, token, rest = PATHS.split_signed(f"/content/a.b.c/{path}?x=../y")
    assert (root, token) == ("/content/", "a.b.c")
    found = PATHS.object(rest)
    return None if found is None else urllib.parse.unquote_to_bytes(f"{PREFIX}/{found}")


@settings(max_examples=400, deadline=None)
@given(st.lists(names, min_size=1, max_size=6))
@example(["a%2fb", "a/b"])
@example(["%2e%2e%2f", "..."])
@example([";", "a;b"])
def test_each_name_that_is_accepted_is_one_object_and_its_url_leads_there_and_nowhere_else(found: list[str]) -> None:
    try:
        objects = planned(found)
    except ValidationFailed:
        return
    asked = [requested(name) for name in objects]
    assert asked == [f"{PREFIX}/{name}".encode() for name in objects]
    assert len(set(asked)) == len(objects)
    for name in objects:
        assert not {"", ".", ".."} & set(name.split("/"))


def object_of(rest: bytes) -> bytes | None:
    """What gateway/paths.lua is meant to do, in other words."""
    path = re.split(rb"[?#]", rest, maxsplit=1)[0]
    if re.search(rb"%(?![0-9A-Fa-f]{2})", path):
        return None
    name = urllib.parse.unquote_to_bytes(path)
    try:
        text = name.decode()
    except UnicodeDecodeError:
        return None
    if re.search(r"[\x00-\x1f\x7f\\]", text) or {"", ".", ".."} & set(text.split("/")):
        return None
    return urllib.parse.quote(name, safe="/~").encode()


urls = st.lists(
    st.one_of(
        st.sampled_from(
            [b"/", b"//", b".", b"..", b"%2e", b"%2E%2e", b"%2f", b"%5C", b"\\", b"%", b"%4", b"%zz", b"%00"]
        ),
        st.sampled_from(
            [b"%c0%ae", b"%C3%A9", b"\xc3\xa9", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xf0\x9f\x8e\x93", b"?"]
        ),
        st.sampled_from([b"#", b"%3f", b"%23", b"a", b"~", b"+", b"%20", b"%252e", b"\x7f", b"\xe0\x80\x80", b"\xf8"]),
        st.binary(max_size=4),
    ),
    max_size=8,
).map(b"".join)


@settings(max_examples=1000, deadline=None)
@given(urls)
def test_the_gateway_reads_content_paths_as_the_model_says(rest: bytes) -> None:
    found = PATHS.object(rest.decode("latin-1"))
    assert (None if found is None else found.encode("latin-1")) == object_of(rest)
