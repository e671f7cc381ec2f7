"""Runs the targets: input after input, each reproducible by seed, target and number, and watches what grows."""

import gc
import logging
import signal
import sys
import time  # noqa: TID251 - says how fast a run was; nothing is judged by it
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from types import FrameType
from typing import Final, NoReturn

import msgspec
import structlog

from tests.fuzz.mutate import Mutator, shrunk
from tests.fuzz.shell_targets import shell_targets
from tests.fuzz.target import Target
from tests.fuzz.wire_targets import wire_targets

WARM_SHARE: Final = 0.2  # of a target's inputs, after which nothing may grow any more
BLOCKS_ALLOWED: Final = 3_000  # of Python's allocator; a leak of one object an input is a hundred times that
RSS_ALLOWED: Final = 8 * 2**20
MOST_FINDINGS: Final = 3  # kinds of failure of a target that are told and made short
STUCK_S: Final = 20.0  # of processor time for one input: it would never end
_PAGE: Final = 4096


class Finding(msgspec.Struct, frozen=True):
    """An input that broke something, as short as it could be made."""

    target: str
    seed: str
    number: int
    error: str
    reproducer: str  # hex

    def __str__(self) -> str:
        return (
            f"{self.target}: {self.error}\n  seed {self.seed!r}, input {self.number}\n"
            f"  bytes.fromhex({self.reproducer!r})"
        )


class Score(msgspec.Struct, frozen=True):
    """What a run of one target was like."""

    target: str
    inputs: int
    accepted: int
    seconds: float
    slowest_ms: float
    slowest_bytes: int
    blocks_grown: int  # of the allocator, since the warm-up
    rss_grown: int  # bytes, since the warm-up
    findings: tuple[Finding, ...] = ()


class StuckError(Exception):
    """One input took more processor time than any should."""


def all_targets(directory: Path) -> list[Target]:
    """Return every target; ``directory`` is for their files."""
    return [*wire_targets(), *shell_targets(directory)]


def shared_out(targets: Sequence[Target], inputs: int, *, short: bool = False) -> list[int]:
    """Return how many inputs each target gets, in proportion to its share; in all at least ``inputs``.

    A ``short`` run spares the slow ones.
    """
    shares = [target.share if not (short and target.slow) else -(-target.share // 10) for target in targets]
    return [-(-inputs * share // sum(shares)) for share in shares]


def input_of(target: Target, mutator: Mutator, seed: str, number: int) -> bytes:
    """Return one input again."""
    return mutator.make(Random(f"{seed}/{target.name}/{number}"))  # noqa: S311 - no secret hangs on it


def run_target(
    target: Target, inputs: int, seed: str, *, before_each: Callable[[], object] = bool, weighed: bool = True
) -> Score:
    """Feed a target; samples first, as they are.

    Args:
        target: what is fed.
        inputs: how many.
        seed: of all of them.
        before_each: called before each input.
        weighed: whether memory is looked at, which takes a while.

    Returns:
        What it was like, with a finding for each kind of failure, a size beyond its bound and growth included.
    """
    mutator = Mutator(target.samples)
    findings: dict[str, Finding] = {}
    accepted, slowest_s, slowest_bytes = 0, 0.0, 0
    warm_at = min(inputs - 1, max(int(inputs * WARM_SHARE), 1))
    blocks, rss = 0, 0
    began_s = time.perf_counter()
    for number in range(inputs):
        if weighed and number == warm_at:
            blocks, rss = _memory()
        raw = target.samples[number] if number < len(target.samples) else input_of(target, mutator, seed, number)
        before_each()
        at_s = time.perf_counter()
        error = _failure(target, raw)
        took_s = time.perf_counter() - at_s
        if took_s > slowest_s:
            slowest_s, slowest_bytes = took_s, len(raw)
        if error is None or isinstance(error, bool):
            accepted += bool(error)
            continue
        kind = _kind(error)
        if kind not in findings and len(findings) < MOST_FINDINGS:
            short = raw if isinstance(error, StuckError) else _shortest(target, raw, kind)
            findings[kind] = Finding(target.name, seed, number, kind, short.hex())
    grown = _memory() if weighed else (blocks, rss)
    seconds = time.perf_counter() - began_s
    blocks, rss = grown[0] - blocks, grown[1] - rss
    for problem in _grown(target, blocks, rss):
        findings[problem] = Finding(target.name, seed, inputs, problem, "")
    return Score(
        target.name,
        inputs,
        accepted,
        seconds,
        slowest_s * 1000,
        slowest_bytes,
        blocks,
        rss,
        tuple(findings.values()),
    )


def _failure(target: Target, raw: bytes) -> Exception | bool:
    """Return what an input was refused with that is no documented refusal, else whether it was accepted."""
    try:
        return target.check(raw)
    except Exception as error:  # noqa: BLE001 - whatever comes is what is looked for
        return error


def _shortest(target: Target, raw: bytes, kind: str) -> bytes:
    return shrunk(raw, lambda one: _fails_so(target, one, kind))


def _fails_so(target: Target, raw: bytes, kind: str) -> bool:
    error = _failure(target, raw)
    return isinstance(error, Exception) and _kind(error) == kind


def _kind(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace is not None else ""
    first = str(error).split("\n", 1)[0][:160]
    return f"{type(error).__name__} at {place}: {first}"


def _grown(target: Target, blocks: int, rss: int) -> Iterator[str]:
    for name, (size, most) in target.sizes().items():
        if size > most:
            yield f"{name} holds {size}, at most {most} are promised"
    if blocks > BLOCKS_ALLOWED:
        yield f"{blocks} blocks of memory more than after the warm-up"
    if rss > RSS_ALLOWED:
        yield f"{rss} bytes of resident memory more than after the warm-up"


def _memory() -> tuple[int, int]:
    """Return allocated blocks and resident bytes, 0 where the system does not tell."""
    gc.collect()
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        pages = 0
    return sys.getallocatedblocks(), pages * _PAGE


def call_count(work: Callable[[], object]) -> int:
    """Return how many calls, of Python and of C, some work takes: its size, whatever the machine."""
    calls = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls


@contextmanager
def watched() -> Iterator[Callable[[], None]]:
    """Raise StuckError in what runs for ``STUCK_S`` of processor time after the last call of what is yielded."""

    def stuck(_signal: int, _frame: FrameType | None) -> NoReturn:
        raise StuckError

    def again() -> None:
        signal.setitimer(signal.ITIMER_VIRTUAL, STUCK_S)

    before = signal.signal(signal.SIGVTALRM, stuck)
    try:
        yield again
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
        signal.signal(signal.SIGVTALRM, before)


@contextmanager
def aside() -> Iterator[None]:
    """Leave what is in memory already out of every collection: many other tests leave much to look at."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextmanager
def silent() -> Iterator[None]:
    """Log nothing: what is refused a million times is logged as often."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)
