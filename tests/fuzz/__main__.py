"""`python -m tests.fuzz SECONDS [TARGET]`: each target in a process of its own, for libFuzzer ends it."""

import importlib
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

NAMES = ("archive", "manifest", "form")
# Seconds for one input; what takes longer is a finding.
SLOW_SECONDS = 10
# In libFuzzer's notation.
WORDS = r"""
"<?xml encoding="
"<!DOCTYPE"
"<![CDATA["
"<manifest>"
"<organizations>"
"<item identifierref="
"<resource href="
"<imsss:sequencing IDRef="
" xml:base="
" xmlns:adlcp="
" parameters="
"&#x"
"%2e%2e"
"\\"
"PK\x01\x02"
"PK\x03\x04"
"PK\x05\x06"
"PK\x06\x06"
"PK\x06\x07"
"\xff\xff\xff\xff"
"\x01\x00\x18\x00"
"up\x0b\x00\x01"
"\x0d\x0a--frontier"
"--\x0d\x0a"
"Content-Disposition: form-data; name="
"filename*=utf-8''"
"boundary="
"""


def main() -> None:
    """Ends with status 1 if a target failed."""
    seconds, chosen = int(sys.argv[1]), sys.argv[2:] or NAMES
    if not set(chosen) <= set(NAMES):
        raise SystemExit(f"TARGET is one of {', '.join(NAMES)}")
    failed = [name for name in chosen if not _passes(name, seconds)]
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


def _passes(name: str, seconds: int) -> bool:
    """Fuzzes in another process. An input that fails stays in the working directory, and is printed."""
    command = [sys.executable, "-c", f"from tests.fuzz.__main__ import fuzz; fuzz({name!r}, {seconds})"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    runs = re.search(r"^Done \d+ runs in \d+ second.*$", done.stdout, re.MULTILINE)
    if done.returncode or runs is None:
        print(done.stdout[-5000:])
    print(f"{'✗' if done.returncode else '✓'} {name}: {runs.group() if runs else 'did not end'}", flush=True)
    return done.returncode == 0


def fuzz(name: str, seconds: int) -> None:
    """Does not return: libFuzzer ends the process."""
    # Only `make fuzz` installs it.
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["server.domain", "server.storage", "server.rpc", "python_multipart"]):
        targets = importlib.import_module("tests.fuzz.targets")
    with tempfile.TemporaryDirectory() as folder:
        words, corpus = Path(folder) / "words", Path(folder) / "corpus"
        corpus.mkdir()
        words.write_text(WORDS)
        for number, seed in enumerate(targets.seeds(name)):
            (corpus / f"{number}").write_bytes(seed)
        options = [f"-max_total_time={seconds}", f"-timeout={SLOW_SECONDS}", f"-dict={words}", "-max_len=20000"]
        atheris.Setup(["fuzz", *options, "-rss_limit_mb=1024", str(corpus)], targets.TARGETS[name])
        atheris.Fuzz()


if __name__ == "__main__":
    main()
