"""Oddities of real packages, through Envoy: what is tolerated launches item by item, what is refused says why."""

import binascii
import codecs
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest

from tests.factories import (
    Member,
    course_files,
    manifest12,
    manifest2004,
    package,
    scorm12_package,
    scorm2004_package,
    zip_bytes,
)
from tests.stack import Stack

TEXT = manifest12(scos=2)
SECOND = (
    '<organization identifier="B"><title>B</title><item identifier="I2" identifierref="RES-2"><title>b</title></item>'
    "</organization>"
)
NESTED = (
    '<manifest identifier="SUB"><organizations default="S"><organization identifier="S"><title>Sub</title>'
    '<item identifier="DEEP" identifierref="RES-1"><title>Deep</title></item></organization></organizations></manifest>'
)
PAGE = b"<!DOCTYPE html><title>odd</title>"


def course(manifest: str | bytes, more: Mapping[str, bytes] | None = None) -> bytes:
    """Two lessons with this manifest, and more files."""
    data = manifest if isinstance(manifest, bytes) else manifest.encode()
    return package({"imsmanifest.xml": data, **course_files(2), **(more or {})})


def renamed(href: str, name: str | bytes, *, flags: int | None = None, extra: bytes = b"", base: str = "") -> bytes:
    """The first lesson is called `name` in the archive and `href` in the manifest."""
    attribute = f' xml:base="{base}"' if base else ""
    text = TEXT.replace('href="sco1/index.html">', f'href="{href}"{attribute}>', 1)
    text = text.replace('<file href="sco1/index.html"/><file href="sco1/picture.png"/>', "", 1)
    members = [Member("imsmanifest.xml", text.encode()), Member(name, PAGE, flags=flags, extra=extra)]
    return zip_bytes([*members, *(Member(other, data) for other, data in course_files(2).items())])


def unicode_path(raw: bytes, name: str) -> bytes:
    """Info-ZIP's extra field with a name in UTF-8 (PKWARE APPNOTE 4.6.9)."""
    encoded = name.encode()
    return struct.pack("<2HBL", 0x7075, 5 + len(encoded), 1, binascii.crc32(raw)) + encoded


def nested_resources() -> bytes:
    start, end = TEXT.index("<resources>"), TEXT.index("</manifest>")
    nested = f'<manifest identifier="SUB" xml:base="sub/"><organizations/>{TEXT[start:end]}</manifest>'
    files = {f"sub/{name}": data for name, data in course_files(2).items()}
    return package({"imsmanifest.xml": f"{TEXT[:start]}<resources/>{nested}</manifest>".encode(), **files})


def macos() -> bytes:
    litter = {f"__MACOSX/course/._{name}": b"\0\5\x16\7" for name in ("imsmanifest.xml", "index.html")}
    files = {"course/imsmanifest.xml": TEXT.encode(), "course/.DS_Store": b"x"}
    return package({**files, **{f"course/{name}": data for name, data in course_files(2).items()}, **litter})


