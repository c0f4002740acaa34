"""Fits the gateway to a place: the runnable configuration, and the files that Envoy watches.

Every file is written beside its place and renamed into it, since Envoy looks again when a name moves. The names are
those under gateway/xds/.
"""

import ipaddress
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from server.dev.gateway import tracing
from server.storage.credentials import write_credential

ROOT = Path(__file__).resolve().parents[3]
TYPE = "type.googleapis.com/"
CONTENT_KEYS = "content_keys.json"
STORAGE_CREDENTIAL = "storage_credential.json"
CERTIFICATE = "certificate.json"
CA_FILE = Path("/etc/ssl/certs/ca-certificates.crt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What differs by place.

    `directory` receives all files. `listen` and `admin` are `host:port` or `unix:/path`, and so is `metrics`, where
    Prometheus reads, if it does. `base_url` is the origin of the API, `content_base_url` that of courses, `*.` allowed
    as its first label; no other host is served. `storage_url` is the origin of the bucket's server. `cors_origins` are
    origins that may call the API from a browser, or `*`. `trusted_proxies` counts the proxies in front whose
    X-Forwarded-For is believed. With `certificate` and `certificate_key` the gateway speaks TLS. `max_connections` are
    those of all clients together; at `max_heap_bytes` the gateway resets the largest streams and refuses new requests.
    With an `otlp_endpoint` the share `trace_ratio` of all requests is traced, and told to the collector there.
    """

    directory: Path
    base_url: str
    content_base_url: str
    bucket: str
    storage_url: str
    listen: str = "127.0.0.1:3001"
    admin: str = "127.0.0.1:9901"
    metrics: str | None = None
    otlp_endpoint: str | None = None
    trace_ratio: float = 1.0
    cors_origins: Sequence[str] = ("*",)
    access_log: str = "/dev/stdout"
    trusted_proxies: int = 0
    max_connections: int = 10_000
    max_heap_bytes: int = 1024**3
    ca_file: Path = CA_FILE
    certificate: Path | None = None
    certificate_key: Path | None = None


def render(settings: Settings) -> Path:
    """Writes envoy.yaml into the directory, and those watched files that are not there yet; answers its path."""
    directory = settings.directory
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for file in (ROOT / "gateway" / "xds").glob("*.json"):
        if not (directory / file.name).exists():
            _replace(directory / file.name, file.read_text())
    if settings.certificate and settings.certificate_key:
        write_certificate(directory, certificate=settings.certificate, key=settings.certificate_key)
    path = directory / "envoy.yaml"
    _replace(path, configuration(settings))
    return path


def configuration(settings: Settings) -> str:
    """The text of the configuration of a place: all paths absolute, so that it runs from anywhere."""
    config = _absolute(yaml.safe_load((ROOT / "envoy.yaml").read_text()), settings.directory.resolve())
    listener = config["static_resources"]["listeners"][0]
    listener["address"] = _address(settings.listen)
    config["admin"]["address"] = _address(settings.admin)
    _fit_metrics(config["static_resources"], settings)
    _fit_overload(config["overload_manager"]["resource_monitors"], settings)
    _fit_manager(listener["filter_chains"][0]["filters"][0]["typed_config"], settings)
    _fit_storage(config["static_resources"]["clusters"], settings)
    if settings.otlp_endpoint is not None:
        _fit_tracing(config["static_resources"], settings, settings.otlp_endpoint)
    if settings.certificate:
        listener["filter_chains"][0]["transport_socket"] = _downstream_tls(settings.directory.resolve())
    # JSON is YAML without anchors, which a reader of the rendered file would have to resolve.
    return json.dumps(config, indent=1) + "\n"


def write_endpoints(directory: Path, cluster: str, addresses: Sequence[str]) -> None:
    """Replaces the addresses of `serve` or `upload`, each `host:port` with an IP address, or `unix:/path`."""
    endpoints = [{"endpoint": {"address": _address(address)}} for address in addresses]
    assignment = {
        "@type": TYPE + "envoy.config.endpoint.v3.ClusterLoadAssignment",
        "cluster_name": cluster,
        "endpoints": [{"lb_endpoints": endpoints}],
    }
    _write_resource(directory / f"endpoints_{cluster}.json", assignment)


def write_jwt_keys(directory: Path, *, content: Sequence[tuple[str, str]], download: Sequence[tuple[str, str]]) -> None:
    """Replaces the keys that each kind of token is verified with: pairs of `kid` and the Ed25519 key in base64url.

    Each kind needs one at least: Envoy refuses the file otherwise, and keeps the keys that it has.
    """
    filter_config = {
        "@type": TYPE + "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
        "providers": {"content": _jwt_provider("content", content), "download": _jwt_provider("download", download)},
        # edge.lua has taken the token out of the path. What begins otherwise needs a token too: nothing is let by.
        "rules": [
            # What edge.lua asks storage for by itself, of a token that was verified here.
            {"match": {"prefix": "/", "headers": [{"name": "x-content-known", "present_match": True}]}},
            {"match": {"prefix": "/download/"}, "requires": {"provider_name": "download"}},
            {"match": {"prefix": "/"}, "requires": {"provider_name": "content"}},
        ],
    }
    extension = {
        "@type": TYPE + "envoy.config.core.v3.TypedExtensionConfig",
        "name": "envoy.filters.http.jwt_authn",
        "typed_config": filter_config,
    }
    _write_resource(directory / CONTENT_KEYS, extension)


def _jwt_provider(audience: str, public_keys: Sequence[tuple[str, str]]) -> dict[str, Any]:
    keys = [
        {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": kid, "x": x} for kid, x in public_keys
    ]
    return {
        "issuer": "scorm-api",
        "audiences": [audience],
        "local_jwks": {"inline_string": json.dumps({"keys": keys})},
        "from_headers": [{"name": "x-content-jwt"}],
        "forward": False,
        "require_expiration": True,
        "clock_skew_seconds": 1,
        "payload_in_metadata": audience,
        "jwt_cache_config": {"jwt_cache_size": 1000},
    }


def write_storage_credential(directory: Path, token: str) -> None:
    """Replaces the OAuth 2.0 access token that objects are read with."""
    write_credential(directory / STORAGE_CREDENTIAL, token)


def write_certificate(directory: Path, *, certificate: Path, key: Path) -> None:
    """Replaces the certificate that the gateway shows, by that in two PEM files. Call it again when they change."""
    secret = {
        "@type": TYPE + "envoy.extensions.transport_sockets.tls.v3.Secret",
        "name": "certificate",
        "tls_certificate": {
            "certificate_chain": {"inline_string": certificate.read_text()},
            "private_key": {"inline_string": key.read_text()},
        },
    }
    _write_resource(directory / CERTIFICATE, secret)


def _write_resource(path: Path, resource: dict[str, Any]) -> None:
    text = json.dumps({"resources": [resource]}, indent=1) + "\n"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _replace(path, text)


def _replace(path: Path, text: str) -> None:
    """Readable by its owner only: some of these are secrets."""
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w") as file:
        file.write(text)
    os.replace(beside, path)


def _absolute(value: Any, directory: Path) -> Any:
    """Names of watched files become those in `directory`; of the repository's, absolute; Lua finds its modules."""
    if isinstance(value, dict):
        if set(value) == {"filename"} and value["filename"].endswith(".lua"):
            return {"inline_string": _with_modules(ROOT / value["filename"])}
        return {key: _absolute(inner, directory) for key, inner in value.items()}
    if isinstance(value, list):
        return [_absolute(inner, directory) for inner in value]
    if isinstance(value, str) and value.startswith("gateway/xds"):
        return str(directory / value.removeprefix("gateway/xds").lstrip("/"))
    if isinstance(value, str) and value.startswith("gateway/"):
        return str(ROOT / value)
    return value


def _with_modules(script: Path) -> str:
    return f'package.path = "{ROOT}/?.lua;" .. package.path\n{script.read_text()}'


def _address(text: str) -> dict[str, Any]:
    if text.startswith("unix:"):
        return {"pipe": {"path": text.removeprefix("unix:")}}
    host, _, port = text.rpartition(":")
    # Raises ValueError for a name: nothing here resolves names.
    return {"socket_address": {"address": str(ipaddress.ip_address(host.strip("[]"))), "port_value": int(port)}}


def _fit_overload(monitors: list[dict[str, Any]], settings: Settings) -> None:
    heap, connections = (monitor["typed_config"] for monitor in monitors)
    heap["max_heap_size_bytes"] = settings.max_heap_bytes
    connections["max_active_downstream_connections"] = settings.max_connections


def _fit_manager(manager: dict[str, Any], settings: Settings) -> None:
    manager["access_log"][0]["typed_config"]["path"] = settings.access_log
    manager["xff_num_trusted_hops"] = settings.trusted_proxies
    content, base, _ = manager["route_config"]["virtual_hosts"]
    content["domains"] = _domains(settings.content_base_url)
    base["domains"] = _base_domains(settings)
    for route in [*content["routes"], *base["routes"]]:
        if route.get("route", {}).get("cluster") == "storage":
            for metadata in route["metadata"]["filter_metadata"].values():
                if "bucket" in metadata:
                    metadata["bucket"] = settings.bucket
            route["route"]["host_rewrite_literal"] = urlsplit(settings.storage_url).netloc
    cors = base["typed_per_filter_config"]["envoy.filters.http.cors"]
    cors["allow_origin_string_match"] = [
        {"safe_regex": {"regex": ".*"}} if origin == "*" else {"exact": origin} for origin in settings.cors_origins
    ]


def _fit_metrics(resources: dict[str, Any], settings: Settings) -> None:
    """The page of metrics listens where it is wanted, or not at all."""
    main, metrics = resources["listeners"]
    admin = next(cluster for cluster in resources["clusters"] if cluster["name"] == "admin")
    if settings.metrics is None:
        resources["listeners"] = [main]
        resources["clusters"].remove(admin)
        return
    metrics["address"] = _address(settings.metrics)
    (locality,) = admin["load_assignment"]["endpoints"]
    locality["lb_endpoints"][0]["endpoint"]["address"] = _address(settings.admin)


def _fit_tracing(resources: dict[str, Any], settings: Settings, endpoint: str) -> None:
    main = resources["listeners"][0]
    tracing.fit_manager(main["filter_chains"][0]["filters"][0]["typed_config"], ratio=settings.trace_ratio)
    collector = tracing.cluster(endpoint)
    url = urlsplit(endpoint)
    if url.scheme == "https":
        collector["transport_socket"] = _upstream_tls(url.hostname or "", settings.ca_file)
    resources["clusters"].append(collector)


def _domains(origin: str) -> list[str]:
    """The Host headers of an origin: browsers leave out a port that goes without saying."""
    url = urlsplit(origin)
    usual = {"http": 80, "https": 443}[url.scheme]
    host = url.netloc.rpartition(":")[0] if url.port else url.netloc
    return [host, f"{host}:{usual}"] if url.port in (None, usual) else [url.netloc]


def _base_domains(settings: Settings) -> list[str]:
    """With and without the port: some clients and proxies leave it out. Never one that is the content's."""
    url = urlsplit(settings.base_url)
    host = url.netloc.rpartition(":")[0] if url.port else url.netloc
    names = dict.fromkeys([*_domains(settings.base_url), host])
    return [name for name in names if name not in _domains(settings.content_base_url)]


def _fit_storage(clusters: list[dict[str, Any]], settings: Settings) -> None:
    (storage,) = (cluster for cluster in clusters if cluster["name"] == "storage")
    url = urlsplit(settings.storage_url)
    host, port = url.hostname or "", url.port or {"http": 80, "https": 443}[url.scheme]
    (locality,) = storage["load_assignment"]["endpoints"]
    locality["lb_endpoints"][0]["endpoint"]["address"] = {"socket_address": {"address": host, "port_value": port}}
    try:
        ipaddress.ip_address(host)
    except ValueError:
        storage["type"] = "LOGICAL_DNS"
    if url.scheme == "https":
        storage["transport_socket"] = _upstream_tls(host, settings.ca_file)


def _upstream_tls(host: str, ca_file: Path) -> dict[str, Any]:
    names = [{"san_type": "DNS", "matcher": {"exact": host}}]
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": TYPE + "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "sni": host,
            "common_tls_context": {
                "validation_context": {
                    "trusted_ca": {"filename": str(ca_file)},
                    "match_typed_subject_alt_names": names,
                }
            },
        },
    }


def _downstream_tls(directory: Path) -> dict[str, Any]:
    source = {
        "resource_api_version": "V3",
        "path_config_source": {
            "path": str(directory / CERTIFICATE),
            "watched_directory": {"path": str(directory)},
        },
    }
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": TYPE + "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {
                "alpn_protocols": ["h2", "http/1.1"],
                "tls_certificate_sds_secret_configs": [{"name": "certificate", "sds_config": source}],
            },
        },
    }
