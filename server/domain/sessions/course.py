"""What of a manifest a session needs: the default organization, and what can be opened of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from server.domain.cmi.elements import Version
from server.domain.manifest.model import Edition, Item, Manifest
from server.domain.manifest.sequencing import Objective


@dataclass(frozen=True, kw_only=True)
class Course:
    """A course as it is played. Made once for a package, whose manifest never changes.

    `keeps_shared_data`: the stores of adl.data outlive an attempt on the whole (SCORM 2004 4th Ed. CAM 3.4.1.10).
    `flows`: the first item may be delivered without a choice (its sequencing control mode flow, SN 3.2.2).
    `size` is that of the manifest, in characters of its stored form.
    """

    edition: Edition
    title: str
    language: str | None
    keeps_shared_data: bool
    flows: bool
    items: tuple[Item, ...]
    size: int = 0

    @classmethod
    def of(cls, manifest: Manifest, *, size: int = 0) -> "Course":
        """The default organization of a manifest."""
        organization = manifest.organization
        return cls(
            edition=manifest.edition,
            title=organization.title or manifest.title,
            language=manifest.language,
            size=size,
            keeps_shared_data=organization.shared_data_global_to_system,
            flows=organization.sequencing.control_mode.flow,
            items=organization.items,
        )

    @property
    def version(self) -> Version:
        """ "1.2" or "2004"."""
        return "1.2" if self.edition is Edition.SCORM_1_2 else "2004"

    def walk(self) -> Iterator[Item]:
        """All items, parents first, in order."""
        for item in self.items:
            yield from item.walk()

    @cached_property
    def in_order(self) -> tuple[Item, ...]:
        """As `walk`, at once."""
        found: list[Item] = []
        waiting = list(reversed(self.items))
        while waiting:
            item = waiting.pop()
            found.append(item)
            waiting.extend(reversed(item.children))
        return tuple(found)

    @cached_property
    def launchable(self) -> dict[str, Item]:
        """By identifier what can be opened, in the order of the table of contents. Of equal identifiers the first."""
        found: dict[str, Item] = {}
        for item in self.in_order:
            if item.url:
                found.setdefault(item.identifier, item)
        return found

    @property
    def only(self) -> Item | None:
        """The item, where there is just one."""
        return next(iter(self.launchable.values())) if len(self.launchable) == 1 else None


def is_sco(item: Item) -> bool:
    """Whether it talks to the run-time API; otherwise it is an asset. Who does not say may well talk."""
    return item.scorm_type != "asset"


def objectives(item: Item) -> tuple[Objective, ...]:
    """Those that have an identifier, the primary first: cmi.objectives (SCORM 2004 4th Ed. RTE 4.2.17)."""
    primary = item.sequencing.primary_objective
    return ((primary,) if primary.identifier else ()) + item.sequencing.objectives
