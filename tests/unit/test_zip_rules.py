import io
import zipfile
from collections.abc import Sequence
from pathlib import PurePosixPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from server.domain.errors import TooLarge, ValidationFailed
from server.domain.zip_names import fold_name
from server.domain.zip_rules import ZipEntry, ZipLimits, ZipPlan, decode_name, entry_of, plan
from tests.factories import Member, scorm12_package, zip_bytes

LIMITS = ZipLimits(max_expanded_bytes=10**9, max_files=1000)
MANIFEST = Member("imsmanifest.xml", b"<manifest/>")


def plan_of(members: Sequence[Member], limits: ZipLimits = LIMITS) -> ZipPlan:
    return plan_archive(zip_bytes(members), limits)


def plan_archive(data: bytes, limits: ZipLimits = LIMITS) -> ZipPlan:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return plan([entry_of(info) for info in archive.infolist()], archive_size=len(data), limits=limits)


def faults_of(members: Sequence[Member], limits: ZipLimits = LIMITS) -> list[str]:
    with pytest.raises(ValidationFailed) as refusal:
        plan_of(members, limits)
    return refusal.value.field_errors["file"]


def entry(name: str, *, offset: int = 0, size: int = 0) -> ZipEntry:
    return ZipEntry(
        name=name,
        is_dir=name.endswith(("/", "\\")),
        compressed_size=size,
        size=size,
        crc=0,
        flag_bits=0,
        external_attr=0,
        header_offset=offset,
        compress_type=0,
    )


def plan_names(names: Sequence[str]) -> ZipPlan:
    entries = [entry(name, offset=30 * at) for at, name in enumerate(names)]
    return plan(entries, archive_size=30 * len(entries), limits=LIMITS)


def test_a_good_package_is_planned_file_by_file() -> None:
    planned = plan_archive(scorm12_package())
    assert planned.names == (
        "imsmanifest.xml",
        "shared/style.css",
        "shared/course.js",
        "sco1/index.html",
        "sco1/picture.png",
    )
    assert (planned.manifest_name, planned.root_prefix, planned.ignored, planned.warnings) == (
        "imsmanifest.xml",
        "",
        (),
        (),
    )
    assert planned.manifest.index == 0
    assert planned.expanded_bytes == sum(file.size for file in planned.files) > 0


@pytest.mark.parametrize(
    "name",
    [
        "../evil.html",
        "a/../../evil.html",
        "a/../b.html",
        "..\\evil.html",
        "a\\..\\..\\evil.html",
        "a/..",
        "a/../",
        "%2e%2e/evil.html",
        "..%2fevil.html",
        "%252e%252e%255cevil.html",
        "__MACOSX/../../evil",
    ],
)
def test_names_that_lead_out_of_the_package_are_refused(name: str) -> None:
    assert faults_of([MANIFEST, Member(name, b"x" if not name.endswith("/") else b"")]) == [
        f"'{name}' leads out of its folder"
    ]


@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "//server/share/x", "\\\\server\\share\\x", "\\x", "C:\\x", "c:/x", "C:x", "./C:/x", "/folder/"],
)
def test_absolute_paths_are_refused(name: str) -> None:
    assert faults_of([MANIFEST, Member(name)]) == [f"'{name}' is an absolute path"]


@pytest.mark.parametrize("name", ["a\0b.html", "a\nb.html", "a\x1bb.html", "a\x7fb.html", "a\x85b.html"])
def test_control_characters_are_refused_and_not_repeated_in_the_message(name: str) -> None:
    assert faults_of([MANIFEST, Member(name.encode())]) == [
        "'a\N{REPLACEMENT CHARACTER}b.html' has control characters in its name"
    ]


def test_a_file_without_a_name_is_refused() -> None:
    assert faults_of([MANIFEST, Member("."), Member("./.")]) == ["'.' has no name", "'./.' has no name"]


