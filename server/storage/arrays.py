"""Arrays as Postgres reads them in binary: psycopg's own dumper of lists takes longer than the insert itself.

A value of these types is bound like any other parameter; `register` teaches a connection to send it.
"""

import struct
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

from psycopg.adapt import AdaptersMap, Dumper
from psycopg.pq import Format

_HEADER = struct.Struct("!iiIii")
_EMPTY = struct.Struct("!iiI")
_LENGTH = struct.Struct("!i")
_NULL = _LENGTH.pack(-1)
_UUID_LENGTH = _LENGTH.pack(16)
_INT8 = struct.Struct("!iq")
_FLOAT8 = struct.Struct("!id")
# Postgres counts from here.
_ZERO = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_BOOL = {False: b"\0\0\0\1\0", True: b"\0\0\0\1\1"}


class PackedArray:
    """An array of one dimension. `element_oid` and `oid` are those of pg_type."""

    __slots__ = ("packed",)
    element_oid: ClassVar[int]
    oid: ClassVar[int]

    def __init__(self, elements: Sequence[bytes]) -> None:
        # Each element with its length before it. The second field says that there may be NULLs.
        header = _HEADER.pack(1, 1, self.element_oid, len(elements), 1)
        self.packed = header + b"".join(elements) if elements else _EMPTY.pack(0, 0, self.element_oid)


class Uuids(PackedArray):
    """uuid[]"""

    element_oid, oid = 2950, 2951

    @classmethod
    def of(cls, values: Iterable[UUID | None]) -> "Uuids":
        """Packs them."""
        return cls([_NULL if value is None else _UUID_LENGTH + value.bytes for value in values])


class Texts(PackedArray):
    """text[], of what is UTF-8 already."""

    element_oid, oid = 25, 1009

    @classmethod
    def of(cls, values: Iterable[bytes]) -> "Texts":
        """Packs them."""
        return cls([_LENGTH.pack(len(value)) + value for value in values])


class Int8s(PackedArray):
    """bigint[]"""

    element_oid, oid = 20, 1016

    @classmethod
    def of(cls, values: Iterable[int | None]) -> "Int8s":
        """Packs them."""
        return cls([_NULL if value is None else _INT8.pack(8, value) for value in values])


class Times(PackedArray):
    """timestamptz[]"""

    element_oid, oid = 1184, 1185

    @classmethod
    def of(cls, values: Iterable[datetime]) -> "Times":
        """Packs them."""
        return cls([_INT8.pack(8, (value - _ZERO) // _MICROSECOND) for value in values])


class Float8s(PackedArray):
    """double precision[]"""

    element_oid, oid = 701, 1022

    @classmethod
    def of(cls, values: Iterable[float | None]) -> "Float8s":
        """Packs them."""
        return cls([_NULL if value is None else _FLOAT8.pack(8, value) for value in values])


class Bools(PackedArray):
    """boolean[]"""

    element_oid, oid = 16, 1000

    @classmethod
    def of(cls, values: Iterable[bool]) -> "Bools":
        """Packs them."""
        return cls([_BOOL[value] for value in values])


def register(adapters: AdaptersMap) -> None:
    """Lets a connection send these."""
    for kind in (Uuids, Texts, Int8s, Times, Float8s, Bools):
        adapters.register_dumper(kind, _dumper_of(kind))


def _dumper_of(kind: type[PackedArray]) -> type[Dumper]:
    class PackedDumper(Dumper):
        format = Format.BINARY
        oid = kind.oid

        def dump(self, obj: Any) -> bytes:
            packed: bytes = obj.packed
            return packed

    return PackedDumper
