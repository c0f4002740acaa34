"""A worker of its own that runs imports until it is killed.

python -m tests.contract.import_process SERVER_DSN OPERATOR_DSN STORAGE_URL SPOOL_DIR
"""

import asyncio
import sys
from pathlib import Path

from tests.contract.imports_fixtures import importer_on
from tests.contract.uploads_fixtures import bucket_at, running_host
from tests.databases import Dsns


async def main(server: str, operator: str, url: str, place: str) -> None:
    dsns = Dsns("", server, operator)
    with bucket_at(url) as bucket:
        async with running_host(dsns, bucket, Path(place)) as host, importer_on(host, dsns).worker():
            await asyncio.sleep(3600)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
