"""<resources> into values, of the manifest and of those nested in it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

from server.domain.errors import ValidationFailed
from server.domain.manifest.allowance import Allowance, weigh
from server.domain.manifest.model import Resource
from server.domain.manifest.read_metadata import read_metadata
from server.domain.manifest.reading import XML_BASE, Element, attribute, children, collapse
from server.domain.manifest.references import PackageNames, Target, bounded, resolve
from server.domain.manifest.values import Notes, show, token

# Looking for a file in every reading of its href takes time; a manifest could list hundreds of thousands.
MAX_MISSING_FILES = 1000
MAX_RESOURCES = 50_000


def read_resources(root: Element, names: PackageNames, notes: Notes, allowance: Allowance) -> dict[str, Resource]:
    """Every resource by its identifier; the first of equal ones."""
    reader = _ResourceReader(names, notes, allowance)
    reader.read(root, "")
    missing = reader.missing
    if missing:
        count = str(len(missing)) if len(missing) < MAX_MISSING_FILES else f"At least {MAX_MISSING_FILES}"
        lists = "file that the manifest lists is" if len(missing) == 1 else "files that the manifest lists are"
        notes.add(f"{count} {lists} not in the package, such as {show(missing[0])}")
    return reader.found


def manifests(root: Element) -> Iterator[Element]:
    """The manifest and those nested in it, outermost first."""
    yield root
    for element in children(root, "manifest"):
        yield from manifests(element)


@dataclass(slots=True)
class _ResourceReader:
    names: PackageNames
    notes: Notes
    allowance: Allowance
    found: dict[str, Resource] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    def read(self, manifest: Element, outer_base: str) -> None:
        """All resources of a manifest, then those of the manifests in it."""
        base = self._base(manifest, outer_base)
        for holder in children(manifest, "resources"):
            holder_base = self._base(holder, base)
            for element in children(holder, "resource"):
                self._add(element, holder_base)
        for nested in children(manifest, "manifest"):
            self.read(nested, base)

    def _add(self, element: Element, outer_base: str) -> None:
        identifier = attribute(element, "identifier")
        if not identifier:
            self.notes.add("A resource without an identifier was ignored")
        elif identifier in self.found:
            self.notes.add(f"The resource {show(identifier)} is declared twice; the first one counts")
        elif len(self.found) == MAX_RESOURCES:
            raise ValidationFailed.of("file", f"The manifest has more than {MAX_RESOURCES} resources")
        else:
            resource = self._resource(element, identifier, self._base(element, outer_base))
            self.allowance.store(weigh(resource))
            self.found[identifier] = resource

    def _resource(self, element: Element, identifier: str, base: str) -> Resource:
        href = bounded(attribute(element, "href") or "", "href") or None
        target = self._resolve(href, base) if href else None
        if target is not None and target.note:
            self.notes.add(f"The href {show(href or '')} of resource {show(identifier)} {target.note}")
        return Resource(
            identifier=identifier,
            type=attribute(element, "type") or "webcontent",
            scorm_type=token(element, "scormtype", ("sco", "asset"), self.notes),
            href=href,
            base=base,
            path=target.path if target else None,
            url=target.url if target else None,
            files=tuple(dict.fromkeys(self._files(element, base))),
            dependencies=tuple(
                reference for one in children(element, "dependency") if (reference := attribute(one, "identifierref"))
            ),
            metadata=read_metadata(element),
        )

    def _files(self, element: Element, base: str) -> Iterator[str]:
        for file in children(element, "file"):
            href = attribute(file, "href")
            if not href or len(self.missing) >= MAX_MISSING_FILES:
                continue
            target = self._resolve(bounded(href, "href"), base)
            if target is None:
                self.missing.append(href)
            elif target.path is not None:
                yield target.path

    def _resolve(self, href: str, base: str) -> Target | None:
        self.allowance.resolve(href, base)
        return resolve(href, base, self.names)

    def _base(self, element: Element, outer: str) -> str:
        """The xml:base that holds inside an element (XML Base 4.2: outer bases apply to inner ones)."""
        written = bounded(collapse(str(element.get(XML_BASE) or "")).replace("\\", "/"), "xml:base")
        try:
            # Only here does it raise for "//[x": joining to nothing takes any text.
            urlsplit(written)
            return bounded(urljoin(outer, written), "xml:base") if written else outer
        except ValueError:
            self.notes.add(f"The xml:base {show(written)} is no URI; it was ignored")
            return outer
