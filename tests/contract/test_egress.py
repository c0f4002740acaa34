"""Requests to customers' URLs against real servers: whom they reach, what they give away, and when they end."""

import asyncio
import socket
import ssl
import time
import zlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from server.domain.egress import IpNetwork, parse_url
from server.domain.errors import DomainError, RemoteFailed, TooLarge, ValidationFailed
from server.services.egress_ports import EgressLimits, OutgoingRequest
from server.storage.egress import HttpEgress, Resolve, default_ssl_context, system_resolve
from tests.web_server import Authority, WebServer, answer, raw, redirect, running

LIMITS = EgressLimits(
    total_seconds=5, max_bytes=100_000, connect_seconds=1, head_seconds=2, idle_seconds=1, what="The file"
)
LOOPBACK = ip_network("127.0.0.0/8")
NOT_PUBLIC = {"url": ["Must name a host that has public addresses"]}


# Read once: it takes long.
SYSTEM_TLS = default_ssl_context()


def door(
    *, opened: Sequence[IpNetwork] = (), resolve: Resolve = system_resolve, ssl_context: ssl.SSLContext | None = None
) -> HttpEgress:
    return HttpEgress(opened=opened, resolve=resolve, ssl_context=ssl_context or SYSTEM_TLS)


class Names:
    """A resolver that answers what a test says, one answer after the other, and remembers what it was asked."""

    def __init__(self, **answers: Sequence[Sequence[str]]) -> None:
        self.asked: list[str] = []
        self._answers = {name.replace("_", "."): list(values) for name, values in answers.items()}

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        left = self._answers.get(host)
        if not left:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return left.pop(0) if len(left) > 1 else left[0]


@pytest.fixture
async def web() -> AsyncIterator[WebServer]:
    async with running() as server:
        yield server


@pytest.fixture
def egress() -> HttpEgress:
    return door(opened=[LOOPBACK])


async def fetch(egress: HttpEgress, url: str, limits: EgressLimits = LIMITS, **request: object) -> tuple[int, bytes]:
    wanted = replace(OutgoingRequest(url=parse_url(url)), **request)  # type: ignore[arg-type]  # fields of it
    async with asyncio.timeout(10), egress.send(wanted, limits=limits) as response:
        return response.status, b"".join([chunk async for chunk in response])


async def refused(egress: HttpEgress, url: str, limits: EgressLimits = LIMITS) -> dict[str, list[str]]:
    with pytest.raises(ValidationFailed) as error:
        await fetch(egress, url, limits)
    return error.value.field_errors


async def failed(egress: HttpEgress, url: str, limits: EgressLimits = LIMITS) -> str:
    with pytest.raises(RemoteFailed) as error:
        await fetch(egress, url, limits)
    return error.value.message


async def test_a_file_is_fetched_with_nothing_but_what_is_needed(web: WebServer, egress: HttpEgress) -> None:
    web.answers["/course.zip"] = answer(200, b"content")
    assert await fetch(egress, web.url("/course.zip?signature=x%2Fy")) == (200, b"content")
    (asked,) = web.asked
    assert (asked.method, asked.target) == ("GET", "/course.zip?signature=x%2Fy")
    assert asked.headers == {
        "host": f"127.0.0.1:{web.port}",
        "user-agent": "scorm-api",
        "accept": "*/*",
        "accept-encoding": "identity",
    }


async def test_a_body_and_headers_are_sent_with_another_method(web: WebServer, egress: HttpEgress) -> None:
    web.answers["/hook"] = answer(202, b"thanks")
    done = await fetch(egress, web.url("/hook"), method="POST", body=b'{"a": 1}', headers={"X-Signature": "s"})
    assert done == (202, b"thanks")
    assert (web.asked[0].body, web.asked[0].headers["x-signature"]) == (b'{"a": 1}', "s")


async def test_a_header_that_would_be_two_is_not_sent(web: WebServer, egress: HttpEgress) -> None:
    with pytest.raises(ValidationFailed) as error:
        await fetch(egress, web.url(), headers={"X-Name": "a\r\nX-Other: b"})
    assert error.value.field_errors == {"headers": ["Cannot be sent"]}
    assert web.asked == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "[::]"])
async def test_the_own_machine_is_not_reached_by_any_of_its_names(web: WebServer, host: str) -> None:
    assert await refused(door(), web.url(host=host)) == NOT_PUBLIC
    assert web.connections == 0


async def test_an_address_is_refused_before_anybody_is_asked() -> None:
    with pytest.raises(ValidationFailed) as error:
        door().check(parse_url("http://169.254.169.254/latest/meta-data"))
    assert error.value.field_errors == NOT_PUBLIC
    door().check(parse_url("https://intranet.example/"))
    door(opened=[LOOPBACK]).check(parse_url("http://127.0.0.1/"))


