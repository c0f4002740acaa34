"""Requests to servers that customers name, as a promise. Nothing else in the product may make such requests."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from server.domain.egress import OutgoingUrl


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingRequest:
    """`headers` go to the origin of `url` only, also where it redirects."""

    url: OutgoingUrl
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressLimits:
    """`total_seconds` is for everything until the last byte of the answer, `head_seconds` until its headers are there.

    `what` names the answer where it is larger than `max_bytes`. With `max_redirects` 0 a redirect is an answer as any
    other.
    """

    total_seconds: float
    max_bytes: int
    what: str = "The answer"
    connect_seconds: float = 10
    head_seconds: float = 60
    idle_seconds: float = 30
    max_redirects: int = 3


class OutgoingResponse(Protocol):
    """An answer whose headers are there. Iterating it once gives the body as it arrives, never unpacked.

    Raises TooLarge, and RemoteFailed where the connection fails, stalls, or ends early.
    """

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """By lower-case name; the last counts where one is repeated."""
        ...

    @property
    def url(self) -> OutgoingUrl:
        """Who answered, after redirects."""
        ...

    @property
    def declared_bytes(self) -> int | None:
        """How long the body is, as far as the server says."""
        ...


class Egress(Protocol):
    """Makes the requests: to public addresses only, each judged before it is connected to."""

    def check(self, url: OutgoingUrl) -> None:
        """Says what can be said without asking anybody. Raises ValidationFailed under `url`."""
        ...

    def send(self, request: OutgoingRequest, *, limits: EgressLimits) -> AbstractAsyncContextManager[OutgoingResponse]:
        """Sends it and follows redirects. The connection is closed with the block.

        Raises ValidationFailed under `url` for a host, redirect or certificate that is refused, TooLarge for an answer
        that says it is, and RemoteFailed.
        """
        ...