TOLERATED: dict[str, tuple[bytes, str | None]] = {
    "a wrapper folder": (scorm12_package(scos=2, folder="My course/"), "lies in the folder 'My course'"),
    "two wrapper folders": (scorm12_package(scos=2, folder="a/b ü/"), "lies in the folder 'a/b ü'"),
    "files beside the wrapper folder": (
        package(
            {
                "readme.txt": b"x",
                "c/imsmanifest.xml": TEXT.encode(),
                **{f"c/{name}": data for name, data in course_files(2).items()},
            }
        ),
        "1 file lies outside that folder and was left out",
    ),
    "macOS' litter": (macos(), "lies in the folder 'course'"),
    "backslashes in names": (
        package(
            {"imsmanifest.xml": TEXT.encode()}
            | {name.replace("/", "\\"): data for name, data in course_files(2).items()}
        ),
        "File names in the zip have backslashes",
    ),
    "the manifest in wrong case": (
        package({"IMSManifest.XML": TEXT.encode(), **course_files(2)}),
        "The manifest is called 'IMSManifest.XML'",
    ),
    "entries for folders": (course(TEXT, {"sco1/": b"", "shared/": b""}), None),
    "names in code page 437": (renamed("Übung.html", "Übung.html".encode("cp437"), flags=0), None),
    "names in UTF-8 without the flag": (renamed("日本.html", "日本.html".encode(), flags=0), None),
    "names in a Unicode path field": (
        renamed("火災.html", b"xx.html", flags=0, extra=unicode_path(b"xx.html", "火災.html")),
        None,
    ),
    "names taken apart by macOS": (renamed("ü.html", "u\u0308.html"), None),
    "a byte order mark": (course(codecs.BOM_UTF8 + TEXT.encode()), None),
    "UTF-16": (course(TEXT.replace("UTF-8", "UTF-16").encode("utf-16")), None),
    "UTF-16, big-endian, without a mark": (course(TEXT.replace("UTF-8", "UTF-16").encode("utf-16-be")), None),
    "Latin-1": (course(TEXT.replace("UTF-8", "ISO-8859-1").replace("Lesson 1", "Übung").encode("latin-1")), None),
    "Windows-1252 that claims to be UTF-8": (
        course(TEXT.replace("Lesson 1", "Übung – 1").encode("cp1252")),
        "it was read as Windows-1252",
    ),
    "xml:base": (renamed("page.html", "one/two/page.html", base="one/two/"), None),
    "an xml:base without its slash": (
        renamed("page.html", "one/page.html", base="one"),
        "has an xml:base without a slash at its end",
    ),
    "parameters": (scorm2004_package(scos=2, parameters="?a=b c&d=ü#part"), None),
    "a query in the href": (renamed("page.html?x=1&amp;y=%20", "page.html"), None),
    "a space": (renamed("my page.html", "my page.html"), None),
    "an escaped space": (renamed("my%20page.html", "my page.html"), None),
    "an escape in the file's name": (renamed("my%20page.html", "my%20page.html"), None),
    "a percent sign": (renamed("100%.html", "100%.html"), None),
    "a hash in the file's name": (renamed("c#1.html", "c#1.html"), None),
    "a question mark in the file's name": (renamed("c?1.html", "c?1.html"), None),
    "punctuation": (renamed("a+b&amp;c=d;e,f'g(h)!$@~.html", "a+b&c=d;e,f'g(h)!$@~.html"), None),
    "a colon": (renamed("a/x:y.html", "a/x:y.html"), None),
    "escaped Latin-1": (renamed("%FC.html", "ü.html"), None),
    "an emoji": (renamed("🎓/1.html", "🎓/1.html"), None),
    "an href in wrong case": (renamed("SCO1/INDEX.HTML", "other.html"), "is written 'sco1/index.html' in the package"),
    "an href with backslashes": (renamed("sco1\\index.html", "other.html"), "has backslashes"),
    "an href from the root": (renamed("/sco1/index.html", "other.html"), "begins with a slash"),
    "resources in a nested manifest": (nested_resources(), None),
    "an item that is a nested manifest": (
        course(
            TEXT.replace('identifierref="RES-1">', 'identifierref="SUB">', 1).replace(
                "</manifest>", NESTED + "</manifest>"
            )
        ),
        None,
    ),
    "organizations in a nested manifest only": (
        course(
            TEXT[: TEXT.index("<organizations")]
            + TEXT[TEXT.index("<resources>") :].replace("</manifest>", NESTED + "</manifest>")
        ),
        "those of a manifest nested in it were used",
    ),
    "two organizations, the second is the default": (
        course(TEXT.replace("</organizations>", SECOND + "</organizations>").replace('default="ORG"', 'default="B"')),
        None,
    ),
    "two organizations without a default": (
        course(TEXT.replace("</organizations>", SECOND + "</organizations>").replace(' default="ORG"', "")),
        "No organization is declared as the default",
    ),
    "a default that is not there": (course(TEXT.replace('default="ORG"', 'default="X"')), "'X' does not exist"),
    "no organization, one resource": (
        course(manifest12().replace("<item ", "<x ").replace("</item>", "</x>")),
        "No organization launches anything",
    ),
    "no schemaversion": (course(TEXT.replace("<schemaversion>1.2</schemaversion>", "")), "has no schemaversion"),
    "a schemaversion that nobody knows": (
        course(manifest2004(scos=2).replace("2004 4th Edition", "2004 9th Edition")),
        "names the unknown schemaversion '2004 9th Edition'",
    ),
    "a prefix that is not declared": (course(TEXT.replace("xmlns:adlcp=", "xmlns:x=")), "uses the prefix 'adlcp'"),
}
REFUSED: dict[str, tuple[bytes, str]] = {
    "the second SCO is missing": (
        package({"imsmanifest.xml": TEXT.encode(), **course_files(1)}),
        "Item 'ITEM-2' (Lesson 2) launches 'sco2/index.html', which is not in the package",
    ),
    "a SCO on another site": (
        course(TEXT.replace('href="sco2/index.html">', 'href="https://example.com/x.html">')),
        "launches 'https://example.com/x.html' from another site",
    ),
    "nothing to launch": (
        course(TEXT.replace(' href="sco1/index.html">', ">").replace(' href="sco2/index.html">', ">")),
        "The manifest has nothing that can be launched: no item and no resource with an href",
    ),
    "no item, two resources": (
        course(TEXT.replace("<item ", "<x ").replace("</item>", "</x>")),
        "2 resources could be launched: the manifest must say which, by an item",
    ),
    "two courses in one zip": (
        package({"a/imsmanifest.xml": TEXT.encode(), "b/imsmanifest.xml": TEXT.encode()}),
        "The zip holds several packages; upload each on its own",
    ),
    "a zip in the zip": (package({"course.zip": scorm12_package()}), "another archive, 'course.zip': upload that one"),
    "cmi5": (package({"cmi5.xml": b"x", "index.html": b"x"}), "cmi5"),
    "Tin Can": (package({"tincan.xml": b"x", "index.html": b"x"}), "Tin Can"),
    "AICC": (package({"a.crs": b"x", "a.au": b"x", "a.des": b"x", "a.cst": b"x"}), "AICC"),
    "a web site": (package({"index.html": b"x"}), "plain web site"),
}


