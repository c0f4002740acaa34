"""Writes the run-time data models for the player's JavaScript."""

from pathlib import Path

from server.domain.cmi.model_js import models_js

PATH = "server/player/static/runtime/models.js"


def write(into: Path) -> None:
    """models.js, below `into`."""
    target = into / PATH
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(models_js())
