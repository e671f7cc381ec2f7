"""What to do, as ``explain`` and ``status`` tell it: the target, both ways to it, and what each of them leaves."""

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from monitor.cli.cases import case_of, known_moves
from monitor.cli.held import Held
from monitor.cli.remedy_steps import HEADING, TRY, WORDS_ALONE, Around, Remedies, as_json, target_words
from monitor.cli.root import app
from monitor.cli.steps import Step
from monitor.config import load
from monitor.core.book import Book
from monitor.core.compile import compile_book
from monitor.core.model import AccountSnapshot, Level, Lot, Position, Side, SubjectKey
from monitor.core.risk import Readings, evaluate
from monitor.core.rules import compile_thresholds
from monitor.core.settings import DEFAULT_LEVELS, AdviceRules, AlertRules, EngineSettings, LevelRule
from monitor.core.surroundings import FundsKnown, Surroundings
from monitor.core.whatif import add_margin, close
from monitor.status import Holdings, Judged
from tests.by_hand import LONG_BTC
from tests.cli.answering import answering
from tests.cli.made import engine, state, symbol, wallet
from tests.core.builders import BTC, ETH, account, cross, isolated, table

NOTHING = Around()
FREE = AdviceRules(taker_fee=0.0, slippage=0.0)
SETTINGS = EngineSettings(advice=FREE, lots={BTC: Lot(0.01, 0.02), ETH: Lot(0.1)})


def readings_of(book: Book, marks: dict[str, float]) -> Readings:
    return evaluate(book, np.array([marks.get(name, np.nan) for name in book.symbols]))


def remedies(
    one: AccountSnapshot, marks: dict[str, float], settings: EngineSettings = SETTINGS,
    surroundings: Surroundings | None = None, status: dict[str, Any] | None = None,
    *, around: Around = NOTHING,
) -> Remedies:  # fmt: skip
    tables = {p.symbol: table(p.symbol) for p in one.positions}
    book = compile_book((one,), tables)
    held = Held((one,), tables, {}, status, "", surroundings or Surroundings())
    return Remedies(
        book, readings_of(book, marks), settings, lambda key: case_of(held, one, key.wallet, marks, settings),
        around,
    )  # fmt: skip


def steps(*positions: Position, mark: float, usdt: float | None = None, **around: Any) -> list[Step]:  # noqa: ANN401
    one = account(*positions, usdt=usdt)
    return list(remedies(one, {p.symbol: mark for p in positions}, **around).steps(0))


def section(found: list[Step], below: str) -> dict[str, Step]:
    """Return the steps of one target by their names; later ones of a name win."""
    names = [step.name for step in found]
    start = names.index(f"below {below}")
    ends = [i for i, name in enumerate(names) if name.startswith("below ") and i > start]
    return {step.name: step for step in found[start : min(ends, default=len(names))]}


def test_a_position_in_danger_is_explained_from_target_to_rest() -> None:
    """One BTC bought at 100 with 10, at 91.5: the room of 0.065 has to be above 0.25."""
    found = steps(isolated(), mark=91.5, usdt=100.0)
    assert found[0].name == HEADING
    assert found[0].arithmetic.startswith("add 2.22 USDT, or reduce BTCUSDT LONG by 0.")
    first = section(found, "warning")
    assert first["below warning"].arithmetic.startswith("room > 0.25 and ")
    assert first["below warning"].arithmetic.endswith("missed by the dead band of 25 %")
    added = first["  margin to add"]
    assert (added.value, added.unit) == (2.22, "USDT")
    assert added.arithmetic == "rounded up to 0.01; the account has it: up to 100.00 USDT can be moved here"
    assert first["    can be moved here"].value == 100.0
    assert first["    lacking"].value == 0.0
    second = section(found, "notice")
    assert second["below notice"].arithmetic.startswith("room > 0.625 and ")
    assert (second["  margin to add"].value or 0.0) > 2.22


