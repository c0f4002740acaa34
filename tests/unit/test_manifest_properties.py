"""Whatever well-formed XML a manifest is: it is read into values that fit each other, or refused, in bounded work."""

import random
import sys
from types import FrameType
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lxml import etree

from server.domain.errors import ValidationFailed
from server.domain.manifest import Manifest, from_json, launch, parse_manifest, summarise, to_json
from tests.factories import course_files

NAMES = ("imsmanifest.xml", *course_files(2), "a b/ü%20.html", "x#y.html")
CP, ADLCP, IMSSS = (
    "http://www.imsglobal.org/xsd/imscp_v1p1",
    "http://www.adlnet.org/xsd/adlcp_v1p3",
    "http://www.imsglobal.org/xsd/imsss",
)
XML_BASE = "{http://www.w3.org/XML/1998/namespace}base"
# Functions of Python, for seconds differ from machine to machine. The most that was ever seen is 17.
CALLS_PER_NODE = 100

IDENTIFIERS = ("a", "b", "c", " a ", "", "S", "M")
REFERENCES = (
    *(
        "sco1/index.html",
        "SCO2\\index.html",
        "../sco1/index.html?x#y",
        "a%20b/ü%2520.html",
        "x%23y.html",
        "javascript:x",
    ),
    *("//e.example/x", "https://e.example/", "", "%", "%ff", "/", "..", "missing", "http://[x", "?", "#", "a:b"),
)
WORDS = ("true", "0", "perhaps", "sco", "ASSET", "0.5", "-1", "1e9", "nan", "P1D", "exit,message", "")
TEXTS = (*IDENTIFIERS, *REFERENCES, *WORDS, "1.2", "2004 4th Edition", "CAM 1.3", "ADL SCORM")
ATTRIBUTES = (
    *("identifier", "identifierref", "href", "default", "isvisible", "parameters", "version", "ID", "IDRef", XML_BASE),
    *("scormtype", "structure", "targetID", "objectiveID", "choice", "satisfiedByMeasure", f"{{{ADLCP}}}scormType"),
)
TAGS = (
    *(
        f"{{{CP}}}{name}"
        for name in ("manifest", "metadata", "schema", "schemaversion", "organizations", "organization")
    ),
    *(f"{{{CP}}}{name}" for name in ("item", "title", "resources", "resource", "file", "dependency")),
    *(f"{{{ADLCP}}}{name}" for name in ("masteryscore", "dataFromLMS", "completionThreshold", "data", "map")),
    *(
        f"{{{IMSSS}}}{name}"
        for name in ("sequencing", "sequencingCollection", "controlMode", "objectives", "objective")
    ),
    *(f"{{{IMSSS}}}{name}" for name in ("primaryObjective", "sequencingRules", "preConditionRule", "rollupRules")),
    *("item", "unknown"),
)


class Author:
    """Writes manifests whose parts are where they belong, full of what belongs elsewhere."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._elements_left = 60

    def manifest(self) -> Any:
        version = self._named("schemaversion", [])
        version.text = self._random.choice(("1.2", "2004 4th Edition", "CAM 1.3", "other"))
        href = self._random.choice(REFERENCES[:4])
        resource = self._named("resource", self._anything(), identifier="a", href=href)
        items = [self._item() for _ in range(self._random.randint(1, 4))]
        organization = self._named("organization", [*items, *self._anything()])
        return self._named(
            "manifest",
            [
                self._named("metadata", [version, *self._anything()]),
                self._named("organizations", [organization, *self._anything()]),
                self._named("resources", [resource, *self._anything()]),
                *self._anything(),
            ],
        )

    def _item(self) -> Any:
        identifier, reference = self._random.choice(IDENTIFIERS), self._random.choice(("a", "a", "b", "M"))
        return self._named("item", self._anything(), identifier=identifier, identifierref=reference)

    def _named(self, name: str, children: list[Any], **attributes: str) -> Any:
        return self._element(f"{{{CP}}}{name}", children, attributes)

    def _anything(self) -> list[Any]:
        found = []
        while self._elements_left and self._random.random() < 0.55:
            self._elements_left -= 1
            found.append(self._element(self._random.choice(TAGS), self._anything(), {}))
        return found

    def _element(self, tag: str, children: list[Any], attributes: dict[str, str]) -> Any:
        values = IDENTIFIERS + REFERENCES + WORDS
        names = self._random.sample(ATTRIBUTES, self._random.randint(0, 4))
        made = etree.Element(tag, {name: self._random.choice(values) for name in names} | attributes)
        made.text = self._random.choice(TEXTS)
        made.extend(children)
        return made


def calls_of(data: bytes) -> tuple[Manifest | None, int]:
    """The manifest, None if it is refused, and how many functions of Python were called for it."""
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        return parse_manifest(data, names=NAMES, fallback_title="fallback"), calls
    except ValidationFailed:
        return None, calls
    finally:
        sys.setprofile(before)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32))
@example(8060).via("all of its items are pages of other sites")
def test_a_well_formed_manifest_is_read_consistently_or_refused_in_bounded_work(seed: int) -> None:
    root = Author(seed).manifest()
    nodes = sum(1 + len(one.attrib) for one in root.iter())
    manifest, calls = calls_of(etree.tostring(root, encoding="UTF-8"))
    assert calls < CALLS_PER_NODE * (nodes + 10)
    if manifest is None:
        return
    assert from_json(to_json(manifest)) == manifest
    items = list(manifest.organization.walk())
    assert len({item.identifier for item in items}) == len(items)
    resources = {resource.identifier: resource for resource in manifest.resources}
    for resource in manifest.resources:
        assert resource.path is None or resource.path in NAMES
        assert set(resource.files) <= set(NAMES)
    for item in items:
        assert item.url is None or item.resource in resources
        assert item.url is None or not item.url.lower().startswith(("javascript:", "data:", "file:", "/."))
    assert len(summarise(manifest).warnings) <= 101
    inside = [item for item in items if item.url and item.resource and resources[item.resource].path]
    if not inside:
        with pytest.raises(ValidationFailed):
            launch(manifest)
        return
    assert (launch(manifest).item, launch(manifest).path) == (inside[0].identifier, inside[0].url)
