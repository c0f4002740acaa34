"""Manifests that reach out, blow up, lead elsewhere, or are no XML that anybody could read."""

from collections.abc import Callable, Iterator

from tests.factories.hostile.case import Family, Hostile, archive, course
from tests.factories.packages import manifest12, manifest2004
from tests.factories.zips import Member

_DOCTYPE = "imsmanifest.xml has a document type declaration (DOCTYPE), which is not accepted"
_TOO_LONG = "imsmanifest.xml has a name, text or attribute that is too long"
_NOT_XML = "imsmanifest.xml is not well-formed XML"
_ELSEWHERE = "from another site: a SCO must be in the package"
_MISSING = "which is not in the package"
_HTTP = "http://127.0.0.1:9/evil"


def cases() -> Iterator[Hostile]:
    """All of them."""
    yield from _entities()
    yield from _sizes()
    yield from _encodings()
    yield from _references()
    yield from _structures()


def _entities() -> Iterator[Hostile]:
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    for what, prolog, title in (
        ("an external entity: a file", '<!DOCTYPE m [<!ENTITY x SYSTEM "file:///etc/passwd">]>', "&x;"),
        ("an external entity: a URL", f'<!DOCTYPE m [<!ENTITY x SYSTEM "{_HTTP}">]>', "&x;"),
        ("a parameter entity", f'<!DOCTYPE m [<!ENTITY % p SYSTEM "{_HTTP}"> %p;]>', "x"),
        ("an external DTD", f'<!DOCTYPE manifest SYSTEM "{_HTTP}.dtd">', "x"),
        ("a public DTD", f'<!DOCTYPE manifest PUBLIC "-//X//EN" "{_HTTP}.dtd">', "x"),
        ("a billion laughs", f'<!DOCTYPE m [<!ENTITY l0 "ha">{laughs}]>', "&l9;"),
        ("quadratic blow-up", f'<!DOCTYPE m [<!ENTITY a "{"a" * 50_000}">]>', "&a;" * 50_000),
        ("an entity that refers to itself", '<!DOCTYPE m [<!ENTITY a "&b;"><!ENTITY b "&a;">]>', "&a;"),
        ("an entity in an attribute's default", '<!DOCTYPE m [<!ATTLIST item href CDATA "x">]>', "x"),
        ("an empty document type", "<!DOCTYPE manifest>", "x"),
        ("a document type behind a comment", "<!-- <manifest> --><!DOCTYPE manifest []>", "x"),
    ):
        yield _case(what, _with_prolog(prolog, title), _DOCTYPE)
    yield _case("a document type in UTF-16", _with_prolog("<!DOCTYPE m []>", "x").encode("utf-16"), _DOCTYPE)
    yield _case("an entity of HTML", manifest12(title="TITLE").replace("TITLE", "&nbsp;"), _NOT_XML)
    xinclude = '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" parse="text" href="file:///etc/passwd"/>'
    yield _case("XInclude", manifest12(title="TITLE").replace("TITLE", f"T{xinclude}"), status=201)
    yield _case(
        "a style sheet to be processed",
        _with_prolog(f'<?xml-stylesheet href="{_HTTP}.xsl"?><?php evil() ?>', "x"),
        status=201,
    )
    yield _case(
        "a schema elsewhere",
        manifest12().replace(
            ' version="1.0"',
            f' version="1.0" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="a {_HTTP}.xsd"',
            1,
        ),
        status=201,
    )


def _sizes() -> Iterator[Hostile]:
    yield _case(
        "10 million characters in an attribute", lambda: f'<manifest identifier="{"x" * 10_100_000}"/>', _TOO_LONG
    )
    yield _case(
        "10 million characters of text", lambda: f"<manifest><title>{'x' * 10_100_000}</title></manifest>", _TOO_LONG
    )
    yield _case(
        "600,000 elements", lambda: f"<manifest>{'<a/>' * 600_000}</manifest>", "imsmanifest.xml has too many elements"
    )
    yield _case(
        "50,000 levels",
        lambda: "<manifest>" + "<a>" * 50_000 + "</a>" * 50_000 + "</manifest>",
        "nests elements deeper than 100",
    )
    yield _case(
        "10,001 items",
        lambda: _with_items('<item identifier="i{}"/>', 10_001),
        "The manifest has more than 10000 items",
    )
    yield _case(
        "5,000 items that launch one page",
        lambda: _with_items('<item identifier="i{}" identifierref="RES-1"><title>t</title></item>', 5000),
        status=201,
    )
    yield _case(
        "a reference of 5,000 bytes",
        manifest12(parameters="x" * 5000),
        "The manifest has 'parameters' longer than 4096 bytes",
    )
    yield _case("a title of 100,000 characters", manifest12(title="x" * 100_000), status=201)
    yield _case(
        "items nested 46 deep",
        lambda: _deep(46),
        "The default organization nests items 46 deep; at most 45 are accepted",
    )
    yield _case(
        "a sequencing collection that multiplies",
        _shared_sequencing,
        "once all that its items and resources share is written out",
    )
    yield _case("submanifests that multiply", _multiplying, "The manifest has more than 10000 items")


