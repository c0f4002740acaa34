"""What the tables of both data models are made of: elements, and the types of their values."""

from dataclasses import dataclass
from typing import Literal

Version = Literal["1.2", "2004"]
Access = Literal["ro", "wo", "rw"]
Kind = Literal[
    "boolean",
    "children",
    "count",
    "decimal",
    "duration",
    "identifier",
    "integer",
    "language",
    "localized",
    "long_identifier",
    "nav_request",
    "pattern",
    "real",
    "response",
    "result",
    "short_identifier",
    "sinteger",
    "string",
    "time",
    "timespan",
    "uinteger",
    "version",
    "vocabulary",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Type:
    """What values an element takes.

    `size` is the number of characters that every system must keep (the book's maximum in 1.2, its smallest permitted
    maximum in 2004). Longer texts are kept too: real courses send them.
    """

    kind: Kind
    values: tuple[str, ...] = ()
    min: int | None = None
    max: int | None = None
    size: int | None = None
    blank: bool = False


@dataclass(frozen=True, slots=True)
class Element:
    """One element. In `name`, `n` stands for any index; `{target=}` for any item.

    `access` is the course's: "ro" and "wo" are what SCORM calls read-only and write-only. Without a `default` the
    element has no value before somebody sets it.
    """

    name: str
    access: Access
    type: Type
    default: str | None = None


def string(size: int) -> Type:
    """Any text."""
    return Type(kind="string", size=size)


def vocabulary(*values: str) -> Type:
    """One of these words."""
    return Type(kind="vocabulary", values=values)


def children(of: str, values: str) -> Element:
    """The keyword that lists what `of` has."""
    return Element(f"{of}._children", "ro", Type(kind="children", values=tuple(values.split(","))), values)


def count(of: str) -> Element:
    """The keyword that says how many records `of` has."""
    return Element(f"{of}._count", "ro", Type(kind="count"), "0")
