"""Scripts of faults: what they say happens when they say it, and a seed says everything."""

import asyncio
from itertools import pairwise

import pytest

from monitor.emulator.fault_script import CATALOGUE, Door, Entry, Stage, check, perform, random_script
from monitor.emulator.settings import EmulatorSettings
from monitor.system_clock import SystemClock
from tests.conftest import ManualClock, settle
from tests.emulator.conftest import small_scenario
from tests.emulator.stages import heard, listening


async def test_a_script_is_played_by_the_clock(clock: ManualClock) -> None:
    """Each fault is on from its time for as long as it says, with its parameters, and all are off at the end."""
    script = (
        Entry(5, "rest-503", 10),
        Entry(2, "clock-ahead", 6, {"skew_s": 2}),
        Entry(8, "clock-ahead", 1, {"skew_s": 4}),
        Entry(9, "market-reset"),
    )
    seen = []
    async with Stage(clock, small_scenario()) as stage:
        async with asyncio.TaskGroup() as group:
            playing = group.create_task(perform(stage, script))
            for _ in range(16):
                await clock.advance(1)
                seen.append((stage.on, stage.emulator.faults.skew_ms))
            await settle()
        assert playing.done()
    rest, ahead = "rest-503", "clock-ahead"
    assert seen == [
        ((), 0), *[((ahead,), 2000)] * 3, *[((ahead, rest), 2000)] * 3, ((rest, ahead), 4000), *[((rest,), 0)] * 6,
        ((), 0), ((), 0),
    ]  # fmt: skip


async def test_a_script_that_is_cut_short_leaves_health(clock: ManualClock) -> None:
    """Cancelled in the middle it switches everything off."""
    async with Stage(clock, small_scenario()) as stage:
        async with asyncio.TaskGroup() as group:
            playing = group.create_task(perform(stage, [Entry(0, "market-refused", 100)]))
            await settle(100)
            assert stage.market.door is Door.REFUSE
            playing.cancel()
        assert stage.on == ()
        async with listening(stage.base_market_ws):
            pass


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ([Entry(0, "no-such", 1)], "no fault no-such"),
        ([Entry(0, "dns-failure", 1)], "no fault dns-failure"),
        ([Entry(-1, "silence", 1)], "below zero"),
        ([Entry(0, "silence", -1)], "below zero"),
        ([Entry(0, "silence", 1, {"depth": 1})], "other parameters"),
        ([Entry(2, "silence", 1), Entry(0, "silence", 3)], "while it is on"),
    ],
)
async def test_what_cannot_be_played_is_refused(clock: ManualClock, script: list[Entry], why: str) -> None:
    """Before anything happens, with the name of the fault."""
    with pytest.raises(ValueError, match=why):
        await perform(Stage(clock, small_scenario()), script)


def test_a_seed_says_everything() -> None:
    """The same seed makes the same script, another one another; all of it is within the time and can be played."""
    one = random_script(7, 7_200)
    assert one == random_script(7, 7_200)
    assert one != random_script(8, 7_200)
    assert one[0].at_s > 0
    assert max(entry.until_s for entry in one) <= 7_200
    for seed in range(50):
        check(random_script(seed, 7_200, overlap=1))


def test_a_random_script_keeps_to_what_is_asked() -> None:
    """Groups or names, times and parameters stay in their ranges; in the long run everything is drawn."""
    script = random_script(1, 200_000, lasting_s=(3, 5), calm_s=(10, 20), overlap=0)
    assert {entry.name for entry in script} == {one.name for one in CATALOGUE.values() if one.scripted}
    for entry, following in pairwise(script):
        fault = CATALOGUE[entry.name]
        assert 3 <= entry.for_s <= 5 if fault.lasts else entry.for_s == 0
        assert 9.9 <= following.at_s - entry.until_s <= 20.1
        for name, value in entry.values.items():
            assert fault.parameters[name].least <= value <= fault.parameters[name].most
    some = random_script(1, 3_600, groups=["data", "clock"])
    assert {CATALOGUE[entry.name].group for entry in some} == {"data", "clock"}
    assert {entry.name for entry in random_script(1, 3_600, names={"silence"})} == {"silence"}
    with pytest.raises(ValueError, match="no fault to draw from"):
        random_script(1, 3_600, groups=["clock"], names={"silence"})


class FastClock(SystemClock):
    """Real time, so many times faster."""

    def __init__(self, times: float) -> None:
        self._times = times
        self._wall_ms, self._mono_s = super().wall_ms(), super().mono_s()

    def mono_s(self) -> float:
        return self._mono_s + (super().mono_s() - self._mono_s) * self._times

    def wall_ms(self) -> int:
        return self._wall_ms + round((self.mono_s() - self._mono_s) * 1000)

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds / self._times)


async def test_time_may_run_faster() -> None:
    """On a clock that is 100 times faster the exchange ticks, pings and fails 100 times faster, too."""
    clock = FastClock(100)
    settings = EmulatorSettings(forever=True, ping_every_s=5)
    async with Stage(clock, small_scenario(), settings) as stage, asyncio.TaskGroup() as group:
        running = group.create_task(stage.emulator.run())
        async with listening(stage.base_market_ws) as one:
            begun_ms = clock.wall_ms()
            times = [(await heard(one))["E"] for _ in range(5)]
            await perform(stage, [Entry(1, "silence", 10), Entry(12, "rest-slow", 5, {"delay_s": 3})])
            assert clock.wall_ms() - begun_ms >= 17_000
            await heard(one)
        assert times[-1] - times[0] >= 3_000
        running.cancel()
