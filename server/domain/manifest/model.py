"""What imsmanifest.xml says, as values.

IMS Content Packaging 1.1.2 (SCORM 1.2) and 1.1.4 (SCORM 2004). Identifiers have no white space around them. Of
durations, prerequisites and other small languages the text is kept as written: those who act on them parse them.
"""

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from server.domain.manifest.sequencing import Sequencing

NO_SEQUENCING = Sequencing()


class Edition(enum.StrEnum):
    """The editions that are accepted. The value is what the API calls `schema_version`."""

    SCORM_1_2 = "1.2"
    SCORM_2004_2ND = "2004 2nd Edition"
    SCORM_2004_3RD = "2004 3rd Edition"
    SCORM_2004_4TH = "2004 4th Edition"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """The parts of a LOM record that are used, and where the rest is. Empty text and None: not said.

    `typical_learning_time` is ISO 8601 in SCORM 2004 and HH:MM:SS in 1.2. `locations` are adlcp:location, as written.
    """

    title: str = ""
    description: str = ""
    language: str | None = None
    keywords: tuple[str, ...] = ()
    typical_learning_time: str | None = None
    locations: tuple[str, ...] = ()


NO_METADATA = Metadata()


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionThreshold:
    """SCORM 2004 4th Ed. SN 3.14. In earlier editions the element's text is the measure, and it always counts."""

    completed_by_measure: bool = False
    min_progress_measure: float = 1.0
    progress_weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DataMap:
    """adlcp:map: access of an item to a shared data bucket of the 4th Edition."""

    target: str
    read_shared_data: bool = True
    write_shared_data: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A node of the activity tree.

    `resource` names a Resource of the manifest. `url` is what the item launches, percent-encoded, relative to the
    content root and with parameters; None where it launches nothing. `prerequisites`, `mastery_score` (0 to 100) and
    `max_time_allowed` are SCORM 1.2's; `completion_threshold`, `data_maps`, `hidden_controls` and `sequencing` are
    2004's. `time_limit_action` and `data_from_lms` are in both.
    """

    identifier: str
    title: str
    resource: str | None = None
    parameters: str = ""
    visible: bool = True
    url: str | None = None
    scorm_type: str | None = None
    metadata: Metadata = NO_METADATA
    prerequisites: str | None = None
    mastery_score: float | None = None
    max_time_allowed: str | None = None
    time_limit_action: str | None = None
    data_from_lms: str | None = None
    completion_threshold: CompletionThreshold | None = None
    data_maps: tuple[DataMap, ...] = ()
    hidden_controls: tuple[str, ...] = ()
    sequencing: Sequencing = NO_SEQUENCING
    children: tuple["Item", ...] = ()

    def walk(self) -> Iterator["Item"]:
        """This item and all below it, parents first, in order."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, slots=True, kw_only=True)
class Organization:
    """A tree of items, and the root of its activity tree. `title` is "" where there is none."""

    identifier: str
    title: str
    structure: str = "hierarchical"
    objectives_global_to_system: bool = True
    shared_data_global_to_system: bool = True
    completion_threshold: CompletionThreshold | None = None
    metadata: Metadata = NO_METADATA
    sequencing: Sequencing = NO_SEQUENCING
    items: tuple[Item, ...] = ()

    def walk(self) -> Iterator[Item]:
        """All items, parents first, in order."""
        for item in self.items:
            yield from item.walk()


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """Something that an item can launch, or that others depend on.

    `href` is as written, `base` the xml:base that holds for it. `path` is the entry of the package that it means,
    None where there is none; `url` is that path percent-encoded with the query and fragment of `href`, or the address
    of an asset elsewhere. `files` are entries of the package. `scorm_type` is "sco", "asset" or None.
    """

    identifier: str
    type: str = "webcontent"
    scorm_type: str | None = None
    href: str | None = None
    base: str = ""
    path: str | None = None
    url: str | None = None
    files: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()
    metadata: Metadata = NO_METADATA


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A whole manifest. `title` is the default organization's, else the record's, else the file's.

    `manifest_version`, `schema` and `schema_version` are as written. `default_organization` is the identifier of one
    of `organizations`. `warnings` say what was wrong and tolerated, one sentence each.
    """

    identifier: str
    title: str
    edition: Edition
    default_organization: str
    organizations: tuple[Organization, ...]
    resources: tuple[Resource, ...] = ()
    manifest_version: str | None = None
    schema: str | None = None
    schema_version: str | None = None
    language: str | None = None
    metadata: Metadata = NO_METADATA
    warnings: tuple[str, ...] = ()

    @property
    def version(self) -> str:
        """ "1.2" or "2004": which run-time API and data model the content talks to."""
        return "1.2" if self.edition is Edition.SCORM_1_2 else "2004"

    @property
    def organization(self) -> Organization:
        """The default organization."""
        return next(one for one in self.organizations if one.identifier == self.default_organization)