@pytest.fixture
def api(stack: Stack) -> Iterator[httpx.Client]:
    headers = {"X-API-Key": stack.new_tenant()}
    with httpx.Client(base_url=stack.base_url, headers=headers, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def browser() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=30) as client:
        yield client


def upload(api: httpx.Client, data: bytes) -> httpx.Response:
    return api.post("/api/v1/packages", files={"file": ("course.zip", data)})


def launched(items: list[dict[str, Any]]) -> Iterator[str]:
    for item in items:
        if item.get("href"):
            yield item["href"]
        yield from launched(item.get("children", []))


@pytest.mark.parametrize("oddity", TOLERATED)
def test_what_real_systems_tolerate_launches_item_by_item(
    api: httpx.Client, browser: httpx.Client, oddity: str
) -> None:
    data, warning = TOLERATED[oddity]
    answer = upload(api, data)
    assert answer.status_code == 201, answer.text
    read = api.get(f"/api/v1/packages/{answer.json()['package_id']}").json()
    warnings = read["metadata"].get("warnings", [])
    assert any(warning in said for said in warnings) if warning else warnings == []
    root = read["manifest_url"].rpartition("/")[0]
    urls = [f"{root}/{href}" for href in launched(read["metadata"]["items"])]
    assert read["launch_url"] in urls
    for url in (*urls, read["manifest_url"]):
        page = browser.get(url)
        assert (page.status_code, len(page.content) > 0) == (200, True), url


@pytest.mark.parametrize("oddity", REFUSED)
def test_what_nobody_could_launch_is_refused_with_the_reason(api: httpx.Client, oddity: str) -> None:
    data, reason = REFUSED[oddity]
    answer = upload(api, data)
    assert answer.status_code == 400, answer.text
    (fault,) = answer.json()["error"]["details"]["fieldErrors"]["file"]
    assert reason in fault
    assert api.get("/api/v1/packages").json() == {"packages": [], "count": 0}
