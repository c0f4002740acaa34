"""The parts of README.md that are written from the code: settings, and what make offers."""

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path

from server.config import GIB, Settings

ROOT = Path(__file__).resolve().parents[2]
TARGET = re.compile(r"^([a-z-]+):.*## (.*)$", re.MULTILINE)


def render(text: str) -> str:
    """README.md with its blocks anew. Raises ValueError where one of them is missing."""
    for name, block in _blocks().items():
        pattern = re.compile(rf"<!-- {name} -->\n.*?<!-- end of {name} -->", re.DOTALL)
        if not pattern.search(text):
            raise ValueError(f"README.md has no block '{name}'")
        escaped = block.replace("\\", r"\\")
        text = pattern.sub(f"<!-- {name} -->\n{escaped}<!-- end of {name} -->", text)
    return text


def _blocks() -> Mapping[str, str]:
    return {"settings": _settings(), "make help": _make_help()}


def _settings() -> str:
    rows = ["| variable | default | |", "|---|---|---|"]
    for setting in dataclasses.fields(Settings):
        default = setting.metadata["default"]
        shown = "required" if default is None else _readable(default)
        rows.append(f"| `{setting.metadata['name']}` | {shown} | {setting.metadata['help']} |")
    return "\n".join(rows) + "\n"


def _readable(default: str) -> str:
    if default == "":
        return "none"
    size = f" ({int(default) // GIB} GiB)" if default.isdigit() and int(default) >= GIB else ""
    return f"`{default}`{size}"


def _make_help() -> str:
    rows = ["| target | |", "|---|---|"]
    rows += [f"| `make {target}` | {help} |" for target, help in TARGET.findall((ROOT / "Makefile").read_text())]
    return "\n".join(rows) + "\n"


def write(into: Path) -> None:
    """Replaces the blocks of README.md in a repository's root."""
    path = into / "README.md"
    path.write_text(render(path.read_text()))