@pytest.mark.parametrize("below", [Level.WARNING, Level.NOTICE])
def test_what_is_shown_afterwards_is_what_an_evaluation_finds(below: Level) -> None:
    """Figures before and after come from the formulas of every tick, of the account changed by hand."""
    position = isolated()
    one, marks = account(position, usdt=100.0), {BTC: 91.5}
    found = list(remedies(one, marks).steps(0))
    names = [step.name for step in found]
    start = names.index(f"below {below.label}")
    cut_at = next(i for i in range(start, len(found)) if found[i].name.startswith("  reduce "))
    adding, cutting = found[start + 1], found[cut_at]
    assert cutting.unit == "BTC"
    changed = {
        start: add_margin(one, position.wallet, adding.value or 0.0),
        cut_at: close(one, position, cutting.value or 0.0, 91.5, FREE, put_back=True).account,
    }
    for at, after in changed.items():
        book = compile_book((after,), {BTC: table()})
        readings = readings_of(book, marks)
        (index,) = [i for i, info in enumerate(book.wallets) if info.key.wallet == position.wallet]
        shown = {step.name: step for step in reversed(found[at : at + 9])}
        assert shown["    margin ratio"].value == pytest.approx(float(readings.margin_ratio[index]))
        assert shown["    room"].value == pytest.approx(float(readings.room[index]))
        assert shown["    liquidation price"].value == pytest.approx(float(readings.liquidation_price[0]))
        assert shown["    margin ratio"].arithmetic.startswith("0.61")
        assert shown["    room"].arithmetic.startswith("0.065 -> ")


def test_a_cut_says_its_step_its_cost_and_what_is_put_back() -> None:
    """And what it would come to without: of an isolated position, hardly anything."""
    settings = msgspec.structs.replace(SETTINGS, advice=AdviceRules())
    first = section(steps(isolated(), mark=91.5, usdt=100.0, settings=settings), "warning")
    (name,) = [name for name in first if name.startswith("  reduce")]
    quantity = first[name].value or 0.0
    assert name == "  reduce BTCUSDT LONG"
    assert first[name].arithmetic.endswith(" % of 1; in steps of 0.01, at least 0.02")
    assert first["    notional"].value == pytest.approx(quantity * 91.5)
    assert first["    fee and slippage"].value == pytest.approx(quantity * 91.5 * (0.0005 * 0.9995 + 0.0005))
    assert (
        first["    fee and slippage"].arithmetic == "assumed: fee 0.0005 of the fill, slippage 0.0005 of the mark"
    )
    assert (first["    put back"].value or 0.0) < quantity * 1.5
    assert first["    without putting back"].value == pytest.approx(90 / 0.99)
    assert (
        section(steps(isolated(), mark=91.5, usdt=100.0), "notice").keys() & {"    without putting back"} == set()
    )


def test_the_same_amounts_for_both_targets_are_said_once() -> None:
    """Where notice and warning end at the same figures; read twice they would be taken for two things to do."""
    _, warning, *others = AlertRules().levels
    same = msgspec.structs.replace(warning, level=Level.NOTICE)
    rules = msgspec.structs.replace(AlertRules(), levels=(same, warning, *others))
    found = steps(isolated(), mark=91.5, usdt=100.0, settings=msgspec.structs.replace(SETTINGS, rules=rules))
    assert found[0].name == f"{HEADING}, and to be safe"
    assert found[0].name in WORDS_ALONE
    assert found[0].arithmetic.startswith("add 2.22 USDT, or reduce BTCUSDT LONG by 0.")
    assert "to be safe" not in {step.name for step in found}


def test_a_wallet_that_is_in_no_danger_needs_nothing() -> None:
    """It says so, and what it was held against."""
    found = steps(isolated(), mark=100.0)
    assert found[0] == Step(
        HEADING, "nothing is needed: no condition of notice or worse holds, nor within the dead band", None
    )
    assert {"below warning", "below notice"} <= {step.name for step in found}
    assert not any("add" in step.name for step in found)
    assert section(found, "notice")["  reached"].arithmetic == "as it is"


