"""Some of our API as somebody would write it with FastAPI: the same work, behind the same gateway.

`python -m tests.bench.baseline.api SOCKET`, with the environment of a `serve` process.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI

from tests.bench.baseline import packages, sessions, statements
from tests.bench.baseline.database import pool


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    async with pool:
        await pool.wait()
        yield


app = FastAPI(lifespan=lifespan)
app.include_router(packages.router)
app.include_router(sessions.router)
app.include_router(statements.router)

if __name__ == "__main__":
    uvicorn.run(app, uds=sys.argv[1], loop="uvloop", http="httptools", access_log=False, log_level="warning")
