"""Files of courses through Envoy: a large one against storage directly, small ones against nginx."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

import psutil
from google.cloud import storage

from server.dev.children import free_port
from tests.bench import upload_client
from tests.bench.figures import Row, Spread, medians
from tests.bench.load import Plan
from tests.bench.meter import MIB, Groups, metered
from tests.bench.running_copy import BUCKET, Copy, asked, program, shown, worked
from tests.factories import packages
from tests.stack import tenant_of

# Its port and master process; None where it is not installed.
Nginx: TypeAlias = tuple[int, psutil.Process] | None

CONNECTIONS = 16
SMALL_BYTES = 20_000
NGINX = """daemon off; worker_processes 2; pid {folder}/nginx.pid; error_log stderr error;
events {{ worker_connections 1024; }}
http {{
  access_log {folder}/access.log; keepalive_requests 1000000; proxy_max_temp_file_size 0;
  proxy_temp_path {folder}/proxy; client_body_temp_path {folder}/body;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream storage {{ server {storage}; keepalive 64; keepalive_requests 1000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://storage; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host {storage}; }}
  }}
}}
"""


def measure(copy: Copy, *, quick: bool) -> list[Row]:
    """Both rows."""
    key = copy.stack.new_tenant()
    file = copy.scratch / "course.zip"
    file.write_bytes(packages.scorm2004_package())
    package = upload_client.upload(copy.stack.port, key, file)["package_id"]
    token = urlsplit(copy.get(f"/api/v1/packages/{package}", key)["launch_url"]).path.split("/")[2]
    prefix = f"tenants/{tenant_of(key)}/packages/{package}/content"
    through, direct = f"/content/{token}", f"/{BUCKET}/{prefix}"
    with _nginx(copy) as nginx:
        return [
            _large(copy, nginx, through, direct, prefix, quick=quick),
            _small(copy, nginx, through, direct, prefix, quick=quick),
        ]


def _put(copy: Copy, name: str, data: bytes, times: int = 1) -> None:
    """Stores an object that is `data` so many times."""
    os.environ["STORAGE_EMULATOR_HOST"] = copy.storage_url
    path = copy.scratch / "object"
    with path.open("wb") as file:
        for _ in range(times):
            file.write(data)
    storage.Client().bucket(BUCKET).blob(name).upload_from_filename(str(path), content_type="video/mp4", timeout=600)
    path.unlink()


def _large(copy: Copy, nginx: Nginx, through: str, direct: str, prefix: str, *, quick: bool) -> Row:
    times = 128 if quick else 1024
    _put(copy, f"{prefix}/large.mp4", os.urandom(MIB), times)
    storage_port = urlsplit(copy.storage_url).port or 0
    asks = {
        "ours": {"host": "127.0.0.1", "port": copy.stack.port, "target": f"{through}/large.mp4"},
        "storage directly": {"host": "127.0.0.1", "port": storage_port, "target": f"{direct}/large.mp4"},
    }
    if nginx:
        asks["nginx"] = {"host": "127.0.0.1", "port": nginx[0], "target": f"{direct}/large.mp4"}
    seconds: dict[str, list[float]] = {side: [] for side in asks}
    used: dict[str, list[dict[str, float]]] = {side: [] for side in asks}
    peak = 0.0
    for _ in range(3 if quick else 9):
        for side, request in asks.items():
            groups = {**copy.processes("envoy", "storage"), "nginx": [nginx[1]] if nginx else []}
            with metered(groups) as usage:
                done = worked("tests.bench.download_client", request)
            assert done["bytes"] == times * MIB
            seconds[side].append(done["seconds"])
            used[side].append({**usage.cpu_seconds, "client": done["cpu_seconds"]})
            peak = max(peak, usage.peak_bytes["envoy"] / MIB)
        shown(["  " + ", ".join(f"{side} {each[-1]:.2f} s" for side, each in seconds.items())])
    ours, theirs = seconds["ours"], seconds["storage directly"]
    notes = [f"{Spread.of(ours).text(2, ' s')} through Envoy, {Spread.of(theirs).text(2, ' s')} directly."]
    if nginx:
        notes.append(
            f"For comparison, through nginx without token and grant: {Spread.of(seconds['nginx']).text(2, ' s')}."
        )
    return Row(
        name="content_large",
        title="Content: 1 GB object through Envoy, throughput",
        baseline="from the storage stand-in directly",
        reached=Spread.of([slow / fast for fast, slow in zip(ours, theirs, strict=True)]),
        unit="×",
        at_least=0.7,
        stretch=0.9,
        cpu={side: medians(each) for side, each in used.items()},
        cpu_unit="s per download",
        peak_mib={"envoy": peak},
        notes=notes,
    )


def _small(copy: Copy, nginx: Nginx, through: str, direct: str, prefix: str, *, quick: bool) -> Row:
    for number in range(50):
        _put(copy, f"{prefix}/small/{number}.mp4", os.urandom(SMALL_BYTES))
    rounds, seconds = (2, 3.0) if quick else (7, 10.0)
    figures: dict[str, list[dict[str, float]]] = {"ours": []}
    if nginx:
        figures["nginx"] = []
    for _ in range(rounds):
        groups = copy.processes("envoy", "serve", "storage")
        figures["ours"].append(_round(copy.stack.port, through, groups, "envoy", seconds))
        if nginx:
            port, process = nginx
            groups = {"nginx": [process], **copy.processes("storage")}
            figures["nginx"].append(_round(port, direct, groups, "nginx", seconds))
        shown([f"  {side}: {each[-1]}" for side, each in figures.items()])
    cpu = {side: medians(each) for side, each in figures.items()}
    note = "nginx is not installed (Debian: nginx-light), so that there is nothing to compare with."
    if "nginx" in cpu:
        factor = cpu["ours"]["envoy"] / cpu["nginx"]["nginx"]
        note = (
            "nginx passes the same objects on from the same stand-in, without token, grant and headers: Envoy takes "
            f"{factor:.1f} × its CPU."
        )
    return Row(
        name="content_small",
        title="Content: objects of 20 KB, CPU of Envoy",
        baseline="nginx before the same storage stand-in",
        reached=Spread.of([each["envoy"] for each in figures["ours"]]),
        unit="µs",
        at_least=350,
        stretch=None,
        less_is_better=True,
        cpu=cpu,
        cpu_unit="µs per request",
        notes=[f"{CONNECTIONS} connections.", note],
    )


@contextlib.contextmanager
def _nginx(copy: Copy) -> Iterator[Nginx]:
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if found is None:
        yield None
        return
    folder, port = copy.scratch / "nginx", free_port()
    folder.mkdir(exist_ok=True)
    # Where root starts nginx its workers are another user.
    folder.chmod(0o777)
    config: Path = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, port=port, storage=urlsplit(copy.storage_url).netloc))
    with program(found, "-p", str(folder), "-c", str(config), ready=port, environment={}) as process:
        yield port, process


def _round(port: int, root: str, groups: Groups, name: str, seconds: float) -> dict[str, float]:
    plan = Plan(
        host="127.0.0.1",
        port=port,
        targets=[f"{root}/small/{number}.mp4" for number in range(50)],
        headers={},
        connections=CONNECTIONS,
        seconds=seconds,
    )
    with metered(groups) as usage:
        outcome = asked(plan)
    used = {group: spent * 1e6 / outcome.requests for group, spent in usage.cpu_seconds.items()}
    return {**used, "requests per second": outcome.per_second}
