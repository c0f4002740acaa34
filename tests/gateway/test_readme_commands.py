"""The commands of README.md do what it says, in its order, on a running copy."""

import os
import re
import subprocess
from pathlib import Path

from tests.stack import ROOT, Stack

README = (ROOT / "README.md").read_text()


def shell_blocks() -> list[str]:
    """The blocks marked `sh`, but for `make run`: the copy runs already."""
    blocks = re.findall(r"^```sh\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    return [block for block in blocks if block.strip() != "make run"]


def test_every_command_of_the_readme_works(stack: Stack, tmp_path: Path) -> None:
    for name in (".venv", "server"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "var").symlink_to(stack.var)
    before = set(tmp_path.iterdir())
    script = "set -eux -o pipefail\n" + "\n".join(shell_blocks())
    script = script.replace("http://localhost:3001", stack.base_url).replace("curl ", "curl -fsS ")
    variables = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "VAR_DIR": str(stack.var)}
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert '"launch_url":' in done.stdout
    assert '"status":"healthy"' in done.stdout
    assert '"revoked_at": ' in done.stdout
    assert set(tmp_path.iterdir()) == before, "secrets would lie in the repository"


def test_the_readme_has_commands_to_test() -> None:
    assert sum(block.count("curl ") for block in shell_blocks()) >= 3
    assert "make run" in README
