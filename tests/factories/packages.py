"""Small real courses: pages that load their own image, script and stylesheet by relative URLs and talk to the API."""

import struct
import zlib
from collections.abc import Mapping
from xml.sax.saxutils import escape, quoteattr

from tests.factories.zips import Member, zip_bytes

_NAMESPACES_12 = (
    'xmlns="http://www.imsproject.org/xsd/imscp_rootv1p1p2" '
    'xmlns:imsmd="http://www.imsglobal.org/xsd/imsmd_rootv1p2p1" '
    'xmlns:adlcp="http://www.adlnet.org/xsd/adlcp_rootv1p2"'
)
_NAMESPACES_2004 = (
    'xmlns="http://www.imsglobal.org/xsd/imscp_v1p1" xmlns:adlcp="http://www.adlnet.org/xsd/adlcp_v1p3" '
    'xmlns:adlseq="http://www.adlnet.org/xsd/adlseq_v1p3" xmlns:adlnav="http://www.adlnet.org/xsd/adlnav_v1p3" '
    'xmlns:imsss="http://www.imsglobal.org/xsd/imsss" xmlns:lom="http://ltsc.ieee.org/xsd/LOM"'
)
_SCHEMA_VERSIONS = {"2nd": "CAM 1.3", "3rd": "2004 3rd Edition", "4th": "2004 4th Edition"}

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title>
<link rel="stylesheet" href="../shared/style.css"><script src="../shared/course.js" defer></script></head>
<body><h1>{title}</h1><p id="state">loading</p><img id="picture" src="picture.png" alt="a red square"></body>
</html>
"""
_STYLE = "h1 { color: rgb(0, 0, 128); }\n"
_SCRIPT = """// Finds either API as SCORM says, reports completion, and shows on the page that it ran.
function find(name) {
  for (const start of [window.parent, window.opener]) {
    let at = start;
    for (let hops = 0; at && hops < 20; hops += 1) {
      try { if (at[name]) return at[name]; } catch { break; }
      if (at === at.parent) break;
      at = at.parent;
    }
  }
  return null;
}
const modern = find("API_1484_11");
const old = modern ? null : find("API");
if (modern) {
  modern.Initialize("");
  modern.SetValue("cmi.completion_status", "completed");
  modern.Commit("");
} else if (old) {
  old.LMSInitialize("");
  old.LMSSetValue("cmi.core.lesson_status", "completed");
  old.LMSCommit("");
}
document.getElementById("state").textContent = modern ? "2004" : old ? "1.2" : "no API";
document.documentElement.dataset.loaded = "yes";
"""


def scorm12_package(
    *,
    title: str = "Workplace Safety Essentials",
    scos: int = 1,
    description: str = "Course description",
    mastery_score: int | None = None,
    parameters: str = "",
    folder: str = "",
    files: Mapping[str, bytes] | None = None,
) -> bytes:
    """A SCORM 1.2 package. `folder` ("course/") wraps everything; `files` are added to it, or replace its own."""
    manifest = manifest12(
        title=title, scos=scos, description=description, mastery_score=mastery_score, parameters=parameters
    )
    return _wrapped(manifest, scos, folder, files)


def scorm2004_package(
    *,
    edition: str = "4th",
    title: str = "Workplace Safety Essentials",
    scos: int = 1,
    description: str = "Course description",
    passing_score: float | None = None,
    parameters: str = "",
    folder: str = "",
    files: Mapping[str, bytes] | None = None,
) -> bytes:
    """A SCORM 2004 package of the "2nd", "3rd" or "4th" edition, otherwise as `scorm12_package`."""
    manifest = manifest2004(
        edition=edition,
        title=title,
        scos=scos,
        description=description,
        passing_score=passing_score,
        parameters=parameters,
    )
    return _wrapped(manifest, scos, folder, files)


def package(files: Mapping[str, bytes]) -> bytes:
    """An archive of these files."""
    return zip_bytes([Member(name, data) for name, data in files.items()])


def course_files(scos: int = 1) -> dict[str, bytes]:
    """What the manifests of this module refer to."""
    files = {"shared/style.css": _STYLE.encode(), "shared/course.js": _SCRIPT.encode()}
    for number in range(1, scos + 1):
        files[f"sco{number}/index.html"] = _PAGE.format(title=f"Lesson {number}").encode()
        files[f"sco{number}/picture.png"] = png(number)
    return files


def manifest12(
    *,
    title: str = "Workplace Safety Essentials",
    scos: int = 1,
    description: str = "Course description",
    mastery_score: int | None = None,
    parameters: str = "",
) -> str:
    """A SCORM 1.2 manifest with items ITEM-1… and resources RES-1… at sco1/index.html…"""
    mastery = "" if mastery_score is None else f"<adlcp:masteryscore>{mastery_score}</adlcp:masteryscore>"
    metadata = (
        "<schema>ADL SCORM</schema><schemaversion>1.2</schemaversion>"
        "<imsmd:lom><imsmd:general>"
        f'<imsmd:title><imsmd:langstring xml:lang="en">{escape(title)}</imsmd:langstring></imsmd:title>'
        "<imsmd:language>en</imsmd:language>"
        f'<imsmd:description><imsmd:langstring xml:lang="en">{escape(description)}</imsmd:langstring>'
        "</imsmd:description></imsmd:general></imsmd:lom>"
    )
    return _manifest(_NAMESPACES_12, metadata, title, scos, parameters, mastery, "adlcp:scormtype")


def manifest2004(
    *,
    edition: str = "4th",
    title: str = "Workplace Safety Essentials",
    scos: int = 1,
    description: str = "Course description",
    passing_score: float | None = None,
    parameters: str = "",
) -> str:
    """A SCORM 2004 manifest with items ITEM-1… and resources RES-1… at sco1/index.html…"""
    sequencing = ""
    if passing_score is not None:
        sequencing = (
            '<imsss:sequencing><imsss:objectives><imsss:primaryObjective objectiveID="PRIMARY" '
            f'satisfiedByMeasure="true"><imsss:minNormalizedMeasure>{passing_score}</imsss:minNormalizedMeasure>'
            "</imsss:primaryObjective></imsss:objectives></imsss:sequencing>"
        )
    metadata = (
        f"<schema>ADL SCORM</schema><schemaversion>{_SCHEMA_VERSIONS[edition]}</schemaversion>"
        "<lom:lom><lom:general>"
        f'<lom:title><lom:string language="en">{escape(title)}</lom:string></lom:title><lom:language>en</lom:language>'
        f'<lom:description><lom:string language="en">{escape(description)}</lom:string></lom:description>'
        "</lom:general></lom:lom>"
    )
    return _manifest(_NAMESPACES_2004, metadata, title, scos, parameters, sequencing, "adlcp:scormType")


def png(number: int, *, side: int = 8) -> bytes:
    """A small square picture, a different red for each number."""
    row = b"\0" + bytes((255 - number % 100, 0, 0)) * side
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(row * side)),
        (b"IEND", b""),
    )
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def _wrapped(manifest: str, scos: int, folder: str, files: Mapping[str, bytes] | None) -> bytes:
    everything = {"imsmanifest.xml": manifest.encode(), **course_files(scos), **(files or {})}
    return package({folder + name: data for name, data in everything.items()})


def _manifest(
    namespaces: str, metadata: str, title: str, scos: int, parameters: str, inside_item: str, scorm_type: str
) -> str:
    with_parameters = f" parameters={quoteattr(parameters)}" if parameters else ""
    numbers = range(1, scos + 1)
    items = "".join(
        f'<item identifier="ITEM-{n}" identifierref="RES-{n}"{with_parameters}><title>Lesson {n}</title>'
        f"{inside_item}</item>"
        for n in numbers
    )
    resources = "".join(
        f'<resource identifier="RES-{n}" type="webcontent" {scorm_type}="sco" href="sco{n}/index.html">'
        f'<file href="sco{n}/index.html"/><file href="sco{n}/picture.png"/><dependency identifierref="SHARED"/>'
        "</resource>"
        for n in numbers
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<manifest identifier="COURSE" version="1.0" {namespaces}>'
        f"<metadata>{metadata}</metadata>"
        f'<organizations default="ORG"><organization identifier="ORG"><title>{escape(title)}</title>{items}'
        f"</organization></organizations><resources>{resources}"
        f'<resource identifier="SHARED" type="webcontent" {scorm_type}="asset">'
        '<file href="shared/style.css"/><file href="shared/course.js"/></resource></resources></manifest>\n'
    )
