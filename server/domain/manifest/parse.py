"""imsmanifest.xml from bytes to a Manifest."""

from collections.abc import Collection, Sequence

from server.domain.errors import ValidationFailed
from server.domain.manifest.allowance import Allowance
from server.domain.manifest.editions import note_namespaces, read_edition, schema_of
from server.domain.manifest.model import Item, Manifest, Organization, Resource
from server.domain.manifest.read_metadata import language_of, read_metadata
from server.domain.manifest.read_organizations import OrganizationReader, Tree
from server.domain.manifest.read_resources import read_resources
from server.domain.manifest.reading import attribute, parse_xml
from server.domain.manifest.references import PackageNames
from server.domain.manifest.values import Notes, show

SHOWN_FAULTS = 10


def parse_manifest(data: bytes, *, names: Collection[str], fallback_title: str) -> Manifest:
    """The manifest in `data`, in whose package `names` are the entries.

    Everything that real systems tolerate is tolerated and said in `warnings`. Raises ValidationFailed, with every
    fault under `file`, for what cannot be launched or is not SCORM.
    """
    said: list[str] = []
    root = parse_xml(data, said)
    notes = Notes()
    for sentence in said:
        notes.add(sentence)
    schema, schema_version = schema_of(root)
    edition = read_edition(root, schema, schema_version, notes)
    note_namespaces(root, notes)

    metadata = read_metadata(root)
    allowance = Allowance()
    resources = read_resources(root, PackageNames(names), notes, allowance)
    reader = OrganizationReader(root, edition, resources, notes, allowance)
    trees = reader.read()
    chosen = _choose(trees, reader.default_identifier(), notes)
    if chosen is None:
        chosen = _only_resource(resources, metadata.title or fallback_title, notes)
        trees = [*trees, chosen]
    _refuse(chosen.faults)
    for tree in trees:
        for fault in tree.faults:
            notes.add(f"{fault}; the organization is not the default")
    return Manifest(
        identifier=attribute(root, "identifier") or "",
        title=chosen.organization.title or metadata.title or fallback_title,
        edition=edition,
        default_organization=chosen.organization.identifier,
        organizations=tuple(tree.organization for tree in trees),
        resources=tuple(resources.values()),
        manifest_version=attribute(root, "version"),
        schema=schema or None,
        schema_version=schema_version or None,
        language=language_of(root, metadata),
        metadata=metadata,
        warnings=notes.sentences(),
    )


def _choose(trees: Sequence[Tree], default: str | None, notes: Notes) -> Tree | None:
    """The organization to launch; None where none launches anything."""
    if not any(tree.launches for tree in trees):
        return None
    first = next((tree for tree in trees if tree.organization.identifier == default), None)
    if first is None:
        first = trees[0]
        if default:
            notes.add(f"The default organization {show(default)} does not exist; the first one is launched")
        elif len(trees) > 1:
            notes.add("No organization is declared as the default; the first one is launched")
    if first.launches:
        return first
    chosen = next(tree for tree in trees if tree.launches)
    notes.add(
        f"The organization {show(first.organization.identifier)} launches nothing; "
        f"{show(chosen.organization.identifier)} is launched"
    )
    return chosen


def _only_resource(resources: dict[str, Resource], title: str, notes: Notes) -> Tree:
    """An organization around the only thing in the package that can be launched.

    SCORM 2004 4th Ed. CAM 3.3: a resource package has no organization and is meant to be taken apart. With a single
    SCO (or no SCO and a single asset with an href) there is no doubt what to launch; with several there is.
    """
    usable = [resource for resource in resources.values() if resource.path]
    scos = [resource for resource in usable if resource.scorm_type == "sco"]
    candidates = scos or usable
    if len(candidates) != 1:
        raise ValidationFailed.of("file", _why_not(resources, candidates))
    only = candidates[0]
    notes.add(f"No organization launches anything; the only launchable resource, {show(only.identifier)}, is launched")
    item = Item(
        identifier=only.identifier,
        title=only.metadata.title or title,
        resource=only.identifier,
        url=only.url,
        scorm_type=only.scorm_type or "sco",
    )
    organization = Organization(identifier=f"{only.identifier}-organization", title="", items=(item,))
    return Tree(organization, ())


def _why_not(resources: dict[str, Resource], candidates: Sequence[Resource]) -> str:
    if candidates:
        return (
            f"No organization launches anything, and {len(candidates)} resources could be launched: "
            "the manifest must say which, by an item"
        )
    missing = [resource.href for resource in resources.values() if resource.href and resource.url is None]
    if missing:
        return f"The manifest has no item that can be launched, and {show(missing[0])} is not in the package"
    return "The manifest has nothing that can be launched: no item and no resource with an href"


def _refuse(faults: Sequence[str]) -> None:
    if not faults:
        return
    shown = list(faults[:SHOWN_FAULTS])
    if len(faults) > SHOWN_FAULTS:
        shown.append(f"and {len(faults) - SHOWN_FAULTS} more faults of this kind")
    raise ValidationFailed({"file": shown})
