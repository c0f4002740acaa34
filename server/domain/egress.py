"""Where requests may go that customers ask for: which URLs are read at all, and which addresses are theirs to reach.

URLs are taken in one strict form. What other programs would still guess a host from (a number for an address, a
backslash, credentials, control characters) is refused, so that nobody reads another host than was judged.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import quote, urljoin

IpAddress = IPv4Address | IPv6Address
IpNetwork = IPv4Network | IPv6Network

MAX_URL_LENGTH = 2048
_DEFAULT_PORTS = {"http": 80, "https": 443}
# Of https://fetch.spec.whatwg.org/#port-blocking those above 1023: no web server, but somebody who may misunderstand.
_BAD_PORTS = {1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, *range(6665, 6670), 6679, 6697, 10080}

_URL = re.compile(r"(?P<scheme>https?)://(?P<authority>[^/?#]*)(?P<target>[^#]*)(?:#.*)?", re.IGNORECASE)
_AUTHORITY = re.compile(r"(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?", re.IGNORECASE)
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
# https://url.spec.whatwg.org/#ends-in-a-number-checker: browsers and C libraries read an IPv4 address in such a name.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
# Kept as it is when characters beyond ASCII are percent-encoded.
_TARGET_SAFE = "%/?:@!$&'()*+,;=-._~[]"

# The special-purpose registries of IANA, written out: what `ipaddress` knows of them differs by version of Python.
_CLOSED = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",  # this network
            "10.0.0.0/8",
            "100.64.0.0/10",  # shared by carriers
            "127.0.0.0/8",
            "168.63.129.16/32",  # Azure's platform
            "169.254.0.0/16",  # link-local, metadata of clouds
            "172.16.0.0/12",
            "192.0.0.0/24",  # protocol assignments
            "192.0.2.0/24",
            "192.31.196.0/24",
            "192.52.193.0/24",
            "192.88.99.0/24",  # 6to4 relays
            "192.168.0.0/16",
            "192.175.48.0/24",
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, broadcast
            "2001::/23",  # Teredo and other protocols
            "2001:db8::/32",
            "2002::/16",  # 6to4: an IPv4 address inside
            "2620:4f:8000::/48",
            "3fff::/20",
        ),
    )
)
# All else in IPv6 is loopback, mapped, translated (64:ff9b::/96), unique local, link-local, multicast or unassigned.
_GLOBAL_UNICAST = ip_network("2000::/3")


class UrlRefused(ValueError):
    """The URL is not one that requests are made to. The message says why, to whoever gave it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingUrl:
    """A URL that was judged. `host` is a lower-case name or an address without brackets; `target` path and query."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def origin(self) -> tuple[str, str, int]:
        """What credentials belong to."""
        return self.scheme, self.host, self.port

    @property
    def authority(self) -> str:
        """The host as the header of that name has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def shown(self) -> str:
        """The URL without its query, which may be a secret."""
        return f"{self.scheme}://{self.authority}{self.target.partition('?')[0]}"

    @property
    def file_name(self) -> str:
        """The last part of the path, empty where it ends with a slash."""
        return self.target.partition("?")[0].rpartition("/")[2]

    @property
    def address(self) -> IpAddress | None:
        """The address that the host is, None for a name."""
        return _address(self.host)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"


def parse_url(text: str) -> OutgoingUrl:
    """Reads a URL. Raises UrlRefused."""
    if len(text) > MAX_URL_LENGTH:
        raise UrlRefused(f"Must have at most {MAX_URL_LENGTH} characters")
    if re.search(r"[\x00-\x20\x7f-\x9f\s\\]", text):
        raise UrlRefused("Must not contain spaces, backslashes or control characters")
    found = _URL.fullmatch(text)
    if found is None:
        raise UrlRefused("Must be a URL that begins with http:// or https://")
    if "@" in found["authority"]:
        raise UrlRefused("Must not contain a user name or password")
    scheme = found["scheme"].lower()
    host, port = _host_and_port(found["authority"], _DEFAULT_PORTS[scheme])
    target = found["target"]
    if not target.startswith("/"):
        target = f"/{target}"
    # Lone surrogates cannot be encoded: they come from no text that was UTF-8.
    return OutgoingUrl(scheme=scheme, host=host, port=port, target=quote(target, safe=_TARGET_SAFE, errors="replace"))


def parse_redirect(base: OutgoingUrl, location: str) -> OutgoingUrl:
    """Where an answer of `base` leads to. Raises UrlRefused."""
    # Judged before it is joined: urljoin would drop line breaks.
    if re.search(r"[\x00-\x20\x7f\s\\]", location):
        raise UrlRefused("The server redirects to a URL that cannot be read")
    try:
        url = parse_url(urljoin(str(base), location))
    except ValueError as fault:
        raise UrlRefused("The server redirects to a URL that is not allowed") from fault
    if base.scheme == "https" and url.scheme == "http":
        raise UrlRefused("The server redirects from https to http")
    return url


def _host_and_port(authority: str, default_port: int) -> tuple[str, int]:
    found = _AUTHORITY.fullmatch(authority)
    if found is None:
        raise UrlRefused("Must name a host in ASCII (xn--… for other scripts), with a port or without")
    port = int(found["port"]) if found["port"] else default_port
    if not (port in (80, 443) or (1024 <= port <= 65535 and port not in _BAD_PORTS)):
        raise UrlRefused("Must have port 80, 443, or one above 1023 that is not reserved for something else")
    host = found["host"].lower()
    return (_ipv6(host) if host.startswith("[") else _name(host)), port


def _ipv6(bracketed: str) -> str:
    try:
        return str(IPv6Address(bracketed[1:-1]))
    except ValueError:
        raise UrlRefused("Must name a host: what stands in brackets is no IPv6 address") from None


def _name(host: str) -> str:
    """A host name, or an IPv4 address in four decimal parts. One dot at the end is dropped."""
    name = host.removesuffix(".")
    labels = name.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        try:
            return str(IPv4Address(name))
        except ValueError:
            raise UrlRefused("Must name a host: an IPv4 address has four decimal numbers") from None
    if len(name) > 253 or not all(map(_LABEL.fullmatch, labels)):
        raise UrlRefused("Must name a host")
    return name


def _address(host: str) -> IpAddress | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def may_connect(address: IpAddress, *, opened: Iterable[IpNetwork]) -> bool:
    """Whether an address is public, or in a range that the operator has opened."""
    if any(address.version == network.version and address in network for network in opened):
        return True
    if isinstance(address, IPv6Address) and (address.scope_id or address not in _GLOBAL_UNICAST):
        return False
    closed = any(address.version == network.version and address in network for network in _CLOSED)
    return address.is_global and not address.is_multicast and not closed