@pytest.mark.parametrize(
    ("mark", "first"),
    [
        (95.0, ("  reached", "as it is")),
        (92.9, ("  dead band", "a condition lies within it: a level that was reached before would stay")),
    ],
)
def test_a_wallet_at_notice_needs_something_to_be_safe_only(mark: float, first: tuple[str, str]) -> None:
    """No alert is open that would have to end, so a dead band asks for nothing; a command tries what is asked."""
    tries = Around(tries=lambda key, plan: [f"{key} {plan.remedies[0].below.label}"])
    found = steps(isolated(), mark=mark, usdt=100.0, status=typical((BTC, 0.0001)), around=tries)
    assert found[0].name == HEADING
    assert found[0].arithmetic.startswith("add ")
    assert found[0].arithmetic.endswith(", to be safe")
    assert not any("get below warning" in step.arithmetic for step in found)
    name, words = first
    assert section(found, "warning")[name].arithmetic.startswith(words)
    assert not any("margin to add" in name for name in section(found, "warning"))
    assert section(found, "notice")["  margin to add"].value
    assert [step.arithmetic for step in found if step.name == TRY] == [f"main/isolated:{BTC}:LONG notice"]


def test_a_wallet_within_the_dead_band_of_notice_alone_needs_nothing() -> None:
    """Room of 0.6 is above the half that a notice begins with, and a notice that was open would stay."""
    found = steps(isolated(), mark=96.4, usdt=100.0, status=typical((BTC, 0.0001)))
    assert found[0] == Step(HEADING, "nothing is needed: no condition of notice or worse holds", None)
    assert "  dead band" in section(found, "notice")
    assert not any("add" in step.name for step in found)
    unknown = steps(isolated(), mark=96.4, usdt=100.0)
    assert unknown[0].arithmetic.startswith("nothing that is known here is needed; moves left are not known")


def test_a_level_that_only_moves_left_reach_is_to_be_left() -> None:
    """Conditions on moves count where they are known, whatever the daemon keeps."""
    found = steps(isolated(), mark=95.0, usdt=100.0, status=typical((BTC, 0.03)))
    assert found[0].arithmetic.endswith(" to get below warning")


def test_what_is_reached_is_so_as_far_as_is_known() -> None:
    """Where nobody knows how prices move, and the daemon keeps an alert."""
    held = Around({SubjectKey("main", f"isolated:{BTC}:LONG"): Level.WARNING})
    unknown = steps(isolated(), mark=95.0, usdt=100.0, around=held)
    assert unknown[0].arithmetic.startswith("below warning as far as is known here; moves left are not known")
    assert not any("nothing more is needed" in step.arithmetic for step in unknown)
    assert (
        section(unknown, "warning")["  reached"].arithmetic == "as it is, but for moves left, which are not known"
    )
    known = steps(isolated(), mark=95.0, usdt=100.0, status=typical((BTC, 0.0001)), around=held)
    assert known[0].arithmetic == "nothing more is needed to get below warning"


def test_an_alert_that_the_daemon_keeps_is_told_to_end_or_not() -> None:
    """A level is left beyond the dead band only, and after its dwell time: 0.24 of room is warning still."""
    one = account(isolated(), usdt=100.0)
    key = SubjectKey("main", f"isolated:{BTC}:LONG")
    for mark, words in (
        (92.5, "the daemon keeps warning; it does not end like this: "),
        (95.0, "the daemon keeps warning; it ends after 30 min like this, as far as is known"),
    ):
        found = remedies(one, {BTC: mark}, around=Around({key: Level.WARNING}))
        (step,) = (step for step in found.steps(0) if step.name == "open alert")
        assert step.arithmetic.startswith(words)
    assert not any(step.name == "open alert" for step in remedies(one, {BTC: 92.5}).steps(0))


