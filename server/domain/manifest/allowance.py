"""How much a manifest may become, where few bytes of XML can be read, and stored, thousands of times.

Items share resources, reusable sequencing and nested manifests; resources share their xml:base.
"""

import dataclasses
import functools
from dataclasses import dataclass, field
from typing import Any

from server.domain.errors import ValidationFailed
from server.domain.manifest.reading import Element, children, local_name

# Beyond what 10 MiB of XML with MAX_NODES can be if everything in it is read once.
MAX_READ = 32 * 1024**2
MAX_STORED_BYTES = 16 * 1024**2
MAX_RESOLVED = 20 * 1024**2

# What to find an element or attribute takes, in characters of text.
_NODE = 40


@dataclass(slots=True)
class Allowance:
    """What is left for one manifest. All methods raise ValidationFailed once it is used up."""

    _read: int = MAX_READ
    _stored: int = MAX_STORED_BYTES
    _resolved: int = MAX_RESOLVED
    _costs: dict[Element, int] = field(default_factory=dict)

    def read(self, *elements: Element) -> None:
        """Takes for reading the elements, apart from the items in them."""
        for element in elements:
            if element not in self._costs:
                self._costs[element] = _cost(element)
            self._read -= self._costs[element]
        if self._read < 0:
            raise ValidationFailed.of(
                "file", "The manifest uses its nested manifests or its reusable sequencing too often for their size"
            )

    def store(self, size: int) -> None:
        """Takes what `weigh` says of something that is stored."""
        self._stored -= size
        if self._stored < 0:
            raise ValidationFailed.of(
                "file",
                f"The manifest has more than {MAX_STORED_BYTES} bytes once all that its items and resources share is "
                "written out",
            )

    def resolve(self, href: str, base: str) -> None:
        """Takes for looking for a file."""
        self._resolved -= len(href) + len(base)
        if self._resolved < 0:
            raise ValidationFailed.of("file", "The manifest lists too many files under too long an xml:base")


def _cost(element: Element) -> int:
    own = _node_cost(element)
    return own + sum(_tree_cost(part) for part in children(element) if local_name(part) != "item")


def _tree_cost(element: Element) -> int:
    return sum(map(_node_cost, element.iter("*")))


def _node_cost(element: Element) -> int:
    attributes = sum(_NODE + len(value) for value in element.attrib.values())
    return _NODE + len(element.text or "") + len(element.tail or "") + attributes


def weigh(value: object, *, without: tuple[str, ...] = ()) -> int:
    """About how many bytes of JSON a value of the model takes, apart from its fields `without`."""
    if isinstance(value, str):
        return len(value.encode()) + 3
    if isinstance(value, tuple):
        return 2 + sum(map(weigh, value))
    if isinstance(value, type) or not dataclasses.is_dataclass(value):
        return 8
    size = 2
    kind: Any = type(value)
    for name, default in _fields(kind):
        content = getattr(value, name)
        if name not in without and content is not default and content != default:
            size += len(name) + 4 + weigh(content)
    return size


@functools.cache
def _fields(kind: Any) -> tuple[tuple[str, object], ...]:
    return tuple((field.name, field.default) for field in dataclasses.fields(kind))
