"""A web server on loopback whose answers are written byte by byte, so that each of them can lie, stall or break off."""

import asyncio
import contextlib
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it arrived. `local` is the address that it reached."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    local: str
    server_name: str | None


Answer = Callable[[Asked, asyncio.StreamWriter], Awaitable[None]]


@dataclass(slots=True)
class WebServer:
    """`answers` by path without query; what is not there is 404. `asked` remembers every request."""

    port: int = 0
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0
    open_connections: int = 0

    def url(self, target: str = "/", *, host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{target}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open_connections += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            asked = await _read(reader, writer)
            self.asked.append(asked)
            answering = asyncio.ensure_future(
                self.answers.get(asked.target.partition("?")[0], answer(404))(asked, writer)
            )
            # Whoever hangs up is not waited for.
            hung_up = asyncio.create_task(reader.read())
            await asyncio.wait((answering, hung_up), return_when=asyncio.FIRST_COMPLETED)
            hung_up.cancel()
            answering.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await answering
                await writer.drain()
        self.open_connections -= 1
        writer.close()


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    method, target, _ = first.split(" ")
    tls = writer.get_extra_info("ssl_object")
    return Asked(
        method=method,
        target=target,
        headers=headers,
        body=await reader.readexactly(int(headers.get("content-length", 0))),
        local=writer.get_extra_info("sockname")[0],
        server_name=getattr(tls, "asked_name", None),
    )


def raw(*pieces: bytes, pause: float = 0, end: bool = True) -> Answer:
    """These bytes, with a pause after each; `end` False leaves the connection open."""

    async def write(_: Asked, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)
        if not end:
            await asyncio.sleep(60)

    return write


def answer(status: int, body: bytes = b"", **headers: str) -> Answer:
    """A well-formed answer. Names of headers have underscores for hyphens."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    head = "\r\n".join([f"HTTP/1.1 {status} Status", f"Content-Length: {len(body)}", *lines, "", ""])
    return raw(head.encode() + body)


def redirect(location: str, status: int = 302) -> Answer:
    """An answer that leads elsewhere."""
    return answer(status, b"", Location=location)


@contextlib.asynccontextmanager
async def running(*, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> AsyncIterator[WebServer]:
    """Starts one on a free port."""
    server = WebServer()
    listening = await asyncio.start_server(server.serve, host, 0, ssl=tls)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority of a test's own. `client` trusts it and nobody else."""

    folder: Path
    client: ssl.SSLContext
    _key: ec.EllipticCurvePrivateKey
    _name: x509.Name

    @classmethod
    def make(cls, folder: Path) -> "Authority":
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority for tests")])
        builder = _certificate(name, name, key.public_key())
        signed = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(
            key, hashes.SHA256()
        )
        client = ssl.create_default_context(cadata=signed.public_bytes(serialization.Encoding.PEM).decode())
        return cls(folder, client, key, name)

    def server(self, name: str, *, days: int = 1) -> ssl.SSLContext:
        """What a server needs to be `name`, which may be an address; `days` below 0: it no longer is."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = _certificate(subject, self._name, key.public_key(), days=days)
        signed = builder.add_extension(x509.SubjectAlternativeName([_general(name)]), critical=False).sign(
            self._key, hashes.SHA256()
        )
        path = self.folder / f"{name}{days}.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + signed.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        context.sni_callback = _remember_name
        return context


def _remember_name(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
    connection.asked_name = name  # type: ignore[attr-defined]  # for `Asked`


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, *, days: int = 1
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=9))
        .not_valid_after(now + datetime.timedelta(days=days))
    )