@pytest.mark.parametrize(
    ("mode", "kind"),
    [(0o120777, "link"), (0o020644, "device"), (0o060644, "device"), (0o010644, "device"), (0o140644, "device")],
)
def test_links_and_devices_are_refused(mode: int, kind: str) -> None:
    assert faults_of([MANIFEST, Member("x", b"/etc/passwd", mode=mode)]) == [f"'x' is a {kind}, not a file"]


@pytest.mark.parametrize("bit", [0, 6, 13])
def test_encrypted_files_are_refused(bit: int) -> None:
    assert faults_of([MANIFEST, Member("x", b"x", flags=1 << bit)]) == ["'x' is encrypted"]


@pytest.mark.parametrize(
    ("method", "name"), [(9, "deflate64"), (12, "bzip2"), (14, "LZMA"), (93, "Zstandard"), (77, "method 77")]
)
def test_other_compression_than_deflate_is_refused_by_name(method: int, name: str) -> None:
    assert faults_of([MANIFEST, Member("x", b"x", method=method)]) == [
        f"'x' is compressed with {name}; only stored and deflated files are accepted"
    ]


def test_a_stored_file_of_two_sizes_is_refused() -> None:
    assert faults_of([MANIFEST, Member("x", b"abc", method=0, size=5)]) == ["'x' is stored, yet its sizes differ"]


def test_the_same_name_twice_is_refused_however_it_is_spelled() -> None:
    assert faults_of([MANIFEST, Member("a/b"), Member("a\\b"), Member("./a//b")]) == ["'a/b' is in the zip twice"]


@pytest.mark.parametrize("other", ["a/b", "a/", "a/b/c", "a/b/"])
def test_a_file_that_is_also_a_folder_is_refused(other: str) -> None:
    assert faults_of([MANIFEST, Member("a-z"), Member("a"), Member(other)]) == ["'a' is both a file and a folder"]


def test_files_that_share_bytes_are_refused() -> None:
    first = Member("kernel", b"0" * 1000, method=0)
    assert faults_of([first, Member("again", b"0" * 1000, method=0, offset=10), MANIFEST]) == [
        "'again' shares bytes of the archive with another file"
    ]


def test_a_file_beyond_the_end_is_refused_as_truncated() -> None:
    assert faults_of([MANIFEST, Member("x", b"x", method=0, size=10**6, compressed_size=10**6)]) == [
        "'x' lies beyond the end of the archive: the upload may be truncated"
    ]


def test_a_bomb_is_refused_by_its_ratio_but_small_archives_may_compress_well() -> None:
    bomb = Member("zeros", bytes(2_000_000))
    tight = ZipLimits(max_expanded_bytes=10**9, max_files=10, ratio_floor_bytes=1_000_000)
    assert faults_of([MANIFEST, bomb], tight) == [
        "The zip unpacks to more than 100 times its size, which no course does"
    ]
    assert plan_of([MANIFEST, bomb]).expanded_bytes == 2_000_011


def test_a_lie_about_the_size_does_not_hide_a_bomb_from_the_limits() -> None:
    with pytest.raises(TooLarge) as refusal:
        plan_of([MANIFEST, Member("x", b"x", size=2 * 10**9)])
    assert refusal.value.limit_bytes == 10**9


def test_too_many_files_are_refused_with_their_number() -> None:
    few = ZipLimits(max_expanded_bytes=10**9, max_files=3)
    members = [MANIFEST, *(Member(f"{n}.txt") for n in range(3))]
    assert faults_of(members, few) == ["The zip has 4 files; at most 3 are accepted"]
    assert len(plan_of(members[:3], few).files) == 3


def test_more_entries_than_any_such_package_has_are_refused_before_they_are_looked_at() -> None:
    few = ZipLimits(max_expanded_bytes=10**9, max_files=3)
    assert faults_of([MANIFEST, *(Member(f"{n}/") for n in range(6))], few) == ["The zip has more than 3 files"]


def test_long_paths_are_refused_by_their_bytes() -> None:
    assert plan_of([MANIFEST, Member("é" * 450)]).names[1] == "é" * 450
    assert faults_of([MANIFEST, Member("é" * 451)]) == [f"The path '{'é' * 117}...' is longer than 900 bytes"]


