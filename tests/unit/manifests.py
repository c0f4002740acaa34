"""Manifests under test: parsed against the files that the factories' courses have."""

from collections.abc import Collection, Iterable

import pytest

from server.domain.errors import ValidationFailed
from server.domain.manifest import Item, Manifest, parse_manifest
from server.domain.manifest.sequencing import Sequencing
from tests.factories import course_files, manifest2004


def parse(text: str | bytes, *, scos: int = 1, names: Collection[str] = (), title: str = "fallback") -> Manifest:
    data = text if isinstance(text, bytes) else text.encode()
    return parse_manifest(data, names=["imsmanifest.xml", *course_files(scos), *names], fallback_title=title)


def faults_of(text: str | bytes, *, names: Collection[str] = ()) -> list[str]:
    with pytest.raises(ValidationFailed) as refusal:
        parse(text, names=names)
    assert list(refusal.value.field_errors) == ["file"]
    return refusal.value.field_errors["file"]


def items_of(manifest: Manifest) -> Iterable[Item]:
    return manifest.organization.walk()


def first_item(manifest: Manifest) -> Item:
    return manifest.organization.items[0]


def in_item(content: str, *, edition: str = "4th") -> Manifest:
    """A SCORM 2004 manifest whose item has this inside."""
    return parse(manifest2004(edition=edition).replace("</title></item>", f"</title>{content}</item>"))


def sequenced(content: str, *, edition: str = "4th") -> Sequencing:
    """The sequencing of an item whose <imsss:sequencing> has this inside."""
    return first_item(in_item(f"<imsss:sequencing>{content}</imsss:sequencing>", edition=edition)).sequencing
