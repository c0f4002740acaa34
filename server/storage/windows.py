"""A readable part of a file: from where it stood, as many bytes as were promised."""

import base64
from typing import BinaryIO

import google_crc32c


class Window:
    """What the storage client reads from: it begins at 0, and a read is only short at the end.

    The client takes a short read for the end of the object; a file that is still growing gives what it has.
    """

    def __init__(self, source: BinaryIO, *, size_bytes: int | None) -> None:
        self._source = source
        self._start = source.tell()
        self._at = 0
        self._checksum = self._checksum_bytes = 0
        self.size_bytes = size_bytes

    @property
    def crc32c(self) -> str:
        """The checksum of what was read so far, as Cloud Storage writes it."""
        return base64.b64encode(self._checksum.to_bytes(4, "big")).decode()

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes, fewer only at the end. Raises ValueError if the source ends before its promised size."""
        left = None if self.size_bytes is None else self.size_bytes - self._at
        wanted = left if size < 0 else size if left is None else min(size, left)
        pieces = []
        while wanted is None or wanted > 0:
            piece = self._source.read(1024 * 1024 if wanted is None else wanted)
            if not piece:
                break
            pieces.append(piece)
            self._at += len(piece)
            wanted = None if wanted is None else wanted - len(piece)
        if wanted and left is not None:
            raise ValueError(f"the source ended {wanted} bytes early")
        found = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        # What is read again after a failure is counted once.
        fresh = found[max(0, self._checksum_bytes - (self._at - len(found))) :]
        self._checksum = google_crc32c.extend(self._checksum, fresh)
        self._checksum_bytes += len(fresh)
        return found

    def seek(self, offset: int) -> int:
        """Moves, counted from where the window begins."""
        self._source.seek(self._start + offset)
        self._at = offset
        return offset

    def tell(self) -> int:
        """How many bytes were read."""
        return self._at
