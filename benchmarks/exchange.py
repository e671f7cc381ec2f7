"""A stand-in exchange in a process of its own, so that its work is nobody else's processor time.

It plays one programme at a time: accepts one websocket connection, waits for its SUBSCRIBE, and sends bursts of
mark price frames, paced by what the client has decided, by a timer, or as fast as the socket takes them.
"""

import itertools
import multiprocessing
import socket
import time  # noqa: TID251 - a benchmark measures real time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

MOST_BURSTS = 1 << 18
BLOCK_BYTES = 1 << 16
POLL_S = 20e-6  # between two looks at what the client has decided
READ_BYTES = 1 << 16

_TIME = b"1111111111111"  # stands for an event time in a rendered frame; no other digits look like it

Burst = Sequence[tuple[str, float]]  # symbol and mark price


class Program(NamedTuple):
    """What to send. Burst ``n`` is ``bursts[n % len(bursts)]`` with event time ``start_ms + n``."""

    bursts: Sequence[Burst]
    length: int  # in bursts
    start_ms: int
    warm: int = 0  # this many bursts go one by one, before anything is measured
    array: bool = False  # a burst is one frame with a row for each symbol, else one frame each
    lockstep: bool = False  # the next burst only once the client has decided the last
    interval_s: float = 0.0  # the next burst only this long after the last was due

    @property
    def last(self) -> tuple[str, int]:
        """Symbol and event time of the last mark sent."""
        return self.bursts[(self.length - 1) % len(self.bursts)][-1][0], self.start_ms + self.length - 1


class Board:
    """What both processes see: how many bursts the client has decided, and when each was sent."""

    def __init__(self, decided: Any, sent_ns: Any) -> None:  # noqa: ANN401 - ctypes arrays have no better type
        self._decided = decided
        self._sent_ns = sent_ns

    @property
    def decided(self) -> int:
        """Bursts decided; the exchange waits for it where the programme says so."""
        return int(self._decided[0])

    @decided.setter
    def decided(self, bursts: int) -> None:
        self._decided[0] = bursts

    def stamp(self, burst: int) -> None:
        """Note that a burst is being written to the socket."""
        self._sent_ns[burst] = time.monotonic_ns()

    def sent_s(self, burst: int) -> float:
        """Return when a burst was written, monotonic seconds (one clock for all processes)."""
        return float(self._sent_ns[burst] / 1e9)


class Exchange:
    """The client's handle on the process."""

    def __init__(self, port: int, board: Board, programs: "Connection[Program | None, int]") -> None:
        self.base = f"ws://127.0.0.1:{port}/market"  # as a feed wants it; it appends the last part
        self.board = board
        self._programs = programs

    def load(self, program: Program) -> None:
        """Have the next connection get this programme."""
        self.board.decided = 0
        self._programs.send(program)


@contextmanager
def running() -> Iterator[Exchange]:
    """Run an exchange for the duration of the block."""
    context = multiprocessing.get_context("spawn")
    decided, sent_ns = context.RawArray("q", 1), context.RawArray("q", MOST_BURSTS)
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, decided, sent_ns), daemon=True)
    process.start()
    try:
        yield Exchange(ours.recv(), Board(decided, sent_ns), ours)
        ours.send(None)
        process.join(5.0)
    finally:
        process.kill()
        process.join()
        ours.close()
        theirs.close()


def mark_json(symbol: str, mark: float, event_ms: bytes = _TIME) -> bytes:
    """Return one mark price update with every field the exchange sends."""
    price = f"{mark:.8f}"
    return (
        f'{{"e":"markPriceUpdate","E":{event_ms.decode()},"s":"{symbol}","p":"{price}","ap":"{price}",'
        f'"P":"{price}","i":"{price}","r":"0.00008900","T":1789488000000,"st":1}}'
    ).encode()


def _serve(programs: "Connection[int, Program | None]", decided: object, sent_ns: object) -> None:
    board = Board(decided, sent_ns)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        programs.send(listener.getsockname()[1])
        while (program := programs.recv()) is not None:
            client, _ = listener.accept()
            with client, suppress(OSError):  # a client that goes early ends its programme
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                _play(client, program, board)


def _play(client: socket.socket, program: Program, board: Board) -> None:
    protocol = ServerProtocol()
    _until_subscribed(client, protocol)
    templates = [_template(burst, array=program.array) for burst in program.bursts]
    held: list[bytes] = []
    size = 0
    due_s = time.monotonic()
    for burst in range(program.length):
        data = templates[burst % len(templates)].replace(_TIME, str(program.start_ms + burst).encode())
        if burst <= program.warm or program.lockstep:
            _flush(client, held)
            size = 0
            while board.decided < burst:
                time.sleep(POLL_S)
        if program.interval_s:
            due_s = max(due_s + program.interval_s, time.monotonic())
            time.sleep(max(0.0, due_s - time.monotonic()))
        board.stamp(burst)
        held.append(data)
        size += len(data)
        if size >= BLOCK_BYTES or burst < program.warm or program.lockstep or program.interval_s:
            _flush(client, held)
            size = 0
    _flush(client, held)
    while data := client.recv(READ_BYTES):  # until the client says goodbye
        protocol.receive_data(data)
        client.sendall(b"".join(protocol.data_to_send()))
        if protocol.close_expected():
            break


def _until_subscribed(client: socket.socket, protocol: ServerProtocol) -> None:
    subscribed = False
    while not subscribed:
        protocol.receive_data(client.recv(READ_BYTES))
        for event in protocol.events_received():
            if isinstance(event, Request):
                protocol.send_response(protocol.accept(event))
            elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                subscribed = True
        client.sendall(b"".join(protocol.data_to_send()))


def _template(burst: Burst, *, array: bool) -> bytes:
    rows = [mark_json(symbol, mark) for symbol, mark in burst]
    payloads = [b"[" + b",".join(rows) + b"]"] if array else rows
    return b"".join(Frame(Opcode.TEXT, payload).serialize(mask=False) for payload in payloads)


def _flush(client: socket.socket, held: list[bytes]) -> None:
    if held:
        client.sendall(b"".join(itertools.chain(held)))
        held.clear()
