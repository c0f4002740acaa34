"""<resources> into values, of the manifest and of those nested in it."""

from collections.abc import Iterator
from urllib.parse import urljoin

from server.domain.manifest.model import Resource
from server.domain.manifest.read_metadata import read_metadata
from server.domain.manifest.reading import XML_BASE, Element, attribute, children, collapse
from server.domain.manifest.references import PackageNames, Target, bounded, resolve
from server.domain.manifest.values import Notes, show, token

# Looking for a file in every reading of its href takes time; a manifest could list hundreds of thousands.
MAX_MISSING_FILES = 1000


def read_resources(root: Element, names: PackageNames, notes: Notes) -> dict[str, Resource]:
    """Every resource by its identifier; the first of equal ones."""
    found: dict[str, Resource] = {}
    missing: list[str] = []
    for element in _resource_elements(root):
        identifier = attribute(element, "identifier")
        if not identifier:
            notes.add("A resource without an identifier was ignored")
        elif identifier in found:
            notes.add(f"The resource {show(identifier)} is declared twice; the first one counts")
        else:
            found[identifier] = _resource(element, identifier, names, notes, missing)
    if missing:
        count = str(len(missing)) if len(missing) < MAX_MISSING_FILES else f"At least {MAX_MISSING_FILES}"
        lists = "file that the manifest lists is" if len(missing) == 1 else "files that the manifest lists are"
        notes.add(f"{count} {lists} not in the package, such as {show(missing[0])}")
    return found


def manifests(root: Element) -> Iterator[Element]:
    """The manifest and those nested in it, outermost first."""
    yield root
    for element in children(root, "manifest"):
        yield from manifests(element)


def _resource_elements(root: Element) -> Iterator[Element]:
    for manifest in manifests(root):
        for holder in children(manifest, "resources"):
            yield from children(holder, "resource")


def _resource(element: Element, identifier: str, names: PackageNames, notes: Notes, missing: list[str]) -> Resource:
    base, href = _base(element), bounded(attribute(element, "href") or "", "href") or None
    target = resolve(href, base, names) if href else None
    if target is not None and target.note:
        notes.add(f"The href {show(href or '')} of resource {show(identifier)} {target.note}")
    return Resource(
        identifier=identifier,
        type=attribute(element, "type") or "webcontent",
        scorm_type=token(element, "scormtype", ("sco", "asset"), notes),
        href=href,
        base=base,
        path=target.path if target else None,
        url=target.url if target else None,
        files=tuple(dict.fromkeys(_files(element, base, names, missing))),
        dependencies=tuple(
            reference for one in children(element, "dependency") if (reference := attribute(one, "identifierref"))
        ),
        metadata=read_metadata(element),
    )


def _base(element: Element) -> str:
    """The xml:base that holds inside an element (XML Base 4.2: outer bases apply to inner ones)."""
    bases = [element.get(XML_BASE), *(outer.get(XML_BASE) for outer in element.iterancestors())]
    joined = ""
    for base in reversed(bases):
        if base:
            written = bounded(collapse(str(base)).replace("\\", "/"), "xml:base")
            joined = bounded(urljoin(joined, written), "xml:base")
    return joined


def _files(element: Element, base: str, names: PackageNames, missing: list[str]) -> Iterator[str]:
    for file in children(element, "file"):
        href = attribute(file, "href")
        if not href or len(missing) >= MAX_MISSING_FILES:
            continue
        target: Target | None = resolve(bounded(href, "href"), base, names)
        if target is None:
            missing.append(href)
        elif target.path is not None:
            yield target.path
