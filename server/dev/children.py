"""One child process: started so that it cannot outlive us, watched until it is ready, stopped in time."""

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

PR_SET_PDEATHSIG = 1  # linux/prctl.h
POLL_SECONDS = 0.02
KILL_SECONDS = 5.0
LOG_TAIL_BYTES = 2000

_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


class StartFailed(Exception):
    """A child ended, or was not ready in time. The message says which, and what it logged last."""


class Child(Protocol):
    """What the supervisor keeps running."""

    @property
    def name(self) -> str:
        """Unique among the children of a supervisor."""
        ...

    @property
    def pid(self) -> int | None:
        """Of the running process."""
        ...

    async def launch(self) -> None:
        """Starts it and returns once it is ready. Raises StartFailed, and then nothing of it runs."""
        ...

    async def exited(self) -> str:
        """Waits for the end and says how it ended."""
        ...

    async def stop(self, *, hurry: asyncio.Event) -> bool:
        """Ends it: gently, and by force after its time or once `hurry` is set. Whether it ended by itself in time."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """How to run one program.

    `ready` is asked again and again until it says yes. `drain` runs before the signal that ends the program.
    """

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    directory: Path
    log: Path
    ready: Callable[[], Awaitable[bool]]
    start_seconds: float = 60.0
    stop_seconds: float = 15.0
    stop_signal: signal.Signals = signal.SIGTERM
    drain: Callable[[], Awaitable[None]] | None = None


class CommandChild:
    """A child that is a program of its own."""

    def __init__(self, command: Command) -> None:
        self._command = command
        self._process: asyncio.subprocess.Process | None = None
        self._log_start = 0

    @property
    def name(self) -> str:
        """The command's."""
        return self._command.name

    @property
    def pid(self) -> int | None:
        """None before the start and after the end."""
        process = self._running()
        return process.pid if process else None

    def _running(self) -> asyncio.subprocess.Process | None:
        return self._process if self._process and self._process.returncode is None else None

    async def launch(self) -> None:
        """Starts the program and waits for `ready`."""
        self._process, self._log_start = await _spawn(self._command)
        await self._until_ready()

    async def _until_ready(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._command.start_seconds
        while not await self._command.ready():
            if not self._running():
                raise StartFailed(f"{self.name} {await self.exited()}{self._last_words()}")
            if loop.time() > deadline:
                await self._kill()
                seconds = self._command.start_seconds
                raise StartFailed(f"{self.name} was not ready within {seconds:.0f} s{self._last_words()}")
            await asyncio.sleep(POLL_SECONDS)

    def _last_words(self) -> str:
        return log_tail(self._command.log, since=self._log_start)

    async def exited(self) -> str:
        """Waits for the end."""
        if self._process is None:
            return "was never started"
        return describe_exit(await self._process.wait())

    async def stop(self, *, hurry: asyncio.Event) -> bool:
        """Drains, then the stop signal, then SIGKILL."""
        if not self._running():
            return True
        if self._command.drain is not None:
            await first_of(self._command.drain(), self.exited(), hurry.wait(), seconds=self._command.stop_seconds)
        self._signal(self._command.stop_signal)
        await first_of(self.exited(), hurry.wait(), seconds=self._command.stop_seconds)
        if not self._running():
            return True
        await self._kill()
        return False

    async def _kill(self) -> None:
        self._signal(signal.SIGKILL)
        await first_of(self.exited(), seconds=KILL_SECONDS)

    def _signal(self, number: signal.Signals) -> None:
        if process := self._running():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)


async def run_to_end(command: Command, *, seconds: float) -> None:
    """Runs a program that ends by itself. Raises StartFailed if it fails or takes longer; it is killed then."""
    process, log_start = await _spawn(command)
    try:
        status = await asyncio.wait_for(process.wait(), timeout=seconds)
    except TimeoutError:
        raise StartFailed(
            f"{command.name} took more than {seconds:.0f} s{log_tail(command.log, since=log_start)}"
        ) from None
    finally:
        if process.returncode is None:
            process.kill()
    if status != 0:
        raise StartFailed(f"{command.name} {describe_exit(status)}{log_tail(command.log, since=log_start)}")


async def _spawn(command: Command) -> tuple[asyncio.subprocess.Process, int]:
    """Starts a program; answers it, and how long its log was before."""
    with open_log(command.log) as log:
        log_start = os.fstat(log).st_size
        process = await asyncio.create_subprocess_exec(
            *command.arguments,
            env=dict(command.environment),
            cwd=command.directory,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # A session of its own: Ctrl-C in the terminal reaches the supervisor only, which ends all in order.
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGKILL),
        )
        return process, log_start


def die_with_parent(number: signal.Signals) -> Callable[[], None] | None:
    """What a new process runs before its program, so that the kernel ends it with its parent. None where it cannot."""
    if _prctl is None:
        return None
    prctl, parent = _prctl, os.getpid()

    def before_exec() -> None:
        prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:  # it died between fork and prctl
            os._exit(1)

    return before_exec


def end_with_my_parent() -> None:
    """Asks the kernel to send this process SIGTERM when its parent ends."""
    if _prctl is not None:
        _prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)


async def first_of(*waits: Awaitable[object], seconds: float) -> None:
    """Returns when one of them has ended, or the time is up; the others are cancelled."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def describe_exit(status: int) -> str:
    """`ended with status 3`, `was ended by SIGKILL`."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"


@contextlib.contextmanager
def open_log(path: Path) -> Iterator[int]:
    """A descriptor that appends to `path`, which only its owner may read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def log_tail(path: Path, *, since: int) -> str:
    """The end of what a log holds from byte `since` on, indented under a line that names it; empty if that is none."""
    try:
        with path.open("rb") as log:
            log.seek(max(since, path.stat().st_size - LOG_TAIL_BYTES))
            lines = log.read().decode(errors="replace").splitlines()[-8:]
    except OSError:
        return ""
    return f"\n  {path} ends:\n" + "\n".join(f"    {line}" for line in lines) if lines else ""


def accepts(address: str) -> Callable[[], Awaitable[bool]]:
    """A readiness probe: whether something accepts connections at `host:port` or `unix:/path`."""

    async def probe() -> bool:
        try:
            if address.startswith("unix:"):
                _, writer = await asyncio.open_unix_connection(address.removeprefix("unix:"))
            else:
                host, _, port = address.rpartition(":")
                _, writer = await asyncio.open_connection(host, int(port))
        except OSError:
            return False
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return True

    return probe


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on now, all different."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
