"""Work that is done only as long as a watch beside it has nothing against it."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def while_watched(work: Coroutine[Any, Any, T], watch: Coroutine[Any, Any, None]) -> T:
    """What `work` returns or raises. If `watch` raises before that, `work` is cancelled and that is raised.

    A watch that returns has nothing against the rest. Neither goes on afterwards, also where the caller is cancelled.
    """
    working, watching = asyncio.create_task(work), asyncio.create_task(watch)
    try:
        await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            await watching
        return await working
    finally:
        await cancel(working, watching)


async def cancel(*tasks: "asyncio.Task[Any]") -> None:
    """Cancels them and waits until they have ended, however they do."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
