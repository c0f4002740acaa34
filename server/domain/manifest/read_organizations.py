"""<organizations> into trees of items that know what they launch."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from server.domain.errors import ValidationFailed
from server.domain.manifest.allowance import Allowance, weigh
from server.domain.manifest.item_elements import completion_threshold, with_adl_elements
from server.domain.manifest.model import CompletionThreshold, Edition, Item, Organization, Resource
from server.domain.manifest.read_metadata import read_metadata
from server.domain.manifest.read_resources import manifests
from server.domain.manifest.read_sequencing import Parts, collection_of, read_sequencing, sequencing_parts
from server.domain.manifest.reading import MAX_DEPTH, Element, attribute, child, children, local_name, text_of
from server.domain.manifest.references import bounded, with_parameters
from server.domain.manifest.sequencing import Sequencing
from server.domain.manifest.values import Notes, boolean, show

MAX_ITEMS = 10_000
# The specification asks for 200 characters at least (SCORM 2004 4th Ed. CAM 3.4, <title>).
MAX_TITLE = 1000


@dataclass(frozen=True, slots=True)
class Tree:
    """An organization, and why some of its items cannot be launched: one sentence each."""

    organization: Organization
    faults: tuple[str, ...]

    @property
    def launches(self) -> bool:
        """Whether any item launches something, or is meant to."""
        return bool(self.faults) or any(item.url for item in self.organization.walk())


@dataclass(slots=True)
class OrganizationReader:
    """Reads the organizations of one manifest document."""

    root: Element
    edition: Edition
    resources: Mapping[str, Resource]
    notes: Notes
    allowance: Allowance
    _collection: dict[str, Parts] = field(init=False)
    _manifests: dict[str, Element] = field(init=False)
    _nested: dict[str, Element | None] = field(init=False, default_factory=dict)
    _sequencings: dict[tuple[Element, ...], tuple[Sequencing, int]] = field(init=False, default_factory=dict)
    _identifiers: set[str] = field(init=False, default_factory=set)
    _next_numbers: dict[str, int] = field(init=False, default_factory=dict)
    _faults: list[str] = field(init=False, default_factory=list)
    _items: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._collection, self._manifests = {}, {}
        for manifest in manifests(self.root):
            for identifier, element in collection_of(manifest).items():
                self._collection.setdefault(identifier, element)
            self._manifests.setdefault(attribute(manifest, "identifier") or "", manifest)

    def read(self) -> list[Tree]:
        """Every organization, in order; those of nested manifests only where the outermost has none."""
        for manifest in manifests(self.root):
            elements = list(_organization_elements(manifest))
            if elements:
                if manifest is not self.root:
                    self.notes.add("The manifest has no organization; those of a manifest nested in it were used")
                return [self._tree(element) for element in elements]
        return []

    def default_identifier(self) -> str | None:
        """What the outermost manifest that has organizations declares as their default."""
        for manifest in manifests(self.root):
            if next(_organization_elements(manifest), None) is not None:
                return _default_of(manifest)
        return None

    def _tree(self, element: Element) -> Tree:
        self._faults = []
        sequencing = self._sequencing(element)
        organization = Organization(
            identifier=self._identifier(element, "organization"),
            title=text_of(child(element, "title"))[:MAX_TITLE],
            structure=attribute(element, "structure") or "hierarchical",
            objectives_global_to_system=boolean(element, "objectivesglobaltosystem", True, self.notes),
            shared_data_global_to_system=boolean(element, "shareddataglobaltosystem", True, self.notes),
            completion_threshold=self._modern(completion_threshold(element, self.edition, self.notes)),
            metadata=read_metadata(element),
            sequencing=sequencing,
            items=tuple(self._item(one, 1, (self.root,)) for one in children(element, "item")),
        )
        self.allowance.store(weigh(organization, without=("sequencing", "items")))
        return Tree(organization, tuple(self._faults))

    def _modern(self, value: CompletionThreshold | None) -> CompletionThreshold | None:
        return None if self.edition is Edition.SCORM_1_2 else value

    def _sequencing(self, element: Element) -> Sequencing:
        """Of equal ones one value, but each is stored on its own."""
        if self.edition is Edition.SCORM_1_2:
            return Sequencing()
        own, borrowed = sequencing_parts(element, self._collection, self.notes)
        key = (*own.values(), *borrowed.values())
        if key not in self._sequencings:
            self.allowance.read(*borrowed.values())
            sequencing = read_sequencing({**borrowed, **own}, self.notes)
            self._sequencings[key] = sequencing, weigh(sequencing)
        sequencing, size = self._sequencings[key]
        self.allowance.store(size)
        return sequencing

    def _item(self, element: Element, depth: int, inside: tuple[Element, ...]) -> Item:
        """An item with all below it. `inside` are the manifests that it was reached through."""
        self._count(depth)
        identifier = self._identifier(element, "item")
        title = text_of(child(element, "title"))[:MAX_TITLE]
        if not title:
            self.notes.add(f"Item {show(identifier)} has no title; its identifier is shown")
        nested = self._nested_organization(element, identifier, inside)
        self.allowance.read(element, *([] if nested is None else [nested]))
        parts = tuple(self._item(one, depth + 1, inside) for one in children(element, "item"))
        if nested is not None:
            within = (*inside, _manifest_of(nested))
            parts += tuple(self._item(one, depth + 1, within) for one in children(nested, "item"))
        # The organization takes the item's place in the tree, unless the item says how to sequence it.
        sequenced = element if nested is None or child(element, "sequencing") is not None else nested
        resource = None if nested is not None else self._resource(element, identifier)
        parameters = bounded(attribute(element, "parameters") or "", "parameters")
        url = self._url(resource, identifier, title, parameters, leaf=not parts)
        item = Item(
            identifier=identifier,
            title=title or identifier,
            resource=resource.identifier if resource else None,
            parameters=parameters,
            visible=boolean(element, "isvisible", True, self.notes),
            url=url,
            scorm_type=(resource.scorm_type or "sco") if resource and url else None,
            metadata=read_metadata(element),
            sequencing=self._sequencing(sequenced),
            children=parts,
        )
        item = with_adl_elements(item, element, self.edition, self.notes)
        self.allowance.store(weigh(item, without=("sequencing", "children")))
        return item

    def _count(self, depth: int) -> None:
        self._items += 1
        if self._items > MAX_ITEMS:
            raise ValidationFailed.of("file", f"The manifest has more than {MAX_ITEMS} items")
        if depth > MAX_DEPTH:
            raise ValidationFailed.of("file", f"The manifest nests items deeper than {MAX_DEPTH}")

    def _identifier(self, element: Element, kind: str) -> str:
        """The element's identifier, made unique: learners' data are kept under it."""
        wanted = attribute(element, "identifier")
        if not wanted:
            wanted = self._free(f"{kind}-{len(self._identifiers) + 1}")
            self.notes.add(f"An {kind} has no identifier; it is called {show(wanted)}")
        elif wanted in self._identifiers:
            first, wanted = wanted, self._free(wanted)
            self.notes.add(f"The identifier {show(first)} is used twice; the second {kind} is called {show(wanted)}")
        self._identifiers.add(wanted)
        return wanted

    def _free(self, wanted: str) -> str:
        name, number = wanted, self._next_numbers.get(wanted, 2)
        while name in self._identifiers:
            name, number = f"{wanted}-{number}", number + 1
        self._next_numbers[wanted] = number
        return name

    def _nested_organization(self, element: Element, identifier: str, inside: tuple[Element, ...]) -> Element | None:
        """The organization of the nested manifest that an item refers to (IMS CP 1.1.3, (sub)manifest)."""
        reference = attribute(element, "identifierref") or ""
        manifest = self._manifests.get(reference)
        if manifest is None or reference in self.resources or not reference:
            return None
        if manifest in inside:
            self.notes.add(f"Item {show(identifier)} refers to the manifest that it is part of; this was ignored")
            return None
        if reference not in self._nested:
            self._nested[reference] = _default_organization(manifest)
        return self._nested[reference]

    def _resource(self, element: Element, identifier: str) -> Resource | None:
        reference = attribute(element, "identifierref")
        if not reference:
            return None
        if reference not in self.resources:
            self.notes.add(f"Item {show(identifier)} refers to the resource {show(reference)}, which does not exist")
            return None
        return self.resources[reference]

    def _url(
        self, resource: Resource | None, identifier: str, title: str, parameters: str, *, leaf: bool
    ) -> str | None:
        if resource is None:
            return None
        shown = f"Item {show(identifier)}" + (f" ({title[:100]})" if title else "")
        if not leaf and self.edition is not Edition.SCORM_1_2:
            # SCORM 2004 4th Ed. SN 2.1: only leaf activities are delivered.
            self.notes.add(f"{shown} has items below it and a resource of its own, which cannot be launched")
            return None
        if resource.href is None:
            self.notes.add(f"{shown} refers to the resource {show(resource.identifier)}, which has no href")
            return None
        if resource.url is None:
            self._faults.append(f"{shown} launches {show(resource.href)}, which is not in the package")
            return None
        if resource.path is None and resource.scorm_type != "asset":
            self._faults.append(
                f"{shown} launches {show(resource.href)} from another site: a SCO must be in the package, "
                "or it cannot reach its run-time"
            )
            return None
        if resource.path is None:
            self.notes.add(
                f"{shown} shows {show(resource.href)} from another site; it may not be there, or not framable"
            )
        if resource.scorm_type is None:
            self.notes.add(f"The resource {show(resource.identifier)} has no scormType; it is taken for a SCO")
        return with_parameters(resource.url, parameters)


def _organization_elements(manifest: Element) -> Iterator[Element]:
    for holder in children(manifest, "organizations"):
        yield from children(holder, "organization")


def _default_organization(manifest: Element) -> Element | None:
    elements, default = list(_organization_elements(manifest)), _default_of(manifest)
    return next((one for one in elements if attribute(one, "identifier") == default), elements[0] if elements else None)


def _manifest_of(organization: Element) -> Element:
    return next(outer for outer in organization.iterancestors() if local_name(outer) == "manifest")


def _default_of(manifest: Element) -> str | None:
    holder = child(manifest, "organizations")
    return attribute(holder, "default") if holder is not None else None
