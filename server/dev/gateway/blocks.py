"""Generated blocks in files that are otherwise written by hand: between `# generated: NAME` and `# end generated`."""

import importlib
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from google.protobuf.descriptor import FileDescriptor

from server.dev.gateway import catalogue, routes
from server.rpc.access import MissingAccess

PROTO = Path(__file__).resolve().parents[3] / "proto"
_BLOCK = re.compile(
    r"^(?P<indent> *)# generated: (?P<name>[a-z ]+)\n(?P<body>(?:.*\n)*?)(?P=indent)# end generated$", re.MULTILINE
)


class BlockMismatch(Exception):
    """The markers in a file and the blocks that are generated for it are not the same."""


def fill(text: str, blocks: Mapping[str, Sequence[str]]) -> str:
    """The text with the lines of every block put between its markers, indented as they are.

    Raises BlockMismatch unless each block has its markers, and each pair of markers its block.
    """
    found = [match["name"] for match in _BLOCK.finditer(text)]
    if sorted(found) != sorted(blocks):
        raise BlockMismatch(f"markers {sorted(found)}, blocks {sorted(blocks)}")

    def filled(match: re.Match[str]) -> str:
        indent, name = match["indent"], match["name"]
        lines = [f"# generated: {name}", *blocks[name], "# end generated"]
        return "\n".join(indent + line for line in lines)

    return _BLOCK.sub(filled, text)


def service_files() -> list[FileDescriptor]:
    """Every file of ours that declares a service, in the order of their names."""
    names = [path.relative_to(PROTO) for path in sorted((PROTO / "scorm").rglob("*_service.proto"))]
    modules = [".".join(("server", "gen", *name.with_suffix("").parts)) + "_pb2" for name in names]
    return [importlib.import_module(module).DESCRIPTOR for module in modules]


def envoy_blocks() -> dict[str, list[str]]:
    """What is generated into envoy.yaml."""
    methods = routes.public_methods(routes.services_of(service_files()))
    rest = routes.rest_routes(methods)
    return {
        "content routes": routes.rest_lines(routes.of_origin(rest, "content")),
        "content method not allowed": routes.refusal_lines(routes.of_origin(rest, "content")),
        "rest routes": routes.rest_lines(routes.of_origin(rest, "base")),
        "method not allowed": routes.refusal_lines(routes.of_origin(rest, "base")),
        "grpc routes": routes.grpc_lines(methods),
        "untold answers": catalogue.untold_lines(),
        "local replies": catalogue.mapper_lines(),
        "transcoded services": routes.service_lines(methods),
    }


def generate_gateway(root: Path) -> None:
    """Rewrites gateway/catalogue.lua and the blocks of envoy.yaml under `root`."""
    (root / "gateway" / "catalogue.lua").write_text(catalogue.lua_table())
    envoy = root / "envoy.yaml"
    envoy.write_text(fill(envoy.read_text(), envoy_blocks()))


if __name__ == "__main__":
    try:
        generate_gateway(Path(sys.argv[1]))
    except (MissingAccess, routes.UnknownTemplate, BlockMismatch) as fault:
        raise SystemExit(str(fault)) from None
