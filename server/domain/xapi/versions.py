"""The versions of xAPI that are spoken, and which of them a request asks for."""

import enum
import re

from server.domain.errors import InvalidRequest


class Version(enum.Enum):
    """A version that requests are judged by."""

    V1 = "1.0.3"
    V2 = "2.0.0"

    @property
    def header(self) -> str:
        """What X-Experience-API-Version says of an answer: the latest patch (xAPI 1.0.3 Part Three 3.3)."""
        return self.value

    @property
    def stored(self) -> str:
        """The version of a statement that came without one (xAPI 1.0.3 Part Two 2.4.10, IEEE 9274.1.1 4.2.4.3)."""
        return "1.0.0" if self is Version.V1 else "2.0.0"


# "Starting with 1.0.", and the short form without a patch number.
_PATCH = r"(?:\.[0-9A-Za-z.+-]{1,40})?"
_SPOKEN = {Version.V1: re.compile(r"1\.0" + _PATCH), Version.V2: re.compile(r"2\.0" + _PATCH)}
_ACCEPTED = {Version.V1: (Version.V1,), Version.V2: (Version.V2, Version.V1)}


def negotiate(header: str | None, default: Version) -> Version:
    """The version to judge a request by, of those that a base path with this default accepts.

    xAPI 1.0.3 Part Three 3.3 takes 1.0 and 1.0.x, and refuses all later. IEEE 9274.1.1 (4.1.7) takes 2.0 and 2.0.x, and
    refuses what is older unless a conformant implementation of that version answers, which is the case here. Raises
    InvalidRequest for any other value, and without the header.
    """
    if header is None:
        raise InvalidRequest(f"The header X-Experience-API-Version is missing; send {default.header}")
    asked = header.strip(" \t")
    for version in _ACCEPTED[default]:
        if _SPOKEN[version].fullmatch(asked):
            return version
    spoken = " or ".join(version.header for version in _ACCEPTED[default])
    raise InvalidRequest(f"The version in X-Experience-API-Version is not spoken here; send {spoken}")
