"""Writes docs/hostile-input.md."""

from pathlib import Path

from tests.factories.hostile import table

if __name__ == "__main__":
    (Path(__file__).resolve().parents[3] / "docs/hostile-input.md").write_text(table())