def test_a_used_up_margin_comes_first() -> None:
    """Whatever amounts would do: the exchange may have been faster."""
    found = steps(isolated(), mark=90.0, usdt=100.0)
    assert found[0].arithmetic.startswith("look at the exchange first: the margin is used up")
    assert found[1].name == "if it is still open"


def test_of_a_shared_wallet_it_is_told_once() -> None:
    """Of its other position, where to look; for programs, with each."""
    one = account(cross(), cross(ETH), usdt=30.0)
    found = remedies(one, {BTC: 90.0, ETH: 90.0})
    first, second = list(found.steps(0)), list(found.steps(1))
    assert len(first) > 10
    assert second == [Step(HEADING, "as of BTCUSDT LONG: it is the same wallet", None)]
    assert found.prescription("main", "cross:USDT") is not None


def test_a_position_that_has_to_go_leaves_nothing() -> None:
    """No figures of a wallet without a position."""
    lots = {BTC: Lot(1.0, 1.0)}
    settings = msgspec.structs.replace(SETTINGS, lots=lots)
    first = section(steps(isolated(), mark=91.5, usdt=0.0, settings=settings), "warning")
    assert first["  close BTCUSDT LONG"].arithmetic == "100 % of 1; in steps of 1, at least 1"
    assert first["    afterwards"].arithmetic == "no position is left in the wallet"


def test_what_the_exchange_lets_be_moved_bounds_what_is_there() -> None:
    """Funds of the daemon's newest reply count, and steps it told win over those typed in."""
    funds = FundsKnown("main", 1, {"USDT": 0.5})
    around = Surroundings(lots={BTC: Lot(0.001)}, funds={"main": funds})
    first = section(steps(isolated(), mark=91.5, usdt=100.0, surroundings=around), "warning")
    assert first["    can be moved here"].value == 0.5
    assert first["    can be moved here"].arithmetic == "the exchange lets no more be moved"
    assert first["    lacking"].value == 1.72
    assert first["  reduce BTCUSDT LONG"].arithmetic.endswith("in steps of 0.001")


def test_without_lots_the_step_is_assumed_and_that_is_said() -> None:
    """In the sentence and beside the quantity."""
    found = steps(isolated(), mark=91.5, settings=EngineSettings())
    assert any("its step is not known" in step.arithmetic for step in found if step.name == "reducing")
    assert "its step is not known and assumed" in section(found, "warning")["  reduce BTCUSDT LONG"].arithmetic


def test_what_is_not_known_is_not_guessed() -> None:
    """Without its mark a wallet has no amounts."""
    one = account(isolated())
    tables = {BTC: table()}
    book = compile_book((one,), tables)
    held = Held((one,), tables, {}, None, "", Surroundings())
    found = Remedies(
        book, readings_of(book, {}), SETTINGS, lambda key: case_of(held, one, key.wallet, {}, SETTINGS)
    )
    assert [step.arithmetic for step in found.steps(0)] == ["not known: a mark of this wallet is missing"]
    assert as_json(found.prescription("main", "isolated:BTCUSDT:LONG")) is None


def test_programs_find_every_key_whatever_there_is_to_say() -> None:
    """Of what is reached already nothing has to be cut: the list of cuts is empty and not missing."""
    one = account(isolated(), usdt=100.0)
    danger, calm = (
        as_json(remedies(one, {BTC: mark}).prescription("main", f"isolated:{BTC}:LONG")) or {}
        for mark in (91.5, 100.0)
    )
    assert danger.keys() == calm.keys() >= {"remedies", "alone", "sharers"}
    keys = {frozenset(remedy) for plan in (danger, calm) for remedy in plan["remedies"]}
    assert len(keys) == 1
    assert [remedy["cuts"] for remedy in calm["remedies"]] == [[], []]
    assert [remedy["below"] for remedy in calm["remedies"]] == ["warning", "notice"]
    (cut,) = danger["remedies"][0]["cuts"]
    assert cut["put_back"] > 0
    json.dumps([danger, calm])


