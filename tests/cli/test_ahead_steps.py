"""What is ahead, line by line, beside the arithmetic of a position."""

import json
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from monitor.cli.ahead_steps import Ahead
from monitor.cli.root import app
from monitor.cli.steps import Step
from monitor.core.ahead import FRESH_MS, Moment
from monitor.core.model import Side
from monitor.core.settings import EngineSettings
from monitor.core.surroundings import AdlKnown, Fact, Funding, FundingKnown, Surroundings
from monitor.status import Holdings
from monitor.system_clock import SystemClock
from tests.cli.answering import answering
from tests.cli.test_offline import KEYED, daemon_answers
from tests.core.builders import BTC, ETH, WALL_MS, account, cross, isolated, table
from tests.core.strategies import build_table
from tests.core.test_ahead import moment, of
from tests.core.test_collateral import multi, rate

FUNDING = FundingKnown(WALL_MS - 20_000, {BTC: Funding(0.0005, WALL_MS + 2_100_000)})


def lines(
    here: Moment, *facts: Fact, now_ms: int = WALL_MS, row: int = 0, watched: bool = False
) -> dict[str, Step]:
    around = Surroundings()
    for fact in facts:
        around = around.after(fact)
    steps = list(Ahead(here.book, here.readings, EngineSettings(), around, now_ms, watched=watched).steps(row))
    return {step.name: step for step in reversed(steps)}  # of equal names the first


def test_funding_is_worked_out_for_the_position_and_for_its_wallet() -> None:
    """100 and 300 of notional: one pays 0.05, the other receives 0.6, the wallet what is left."""
    funding = FundingKnown(WALL_MS, {BTC: Funding(0.0005, WALL_MS + 5), ETH: Funding(0.002, WALL_MS + 5)})
    got = lines(of(cross(), cross(ETH, side=Side.SHORT, quantity=3.0)), funding)
    assert got["next funding"].value == pytest.approx(-0.05)
    assert "100 x 0.0500 %" in got["next funding"].arithmetic
    assert got["  of the wallet"].value == pytest.approx(0.55)
    assert got["  ratio then"].value is not None
    assert got["  liquidation price then"].value is not None


def test_funding_that_is_not_known_old_or_due_now_is_said_to_be() -> None:
    """Never a figure of before."""
    here = of(isolated())
    known = lines(here, FUNDING)["next funding"]
    assert known.source == "told 20 s ago"
    assert known.arithmetic.startswith("in 35 min: ")
    for facts, now_ms, watched, words in (
        ((), WALL_MS, False, "not known: a running daemon asks the exchange for it"),
        ((), WALL_MS, True, "not known yet: the running daemon asks the exchange for it, within a minute or so"),
        (
            (FUNDING,),
            WALL_MS + FRESH_MS,
            True,
            "not known: what the exchange told is 10 min old, more than 10 min",
        ),
    ):
        unknown = lines(here, *facts, now_ms=now_ms, watched=watched)["next funding"]
        assert unknown.value is None
        assert unknown.arithmetic.startswith(words)
    due = FundingKnown(WALL_MS, {BTC: Funding(0.0005, WALL_MS)})
    assert lines(here, due)["next funding"].arithmetic == "it is being settled"


def test_the_next_bracket_is_shown_with_what_it_requires() -> None:
    """Of the position that is explained; the highest has none."""
    tables = {BTC: build_table(BTC, [(0.0, "0.01"), (200.0, "0.02")])}
    got = lines(moment([account(cross(), usdt=1000.0)], tables, {BTC: 100.0}))
    assert got["next bracket"].value == pytest.approx(200.0)
    assert "rate 1.0 % -> 2.0 %" in got["next bracket"].arithmetic
    assert got["  required there"].value == pytest.approx(2.0)
    assert got["  5.0 % beyond"].value == pytest.approx(2.2)
    assert lines(of(cross()))["next bracket"].value is None


def test_collateral_and_the_queue_have_lines_where_there_are_such_things() -> None:
    """A hedge says that it is one."""
    pooled = multi(
        cross(quantity=10.0), cross(side=Side.SHORT, quantity=5.0), rates={"BTC": rate(100.0)},
        USDT=500.0, BTC=2.0,
    )  # fmt: skip
    here = moment([pooled], {BTC: table()}, {BTC: 100.0})
    got = lines(here, AdlKnown("main", WALL_MS, {BTC: {Side.LONG: 4, Side.SHORT: 2}}))
    assert got["BTC cut by 5 points"].value == pytest.approx(-10.0)
    assert got["BTC falls 10 %"].value == pytest.approx(-69.0)
    assert got["place in the queue"].value == 4.0
    assert got["place in the queue"].arithmetic.startswith("4 of 4 for auto-deleveraging: 4 is closed first")
    assert got["place in the queue"].arithmetic.startswith("4 of 4 for auto-deleveraging: 4 is closed first")
    assert "  it is a hedge's leg" in got
    short = lines(here, AdlKnown("main", WALL_MS, {BTC: {Side.LONG: 4, Side.SHORT: 2}}), row=1)
    assert short["place in the queue"].value == 2.0
    assert short["place in the queue"].arithmetic.startswith("2 of 4 for auto-deleveraging: 4 is closed first")
    assert "  it is a hedge's leg" not in short
    old = AdlKnown("main", WALL_MS - FRESH_MS - 1, {BTC: {Side.LONG: 4}})
    assert "place in the queue" not in lines(here, old)


def test_what_would_use_up_the_margin_says_so() -> None:
    """There is no ratio of nothing, and that is not unknown."""
    pooled = multi(cross(quantity=10.0), rates={"BTC": rate(100.0)}, USDT=-75.0, BTC=2.0)
    here = moment([pooled], {BTC: table()}, {BTC: 100.0})
    steps = list(Ahead(here.book, here.readings, EngineSettings(), Surroundings(), WALL_MS).steps(0))
    falls = next(i for i, step in enumerate(steps) if step.name == "BTC falls 10 %")
    ratio = steps[falls + 1]
    assert (ratio.name, ratio.value) == ("  ratio then", None)
    assert ratio.arithmetic.endswith(" % -> margin used up; emergency then")


def test_a_wallet_without_marks_has_nothing_ahead() -> None:
    """What is not known is not guessed."""
    assert lines(moment([account(cross(), usdt=1000.0)], {BTC: table()}, {}), FUNDING) == {}


def test_explain_shows_what_a_running_daemon_knows_is_ahead(tmp_path: Path) -> None:
    """The rate and the time are the daemon's; the money is made of the position it holds."""
    now_ms = SystemClock().wall_ms()
    answers = daemon_answers()
    holdings = answers["holdings"]
    assert isinstance(holdings, Holdings)
    around = Surroundings().after(FundingKnown(now_ms, {BTC: Funding(0.0001, now_ms + 2 * 3_600_000)}))
    answers["holdings"] = msgspec.structs.replace(holdings, surroundings=around)
    config = tmp_path / "config.toml"
    config.write_text(f'[state]\ndirectory = "{tmp_path / "s"}"\n' + KEYED)
    with answering(tmp_path / "s", answers):
        result = CliRunner().invoke(app, ["explain", BTC, "--config", str(config), "--json"])
    (leg,) = json.loads(result.stdout)
    steps = {step["name"]: step for step in reversed(leg["steps"])}
    held = holdings.accounts[0].positions[0]
    mark = steps["mark price"]["value"]
    assert steps["next funding"]["value"] == pytest.approx(-0.0001 * held.quantity * mark)
    assert "in 119 min" in steps["next funding"]["arithmetic"] or "in 2 h" in steps["next funding"]["arithmetic"]
