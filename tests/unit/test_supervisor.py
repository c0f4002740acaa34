"""The supervisor with real small programs."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import psutil
import pytest

from server.dev.children import Command, CommandChild, StartFailed
from server.dev.supervisor import Backoff, Supervisor

ROOT = Path(__file__).parents[2]
QUICK = Backoff(first_seconds=0.01, most_seconds=0.05)


class Scene:
    """A supervisor, what it said, and programs to give it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []
        self.supervisor = Supervisor(say=self.said.append, backoff=QUICK)

    def child(
        self,
        name: str,
        program: str = "",
        *,
        stop_seconds: float = 5.0,
        start_seconds: float = 10.0,
        drain: Callable[[], Awaitable[None]] | None = None,
    ) -> CommandChild:
        """A Python program that runs `program`, tells that it is ready, and sleeps."""
        ready = self.folder / f"{name}.ready"
        source = f"import os, signal, sys, time\n{textwrap.dedent(program)}\nopen({str(ready)!r}, 'w').close()\n"

        async def is_ready() -> bool:
            return ready.exists()

        return CommandChild(
            Command(
                name=name,
                arguments=(sys.executable, "-S", "-c", source + "time.sleep(60)"),
                environment={},
                directory=self.folder,
                log=self.folder / f"{name}.log",
                ready=is_ready,
                start_seconds=start_seconds,
                stop_seconds=stop_seconds,
                drain=drain,
            )
        )

    def note(self, text: str) -> str:
        """Python that appends `text` to the scene's notes."""
        return f"open({str(self.folder / 'notes')!r}, 'a').write({text!r} + '\\n')"

    def notes(self) -> list[str]:
        """What the programs noted."""
        path = self.folder / "notes"
        return path.read_text().split() if path.exists() else []

    def says_goodbye(self, name: str) -> str:
        """Python that notes `name` on SIGTERM."""
        return f"""
def leave(*_):
    {self.note(name)}
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
"""


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    scene.supervisor.hurry()
    await scene.supervisor.stop()