# Moves left


def typical(*moves: tuple[str, float | None]) -> dict[str, Any]:
    return {"engine": {"symbols": [{"symbol": name, "typical_move": move} for name, move in moves]}}


def test_moves_left_take_part_with_a_daemon_and_it_is_said_without() -> None:
    """A price that moves a lot asks for more; of several together only the daemon knows."""
    quiet = steps(isolated(), mark=91.5, usdt=100.0)
    wild = steps(isolated(), mark=91.5, usdt=100.0, status=typical((BTC, 0.03)))
    notes = [[step.arithmetic for step in found if step.name == "on moves left"] for found in (quiet, wild)]
    assert "without a daemon" in notes[0][0]
    assert notes[1] == []
    amounts = [section(found, "warning")["  margin to add"].value or 0.0 for found in (quiet, wild)]
    assert amounts[1] > amounts[0]
    shared = steps(cross(), cross(ETH), mark=90.0, usdt=30.0, status=typical((BTC, 0.01), (ETH, None)))
    assert any("an alert may ask for more" in step.arithmetic for step in shared if step.name == "on moves left")


def test_moves_of_an_older_daemon_are_not_known() -> None:
    """It does not say them; no daemon, no moves."""
    assert known_moves(None) is None
    older = known_moves({"engine": {"symbols": [{"symbol": BTC}]}})
    assert older is not None
    assert [str(move) for move in older.typical] == ["nan"]


# The target


@pytest.mark.parametrize(("below", "room"), [(Level.WARNING, "0.25"), (Level.NOTICE, "0.625")])
def test_the_target_is_every_condition_of_a_level_and_of_those_above(below: Level, room: str) -> None:
    """Widened by the dead band; what another condition demands already is left out."""
    book = compile_book((account(isolated()),), {BTC: table()})
    limits = compile_thresholds(book, EngineSettings())
    assert target_words(limits, 0, below) == (
        f"room > {room} and (margin ratio < 0.4875 or room > 0.75) and margin ratio < 0.6"
        " and (moves left > 2.5 or room > 0.75); each condition missed by the dead band of 25 %"
    )


def test_no_room_keeps_other_conditions_from_counting_in_a_hollow_wallet() -> None:
    """Nothing was left at its entry."""
    found = {step.name: step for step in steps(cross(), mark=101.0, usdt=0.5)}
    words = found["below warning"].arithmetic
    assert words.startswith("room > 0.25 and margin ratio < 0.4875 and moves left > 2.5;")


def test_distances_are_conditions_where_somebody_set_them() -> None:
    """And a level whose conditions are all off demands nothing."""
    off = LevelRule(Level.NOTICE), LevelRule(Level.WARNING, distance=0.1), LevelRule(Level.CRITICAL)
    rules = AlertRules((*off, LevelRule(Level.EMERGENCY, joint_distance=0.04)), dead_band=0.5)
    book = compile_book((account(isolated()),), {BTC: table()})
    limits = compile_thresholds(book, EngineSettings(rules=rules))
    words = target_words(limits, 0, Level.WARNING)
    assert words == "distance > 0.15 and joint distance > 0.06; each condition missed by the dead band of 50 %"
    nothing = AlertRules(tuple(msgspec.structs.replace(r, **dict.fromkeys(("room", "moves_left", "margin_ratio")))
                               for r in DEFAULT_LEVELS))  # type: ignore[arg-type]  # fmt: skip
    limits = compile_thresholds(book, EngineSettings(rules=nothing))
    assert target_words(limits, 0, Level.WARNING).startswith("nothing; ")


# The commands

