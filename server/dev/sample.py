"""`python -m server.dev.sample FILE`: writes a small SCORM 1.2 course to try things with."""

import struct
import sys
import zipfile
import zlib
from pathlib import Path

MANIFEST = """<?xml version="1.0" encoding="UTF-8"?>
<manifest identifier="sample" version="1.0" xmlns="http://www.imsproject.org/xsd/imscp_rootv1p1p2"
    xmlns:adlcp="http://www.adlnet.org/xsd/adlcp_rootv1p2">
  <metadata><schema>ADL SCORM</schema><schemaversion>1.2</schemaversion></metadata>
  <organizations default="course">
    <organization identifier="course">
      <title>A small course</title>
      <item identifier="lesson" identifierref="page">
        <title>The only lesson</title>
        <adlcp:masteryscore>80</adlcp:masteryscore>
      </item>
    </organization>
  </organizations>
  <resources>
    <resource identifier="page" type="webcontent" adlcp:scormtype="sco" href="index.html">
      <file href="index.html"/><file href="course.css"/><file href="course.js"/><file href="picture.png"/>
    </resource>
  </resources>
</manifest>
"""
PAGE = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <title>A small course</title>
  <link rel="stylesheet" href="course.css">
  <script src="course.js" defer></script>
</head>
<body>
  <h1>A small course</h1>
  <img src="picture.png" alt="A gradient" width="240" height="120">
  <p id="status">The script has not run.</p>
</body>
</html>
"""
STYLE = "body { font: 1.1rem/1.5 system-ui, sans-serif; margin: 3rem; color: #123; background: #f4f8fb; }\n"
# SCORM 1.2 RTE 3.3.6.1: the API is in the parent chain or in the opener's. Another origin may not be asked.
SCRIPT = """function findApi(start) {
  for (let frame = start, depth = 0; frame && depth < 500; frame = frame.parent, depth++) {
    try { if (frame.API) return frame.API; } catch (blocked) { return null; }
    if (frame === frame.parent) return null;
  }
  return null;
}
const api = findApi(window) || (window.opener && findApi(window.opener));
const status = document.getElementById("status");
if (api) {
  api.LMSInitialize("");
  api.LMSSetValue("cmi.core.lesson_status", "completed");
  api.LMSCommit("");
  addEventListener("pagehide", () => api.LMSFinish(""));
  status.textContent = "The script runs and reports to a player.";
} else {
  status.textContent = "The script runs. There is no player around it, so nothing is recorded.";
}
"""


def picture(width: int = 240, height: int = 120) -> bytes:
    """A PNG gradient (RFC 2083)."""
    rows = b"".join(
        b"\0" + bytes(value for x in range(width) for value in (x * 255 // width, y * 255 // height, 160))
        for y in range(height)
    )
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def write(path: Path) -> None:
    """Writes the course."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("imsmanifest.xml", MANIFEST)
        archive.writestr("index.html", PAGE)
        archive.writestr("course.css", STYLE)
        archive.writestr("course.js", SCRIPT)
        archive.writestr("picture.png", picture())


if __name__ == "__main__":
    write(Path(sys.argv[1]))