def _encodings() -> Iterator[Hostile]:
    text = manifest12(title="Übung")
    yield _case(
        "invalid UTF-8", text.encode().replace(b"\xc3\x9c", b"\xff\xc0\x80"), "it was read as Windows-1252", 201
    )
    yield _case("UTF-16 without a byte order mark", text.replace("UTF-8", "UTF-16").encode("utf-16-le"), status=201)
    yield _case("UTF-16 cut in the middle of a character", text.encode("utf-16")[:-1], _NOT_XML)
    yield _case("UTF-7 declared", text.replace("UTF-8", "UTF-7"), "declares the unknown encoding 'UTF-7'", 201)
    yield _case(
        "a document type in UTF-7",
        _with_prolog("+ADw-!DOCTYPE m +AFs-+AF0-+AD4-", "x").replace("UTF-8", "UTF-7"),
        _NOT_XML,
    )
    yield _case("EBCDIC", text.replace("UTF-8", "cp037").encode("cp037"), "imsmanifest.xml is not")
    yield _case("EBCDIC declared", text.replace("UTF-8", "ebcdic-cp-us"), "declares the unknown encoding", 201)
    yield _case(
        "an encoding that is none",
        text.replace("UTF-8", "zlib_codec"),
        "declares the unknown encoding 'zlib_codec'",
        201,
    )
    yield _case("a NUL in a title", manifest12(title="a\0b"), _NOT_XML)
    yield _case("a vertical tab in a title", manifest12(title="a\x0bb"), _NOT_XML)
    yield _case("U+FFFE in a title", manifest12(title="a\ufffeb"), _NOT_XML)
    yield _case("a NUL by reference", manifest12(title="TITLE").replace("TITLE", "&#0;"), _NOT_XML)
    yield _case("half a surrogate by reference", manifest12(title="TITLE").replace("TITLE", "&#xD800;"), _NOT_XML)
    yield _case(
        "an overlong slash",
        manifest12(title="TITLE").encode().replace(b"TITLE", b"\xc0\xaf"),
        "it was read as Windows-1252",
        201,
    )
    yield _case("no XML", b"%PDF-1.7", "imsmanifest.xml is not")
    yield _case("a comment that does not end, behind white space that is none to XML", b"\x0b\x0b<!--", _NOT_XML)
    yield _case("nothing", b"", "imsmanifest.xml is not")
    yield _case("half of it", manifest12()[:700], _NOT_XML)
    yield _case("a page of HTML", "<!doctype html><html></html>", _DOCTYPE)
    yield _case(
        "another root",
        "<html xmlns='http://www.w3.org/1999/xhtml'/>",
        "its root element is &lt;html>".replace("&lt;", "<"),
    )


def _references() -> Iterator[Hostile]:
    for href, fault in (
        ("javascript:alert(1)", _MISSING),
        ("JaVaScRiPt:alert(1)", _MISSING),
        ("data:text/html,evil", _MISSING),
        ("file:///etc/passwd", _MISSING),
        ("vbscript:evil", _MISSING),
        ("../../../etc/passwd", _MISSING),
        ("..%2f..%2fetc%2fpasswd", _MISSING),
        ("..\\..\\evil.html", _MISSING),
        ("sco1/index.html\u0000", None),
        ("//evil.example/x.html", _ELSEWHERE),
        ("https://evil.example/x.html", _ELSEWHERE),
        ("\\\\evil.example\\x.html", _MISSING),
        ("http:evil.html", _MISSING),
        ("sco1/missing.html", _MISSING),
        ("sco1/", _MISSING),
        ("%zz", _MISSING),
    ):
        if fault is not None:
            yield _case(f"href `{href}`", _with_href(href), fault)
    yield _case("an href that climbs and comes back", _with_href("../../sco1/index.html"), status=201)
    for base, fault in (
        ("../", None),
        ("../../../../", None),
        ("https://evil.example/", _ELSEWHERE),
        ("//evil.example/", _ELSEWHERE),
        ("javascript:", None),
        ("file:///etc/", None),
        ("http://[x/", None),
    ):
        text = manifest12().replace("<resources", f'<resources xml:base="{base}"', 1)
        yield _case(f"xml:base `{base}`", text, fault or "", 400 if fault else 201)
    yield _case("a script in the parameters", manifest12(parameters="?x='\"><script>alert(1)</script>"), status=201)
    yield _case("a script in the title", manifest12(title="<script>alert(1)</script>"), status=201)


