"""The one place from which requests go to URLs that customers give.

httpcore speaks HTTP and nothing more: it follows no redirect, unpacks no body, keeps no cookie and reads no proxy from
the environment. Whom it connects to is decided in `_JudgedConnections`: the name is resolved once, every address is
judged, and the connection goes to a judged address; Host, SNI and certificate are those of the name.
"""

import asyncio
import contextlib
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Any

import certifi
import httpcore

from server.domain.egress import IpAddress, IpNetwork, OutgoingUrl, UrlRefused, may_connect, parse_redirect
from server.domain.errors import RemoteFailed, TooLarge, ValidationFailed
from server.services.egress_ports import EgressLimits, OutgoingRequest, OutgoingResponse

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

USER_AGENT = "scorm-api"
ADDRESSES_TRIED = 3
MAX_HEADER_BYTES = 32 * 1024
_REDIRECTS = (301, 302, 303, 307, 308)
# The same for a name that leads inside and for one that leads nowhere: who asks learns nothing of names inside.
_NOT_PUBLIC = "Must name a host that has public addresses"
_FAILED = "The connection to the server at this URL failed"


async def system_resolve(host: str, port: int) -> Sequence[str]:
    """All addresses of a name."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


def default_ssl_context() -> ssl.SSLContext:
    """Verifies against the system's authorities and those of certifi, as not every system has its own."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


class HttpEgress:
    """Keeps `server.services.egress_ports.Egress`. `opened` are ranges that may be reached though not public.

    `refused` counts URLs: for an address that is not public, a name without one, or where a server redirects to.
    """

    def __init__(
        self,
        *,
        opened: Collection[IpNetwork] = (),
        resolve: Resolve = system_resolve,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._opened = opened
        self.refused = Counter(address=0, name=0, redirect=0)
        self._connections = _JudgedConnections(opened=opened, resolve=resolve, refused=self.refused)
        self._ssl_context = ssl_context or default_ssl_context()

    def check(self, url: OutgoingUrl) -> None:
        """See `Egress`."""
        if url.address is not None and not may_connect(url.address, opened=self._opened):
            raise _refusal(self.refused, "address")

    @contextlib.asynccontextmanager
    async def send(self, request: OutgoingRequest, *, limits: EgressLimits) -> AsyncIterator[OutgoingResponse]:
        """See `Egress`."""
        deadline = asyncio.get_running_loop().time() + limits.total_seconds
        for redirects in range(limits.max_redirects + 1):
            async with self._exchange(request, limits, deadline, redirected=redirects > 0) as response:
                following = self._following(request, response) if limits.max_redirects else None
                if following is None:
                    _check_head(response, limits)
                    yield response
                    return
            request = following
        raise _refusal(self.refused, "redirect", f"The server redirects more than {limits.max_redirects} times")

    def _following(self, request: OutgoingRequest, response: "_Response") -> OutgoingRequest | None:
        try:
            return _redirected(request, response)
        except UrlRefused as fault:
            raise _refusal(self.refused, "redirect", str(fault)) from fault

    @contextlib.asynccontextmanager
    async def _exchange(
        self, request: OutgoingRequest, limits: EgressLimits, deadline: float, *, redirected: bool
    ) -> AsyncIterator["_Response"]:
        """One request on a connection of its own."""
        url = request.url
        headers = {"host": url.authority, "user-agent": USER_AGENT, "accept": "*/*", "accept-encoding": "identity"}
        headers |= {name.lower(): value for name, value in request.headers.items()}
        head_deadline = min(deadline, asyncio.get_running_loop().time() + limits.head_seconds)
        timeouts = {"connect": limits.connect_seconds, "read": limits.idle_seconds, "write": limits.idle_seconds}
        pool = httpcore.AsyncConnectionPool(
            ssl_context=self._ssl_context, max_keepalive_connections=0, network_backend=self._connections
        )
        async with pool, contextlib.AsyncExitStack() as stack:
            with _told(), _told_of_redirect() if redirected else contextlib.nullcontext():
                async with asyncio.timeout_at(head_deadline):
                    raw = await stack.enter_async_context(
                        pool.stream(
                            request.method,
                            httpcore.URL(scheme=url.scheme, host=url.host, port=url.port, target=url.target),
                            headers=list(headers.items()),
                            content=request.body,
                            extensions={"timeout": timeouts},
                        )
                    )
            yield _Response(raw, url=url, limits=limits, deadline=deadline)


class _Response:
    """Keeps `OutgoingResponse`."""

    def __init__(self, raw: httpcore.Response, *, url: OutgoingUrl, limits: EgressLimits, deadline: float) -> None:
        self._raw = raw
        self._limits = limits
        self._deadline = deadline
        self.url = url
        self.status = raw.status
        self.headers: Mapping[str, str] = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in raw.headers
        }

    @property
    def header_bytes(self) -> int:
        """What all headers take."""
        return sum(len(name) + len(value) for name, value in self._raw.headers)

    @property
    def declared_bytes(self) -> int | None:
        """See `OutgoingResponse`."""
        text = self.headers.get("content-length", "")
        chunked = "transfer-encoding" in self.headers
        return int(text) if text.isascii() and text.isdigit() and not chunked else None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = self._limits.max_bytes
        chunks = aiter(self._raw.stream)  # type: ignore[arg-type]  # of an asynchronous pool it is an asynchronous one
        while True:
            with _told():
                async with asyncio.timeout_at(self._deadline):
                    chunk = await anext(chunks, None)
            if chunk is None:
                return
            left -= len(chunk)
            if left < 0:
                raise _too_large(self._limits)
            yield chunk


