"""Packages to upload, as bytes, the same at every call.

    scorm12_package()                              one SCO whose page loads an image, a script and a stylesheet
    scorm12_package(scos=3, title="Fire drill")    several
    scorm2004_package(edition="3rd")               SCORM 2004 2nd, 3rd or 4th Edition
    package({"imsmanifest.xml": b"...", ...})      any files
    zip_bytes([Member("../x", b"...")])            any archive, hostile ones too

`manifest12` and `manifest2004` give the manifest alone, to be changed by `str.replace`; `course_files` gives what
belongs to it.
"""

from tests.factories.packages import (
    course_files,
    manifest12,
    manifest2004,
    package,
    scorm12_package,
    scorm2004_package,
)
from tests.factories.zips import End, Member, zip_bytes

__all__ = [
    "End",
    "Member",
    "course_files",
    "manifest12",
    "manifest2004",
    "package",
    "scorm12_package",
    "scorm2004_package",
    "zip_bytes",
]