def _structures() -> Iterator[Hostile]:
    text = manifest12(scos=2)
    yield _case("no items", manifest12().replace("<item ", "<x ").replace("</item>", "</x>"), status=201)
    yield _case(
        "no items and no href",
        manifest12().replace("<item ", "<x ").replace("</item>", "</x>").replace(' href="sco1/index.html">', ">"),
        "The manifest has nothing that can be launched",
    )
    yield _case(
        "no resources",
        manifest12().replace("<resource ", "<x ").replace("</resource>", "</x>"),
        "The manifest has nothing that can be launched",
    )
    yield _case("only a root", "<manifest/>", "nothing in it says that it is SCORM")
    yield _case("identifiers twice", text.replace("ITEM-2", "ITEM-1").replace("RES-2", "RES-1"), "is used twice", 201)
    yield _case(
        "an item that refers to itself",
        manifest12().replace('identifierref="RES-1"', 'identifierref="ITEM-1"'),
        "which does not exist",
        201,
    )
    yield _case(
        "a manifest that refers to itself",
        manifest12().replace('identifierref="RES-1"', 'identifierref="COURSE"'),
        "refers to the manifest that it is part of",
        201,
    )
    yield _case("submanifests that refer to each other", _cyclic(), "refers to the manifest that it is part of", 201)
    yield _case(
        "dependencies that refer to each other",
        manifest12().replace('<dependency identifierref="SHARED"/>', '<dependency identifierref="RES-1"/>'),
        status=201,
    )
    yield _case(
        "a prefix that is declared nowhere",
        manifest12().replace("xmlns:adlcp=", "xmlns:other="),
        "uses the prefix 'adlcp' without declaring its namespace",
        201,
    )
    yield _case(
        "a namespace that takes another's prefix",
        manifest12().replace("http://www.adlnet.org/xsd/adlcp_rootv1p2", "http://www.w3.org/1999/xhtml"),
        status=201,
    )
    yield _case("two roots", manifest12() + "<manifest/>", _NOT_XML)
    yield _case(
        "an attribute twice", manifest12().replace('identifier="ORG"', 'identifier="ORG" identifier="ORG"', 1), _NOT_XML
    )


def _with_prolog(prolog: str, title: str) -> str:
    head, tail = manifest12(title="TITLE").split("?>", 1)
    return f"{head}?>{prolog}{tail}".replace("TITLE", title)


def _with_href(href: str) -> str:
    return manifest12().replace('scormtype="sco" href="sco1/index.html"', f'scormtype="sco" href="{href}"', 1)


def _with_items(item: str, count: int) -> str:
    items = "".join(item.format(number) for number in range(count))
    return manifest12().replace("</organization>", items + "</organization>")


def _deep(depth: int) -> str:
    items = "".join(f'<item identifier="d{n}"><title>t</title>' for n in range(depth)) + "</item>" * depth
    return manifest12().replace("</organization>", items + "</organization>")


def _shared_sequencing() -> str:
    rule = (
        '<imsss:preConditionRule><imsss:ruleConditions><imsss:ruleCondition condition="satisfied"/>'
        '</imsss:ruleConditions><imsss:ruleAction action="skip"/></imsss:preConditionRule>'
    )
    shared = (
        '<imsss:sequencingCollection><imsss:sequencing ID="S"><imsss:sequencingRules>'
        f"{rule * 1000}</imsss:sequencingRules></imsss:sequencing></imsss:sequencingCollection>"
    )
    items = "".join(f'<item identifier="i{n}"><imsss:sequencing IDRef="S"/></item>' for n in range(1000))
    text = manifest2004().replace("</organization>", items + "</organization>")
    return text.replace("</manifest>", f"{shared}</manifest>")


def _nested(name: str, items: str) -> str:
    return (
        f'<manifest identifier="{name}"><organizations><organization>{items}</organization></organizations></manifest>'
    )


def _multiplying() -> str:
    nested = "".join(_nested(f"M{n}", f'<item identifierref="M{n + 1}"/>' * 10) for n in range(12))
    return (
        manifest12()
        .replace('identifierref="RES-1">', 'identifierref="M0">', 1)
        .replace("</manifest>", nested + "</manifest>")
    )


def _cyclic() -> str:
    page = '<item identifierref="RES-1"><title>t</title></item>'
    nested = _nested("A", f'<item identifierref="B"/>{page}') + _nested("B", f'<item identifierref="A"/>{page}')
    return (
        manifest12()
        .replace('identifierref="RES-1">', 'identifierref="A">', 1)
        .replace("</manifest>", nested + "</manifest>")
    )


def _case(name: str, text: str | bytes | Callable[[], str], says: str = "", status: int = 400) -> Hostile:
    def build() -> bytes:
        made = text() if callable(text) else text
        return course(manifest=Member("imsmanifest.xml", made if isinstance(made, bytes) else made.encode()))

    return archive(Family.MANIFESTS, name, build, says, status)
