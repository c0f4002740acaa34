import io
import posixpath
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from server.domain.manifest import launch, parse_manifest
from tests.factories import scorm12_package, scorm2004_package
from tests.factories.hostile import corpus, table

ROOT = Path(__file__).resolve().parents[2]


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


def test_the_page_about_hostile_input_is_current() -> None:
    assert (ROOT / "docs/hostile-input.md").read_text() == table()


def test_no_two_hostile_inputs_have_one_name() -> None:
    names = [(case.family, case.name) for case in corpus()]
    assert len(names) == len(set(names)) > 300