def test_every_fault_is_named_but_only_the_first_ten_are_shown() -> None:
    faults = faults_of([MANIFEST, *(Member(f"../{n}") for n in range(25))])
    assert len(faults) == 11
    assert faults[-1] == "and 15 more faults of this kind"


def test_an_archive_without_files_is_refused() -> None:
    assert faults_of([]) == ["The zip holds no files"]
    assert faults_of([Member("folder/")]) == ["The zip holds no files"]


def test_litter_of_operating_systems_is_left_out() -> None:
    litter = ["__MACOSX/._imsmanifest.xml", ".DS_Store", "a/.DS_Store", "a/Thumbs.db", "Desktop.ini", "a/._page.html"]
    planned = plan_of([MANIFEST, *(Member(name, b"x") for name in litter)])
    assert planned.names == ("imsmanifest.xml",)
    assert planned.ignored == tuple(litter)
    assert planned.warnings == ()


def test_folders_need_no_entries_and_their_entries_are_ignored() -> None:
    assert plan_of([Member("/"), Member("a/"), MANIFEST, Member("a/b/c.txt")]).names == ("imsmanifest.xml", "a/b/c.txt")


def test_a_wrapper_folder_is_stripped() -> None:
    planned = plan_archive(scorm12_package(folder="My course/v1/"))
    assert planned.root_prefix == "My course/v1/"
    assert planned.manifest_name == "imsmanifest.xml"
    assert "sco1/index.html" in planned.names
    assert planned.warnings == ("The package lies in the folder 'My course/v1' instead of the root of the zip",)


def test_files_outside_the_wrapper_folder_are_left_out_with_a_warning() -> None:
    planned = plan_of([Member("course/imsmanifest.xml"), Member("readme.txt"), Member("course2/x")])
    assert planned.names == ("imsmanifest.xml",)
    assert planned.warnings[-1] == "2 files lie outside that folder and were left out"
    planned = plan_of([Member("course/imsmanifest.xml"), Member("readme.txt")])
    assert planned.warnings[-1] == "1 file lies outside that folder and was left out"


def test_a_manifest_at_the_root_wins_over_deeper_ones() -> None:
    planned = plan_of([Member("source/imsmanifest.xml"), MANIFEST])
    assert (planned.root_prefix, planned.manifest.index) == ("", 1)


def test_several_packages_in_one_archive_are_refused() -> None:
    assert faults_of([Member("a/imsmanifest.xml"), Member("b/imsmanifest.xml")]) == [
        "The zip holds several packages; upload each on its own: 'a/imsmanifest.xml', 'b/imsmanifest.xml'"
    ]


def test_a_manifest_in_wrong_case_is_found() -> None:
    planned = plan_of([Member("IMSManifest.XML", b"x")])
    assert planned.manifest_name == "IMSManifest.XML"
    assert planned.warnings == ("The manifest is called 'IMSManifest.XML' instead of 'imsmanifest.xml'",)


def test_backslashes_are_read_as_slashes_with_a_warning() -> None:
    planned = plan_of([MANIFEST, Member("sco1\\index.html"), Member("sco2\\")])
    assert planned.names == ("imsmanifest.xml", "sco1/index.html")
    assert planned.warnings == ("File names in the zip have backslashes; they were read as slashes",)


