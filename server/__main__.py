"""`python -m server ROLE`."""

import sys
from collections.abc import Sequence


def run(arguments: Sequence[str]) -> int:
    """The exit status."""
    if arguments[:1] == ["admin"]:
        # Without everything that a server is made of, which takes ten times as long to import.
        from server.rpc import admin_cli

        return admin_cli.main(arguments[1:])
    if list(arguments) == ["publish"]:
        # It needs the bucket and nothing else, and `make run` waits for it.
        from server import publish

        return publish.main()
    from server.main import main

    return main(arguments)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
