"""Runs ADL's suite for Learning Record Stores: `make conformance-xapi CHECKOUT=… [RUNS=3]`.

CHECKOUT is a clone of github.com/adlnet/lrs-conformance-test-suite; node and npm must be there. Prints the totals
of each run for xAPI 1.0.3 and 2.0, and ends with status 1 unless every test passed. The suite's own exit status says
nothing: failures are counted modulo 256 there.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from server.domain.api_keys import KeyText
from tests.stack import Stack

VERSIONS = {"1.0.3": "/xapi/1.0.3", "2.0.0": "/xapi"}
RUN_SECONDS = 900
_SUMMARY = re.compile(r'\{"total":\d+,"passed":\d+,"failed":\d+,"version":"[\d.]+"\}')


def main(checkout: Path, runs: int) -> int:
    """The exit status."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None or not (checkout / "bin" / "console_runner.js").exists():
        print("needs node, npm, and CHECKOUT, a clone of github.com/adlnet/lrs-conformance-test-suite", file=sys.stderr)
        return 2
    if not (checkout / "node_modules").exists():
        subprocess.run([npm, "install", "--no-audit", "--no-fund"], cwd=checkout, check=True)
    with tempfile.TemporaryDirectory(prefix="scorm-conformance-") as place:
        stack = Stack.start(Path(place))
        try:
            # A tenant of its own: unlimited, with the limiter on.
            passed = [_run(node, checkout, stack, version) for version in VERSIONS for _ in range(runs)]
        finally:
            stack.discard()
    return 0 if all(passed) else 1


def _run(node: str, checkout: Path, stack: Stack, version: str) -> bool:
    key = stack.new_tenant()
    parsed = KeyText.parse(key)
    assert parsed is not None
    command = [node, "bin/console_runner.js", "-e", stack.base_url + VERSIONS[version], "-x", version]
    command += ["-a", "-u", str(parsed.key_id), "-p", key]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, timeout=RUN_SECONDS)
    found = _SUMMARY.findall(done.stdout)
    summary = json.loads(found[-1]) if found else {"total": 0, "passed": 0, "failed": 0, "version": version}
    print(f"xAPI {version}: {summary['passed']} of {summary['total']} passed", flush=True)
    if summary["passed"] != summary["total"] or not summary["total"]:
        print(done.stdout[-4000:] + done.stderr[-2000:])
        return False
    return True


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]).resolve(), int(sys.argv[2])))
