"""What one case of the corpus is."""

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.factories.packages import course_files, manifest12
from tests.factories.zips import TRUTH, End, Member, zip_bytes

BOUNDARY = "frontier"
FORM = f"multipart/form-data; boundary={BOUNDARY}"
MANIFEST = Member("imsmanifest.xml", manifest12().encode())


class Family(enum.Enum):
    """What part of an upload is hostile."""

    NAMES = "File names and kinds of files"
    STRUCTURE = "Archives whose parts disagree"
    BOMBS = "Archives that are more than they seem"
    MANIFESTS = "Manifests"
    BODIES = "Bodies"
    CONNECTIONS = "Connections"


@dataclass(frozen=True, slots=True)
class Sent:
    """A request to upload: by `body` and headers or, for what no client would send, byte by byte.

    `raw` are the bytes behind the headers of authentication, sent with pauses between; then the client hangs up if
    `hangs_up`, else it waits for the answer.
    """

    body: bytes = b""
    content_type: str = FORM
    headers: Mapping[str, str] | None = None
    raw: Sequence[bytes] = ()
    hangs_up: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Hostile:
    """One input, and its answer: the status, the code and a sentence of the message or of the field's faults.

    An accepted one (201) says in a warning what was tolerated, or nothing; `status` 0 is no answer, as nobody waits.
    """

    family: Family
    name: str
    send: Callable[[], Sent]
    says: str = ""
    status: int = 400
    code: str = "VALIDATION_ERROR"
    field: str | None = "file"

    @property
    def accepted(self) -> bool:
        """Whether it becomes a package."""
        return self.status == 201

    @property
    def answer(self) -> str:
        """For people."""
        if self.accepted:
            return f"accepted, with the warning: {self.says}" if self.says else "accepted"
        if not self.status:
            return "none: the client is gone"
        where = f" `{self.field}`" if self.field else ""
        return f"{self.status} {self.code}{where}: {self.says}"

    @property
    def leaves(self) -> str:
        """For people."""
        return "the package" if self.accepted else "nothing"


def form(data: bytes, *, filename: str = "course.zip") -> bytes:
    """An honest form with a file."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n\r\n'
    return head.encode() + data + f"\r\n--{BOUNDARY}--\r\n".encode()


def course(
    *members: Member,
    manifest: Member = MANIFEST,
    comment: bytes = b"",
    prefix: bytes = b"",
    suffix: bytes = b"",
    cut: int = 0,
    end: End = TRUTH,
) -> bytes:
    """An honest course with some more members, otherwise as `zip_bytes`."""
    honest = [manifest, *(Member(name, data) for name, data in course_files().items())]
    return zip_bytes([*honest, *members], comment=comment, prefix=prefix, suffix=suffix, cut=cut, end=end)


def archive(family: Family, name: str, data: bytes | Callable[[], bytes], says: str = "", status: int = 400) -> Hostile:
    """A case that is a file in an honest form; `data` as a function where making it takes time."""
    code = "PAYLOAD_TOO_LARGE" if status == 413 else "VALIDATION_ERROR"
    return Hostile(
        family=family,
        name=name,
        send=lambda: Sent(form(data if isinstance(data, bytes) else data())),
        says=says,
        status=status,
        code=code,
        field=None if status == 413 else "file",
    )
