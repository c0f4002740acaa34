import io
import posixpath
import re
import zipfile
from collections.abc import Callable

import pytest

from server.domain.manifest import launch, parse_manifest
from tests.factories import scorm12_package, scorm2004_package


@pytest.mark.parametrize("build", [scorm12_package, scorm2004_package])
def test_a_built_course_is_the_same_each_time_and_has_all_that_its_page_loads(build: Callable[[], bytes]) -> None:
    assert build() == build()
    with zipfile.ZipFile(io.BytesIO(build())) as archive:
        assert archive.testzip() is None
        names = set(archive.namelist())
        manifest = parse_manifest(archive.read("imsmanifest.xml"), names=names, fallback_title="")
        page = launch(manifest).path
        loaded = re.findall(r'(?:src|href)="([^"]+)"', archive.read(page).decode())
    assert manifest.warnings == ()
    assert len(loaded) == 3
    assert names.issuperset(posixpath.normpath(posixpath.join(posixpath.dirname(page), url)) for url in loaded)
