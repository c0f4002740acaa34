"""What an upload needs beside the ports of everybody: the body that arrives, the disk it waits on, the zip it is."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import BinaryIO, Protocol
from uuid import UUID

from server.domain.zip_rules import ZipEntry

# What a body may have around the file: at most 20 parts of 64 KiB with headers of 16 KiB, a preamble and an epilogue.
FORM_OVERHEAD_BYTES = 2 * 1024**2


class UploadStopped(Exception):
    """Raised from reads in threads once the upload that they work for has ended early. Never leaves the upload."""


class PackageSource(Protocol):
    """The bytes of a package as they arrive. The other facts are final once these have ended."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Raises what is wrong with the request."""
        ...

    @property
    def uploaded_by(self) -> str | None:
        """User id of the uploader."""
        ...

    @property
    def filename(self) -> str | None:
        """The file's name without folders."""
        ...


class Archive(Protocol):
    """A zip that can be read from several threads at the same time."""

    @property
    def entries(self) -> Sequence[ZipEntry]:
        """In the order of its directory."""
        ...

    def open(self, index: int) -> BinaryIO:
        """The unpacked bytes of an entry, seekable. A read raises ValidationFailed where they are not as announced."""
        ...


class SpooledFile(Protocol):
    """A file on its way, on disk without a name: whatever happens to the process, it leaves nothing."""

    @property
    def size_bytes(self) -> int:
        """Bytes written so far."""
        ...

    async def write(self, chunk: bytes) -> None:
        """Appends. Raises TooLarge, and Unavailable where disk or budget is exhausted."""
        ...

    async def finish(self) -> None:
        """Says that all is written, and waits for the disk. Archives may be read from now on."""
        ...

    def reader(self, *, before_read: Callable[[], None]) -> BinaryIO:
        """Reads from the start while bytes arrive: blocks until there are enough, or `accept` tells the end.

        Calls `before_read` once they are there, before they take memory. Raises UploadStopped after `stop`.
        """
        ...

    def accept(self) -> None:
        """Lets readers see the end of the file: what they copy may become complete."""
        ...

    def stop(self) -> None:
        """Fails all readers, waiting ones too."""
        ...

    def archive(self, *, max_entries: int) -> Archive:
        """The file as a zip. Blocking. Raises ValidationFailed under `file`."""
        ...

    async def close(self) -> None:
        """Gives disk and budget back. No reader or archive of it may be in use any more."""
        ...


class Spool(Protocol):
    """A bounded part of the disk for uploads on their way, of which no tenant has so much that others find no room."""

    def open(self, *, tenant_id: UUID, declared_bytes: int | None) -> SpooledFile:
        """A new file. `declared_bytes` may exceed the file, as it counts the form around it too.

        Raises TooLarge for a declaration beyond what is accepted, and Unavailable for one beyond what is free now, for
        all or for this tenant.
        """
        ...