@pytest.mark.parametrize(
    "addresses",
    [["10.0.0.1"], ["127.0.0.2", "10.0.0.1"], ["127.0.0.2", "::1"], ["fe80::1%lo"], ["::ffff:127.0.0.2"], []],
)
async def test_a_name_is_refused_if_any_of_its_addresses_is(web: WebServer, addresses: list[str]) -> None:
    names = Names(a_example=[addresses])
    assert await refused(door(opened=[LOOPBACK], resolve=names), web.url(host="a.example")) == NOT_PUBLIC
    assert web.connections == 0


async def test_a_name_inside_and_a_name_that_does_not_exist_are_refused_alike() -> None:
    names = Names(inside_example=[["10.0.0.1"]])
    egress = door(resolve=names)
    assert await refused(egress, "http://inside.example/") == await refused(egress, "http://nobody.example/")


async def test_operators_can_see_what_was_refused(web: WebServer) -> None:
    names, here = Names(inside_example=[["10.0.0.1"]]), "http://10.0.0.1/"
    egress = door(opened=[LOOPBACK], resolve=names)
    web.answers |= {"/": redirect(here), "/circle": redirect("/circle"), "/odd": redirect("ftp://a.example/")}
    assert egress.refused == {"address": 0, "name": 0, "redirect": 0}
    with pytest.raises(ValidationFailed):
        egress.check(parse_url(here))
    for url in (
        "http://inside.example/",
        here,
        web.url("/"),
        "http://nobody.example/",
        web.url("/circle"),
        web.url("/odd"),
    ):
        await refused(egress, url)
    assert egress.refused == {"address": 4, "name": 1, "redirect": 2}


async def test_a_resolver_that_fails_for_a_moment_is_worth_trying_again() -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_AGAIN, "later")

    assert await failed(door(resolve=resolve), "http://a.example/") == RemoteFailed.message


async def test_a_name_that_changes_its_address_is_resolved_once() -> None:
    """DNS rebinding: the first answer is the one that was judged, and the one that is connected to."""
    async with running(host="127.0.0.2") as outside, running(host="127.0.0.3") as inside:
        outside.answers["/"] = answer(200, b"outside")
        names = Names(a_example=[["127.0.0.2"], ["127.0.0.3"]])
        egress = door(opened=[ip_network("127.0.0.2/32")], resolve=names)
        assert await fetch(egress, outside.url(host="a.example")) == (200, b"outside")
        assert names.asked == ["a.example"]
        assert outside.asked[0].local == "127.0.0.2"
        assert outside.asked[0].headers["host"] == f"a.example:{outside.port}"
        # Asked again it leads inside, and is judged again.
        assert await refused(egress, outside.url(host="a.example")) == NOT_PUBLIC
        assert inside.connections == 0


async def test_an_address_that_does_not_answer_is_followed_by_the_next(web: WebServer) -> None:
    web.answers["/"] = answer(200, b"second")
    names = Names(a_example=[["127.0.0.9", "127.0.0.1"]])
    assert await fetch(door(opened=[LOOPBACK], resolve=names), web.url(host="a.example")) == (200, b"second")


async def test_proxies_of_the_environment_are_not_asked(
    web: WebServer, egress: HttpEgress, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url())
        web.answers["/"] = answer(200, b"direct")
        assert await fetch(egress, web.url()) == (200, b"direct")
        assert proxy.connections == 0


async def test_three_redirects_are_followed_and_no_fourth(web: WebServer, egress: HttpEgress) -> None:
    for number, status in enumerate((301, 302, 307, 308)):
        web.answers[f"/{number}"] = redirect(f"/{number + 1}", status)
    web.answers["/4"] = answer(200, b"there")
    assert await fetch(egress, web.url("/1")) == (200, b"there")
    assert await refused(egress, web.url("/0")) == {"url": ["The server redirects more than 3 times"]}


async def test_a_circle_of_redirects_ends(web: WebServer, egress: HttpEgress) -> None:
    web.answers["/"] = redirect("/")
    assert await refused(egress, web.url()) == {"url": ["The server redirects more than 3 times"]}
    assert len(web.asked) == 4


async def test_without_redirects_one_is_an_answer(web: WebServer, egress: HttpEgress) -> None:
    web.answers["/"] = redirect("http://10.0.0.1/")
    assert await fetch(egress, web.url(), replace(LIMITS, max_redirects=0)) == (302, b"")