DESIGN = (
    """
[exchange]
environment = "live"
[state]
directory = "{state}"
[[accounts]]
name = "by-hand"
balances = {{ USDT = 400.0 }}
"""
    + LONG_BTC
)


def written(folder: Path, more: str = "") -> str:
    path = folder / "config.toml"
    path.write_text(DESIGN.format(state=folder / "s") + more, encoding="utf-8")
    return str(path)


def call(*words: str) -> Result:
    return CliRunner().invoke(app, list(words), env={"COLUMNS": "200", "NO_COLOR": "1"})


def test_explain_ends_with_what_to_do(tmp_path: Path) -> None:
    """Lines for people, without "none" where there are only words; a prescription for programs."""
    words = ("explain", "BTCUSDT", "--config", written(tmp_path), "--mark", "BTCUSDT=59400")
    text = call(*words).stdout
    ways = "reduce BTCUSDT LONG by 0.289 BTC (58 %) and put what that frees back (up to 127.34 USDT)"
    assert f"add 300.41 USDT, or {ways}" in text
    assert text.index("liquidation price") < text.index(HEADING) < text.index("below warning")
    for name in WORDS_ALONE:
        assert not any(line.startswith(name) and "none" in line for line in text.splitlines())
    (document,) = json.loads(call(*words, "--json").stdout)
    plan = document["prescription"]
    assert [one["below"] for one in plan["remedies"]] == ["warning", "notice"]
    assert plan["remedies"][0]["add"] == 300.41
    assert plan["remedies"][0]["cuts"][0]["quantity"] == 0.289
    assert (plan["spare"], plan["limited_by"], plan["isolated"]) == (400.0, "balance", True)
    assert {"name": "  margin to add", "value": 300.41, "unit": "USDT"}.items() <= next(
        step for step in document["steps"] if step["name"] == "  margin to add"
    ).items()


def test_explain_of_a_calm_position_needs_nothing(tmp_path: Path) -> None:
    """And says so in one line."""
    text = call("explain", "BTCUSDT", "--config", written(tmp_path), "--mark", "BTCUSDT=63000").stdout
    assert "nothing is needed: no condition of notice or worse holds" in text


COINS = """
[[accounts]]
name = "coins"
market = "coinm"
balances = { BTC = 0.1 }
[[accounts.positions]]
symbol = "BTCUSD_PERP"
side = "SHORT"
quantity = 300
entry_price = 52000.0
margin_mode = "cross"
[brackets.BTCUSD_PERP]
rows = [[0, 5, 0.004, 0], [5, 10, 0.005, 0.005]]
"""


def test_explain_counts_contracts(tmp_path: Path) -> None:
    """Coins to add, whole contracts to reduce."""
    path = tmp_path / "c.toml"
    path.write_text(COINS, encoding="utf-8")
    words = ("explain", "BTCUSD_PERP", "--config", str(path), "--mark", "BTCUSD_PERP=61500", "--json")
    (document,) = json.loads(call(*words).stdout)
    (step,) = [one for one in document["steps"] if one["name"] == "  reduce BTCUSD_PERP SHORT"][:1]
    assert (step["unit"], step["value"] % 1) == ("contracts", 0)
    assert next(one for one in document["steps"] if one["name"] == "  margin to add")["unit"] == "BTC"


def daemon(config: str, *levels: str, mark: float = 59_400.0) -> dict[str, object]:
    """Return what a daemon answers that watches the position of ``DESIGN``."""
    settings = load(Path(config), {})
    names = ("isolated:BTCUSDT:LONG", "cross:USDT")
    wallets = tuple(
        wallet(account="by-hand", wallet=name, level=level, room=0.09)
        for name, level in zip(names, levels, strict=False)
    )
    found = state(engine=engine(wallets=wallets, symbols=(symbol(mark=mark),)))
    ours = settings.engine
    judged = Judged(ours.rules, ours.overrides, ours.advice, ours.lots)
    holdings = Holdings(settings.accounts, {one.symbol: one for one in settings.tables}, judged=judged)
    return {"status": msgspec.to_builtins(found), "holdings": msgspec.to_builtins(holdings)}


