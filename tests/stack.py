"""A whole running copy for tests: Envoy, the processes, Postgres and the storage stand-in, by `python -m server.dev`.

Start one per pytest worker (`tests/conftest.py` has the fixture) and give each test a tenant of its own.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import psutil

from server.dev import clean
from server.dev.database import DATABASE
from server.dev.postgres.cluster import SUPERUSER, remembered
from server.domain.api_keys import REST_SCOPES, KeyText
from server.gen.scorm.v1 import admin_service_pb2 as pb
from server.gen.scorm.v1.admin_service_pb2_grpc import AdminServiceStub

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 120.0
STOP_SECONDS = 60.0


@dataclass(slots=True)
class Stack:
    """Made by `start`. `log_lines` of the supervisor are in `var/stdout`."""

    process: "subprocess.Popen[str]"
    var: Path
    base_url: str
    content_url: str

    @classmethod
    def start(
        cls, var: Path, *, serve_processes: int = 2, durable: bool = False, environment: dict[str, str] | None = None
    ) -> "Stack":
        """Boots a copy in `var` on a free port. Fails with what it printed if it does not come up."""
        process = launch(var, serve_processes=serve_processes, durable=durable, environment=environment)
        try:
            printed = wait_until_ready(process, var)
        except BaseException:
            process.kill()
            process.wait()
            raise
        return cls(process, var, _after(printed, "base URL"), _after(printed, "content"))

    def stop(self) -> int:
        """As Ctrl-C does. Answers the exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(STOP_SECONDS)

    def discard(self) -> None:
        """Stops it and removes its data, wherever they lie."""
        self.stop()
        clean.remove(self.var)

    @property
    def port(self) -> int:
        """Envoy's."""
        return int(self.base_url.rpartition(":")[2])

    @property
    def grpc_address(self) -> str:
        """Native gRPC through Envoy. By name: the number is the content origin's."""
        return f"localhost:{self.port}"

    @property
    def demo_key(self) -> str:
        """All scopes, plan standard."""
        return (self.var / "demo-api-key").read_text().strip()

    @property
    def storage_url(self) -> str:
        """The stand-in's, which takes fault plans too."""
        command = self.children("storage")[0].cmdline()
        return f"http://127.0.0.1:{command[command.index('--port') + 1]}"

    @property
    def database_url(self) -> str:
        """The embedded Postgres, as its superuser."""
        password = (self._postgres_home / "password").read_text()
        port = next(word for word in self.children("postgres")[0].cmdline() if word.startswith("port="))
        return f"host=127.0.0.1 {port} user={SUPERUSER} password={password} dbname={DATABASE} connect_timeout=5"

    @property
    def _postgres_home(self) -> Path:
        data_dir = self.var / "postgres"
        return remembered(data_dir) or data_dir

    def admin(self, *arguments: str) -> Any:
        """Runs the operator's command line and answers the JSON that it printed. Raises CalledProcessError."""
        done = subprocess.run(
            [sys.executable, "-m", "server", "admin", *arguments],
            cwd=ROOT,
            env={**os.environ, "VAR_DIR": str(self.var)},
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(done.stdout)

    def new_tenant(self, *, plan: str = "unlimited", scopes: Sequence[str] = REST_SCOPES, name: str = "test") -> str:
        """Makes a tenant with a key and answers the key; `tenant_of` tells the tenant's id."""
        with self._operator() as (stub, metadata):
            tenant = stub.CreateTenant(pb.CreateTenantRequest(name=name), metadata=metadata).tenant
            request = pb.SetPlanRequest(tenant_id=tenant.id, plan=f"PLAN_{plan.upper()}")
            stub.SetPlan(request, metadata=metadata)
        return self.new_key(tenant.id, scopes=scopes)

    def new_key(self, tenant_id: str, *, scopes: Sequence[str] = REST_SCOPES, name: str = "test") -> str:
        """Makes a key and answers its text."""
        request = pb.CreateApiKeyRequest(tenant_id=tenant_id, name=name, scopes=scopes)
        with self._operator() as (stub, metadata):
            return str(stub.CreateApiKey(request, metadata=metadata).secret)

    def set_quota(self, tenant_id: str, *, packages: int | None = None, stored_bytes: int | None = None) -> None:
        """None is unlimited."""
        request = pb.SetQuotaRequest(tenant_id=tenant_id, package_limit=packages, stored_bytes_limit=stored_bytes)
        with self._operator() as (stub, metadata):
            stub.SetQuota(request, metadata=metadata)

    def usage(self, tenant_id: str) -> tuple[int, int]:
        """Packages and stored bytes, as the tenant's counters say."""
        with self._operator() as (stub, metadata):
            (found,) = stub.GetUsage(pb.GetUsageRequest(tenant_id=tenant_id), metadata=metadata).tenants
        return found.package_count, int(found.stored_bytes)

    @contextlib.contextmanager
    def _operator(self) -> Iterator[tuple[AdminServiceStub, tuple[tuple[str, str], ...]]]:
        token = (self.var / "operator-token").read_text()
        with grpc.insecure_channel((self.var / "admin-address").read_text().strip()) as channel:
            yield AdminServiceStub(channel), (("x-operator-token", token),)

    def children(self, role: str) -> list[psutil.Process]:
        """The running processes of a role: serve, upload, worker, envoy, storage, postgres."""
        found = psutil.Process(self.process.pid).children()
        return [process for process in found if _role(process) == role]

    def kill(self, role: str, *, number: signal.Signals = signal.SIGKILL) -> int:
        """Signals one process of a role and answers its pid."""
        process = self.children(role)[0]
        process.send_signal(number)
        return process.pid

    def log(self, name: str) -> str:
        """What a child wrote so far: serve-1, upload-1, worker, envoy, storage, postgres; or the supervisor: stdout."""
        places = {"stdout": self.var / "stdout", "postgres": self._postgres_home / "postgres.log"}
        path = places.get(name, self.var / "log" / f"{name}.log")
        return path.read_text(errors="replace")


def tenant_of(key: str) -> str:
    """The id of the tenant that a key acts for."""
    parsed = KeyText.parse(key)
    assert parsed is not None
    return str(parsed.tenant_id)


def launch(
    var: Path,
    *,
    port: int = 0,
    serve_processes: int = 1,
    durable: bool = False,
    environment: dict[str, str] | None = None,
    interpreter: str = sys.executable,
    user: int | None = None,
    command: Sequence[str] | None = None,
    stdin: int = subprocess.DEVNULL,
) -> "subprocess.Popen[str]":
    """Starts the supervisor and returns at once; it prints to `var/stdout` and ends with this process.

    Only root can make another `user` run it. `command` is run instead of the supervisor, which it shall start.
    """
    var.mkdir(parents=True, exist_ok=True)
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "PORT": str(port),
        "VAR_DIR": str(var),
        "SERVE_PROCESSES": str(serve_processes),
        "DRAIN_SECONDS": "0.2",
        **(environment or {}),
    }
    flags = ["--end-with-parent", *([] if durable else ["--not-durable"])]
    with (var / "stdout").open("w") as stdout:
        return subprocess.Popen(
            command or [interpreter, "-m", "server.dev", *flags],
            cwd=ROOT,
            env=variables,
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        )


def wait_until_ready(process: "subprocess.Popen[str]", var: Path) -> str:
    """Answers what it printed until it was ready."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        printed = (var / "stdout").read_text()
        if "Try:" in printed and printed.endswith("\n\n"):
            return printed
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"the copy did not come up:\n{printed}")
        time.sleep(0.05)


def _after(printed: str, label: str) -> str:
    found = re.search(rf"^ +{label} +(\S+)$", printed, re.MULTILINE)
    assert found is not None, printed
    return found.group(1)


def _role(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.NoSuchProcess):
        command = process.cmdline()
        if command[1:3] == ["-m", "server"]:
            return command[3]
        if command[1:3] == ["-m", "server.dev.storage"]:
            return "storage"
        return Path(command[0]).name if command else ""
    return ""