@pytest.mark.parametrize(
    "location",
    ["http://10.0.0.1/", "http://[::1]/", "http://169.254.169.254/latest", "http://inside.example/"],
)
async def test_a_redirect_to_where_one_may_not_go_is_refused(web: WebServer, location: str) -> None:
    web.answers["/"] = redirect(location)
    names = Names(inside_example=[["192.168.0.1"]])
    fault = {"url": ["The server redirects to a host without public addresses"]}
    assert await refused(door(opened=[LOOPBACK], resolve=names), web.url()) == fault


@pytest.mark.parametrize("location", ["ftp://a.example/", "http://u:p@a.example/", "http://2130706433/", "http://a b/"])
async def test_a_redirect_to_what_is_no_url_of_ours_is_refused(
    web: WebServer, egress: HttpEgress, location: str
) -> None:
    web.answers["/"] = redirect(location)
    (fault,) = (await refused(egress, web.url()))["url"]
    assert fault.startswith("The server redirects to a URL that ")


async def test_credentials_stay_with_their_origin(web: WebServer, egress: HttpEgress) -> None:
    async with running() as other:
        web.answers |= {"/": redirect("/same"), "/same": redirect(other.url("/"))}
        other.answers["/"] = answer(200, b"")
        await fetch(egress, web.url(), headers={"Authorization": "Basic x", "X-Api-Key": "y", "Cookie": "z"})
        assert [asked.headers.get("authorization") for asked in web.asked] == ["Basic x"] * 2
        assert not {"authorization", "x-api-key", "cookie"} & other.asked[0].headers.keys()


async def test_a_body_goes_to_its_origin_only_and_a_post_does_not_become_a_get(
    web: WebServer, egress: HttpEgress
) -> None:
    async with running() as other:
        web.answers |= {"/307": redirect("/done", 307), "/302": redirect("/done"), "/away": redirect(other.url(), 308)}
        web.answers["/done"] = answer(200, b"done")
        assert await fetch(egress, web.url("/307"), method="POST", body=b"b") == (200, b"done")
        assert web.asked[-1].body == b"b"
        assert await fetch(egress, web.url("/302"), method="POST", body=b"b") == (302, b"")
        assert await fetch(egress, web.url("/away"), method="POST", body=b"b") == (308, b"")
        assert other.connections == 0


async def test_a_file_that_says_it_is_too_large_is_refused_before_it_comes(web: WebServer, egress: HttpEgress) -> None:
    web.answers["/"] = raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100001\r\n\r\n", end=False)
    with pytest.raises(TooLarge, match="The file is larger than 100000 bytes"):
        await fetch(egress, web.url())


@pytest.mark.parametrize(
    "head", [b"Connection: close\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n"], ids=["until-the-end", "chunked"]
)
async def test_a_file_without_a_length_is_cut_at_the_limit(web: WebServer, egress: HttpEgress, head: bytes) -> None:
    piece = b"x" * 1000
    chunk = b"3e8\r\n" + piece + b"\r\n" if b"chunked" in head else piece
    web.answers["/"] = raw(b"HTTP/1.1 200 OK\r\n" + head, *[chunk] * 1_000_000)
    with pytest.raises(TooLarge):
        await fetch(egress, web.url())


async def test_what_comes_after_the_declared_length_is_not_taken(web: WebServer, egress: HttpEgress) -> None:
    web.answers["/"] = raw(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef")
    assert await fetch(egress, web.url()) == (200, b"abc")


@pytest.mark.parametrize(
    "answered",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000,
        b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 50_000,
        b"HTTP/1.1 200 OK\r\n" + b"X: xxxxxxxxxxxxxxxxxxxxxxxx\r\n" * 1500 + b"\r\n",
    ],
    ids=["short", "cut", "no-chunk", "negative", "two-lengths", "half-a-head", "ssh", "silence", "long", "many", "64k"],
)
async def test_an_answer_that_is_broken_is_the_servers_failure(
    web: WebServer, egress: HttpEgress, answered: bytes
) -> None:
    web.answers["/"] = raw(answered)
    said = await failed(egress, web.url())
    assert said in ("The connection to the server at this URL failed", "The server's answer has too many headers")


async def test_an_answer_that_must_be_unpacked_is_refused(web: WebServer, egress: HttpEgress) -> None:
    web.answers["/"] = answer(200, zlib.compress(b"0" * 10**6), Content_Encoding="deflate")
    (fault,) = (await refused(egress, web.url()))["url"]
    assert "compressed" in fault