@pytest.mark.parametrize(
    ("levels", "told"),
    [
        (("critical", "ok"), True),
        (("warning",), True),
        (("notice", "ok"), False),
        (("warning", "emergency"), True),
        (("ok", "emergency"), False),
    ],
)
def test_status_says_what_to_do_about_the_worst(tmp_path: Path, levels: tuple[str, ...], *, told: bool) -> None:
    """One sentence below the wallets, from warning on; nothing of a wallet that holds no position."""
    config = written(tmp_path)
    with answering(tmp_path / "s", daemon(config, *levels)):
        result = call("status", "--config", config)
    assert result.exit_code == 0, result.output
    words = (
        "To do about by-hand isolated BTCUSDT LONG: add 300.41 USDT, or reduce BTCUSDT LONG by 0.289 BTC (58 %)"
        " and put what that frees back (up to 127.34 USDT), to get below warning; to be safe: add 2,026.81 USDT,"
    )
    assert (words in " ".join(result.stdout.split())) is told


def test_status_says_first_what_has_to_be_done(tmp_path: Path) -> None:
    """A worse level that only has to run out comes after one that does not end by itself."""
    calm = DESIGN.partition("[[accounts.positions]]")[2].replace("BTCUSDT", "ETHUSDT").replace("62000.0", "2900.0")
    config = written(tmp_path, f"[[accounts.positions]]{calm}")
    answers = daemon(config, "warning")
    engine_answer: Any = answers["status"]
    (marked,) = engine_answer["engine"]["symbols"]
    (first,) = engine_answer["engine"]["wallets"]
    engine_answer["engine"]["symbols"] = [marked, marked | {"symbol": "ETHUSDT", "mark": 2900.0}]
    engine_answer["engine"]["wallets"] = [
        first | {"wallet": "isolated:ETHUSDT:LONG", "level": "emergency"}, first,
    ]  # fmt: skip
    with answering(tmp_path / "s", answers):
        result = call("status", "--config", config)
    assert "To do about by-hand isolated BTCUSDT LONG: add " in result.stdout
    del engine_answer["engine"]["wallets"][1]
    with answering(tmp_path / "s", answers):
        result = call("status", "--config", config)
    assert "To do about by-hand isolated ETHUSDT LONG, and to be safe: nothing more is needed" in result.stdout


def test_status_advises_by_what_the_daemon_holds_whatever_the_file_says_by_now(tmp_path: Path) -> None:
    """The level is about that position and those rules: an amount for another one would be a wrong one."""
    config = written(tmp_path)
    answers = daemon(config, "critical")
    changed = DESIGN.replace("quantity = 0.5", "quantity = 5.0") + "[advice]\nslippage = 0.05\n"
    assert "quantity = 5.0" in changed
    Path(config).write_text(changed.format(state=tmp_path / "s"), encoding="utf-8")
    with answering(tmp_path / "s", answers):
        result = call("status", "--config", config)
    assert "add 300.41 USDT, or reduce BTCUSDT LONG by 0.289 BTC (58 %)" in " ".join(result.stdout.split())


def test_status_does_without_where_what_levels_come_from_is_not_told(tmp_path: Path) -> None:
    """A daemon of another version: rules that are guessed would make amounts that are guessed."""
    config = written(tmp_path)
    answers = daemon(config, "critical")
    answers["holdings"]["judged"] = None  # type: ignore[index]  # JSON
    with answering(tmp_path / "s", answers):
        result = call("status", "--config", config)
    assert result.exit_code == 0, result.output
    assert "To do" not in result.stdout