async def eventually(condition: Callable[[], bool], *, seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        await asyncio.sleep(0.01)


def pid_of(child: CommandChild) -> int:
    assert child.pid is not None
    return child.pid


async def test_a_stage_is_ready_when_all_its_children_are(scene: Scene) -> None:
    await scene.supervisor.start(scene.child("one"), scene.child("two", "time.sleep(0.1)"))
    assert (scene.folder / "one.ready").exists()
    assert (scene.folder / "two.ready").exists()
    assert sorted(line.split()[1] for line in scene.said) == ["one", "two"]


async def test_stages_end_in_reverse_order(scene: Scene) -> None:
    for name in ("first", "second", "third"):
        await scene.supervisor.start(scene.child(name, scene.says_goodbye(name)))
    await scene.supervisor.stop()
    assert scene.notes() == ["third", "second", "first"]


async def test_a_child_drains_before_it_is_signalled(scene: Scene) -> None:
    async def drain() -> None:
        with (scene.folder / "notes").open("a") as notes:
            notes.write("drained\n")

    await scene.supervisor.start(scene.child("edge", scene.says_goodbye("edge"), drain=drain))
    await scene.supervisor.stop()
    assert scene.notes() == ["drained", "edge"]


async def test_a_crashed_child_runs_again_and_it_is_said(scene: Scene) -> None:
    child = scene.child("worker")
    await scene.supervisor.start(child)
    first = pid_of(child)
    os.kill(first, signal.SIGKILL)
    await eventually(lambda: "✓ worker is back" in scene.said)
    assert pid_of(child) != first
    assert any("worker was ended by SIGKILL" in line for line in scene.said)


async def test_a_child_that_cannot_be_ready_fails_the_start_with_the_end_of_its_log(scene: Scene) -> None:
    with pytest.raises(StartFailed, match=r"(?s)broken ended with status 3.*no bucket here"):
        await scene.supervisor.start(scene.child("broken", "print('no bucket here', flush=True); sys.exit(3)"))


async def test_a_failed_start_does_not_show_what_earlier_runs_logged(scene: Scene) -> None:
    (scene.folder / "broken.log").write_text("the disk was on fire\n")
    with pytest.raises(StartFailed, match="no bucket here") as failed:
        await scene.supervisor.start(scene.child("broken", "print('no bucket here', flush=True); sys.exit(3)"))
    assert "on fire" not in str(failed.value)


async def test_a_child_that_is_never_ready_is_killed(scene: Scene) -> None:
    child = scene.child("slow", "time.sleep(60)", start_seconds=0.2)
    with pytest.raises(StartFailed, match="slow was not ready within"):
        await scene.supervisor.start(child)
    assert child.pid is None


async def test_a_failed_stage_still_stops_with_everything_before_it(scene: Scene) -> None:
    child = scene.child("database", scene.says_goodbye("database"))
    await scene.supervisor.start(child)
    with pytest.raises(StartFailed):
        await scene.supervisor.start(scene.child("server", "sys.exit(1)"))
    await scene.supervisor.stop()
    assert scene.notes() == ["database"]


async def test_a_child_that_ignores_sigterm_is_killed_after_its_time(scene: Scene) -> None:
    child = scene.child("deaf", "signal.signal(signal.SIGTERM, signal.SIG_IGN)", stop_seconds=0.2)
    await scene.supervisor.start(child)
    pid = pid_of(child)
    await scene.supervisor.stop()
    assert not psutil.pid_exists(pid)
    assert scene.said[-1] == "! deaf did not stop by itself and was killed"


async def test_hurrying_does_not_wait_for_a_child_that_takes_its_time(scene: Scene) -> None:
    child = scene.child("deaf", "signal.signal(signal.SIGTERM, signal.SIG_IGN)", stop_seconds=60)
    await scene.supervisor.start(child)
    stopping = asyncio.create_task(scene.supervisor.stop())
    await asyncio.sleep(0.1)
    assert not stopping.done()
    scene.supervisor.hurry()
    await asyncio.wait_for(stopping, timeout=5)
    assert child.pid is None


async def test_nothing_is_restarted_while_stopping(scene: Scene) -> None:
    child = scene.child("worker")
    await scene.supervisor.start(child)
    await scene.supervisor.stop()
    await asyncio.sleep(0.1)
    assert child.pid is None
    assert not any("again" in line for line in scene.said)


async def test_ctrl_c_does_not_reach_children(scene: Scene) -> None:
    child = scene.child("worker")
    await scene.supervisor.start(child)
    assert os.getpgid(pid_of(child)) != os.getpgid(0)


def test_waits_before_restarts_double_and_start_anew_after_calm() -> None:
    backoff = Backoff(first_seconds=1, most_seconds=5, calm_seconds=60)
    waits = [0.0]
    for _ in range(4):
        waits.append(backoff.after(waits[-1], lived_seconds=1))
    assert waits[1:] == [1, 2, 4, 5]
    assert backoff.after(5, lived_seconds=61) == 1


def test_children_die_with_a_killed_supervisor(tmp_path: Path) -> None:
    program = f"""
        import asyncio
        from pathlib import Path
        from tests.unit.test_supervisor import Scene

        async def main():
            scene = Scene(Path({str(tmp_path)!r}))
            children = [scene.child("one"), scene.child("two")]
            await scene.supervisor.start(*children)
            print(*(child.pid for child in children), flush=True)
            await asyncio.sleep(60)

        asyncio.run(main())
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as supervisor:
        assert supervisor.stdout is not None
        children = [psutil.Process(int(pid)) for pid in supervisor.stdout.readline().split()]
        assert len(children) == 2
        supervisor.kill()
    assert psutil.wait_procs(children, timeout=5)[1] == []
