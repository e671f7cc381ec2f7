import io
from pathlib import Path

import msgspec
import pytest

from monitor.charts import frames, worker
from monitor.charts.series import Order
from tests.charts.records import NOW_MS, WALLET, samples, write
from tests.conftest import ManualClock

pytest.importorskip("matplotlib", reason="the extra `charts` is not installed")


def an_order(history: Path, account: str = "main") -> bytes:
    order = Order(str(history), account, WALLET, NOW_MS - 3_600_000, NOW_MS, "t", margin_ratio=0.8, distance=0.02)
    return frames.framed(msgspec.json.encode(order))


def served(orders: bytes) -> list[bytes]:
    pictures = io.BytesIO()
    worker.serve(io.BytesIO(orders), pictures)
    pictures.seek(0)
    return list(iter(lambda: frames.read(pictures), None))


async def test_each_order_has_its_answer(tmp_path: Path, clock: ManualClock) -> None:
    """A greeting, then a picture, nothing, or that the history cannot be read; the end of orders is the end."""
    history = tmp_path / "history.db"
    await write(history, clock, samples())
    greeting, picture, nothing, unreadable = served(
        an_order(history) + an_order(history, "nobody") + an_order(tmp_path / "none.db") + b"\0\0"
    )
    assert (greeting, nothing, unreadable) == (frames.READY, b"", frames.UNREADABLE)
    assert picture.startswith(b"\x89PNG")
