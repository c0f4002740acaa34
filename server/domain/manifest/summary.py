"""What the API tells of a manifest, and where a course begins."""

from dataclasses import dataclass

from server.domain.errors import ValidationFailed
from server.domain.manifest.allowance import weigh
from server.domain.manifest.model import Edition, Item, Manifest
from server.domain.packages import PackageItem, PackageMetadata, PackageOrganization

# Readers of JSON stop at a depth of 100 (Ruby's, for one), where each item takes two levels, and readers of protobuf
# at 100 messages.
MAX_ITEM_DEPTH = 45
# gRPC clients read messages of at most 4 MiB unless they are told otherwise; the rest is for the package around it.
MAX_METADATA_BYTES = 3 * 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchTarget:
    """What a course opens first. `path` is percent-encoded, relative to the content root, with query and fragment."""

    item: str
    path: str
    scorm_type: str


def launch(manifest: Manifest) -> LaunchTarget:
    """The first item of the default organization that launches something in the package.

    Raises ValidationFailed if all of them show pages of other sites.
    """
    inside = {resource.identifier for resource in manifest.resources if resource.path}
    for item in manifest.organization.walk():
        if item.url and item.resource in inside:
            return LaunchTarget(item=item.identifier, path=item.url, scorm_type=item.scorm_type or "sco")
    raise ValidationFailed.of("file", "Every item shows a page of another site; nothing in the package is launched")


def summarise(manifest: Manifest) -> PackageMetadata:
    """The manifest as the API shows it."""
    scores = (_mastery(item, manifest) for item in manifest.organization.walk())
    return PackageMetadata(
        description=manifest.metadata.description or manifest.organization.metadata.description,
        sco_count=sum(1 for item in manifest.organization.walk() if item.url and item.scorm_type == "sco"),
        schema_version=manifest.edition.value,
        organizations=tuple(
            PackageOrganization(
                identifier=one.identifier, title=one.title, default=one.identifier == manifest.default_organization
            )
            for one in manifest.organizations
        ),
        items=tuple(_item(item) for item in manifest.organization.items),
        mastery_score=next((score for score in scores if score is not None), None),
        language=manifest.language,
        warnings=manifest.warnings,
    )


def check_readable(metadata: PackageMetadata) -> None:
    """Raises ValidationFailed if common clients could not read the metadata back, whichever way they ask for it."""
    items, depth = metadata.items, 0
    while items:
        depth += 1
        items = tuple(child for item in items for child in item.children)
    if depth > MAX_ITEM_DEPTH:
        raise ValidationFailed.of(
            "file", f"The default organization nests items {depth} deep; at most {MAX_ITEM_DEPTH} are accepted"
        )
    # More than in protobuf, where a number stands for the name of a field.
    if weigh(metadata) > MAX_METADATA_BYTES:
        raise ValidationFailed.of(
            "file", f"The titles, addresses and warnings of the package are more than {MAX_METADATA_BYTES} bytes"
        )


def _item(item: Item) -> PackageItem:
    return PackageItem(
        identifier=item.identifier,
        title=item.title,
        href=item.url,
        scorm_type=item.scorm_type,
        visible=item.visible,
        children=tuple(_item(child) for child in item.children),
    )


def _mastery(item: Item, manifest: Manifest) -> float | None:
    """SCORM 1.2's mastery score; 2004's scaled passing score (4th Ed. RTE 4.2.19: the primary objective's measure)."""
    if manifest.edition is Edition.SCORM_1_2:
        return item.mastery_score
    primary = item.sequencing.primary_objective
    return primary.min_normalized_measure if primary.satisfied_by_measure else None
