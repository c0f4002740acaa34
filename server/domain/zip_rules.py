"""Which files of a zip become the files of a package, judged by its central directory alone.

Sizes here are what the archive claims. Whoever extracts must stop a file that grows beyond its claim, compare its
checksum, and take the name from the plan, never from the local header.
"""

import bisect
import stat
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from server.domain.errors import TooLarge, ValidationFailed
from server.domain.manifest.unknown import describe_unknown
from server.domain.zip_names import clean_path, fold_name, is_litter, path_fault, show_name

MANIFEST_NAME = "imsmanifest.xml"
SHOWN_FAULTS = 10
LOCAL_HEADER_BYTES = 30

_STORED, _DEFLATED = 0, 8
# PKWARE APPNOTE 4.4.5.
_METHODS = {1: "shrink", 6: "implode", 9: "deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "XZ", 98: "PPMd"}
# PKWARE APPNOTE 4.4.4: bit 0 encrypted, 5 patch data, 6 strong encryption, 13 masked headers.
_ENCRYPTED = 1 << 0 | 1 << 6 | 1 << 13
_PATCH = 1 << 5
_UTF8 = 1 << 11


@dataclass(frozen=True, slots=True, kw_only=True)
class ZipEntry:
    """One record of a central directory. `name` is decoded (see `decode_name`) but otherwise as it stands there."""

    name: str
    is_dir: bool
    compressed_size: int
    size: int
    crc: int
    flag_bits: int
    external_attr: int
    header_offset: int
    compress_type: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ZipLimits:
    """What an archive may hold. Nothing is a bomb whose unpacked size is within `ratio_floor_bytes`."""

    max_expanded_bytes: int
    max_files: int
    max_ratio: int = 100
    ratio_floor_bytes: int = 64 * 1024**2
    # An object's name in storage has at most 1,024 bytes, and ours stand under a prefix of about 110.
    max_path_bytes: int = 900


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file to extract: the entry's index, where it goes relative to the content root, and its claimed bytes."""

    index: int
    name: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ZipPlan:
    """What becomes of an archive. `root_prefix` ("" or "folder/") was stripped from every name."""

    files: tuple[PlannedFile, ...]
    manifest_name: str
    root_prefix: str = ""
    ignored: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def expanded_bytes(self) -> int:
        """Sum of the claimed sizes."""
        return sum(file.size for file in self.files)

    @property
    def names(self) -> tuple[str, ...]:
        """Where the files go, in the order of the archive."""
        return tuple(file.name for file in self.files)

    @property
    def manifest(self) -> PlannedFile:
        """The file that is the manifest."""
        return next(file for file in self.files if file.name == self.manifest_name)


def decode_name(raw: bytes) -> str:
    """A file name from its bytes: UTF-8 if they are that, else code page 437 (PKWARE APPNOTE, appendix D).

    Tools often write UTF-8 without saying so; code page 437 by chance is hardly ever valid UTF-8. It has a character
    for every byte, so also a name that is falsely flagged as UTF-8 gets one.
    """
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp437")


def entry_of(info: zipfile.ZipInfo) -> ZipEntry:
    """The entry for a record that the standard library read.

    `orig_filename` is used because `filename` is already cut at the first NUL.
    """
    flagged = bool(info.flag_bits & _UTF8)
    name = info.orig_filename if flagged else decode_name(info.orig_filename.encode("cp437"))
    return ZipEntry(
        name=name,
        is_dir=name.endswith(("/", "\\")),
        compressed_size=info.compress_size,
        size=info.file_size,
        crc=info.CRC,
        flag_bits=info.flag_bits,
        external_attr=info.external_attr,
        header_offset=info.header_offset,
        compress_type=info.compress_type,
    )


def plan(entries: Sequence[ZipEntry], *, archive_size: int, limits: ZipLimits) -> ZipPlan:
    """Decides which entries are extracted and where to.

    Tolerates, with a warning: backslashes, a wrapper folder, names that differ in case only. Drops the litter of
    operating systems. Raises ValidationFailed with every kind of fault under `file`, and TooLarge.
    """
    if len(entries) > 2 * limits.max_files:
        raise ValidationFailed.of("file", f"The zip has more than {limits.max_files} files")
    faults = [fault for entry in entries for fault in _entry_faults(entry, limits)]
    faults += _overlaps(entries, archive_size)
    _refuse(faults)

    files, ignored = _clean_files(entries)
    _check_sizes(files, archive_size, limits)
    _refuse([*_name_conflicts(files, entries)])
    warnings = [*_name_warnings(files, entries)]
    manifest = _find_manifest(files)
    prefix = manifest.name[: -len(MANIFEST_NAME)]
    inside = tuple(
        PlannedFile(file.index, file.name[len(prefix) :], file.size) for file in files if file.name.startswith(prefix)
    )
    # What was harmless inside the wrapper folder must be harmless without it: "course/C:x".
    _refuse([f"{show_name(file.name)} {fault}" for file in inside if (fault := path_fault(file.name, is_dir=False))])
    warnings += _root_warnings(manifest.name, outside=len(files) - len(inside))
    return ZipPlan(
        files=inside,
        manifest_name=manifest.name[len(prefix) :],
        root_prefix=prefix,
        ignored=tuple(ignored),
        warnings=tuple(warnings),
    )


def _refuse(faults: Sequence[str]) -> None:
    if not faults:
        return
    shown = list(dict.fromkeys(faults))
    if len(shown) > SHOWN_FAULTS:
        shown = [*shown[:SHOWN_FAULTS], f"and {len(shown) - SHOWN_FAULTS} more faults of this kind"]
    raise ValidationFailed({"file": shown})


def _entry_faults(entry: ZipEntry, limits: ZipLimits) -> Iterator[str]:
    shown = show_name(entry.name)
    fault = path_fault(entry.name, is_dir=_is_dir(entry))
    if fault:
        yield f"{shown} {fault}"
    elif len(clean_path(entry.name).encode()) > limits.max_path_bytes:
        yield f"The path {shown} is longer than {limits.max_path_bytes} bytes"
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        yield f"{shown} is a {'link' if kind == stat.S_IFLNK else 'device'}, not a file"
    if entry.flag_bits & _ENCRYPTED:
        yield f"{shown} is encrypted"
    if entry.flag_bits & _PATCH:
        yield f"{shown} is a patch, not a file"
    # SCORM 2004 4th Ed. CAM 2.1: a package is a PKZip 2.04g archive, which knows stored and deflated. The library
    # would also read bzip2 and LZMA, but not in bounded memory.
    if not _is_dir(entry) and entry.compress_type not in (_STORED, _DEFLATED):
        method = _METHODS.get(entry.compress_type, f"method {entry.compress_type}")
        yield f"{shown} is compressed with {method}; only stored and deflated files are accepted"
    if entry.compress_type == _STORED and entry.compressed_size != entry.size:
        yield f"{shown} is stored, yet its sizes differ"
    if _is_dir(entry) and entry.size:
        yield f"{shown} is a folder with content of its own"


def _is_dir(entry: ZipEntry) -> bool:
    return entry.is_dir or entry.name.endswith(("/", "\\"))


def _overlaps(entries: Sequence[ZipEntry], archive_size: int) -> Iterator[str]:
    """Entries that share bytes, as the densest zip bombs do, or lie beyond the end of a truncated archive."""
    end = 0
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        if entry.header_offset < end or entry.header_offset < 0:
            yield f"{show_name(entry.name)} shares bytes of the archive with another file"
        # The name lies between header and data, but how many bytes it had is not known any more.
        extent = entry.header_offset + LOCAL_HEADER_BYTES + entry.compressed_size
        if extent > archive_size:
            yield f"{show_name(entry.name)} lies beyond the end of the archive: the upload may be truncated"
        end = max(end, extent)


def _clean_files(entries: Sequence[ZipEntry]) -> tuple[list[PlannedFile], list[str]]:
    files, ignored = [], []
    for index, entry in enumerate(entries):
        name = clean_path(entry.name)
        if _is_dir(entry):
            continue
        if is_litter(name):
            ignored.append(name)
        else:
            files.append(PlannedFile(index, name, entry.size))
    return files, ignored


def _check_sizes(files: Sequence[PlannedFile], archive_size: int, limits: ZipLimits) -> None:
    if not files:
        raise ValidationFailed.of("file", "The zip holds no files")
    if len(files) > limits.max_files:
        raise ValidationFailed.of("file", f"The zip has {len(files)} files; at most {limits.max_files} are accepted")
    total = sum(file.size for file in files)
    if total > limits.max_expanded_bytes:
        raise TooLarge(what="The unpacked package", limit_bytes=limits.max_expanded_bytes)
    if total > limits.ratio_floor_bytes and total > limits.max_ratio * archive_size:
        raise ValidationFailed.of(
            "file", f"The zip unpacks to more than {limits.max_ratio} times its size, which no course does"
        )


def _name_conflicts(files: Sequence[PlannedFile], entries: Sequence[ZipEntry]) -> Iterator[str]:
    seen: set[str] = set()
    for file in files:
        if file.name in seen:
            yield f"{show_name(file.name)} is in the zip twice"
        seen.add(file.name)
    # Sorted, everything in folder `a` follows directly where `a/` would stand; a set of all folders of 50,000 deep
    # paths would need gigabytes.
    paths = sorted(seen.union(clean_path(entry.name) + "/" for entry in entries if _is_dir(entry)))
    for name in sorted(seen):
        place = bisect.bisect_left(paths, name + "/")
        if place < len(paths) and paths[place].startswith(name + "/"):
            yield f"{show_name(name)} is both a file and a folder"


def _name_warnings(files: Sequence[PlannedFile], entries: Sequence[ZipEntry]) -> Iterator[str]:
    if any("\\" in entries[file.index].name for file in files):
        yield "File names in the zip have backslashes; they were read as slashes"
    seen: dict[str, str] = {}
    pairs = 0
    for file in files:
        # Storage knows upper and lower case, so both stay; on the author's machine only one of them did.
        other = seen.setdefault(fold_name(file.name), file.name)
        if other != file.name:
            pairs += 1
            if pairs <= SHOWN_FAULTS:
                yield f"{show_name(other)} and {show_name(file.name)} differ in case or accents' encoding only"
    if pairs > SHOWN_FAULTS:
        yield f"and {pairs - SHOWN_FAULTS} more files differ from another in case or accents' encoding only"


def _find_manifest(files: Sequence[PlannedFile]) -> PlannedFile:
    """The manifest nearest to the root. Raises ValidationFailed if there is none, or not one."""
    manifests = [file for file in files if file.name.rpartition("/")[2].lower() == MANIFEST_NAME]
    if not manifests:
        raise ValidationFailed.of("file", describe_unknown([file.name for file in files]))
    depth = min(file.name.count("/") for file in manifests)
    nearest = [file for file in manifests if file.name.count("/") == depth]
    exact = [file for file in nearest if file.name.endswith(MANIFEST_NAME)]
    if len(exact) == 1 and len({file.name.rpartition("/")[0] for file in nearest}) == 1:
        return exact[0]
    if len(nearest) > 1:
        shown = ", ".join(show_name(file.name) for file in nearest[:SHOWN_FAULTS])
        raise ValidationFailed.of("file", f"The zip holds several packages; upload each on its own: {shown}")
    return nearest[0]


def _root_warnings(manifest_name: str, *, outside: int) -> Iterator[str]:
    folder, _, base = manifest_name.rpartition("/")
    if base != MANIFEST_NAME:
        yield f"The manifest is called '{base}' instead of '{MANIFEST_NAME}'"
    if folder:
        yield f"The package lies in the folder {show_name(folder)} instead of the root of the zip"
    if outside:
        lie = (
            "1 file lies outside that folder and was"
            if outside == 1
            else f"{outside} files lie outside that folder and were"
        )
        yield f"{lie} left out"
