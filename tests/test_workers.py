"""What blocks runs beside the loop, and a call that hangs holds up neither other calls nor the end of anything."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from monitor import workers
from monitor.workers import Workers

PATIENCE_S = 60.0  # of the machine's clock: what hangs in a test lasts as long as no test does

# The end of a whole process, in which one call never returns.
HANGS = """
import asyncio, threading
from monitor.workers import Workers

async def main():
    asyncio.get_running_loop().set_default_executor(Workers())
    begun = threading.Event()
    def hang():
        begun.set()
        threading.Event().wait()
    task = asyncio.create_task(asyncio.to_thread(hang))
    while not begun.is_set():
        await asyncio.sleep(0.01)
    task.cancel()

asyncio.run(main())
print("over")
"""


class Hanging:
    """Calls that return when they may."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.begun = threading.Semaphore(0)

    def __call__(self) -> str:
        self.begun.release()
        assert self.go_on.wait(PATIENCE_S)
        return "done"


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    made = Hanging()
    yield made
    made.go_on.set()


def test_a_process_ends_though_a_call_hangs() -> None:
    """Neither the loop's end nor the interpreter's waits for it."""
    ended = subprocess.run(
        [sys.executable, "-c", HANGS], capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "over\n", "")


async def test_what_it_is_asked_comes_back_as_a_value_or_an_error() -> None:
    """As with the executor that asyncio makes."""
    asyncio.get_running_loop().set_default_executor(Workers())
    assert await asyncio.to_thread(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await asyncio.to_thread(divmod, 7, 0)


def test_a_call_that_hangs_holds_up_no_other(hanging: Hanging) -> None:
    """There is another thread for it, and one that is idle is used again."""
    made = Workers(most=3)
    made.submit(hanging)
    assert hanging.begun.acquire(timeout=PATIENCE_S)
    for _ in range(20):
        assert made.submit(int, "1").result(PATIENCE_S) == 1
    hanging.go_on.set()
    made.shutdown()


def test_there_are_never_more_threads_than_it_may_have(hanging: Hanging) -> None:
    """What comes while all of them hang waits, and is done once one is free."""
    made = Workers(most=2)
    before = threading.active_count()
    calls = [made.submit(hanging) for _ in range(5)]
    for _ in range(2):
        assert hanging.begun.acquire(timeout=PATIENCE_S)
    assert threading.active_count() <= before + 2
    assert not hanging.begun.acquire(blocking=False)
    hanging.go_on.set()
    assert [call.result(PATIENCE_S) for call in calls] == ["done"] * 5


def test_the_end_waits_for_what_is_about_to_be_done(monkeypatch: pytest.MonkeyPatch, hanging: Hanging) -> None:
    """A small file that is being written is whole, as long as the disk does not hang."""
    monkeypatch.setattr(workers, "REST_S", PATIENCE_S)
    made = Workers()
    call = made.submit(hanging)
    assert hanging.begun.acquire(timeout=PATIENCE_S)
    ending = threading.Thread(target=made.shutdown)
    ending.start()
    assert not call.done()
    hanging.go_on.set()
    ending.join(PATIENCE_S)
    assert not ending.is_alive()
    assert call.result(PATIENCE_S) == "done"


def test_after_its_end_it_takes_nothing_and_what_waited_may_be_cancelled(hanging: Hanging) -> None:
    """The call that hangs goes on in its thread."""
    made = Workers(most=1)
    made.submit(hanging)
    assert hanging.begun.acquire(timeout=PATIENCE_S)
    waiting = made.submit(int)
    made.shutdown(wait=False, cancel_futures=True)
    assert waiting.cancelled()
    with pytest.raises(RuntimeError):
        made.submit(int)


def test_without_room_for_another_thread_those_that_are_there_do_it(
    monkeypatch: pytest.MonkeyPatch, hanging: Hanging
) -> None:
    """Only without any of them it is an error, and the next call is tried anew."""

    class Refused(threading.Thread):
        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    made = Workers()
    with monkeypatch.context() as short:
        short.setattr(workers, "Thread", Refused)
        with pytest.raises(RuntimeError):
            made.submit(int)
    first = made.submit(hanging)
    assert hanging.begun.acquire(timeout=PATIENCE_S)
    with monkeypatch.context() as short:
        short.setattr(workers, "Thread", Refused)
        second: Future[int] = made.submit(int, "2")
    hanging.go_on.set()
    assert first.result(PATIENCE_S) == "done"
    assert second.result(PATIENCE_S) == 2
    made.shutdown()
