"""Names that lead elsewhere, names that collide, and entries that are no files."""

from collections.abc import Iterator

from tests.factories.hostile.case import Family, Hostile, archive, course
from tests.factories.zips import Member

_OUT = "leads out of its folder"
_ABSOLUTE = "is an absolute path"
_CONTROLS = "has control characters in its name"

_REFUSED = (
    ("../evil.html", _OUT),
    ("a/../../evil.html", _OUT),
    ("a/../evil.html", _OUT),
    ("a/..", _OUT),
    ("..\\evil.html", _OUT),
    ("a\\../..\\evil.html", _OUT),
    ("%2e%2e/evil.html", _OUT),
    (".%2E/evil.html", _OUT),
    ("..%2fevil.html", _OUT),
    ("..%5cevil.html", _OUT),
    ("%252e%252e%252fevil.html", _OUT),
    ("%25252e%25252e/evil.html", _OUT),
    ("__MACOSX/../../evil.html", _OUT),
    ("/etc/passwd", _ABSOLUTE),
    ("//server/share/evil.html", _ABSOLUTE),
    ("\\evil.html", _ABSOLUTE),
    ("\\\\server\\share\\evil.html", _ABSOLUTE),
    ("\\\\?\\C:\\evil.html", _ABSOLUTE),
    ("C:\\evil.html", _ABSOLUTE),
    ("C:evil.html", _ABSOLUTE),
    ("./c:/evil.html", _ABSOLUTE),
    ("./.", "has no name"),
)
_CONTROLLED = (
    ("a NUL, to be cut there", b"evil.html\0.png"),
    ("a line feed", b"evil\n.html"),
    ("an escape sequence", b"\x1b[2Jevil.html"),
    ("DEL", b"evil\x7f.html"),
    ("a C1 control", "evil\x9b2J.html".encode()),
)
# Strange, but each is one object under the package's own prefix, and its URL leads there.
_ACCEPTED = (
    ("fullwidth dots", "．．/evil.html"),
    ("a fullwidth slash", "..／evil.html"),
    ("a fraction slash", "..⁄evil.html"),
    ("one-dot leaders", "․․/evil.html"),
    ("overlong UTF-8 in escapes", "%c0%ae%c0%ae/evil.html"),
    ("an escape that is none", "%uff0e%uff0e/evil.html"),
    ("escaped four times", "%2525252e%2525252e/evil.html"),
    ("three dots", ".../evil.html"),
    ("dots and a space, a parent to Windows", ".. /evil.html"),
    ("a dot at the end", "evil.html."),
    ("a space at the end", "evil.html "),
    ("only a space", " "),
    ("a URL", "http://example.com/evil.html"),
    ("a stream of NTFS", "evil.html::$DATA"),
    ("a device of Windows", "CON"),
    ("a device of Windows with an ending", "aux.html"),
    ("a numbered device of Windows", "lib/COM1.js"),
    ("a tilde", "~root/evil.html"),
    ("a shell's words", "$(reboot);`reboot`|&.html"),
    ("a question mark and a hash", "evil?x=1#y.html"),
    ("right-to-left override", "evil\u202elmth.exe"),
    ("zero-width characters", "ev\u200bil\ufeff.html"),
    ("the private use area and beyond the BMP", "\ue000\U0001f393.html"),
    ("bytes that are no UTF-8", b"\xff\xfe\x80.html"),
    ("450 folders", "a/" * 449 + "x"),
)


def cases() -> Iterator[Hostile]:
    """All of them."""
    for name, fault in _REFUSED:
        yield _case(f"`{name}`", course(Member(name)), f"'{name}' {fault}")
    for what, raw in _CONTROLLED:
        yield _case(f"a name with {what}", course(Member(raw)), _CONTROLS)
    for what, accepted in _ACCEPTED:
        yield _case(
            f"a strange name: {what}",
            course(Member(accepted, b"evil")),
            status=201,
        )
    yield from _kinds()
    yield from _collisions()
    yield _case("a path of 901 bytes", course(Member("a/" * 450 + "x")), "is longer than 900 bytes")
    yield _case("a path of 1,000 levels", course(Member("a/" * 1000 + "x")), "is longer than 900 bytes")
    yield _case(
        "a name of 65,535 bytes",
        course(Member("n" * 65535)),
        "The zip has a file whose name is longer than 4096 bytes",
    )


def _kinds() -> Iterator[Hostile]:
    for kind, mode, fault in (
        ("symbolic link", 0o120777, "link"),
        ("symbolic link named like a folder", 0o120777, "link"),
        ("character device", 0o020644, "device"),
        ("block device", 0o060644, "device"),
        ("FIFO", 0o010644, "device"),
        ("socket", 0o140644, "device"),
    ):
        name = "evil/" if "folder" in kind else "evil"
        yield _case(
            f"a {kind}",
            course(Member(name, b"/etc/passwd", mode=mode)),
            f"'{name}' is a {fault}, not a file",
        )
    yield _case(
        "a hard link of another archiver's making: a second record of one file",
        course(Member("one", b"x" * 50, method=0), Member("two", b"x" * 50, method=0, offset=0)),
        "shares bytes of the archive with another file",
    )
    yield _case("a folder with content", course(Member("evil/", b"x")), "'evil/' is a folder with content of its own")
    yield _case("a set-user-id program", course(Member("evil", b"x", mode=0o104755)), status=201)


def _collisions() -> Iterator[Hostile]:
    yield _case("a name twice", course(Member("evil"), Member("evil")), "'evil' is in the zip twice")
    yield _case(
        "the manifest twice",
        course(Member("imsmanifest.xml", b"<evil/>")),
        "'imsmanifest.xml' is in the zip twice",
    )
    yield _case("a name in two spellings", course(Member("x/y"), Member("x\\.\\y")), "'x/y' is in the zip twice")
    yield _case(
        "a file and a folder of one name", course(Member("x"), Member("x/y")), "'x' is both a file and a folder"
    )
    yield _case(
        "a file and an empty folder of one name",
        course(Member("x/"), Member("x")),
        "'x' is both a file and a folder",
    )
    yield _case(
        "names that differ in case only",
        course(Member("Evil"), Member("evil")),
        "'Evil' and 'evil' differ in case or accents' encoding only",
        201,
    )
    yield _case(
        "names that differ in normal form only",
        course(Member("é"), Member("e\u0301")),
        "'é' and 'e\u0301' differ in case or accents' encoding only",
        201,
    )
    yield _case(
        "the manifest in two cases",
        course(Member("IMSMANIFEST.XML", b"<evil/>")),
        "'imsmanifest.xml' and 'IMSMANIFEST.XML' differ in case or accents' encoding only",
        201,
    )


def _case(name: str, data: bytes, says: str = "", status: int = 400) -> Hostile:
    return archive(Family.NAMES, name, data, says, status)