@pytest.mark.parametrize(("one", "other"), [("A.png", "a.png"), ("é.png", "e\u0301.png")])
def test_names_that_differ_in_case_or_normal_form_only_are_kept_with_a_warning(one: str, other: str) -> None:
    planned = plan_of([MANIFEST, Member(one), Member(other)])
    assert planned.names[1:] == (one, other)
    assert planned.warnings == (f"'{one}' and '{other}' differ in case or accents' encoding only",)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["cmi5.xml", "index.html"], "cmi5"),
        (["course/tincan.xml", "index.html"], "Tin Can"),
        (["a.crs", "a.au", "a.des", "a.cst"], "AICC"),
        (["A.AU", "A.DES"], "AICC"),
        (["x.imscc"], "Common Cartridge"),
        (["course.zip"], "another archive, 'course.zip': upload that one"),
        (["moodle_backup.xml", "files/a.html"], "Moodle backup"),
        (["index.html", "style.css"], "plain web site"),
        (["notes.txt"], "not a SCORM package"),
    ],
)
def test_what_is_no_scorm_package_is_refused_saying_what_it_looks_like(names: list[str], words: str) -> None:
    [fault] = faults_of([Member(name) for name in names])
    assert words in fault


def test_names_are_utf8_if_they_can_be_and_code_page_437_otherwise() -> None:
    assert decode_name("Übung.html".encode()) == "Übung.html"
    assert decode_name("Übung.html".encode("cp437")) == "Übung.html"
    assert decode_name(b"\xff") == "\N{NO-BREAK SPACE}"


def test_names_of_tools_that_do_not_flag_utf8_are_read_from_a_real_archive() -> None:
    planned = plan_of([MANIFEST, Member("日本.html".encode()), Member("Übung.html".encode("cp437")), Member("é.html")])
    assert planned.names[1:] == ("日本.html", "Übung.html", "é.html")


segments = st.sampled_from(
    ["a", "b", "A", "é", "e\u0301", "..", ".", "", "%2e%2e", "C:", "__MACOSX", "x.html", "ﬀ", "\0", " "]
)
hostile_names = st.one_of(
    st.text(max_size=30),
    st.builds(lambda parts, separator: separator.join(parts), st.lists(segments, max_size=6), st.sampled_from("/\\")),
)


@given(st.lists(hostile_names, max_size=8))
@example(["a/b", "a\\b"])
def test_whatever_is_planned_stays_inside_and_is_unique(names: list[str]) -> None:
    try:
        planned = plan_names(["imsmanifest.xml", *names])
    except ValidationFailed:
        return
    assert len(set(planned.names)) == len(planned.names)
    files = set(planned.names)
    for name in planned.names:
        assert name == str(PurePosixPath(name))
        assert not name.startswith("/")
        assert "\\" not in name
        assert "\0" not in name
        assert ".." not in name.split("/")
        assert not files.intersection(str(parent) for parent in PurePosixPath(name).parents)


@given(st.lists(hostile_names, max_size=8), st.sampled_from(["", "course/", "a\\b\\"]))
def test_planning_a_plan_changes_nothing(names: list[str], folder: str) -> None:
    try:
        planned = plan_names([folder + name for name in ["imsmanifest.xml", *names]])
    except ValidationFailed:
        return
    again = plan_names(planned.names)
    assert again.names == planned.names
    assert (again.root_prefix, again.ignored) == ("", ())


@pytest.mark.parametrize("first", ["\u0301", "\u0f73"])
def test_more_combining_characters_than_in_any_language_are_not_sorted(first: str) -> None:
    """That would take quadratic time."""
    assert fold_name("a" + f"{first}\u0316" * 15) == fold_name("a" + f"\u0316{first}" * 15)
    assert fold_name("a" + f"{first}\u0316" * 900) != fold_name("a" + f"\u0316{first}" * 900)


def test_names_in_other_normal_forms_are_folded_alike_as_far_as_languages_go() -> None:
    assert fold_name("Caf\u00e9") == fold_name("CAFE\u0301")
    assert fold_name("a" + "\u0316\u0301" * 15) == fold_name("a" + "\u0301\u0316" * 15)


def test_names_that_differ_in_case_by_the_hundred_are_counted() -> None:
    names = [f"{letter}{number}" for number in range(100) for letter in "aA"]
    warnings = plan_names(["imsmanifest.xml", *names]).warnings
    assert len(warnings) == 11
    assert warnings[0] == "'a0' and 'A0' differ in case or accents' encoding only"
    assert warnings[-1] == "and 90 more files differ from another in case or accents' encoding only"