def test_status_does_without_where_the_mark_is_not_known(tmp_path: Path) -> None:
    """The rest of it is shown all the same."""
    config = written(tmp_path)
    answers = daemon(config, "critical")
    answers["status"]["engine"]["symbols"][0]["mark"] = None  # type: ignore[index]  # JSON
    with answering(tmp_path / "s", answers):
        result = call("status", "--config", config)
    assert result.exit_code == 0, result.output
    assert "To do" not in result.stdout


def test_a_short_has_its_side_in_every_name() -> None:
    """LONG and SHORT of a hedge are two positions."""
    short = cross(side=Side.SHORT, quantity=2.0)
    found = steps(cross(), short, mark=110.0, usdt=15.0)
    names = section(found, "warning").keys()
    assert [name for name in names if "BTCUSDT" in name] == ["  reduce BTCUSDT SHORT"]
    assert " or reduce BTCUSDT SHORT by " in found[0].arithmetic


GONE_APART = cross(quantity=5.0, entry=110.0), cross(ETH, side=Side.SHORT, quantity=5.0, entry=92.0)


def test_what_holds_against_each_other_is_reduced_in_turns_and_the_step_says_why() -> None:
    """As much long as short: either closed alone would leave all of the other to lose."""
    found = steps(*GONE_APART, mark=100.0, usdt=104.0)
    parts = section(found, "warning")
    for name in ("  reduce BTCUSDT LONG", "  reduce ETHUSDT SHORT"):
        assert "; in turns with the others, some of each at a time" in parts[name].arithmetic
    assert "    half way" not in parts


def test_where_only_all_can_be_closed_the_step_says_what_it_is_like_half_way() -> None:
    whole = EngineSettings(advice=FREE, lots={BTC: Lot(5.0, 5.0), ETH: Lot(5.0, 5.0)})
    one = account(*GONE_APART, usdt=104.0)
    parts = section(list(remedies(one, {BTC: 100.0, ETH: 100.0}, whole).steps(0)), "warning")
    assert parts["    half way"].arithmetic.startswith("a smaller move of all prices liquidates than now")
    assert " in turns" not in " ".join(step.arithmetic for step in parts.values())


@pytest.mark.parametrize("row", [0, 1])
def test_liquidation_prices_afterwards_are_those_of_the_position_that_is_explained(row: int) -> None:
    """Whichever is the worst of its wallet then; once closed, another one's, named and beside its own now."""
    positions = cross(quantity=0.5, entry=62.0), cross(ETH, side=Side.SHORT, quantity=4.0, entry=3.0)
    marks = {BTC: 59.7, ETH: 3.035}
    one = account(*positions, usdt=1.9)
    book = compile_book((one,), {p.symbol: table(p.symbol) for p in positions})
    now = readings_of(book, marks).liquidation_price.tolist()
    found = [step for step in remedies(one, marks).steps(row) if step.name == "    liquidation price"]
    names = [(p.symbol, p.side.value) for p in book.positions]
    told = [next(leg for leg in names if step.arithmetic.startswith(f"{leg[0]} {leg[1]}: ")) for step in found]
    assert told.count(names[row]) >= len(told) - 1
    assert names[row] == told[0]
    for step, leg in zip(found, told, strict=True):
        before = float(step.arithmetic.split(": ")[1].split(" -> ")[0])
        assert before == pytest.approx(now[names.index(leg)])
        assert step.value is not None


def test_programs_are_told_whose_liquidation_price_is_left() -> None:
    """By keys beside it; a wallet in which nothing is left has none."""
    one = account(cross(), cross(ETH), usdt=30.0)
    made = remedies(one, {BTC: 90.0, ETH: 90.0})
    plan = as_json(made.prescription("main", "cross:USDT"))
    assert plan is not None
    added = plan["remedies"][0]["added"]
    assert (added["symbol"], added["side"]) == (BTC, "LONG")
    assert set(added) >= {"margin_ratio", "liquidation_price", "distance", "room"}