@dataclass(frozen=True, slots=True)
class _JudgedConnections(httpcore.AsyncNetworkBackend):
    """Opens connections to judged addresses."""

    opened: Collection[IpNetwork]
    resolve: Resolve
    refused: "Counter[str]"

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # the signature is httpcore's
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """To the first address that answers. Raises ValidationFailed before any is tried if one is not allowed."""
        plain = httpcore.AnyIOBackend()
        failure: Exception = httpcore.ConnectError()
        async with asyncio.timeout(timeout):
            for address in (await self._addresses(host, port))[:ADDRESSES_TRIED]:
                try:
                    return await plain.connect_tcp(str(address), port, None, local_address, socket_options)
                except httpcore.ConnectError as error:
                    failure = error
        raise failure

    async def _addresses(self, host: str, port: int) -> list[IpAddress]:
        try:
            literal = ip_address(host)
        except ValueError:
            addresses = await self._resolved(host, port)
        else:
            addresses = [literal]
        if not addresses or not all(may_connect(address, opened=self.opened) for address in addresses):
            raise _refusal(self.refused, "address" if addresses else "name")
        return addresses

    async def _resolved(self, host: str, port: int) -> list[IpAddress]:
        try:
            return [ip_address(text) for text in dict.fromkeys(await self.resolve(host, port))]
        except socket.gaierror as error:
            if error.errno == socket.EAI_AGAIN:
                raise RemoteFailed from error
            raise _refusal(self.refused, "name") from error


@contextlib.contextmanager
def _told_of_redirect() -> Iterator[None]:
    """Of a host that was refused, that it is not the one which the caller named."""
    try:
        yield
    except ValidationFailed:
        raise ValidationFailed.of("url", "The server redirects to a host without public addresses") from None


def _refusal(refused: "Counter[str]", reason: str, fault: str = _NOT_PUBLIC) -> ValidationFailed:
    """Counts it."""
    refused[reason] += 1
    return ValidationFailed.of("url", fault)


def _redirected(request: OutgoingRequest, response: _Response) -> OutgoingRequest | None:
    """The request that an answer redirects to, None if it redirects nowhere or that is not for us to follow.

    Raises UrlRefused.
    """
    if response.status not in _REDIRECTS or "location" not in response.headers:
        return None
    if request.method not in ("GET", "HEAD") and response.status not in (307, 308):
        return None
    url = parse_redirect(response.url, response.headers["location"])
    if url.origin == request.url.origin:
        return replace(request, url=url)
    # A body is for whom it was signed for.
    return None if request.body else replace(request, url=url, headers={})


def _check_head(response: _Response, limits: EgressLimits) -> None:
    """Raises for an answer that would not be taken whatever its body is."""
    if response.header_bytes > MAX_HEADER_BYTES:
        raise RemoteFailed("The server's answer has too many headers")
    if response.headers.get("content-encoding", "identity").lower() not in ("", "identity"):
        raise ValidationFailed.of("url", "The server answers in a compressed encoding that was not asked for")
    if response.declared_bytes is not None and response.declared_bytes > limits.max_bytes:
        raise _too_large(limits)


def _too_large(limits: EgressLimits) -> TooLarge:
    return TooLarge(what=limits.what, limit_bytes=limits.max_bytes)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Failures as the caller may know them: without addresses and what a server inside might say.

    Nor are they chained where their text has what was sent or came, for that of a cause is logged.
    """
    try:
        yield
    except (httpcore.TimeoutException, TimeoutError) as error:
        raise RemoteFailed("The server at this URL did not answer in time") from error
    except httpcore.LocalProtocolError:
        raise ValidationFailed.of("headers", "Cannot be sent") from None
    except httpcore.ProtocolError:
        raise RemoteFailed(_FAILED) from None
    except (httpcore.NetworkError, ssl.SSLError, OSError) as error:
        if _is_bad_certificate(error):
            raise ValidationFailed.of("url", "The server's certificate is not valid for this host") from error
        raise RemoteFailed(_FAILED) from error


def _is_bad_certificate(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