async def test_a_stalled_and_a_trickling_server_are_given_up(web: WebServer, egress: HttpEgress) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
    web.answers |= {
        "/silent": raw(b"", end=False),
        "/stalled": raw(head + b"x", end=False),
        "/trickle": raw(head, *[b"x"] * 900, pause=0.02),
        "/slow-head": raw(b"HTTP/1.1 200 OK\r\n", *[b"X: x\r\n"] * 900, pause=0.02),
    }
    hasty = replace(LIMITS, idle_seconds=0.2, total_seconds=0.6, head_seconds=0.4)
    for target, longest in (("/silent", 0.2), ("/stalled", 0.2), ("/trickle", 0.6), ("/slow-head", 0.4)):
        began = time.monotonic()
        assert await failed(egress, web.url(target), hasty) == "The server at this URL did not answer in time"
        # No sooner; how much later depends on the machine, and `fetch` bounds it.
        assert time.monotonic() - began >= longest * 0.9


async def test_a_host_that_answers_nothing_or_refuses_says_no_more_than_that(egress: HttpEgress) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    said = await failed(egress, f"http://127.0.0.1:{port}/")
    assert said == "The connection to the server at this URL failed"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("authority"))


async def test_certificate_and_server_name_are_those_of_the_name_not_the_address(authority: Authority) -> None:
    async with running(tls=authority.server("files.example")) as web:
        web.answers["/"] = answer(200, b"secure")
        names = Names(files_example=[["127.0.0.1"]], other_example=[["127.0.0.1"]])
        egress = door(opened=[LOOPBACK], resolve=names, ssl_context=authority.client)
        assert await fetch(egress, web.url(scheme="https", host="files.example")) == (200, b"secure")
        (asked,) = web.asked
        assert (asked.server_name, asked.headers["host"]) == ("files.example", f"files.example:{web.port}")
        for host in ("other.example", "127.0.0.1"):
            fault = await refused(egress, web.url(scheme="https", host=host))
            assert fault == {"url": ["The server's certificate is not valid for this host"]}
        assert len(web.asked) == 1


async def test_a_certificate_for_an_address_is_taken_for_that_address(authority: Authority) -> None:
    async with running(tls=authority.server("127.0.0.1")) as web:
        web.answers["/"] = answer(200, b"secure")
        egress = door(opened=[LOOPBACK], ssl_context=authority.client)
        assert await fetch(egress, web.url(scheme="https")) == (200, b"secure")


async def test_certificates_that_expired_or_nobody_vouches_for_are_refused(authority: Authority) -> None:
    names = Names(files_example=[["127.0.0.1"]])
    for days, context in ((-1, authority.client), (1, None)):
        async with running(tls=authority.server("files.example", days=days)) as web:
            egress = door(opened=[LOOPBACK], resolve=names, ssl_context=context)
            fault = await refused(egress, web.url(scheme="https", host="files.example"))
            assert fault == {"url": ["The server's certificate is not valid for this host"]}


async def test_an_encrypted_server_may_not_lead_to_an_unencrypted_one(authority: Authority, web: WebServer) -> None:
    async with running(tls=authority.server("127.0.0.1")) as secure:
        secure.answers["/"] = redirect(web.url())
        egress = door(opened=[LOOPBACK], ssl_context=authority.client)
        fault = await refused(egress, secure.url(scheme="https"))
        assert fault == {"url": ["The server redirects from https to http"]}
        assert web.connections == 0


async def test_a_server_that_speaks_no_tls_fails(web: WebServer, egress: HttpEgress) -> None:
    web.answers["/"] = answer(200, b"")
    assert await failed(egress, web.url(scheme="https"), replace(LIMITS, connect_seconds=0.5))


async def test_what_is_not_read_is_closed_and_a_cancelled_fetch_too(web: WebServer, egress: HttpEgress) -> None:
    gone = asyncio.Event()

    async def endless(_: object, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                writer.write(b"1\r\nx\r\n")
                await writer.drain()
                await asyncio.sleep(0.01)
        finally:
            gone.set()

    web.answers["/"] = endless
    limits = replace(LIMITS, total_seconds=60, max_bytes=10**9)
    async with egress.send(OutgoingRequest(url=parse_url(web.url())), limits=limits):
        pass
    await asyncio.wait_for(gone.wait(), 5)
    gone.clear()
    task = asyncio.create_task(fetch(egress, web.url(), limits))
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(gone.wait(), 5)


async def test_no_error_tells_an_address_or_what_a_server_said(web: WebServer, tmp_path: Path) -> None:
    web.answers["/"] = raw(b"internal secret 10.11.12.13\r\n")
    names = Names(inside_example=[["10.11.12.13"]], broken_example=[["127.0.0.1"]])
    egress = door(opened=[LOOPBACK], resolve=names)
    for host in ("inside.example", "broken.example"):
        with pytest.raises(DomainError) as error:
            await fetch(egress, web.url(host=host))
        told = str(getattr(error.value, "field_errors", "")) + error.value.message
        assert not any(secret in told for secret in ("10.11", "127.0", "secret"))
