"""Which URLs are read, and which addresses may be connected to."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.egress import OutgoingUrl, UrlRefused, may_connect, parse_redirect, parse_url

CLOSED_IPV4 = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
]
CLOSED_IPV6 = [
    "::/128",
    "::1/128",
    "::ffff:0:0/96",
    "::/96",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/32",
    "2001:db8::/32",
    "2002::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
]


def addresses_in(cidr: str) -> st.SearchStrategy[IPv4Address | IPv6Address]:
    return st.ip_addresses(network=cidr)


@pytest.mark.parametrize("cidr", CLOSED_IPV4 + CLOSED_IPV6)
def test_nothing_in_a_special_range_is_reached_from_its_first_address_to_its_last(cidr: str) -> None:
    network = ip_network(cidr)

    @given(addresses_in(cidr))
    def judge(address: IPv4Address | IPv6Address) -> None:
        assert not may_connect(address, opened=())

    judge()
    assert not may_connect(network[0], opened=())
    assert not may_connect(network[-1], opened=())


@pytest.mark.parametrize(
    "text",
    [
        "169.254.169.254",
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
        "fd00:ec2::254",
        "fd20:ce::254",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "2002:7f00:1::",
        "64:ff9b::a9fe:a9fe",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "255.255.255.255",
        "fe80::1%eth0",
        "2606:4700::1111%1",
    ],
)
def test_metadata_services_and_addresses_inside_addresses_are_not_reached(text: str) -> None:
    assert not may_connect(ip_address(text), opened=())


@pytest.mark.parametrize("text", ["1.1.1.1", "8.8.8.8", "100.128.0.1", "172.32.0.1", "2606:4700::1111", "2a00:1450::1"])
def test_public_addresses_are_reached(text: str) -> None:
    assert may_connect(ip_address(text), opened=())


@given(st.ip_addresses())
def test_what_python_knows_to_be_special_is_never_reached(address: IPv4Address | IPv6Address) -> None:
    special = not address.is_global or address.is_multicast or address.is_reserved
    assert not (special and may_connect(address, opened=()))


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_inside_an_ipv6_one_is_never_reached(address: IPv4Address) -> None:
    number = int(address)
    for carrier in ("::ffff:0:0", "::", "64:ff9b::"):
        assert not may_connect(IPv6Address(int(IPv6Address(carrier)) | number), opened=())
    assert not may_connect(IPv6Address(int(IPv6Address("2002::")) | number << 80), opened=())


@given(st.ip_addresses(v=4), st.integers(0, 32))
def test_an_opened_range_is_reached_and_no_other(address: IPv4Address, bits: int) -> None:
    opened = ip_network((address, bits), strict=False)
    assert may_connect(address, opened=[opened])
    mapped = IPv6Address(int(IPv6Address("::ffff:0:0")) | int(address))
    assert not may_connect(mapped, opened=[opened])
    loopback = IPv4Address("127.0.0.1")
    assert may_connect(loopback, opened=[opened]) == (loopback in opened)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("http://example.com", "http://example.com/"),
        ("HTTPS://EXAMPLE.com:443/a?b#c", "https://example.com/a?b"),
        ("http://example.com.:8080/", "http://example.com:8080/"),
        ("https://example.com?x=/../", "https://example.com/?x=/../"),
        ("http://xn--bcher-kva.example/ü", "http://xn--bcher-kva.example/%C3%BC"),
        ("http://[2606:4700:0::1111]:8443/a", "http://[2606:4700::1111]:8443/a"),
        ("http://1.1.1.1./", "http://1.1.1.1/"),
        ("http://1e100.net/", "http://1e100.net/"),
        ("http://a.b/x%0d%0ay?%00", "http://a.b/x%0d%0ay?%00"),
        ("http://example.com/@me", "http://example.com/@me"),
    ],
)
def test_urls_are_written_in_one_form(text: str, written: str) -> None:
    assert str(parse_url(text)) == written


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example.com",
        "//example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "javascript:alert(1)",
        "http:example.com",
        "http:/example.com",
        "http:///example.com",
        "http://",
        "http://?x",
        "http://user@example.com/",
        "http://user:password@example.com/",
        "http://example.com@127.0.0.1/",
        "http://@example.com/",
        "http://example.com\\@127.0.0.1/",
        "http://example.com\\.evil.example/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.0.0.1/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://127.0.0.0x1/",
        "http://127.0.0.01/",
        "http://1.2.3.4.5/",
        "http://256.1.1.1/",
        "http://[::1/",
        "http://[::1]x/",
        "http://[v1.x]/",
        "http://[fe80::1%25eth0]/",
        "http://[::ffff:127.0.0.1.]/",
        "http://１２７.０.０.１/",
        "http://127。0。0。1/",
        "http://bücher.example/",
        "http://ⓛocalhost/",
        "http://%6cocalhost/",
        "http://a..b/",
        "http://.a/",
        "http://a../",
        "http://-a.example/",
        "http://" + "a" * 64 + ".example/",
        "http://" + "a." * 130 + "example/",
        "http://example.com:/",
        "http://example.com:0/",
        "http://example.com:22/",
        "http://example.com:25/",
        "http://example.com:6000/",
        "http://example.com:65536/",
        "http://example.com:99999999/",
        "http://example.com:-80/",
        "http://example.com:８０/",
        "http://exa mple.com/",
        "http://example.com/a b",
        "http://example.com/\r\nHost: evil",
        "http://example.com/\x00",
        "http://example.com\t/",
        "http://example.com/\u2028",
        " http://example.com/",
        "http://example.com/\n",
        "http://a/" + "x" * 2048,
    ],
)
def test_what_others_would_guess_from_is_refused(text: str) -> None:
    with pytest.raises(UrlRefused):
        parse_url(text)


@given(st.text())
def test_whatever_is_written_is_read_or_refused_and_a_reading_is_stable(rest: str) -> None:
    try:
        url = parse_url(f"http://{rest}")
    except UrlRefused:
        return
    assert parse_url(str(url)) == url
    assert str(url).isascii()
    assert not set("\r\n \\\x00") & set(str(url))


@given(st.ip_addresses())
def test_an_address_is_recognised_as_one(address: IPv4Address | IPv6Address) -> None:
    host = f"[{address}]" if address.version == 6 else str(address)
    assert parse_url(f"https://{host}/").address == address


def test_a_shown_url_lacks_its_query() -> None:
    url = parse_url("https://bucket.example/course.zip?X-Signature=secret#fragment")
    assert url.shown == "https://bucket.example/course.zip"
    assert url.file_name == "course.zip"


BASE = parse_url("https://example.com/a/b?c")


@pytest.mark.parametrize(
    ("location", "leads_to"),
    [
        ("/x", "https://example.com/x"),
        ("x?y", "https://example.com/a/x?y"),
        ("?y", "https://example.com/a/b?y"),
        ("//other.example/x", "https://other.example/x"),
        ("https://other.example:8443/", "https://other.example:8443/"),
    ],
)
def test_redirects_are_read_relative_to_who_redirects(location: str, leads_to: str) -> None:
    assert str(parse_redirect(BASE, location)) == leads_to


@pytest.mark.parametrize(
    "location",
    [
        "http://example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "//user:secret@example.com/",
        "https://2130706433/",
        "/a\r\nSet-Cookie: x",
        "/a b",
        "https:\\\\example.com",
        "https://[::1",
        "https://example.com:22/",
    ],
)
def test_a_redirect_is_judged_as_strictly(location: str) -> None:
    with pytest.raises(UrlRefused):
        parse_redirect(BASE, location)


def test_an_unencrypted_server_may_redirect_to_an_encrypted_one() -> None:
    assert parse_redirect(parse_url("http://example.com/"), "https://example.com/").scheme == "https"


def test_an_origin_tells_scheme_host_and_port() -> None:
    same = [parse_url(text).origin for text in ("https://a.example/x", "https://A.example.:443/y")]
    assert same == [("https", "a.example", 443)] * 2
    assert OutgoingUrl(scheme="http", host="::1", port=80, target="/").authority == "[::1]"
