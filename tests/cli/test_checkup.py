"""``checkup`` as a person and as a script call it: findings, what was not looked at, and exit codes."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner, Result

from monitor.cli.root import app
from monitor.core.model import AccountSnapshot, BracketTable, MarginMode, Position, Side, Source
from monitor.core.surroundings import KeyKnown, OrdersKnown, Surroundings
from monitor.status import Holdings
from tests.cli.answering import answering
from tests.cli.made import NOW_MS, engine, state, symbol, wallet
from tests.core.builders import table
from tests.core.checked import stop

KEYED = '[[accounts]]\nname = "keyed"\napi_key = { env = "K" }\napi_secret = { env = "S" }\n'
MARK = "--mark=BTCUSDT=60000"
MOVES = (
    "Not checked: by-hand: how far a typical day goes of BTCUSDT: only a running daemon knows, after half an hour"
)
PLACE = "place a STOP_MARKET SELL close-position order"
LACKING = "1 check could not be made"
TWO_LACKING = (
    '2 checks could not be made, such as by-hand: stops of BTCUSDT: say `stop_loss = PRICE`, or "none", beside'
    " each typed-in position | findings=0 unchecked=2"
)
UNPRICED = "such as by-hand: figures of BTCUSDT: no price; give --mark SYMBOL=PRICE or start the daemon"
LEG = Position("BTCUSDT", Side.LONG, 0.1, 60_000.0, MarginMode.ISOLATED, "USDT", 3000.0, leverage=2.0)


def typed(stop_loss: str = "50000.0", more: str = "", usdt: float = 20_000.0) -> str:
    """Return an account without a fault, unless its stop is another: 2x, liquidated at about 30,120."""
    line = f"stop_loss = {stop_loss}\n" if stop_loss else ""
    return (
        f'[[accounts]]\nname = "by-hand"\nbalances = {{ USDT = {usdt} }}\n[[accounts.positions]]\n'
        'symbol = "BTCUSDT"\nside = "LONG"\nquantity = 0.1\nentry_price = 60000.0\nmargin_mode = "isolated"\n'
        f"margin = 3000.0\n{line}{more}"
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def call(folder: Path, text: str, *args: str) -> Result:
    path = folder / "config.toml"
    path.write_text(f'[state]\ndirectory = "{folder / "s"}"\n{text}')
    return CliRunner().invoke(app, ["checkup", f"--config={path}", *args], env={"COLUMNS": "120"})


def test_an_account_without_a_fault_is_exit_code_0(folder: Path) -> None:
    """And says what was looked at, and what was not."""
    result = call(folder, typed(), MARK)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        f"{MOVES}.",
        "Nothing found: 1 position in 1 account.",
    ]


def test_a_finding_is_exit_code_1_and_a_table_says_what_why_and_what_to_do(folder: Path) -> None:
    """Grouped by account."""
    result = call(folder, typed('"none"'), MARK)
    assert result.exit_code == 1
    lines = [line.rstrip() for line in result.stdout.splitlines()]
    assert lines[:5] == [
        "by-hand",
        "BTCUSDT LONG  has no stop-loss",
        "              while you sleep nothing but the liquidation itself ends a loss",
        f"              To do: {PLACE} at 54,000, or nearer to the mark price that",
        "              triggers it",
    ]
    assert lines[-1] == "1 finding: 1 position in 1 account."


def test_one_amount_removes_what_more_margin_and_a_smaller_share_ask_for(folder: Path) -> None:
    """Programs get what to close and the margin of the rest, as the words say them."""
    strict = '[checkup]\nexperience = "beginner"\nbeginner_leverage = 1.5\nlargest_share = 0.05\n'
    found = json.loads(call(folder, strict + typed(), MARK, "--json").stdout)["findings"]
    assert [one["code"] for one in found] == ["leverage", "concentration"]
    ((quantity, margin),) = {(one["quantity"], one["margin"]) for one in found}
    part = f"close {quantity:g} BTC of it and then bring its margin to {margin:,.2f} USDT"
    assert [one["to_do"] for one in found] == [
        f"{part}: all of it at 1.5x would be too large a part of the account", part,
    ]  # fmt: skip


def test_what_it_says_to_do_removes_it(folder: Path) -> None:
    """The stop it proposes, typed in."""
    (found,) = json.loads(call(folder, typed('"none"'), MARK, "--json").stdout)["findings"]
    assert found["code"] == "no_stop"
    assert call(folder, typed(str(found["remedy"])), MARK).exit_code == 0


@pytest.mark.parametrize(
    ("stop_loss", "code"), [("30000.0", "stop_beyond"), ("61000.0", "stop_side"), ('"none"', "no_stop")]
)
def test_typed_in_stops_are_looked_at(folder: Path, stop_loss: str, code: str) -> None:
    """Their place as those at the exchange."""
    found = json.loads(call(folder, typed(stop_loss), MARK, "--json").stdout)["findings"]
    assert [one["code"] for one in found] == [code]


def test_where_nothing_is_said_of_stops_that_is_one_calm_line(folder: Path) -> None:
    """It is no finding: nobody claims that there is none."""
    result = call(folder, typed(""), MARK)
    assert result.exit_code == 3
    assert "Nothing found in what could be looked at: 1 position in 1 account." in result.stdout
    assert 'Not checked: by-hand: stops of BTCUSDT: say `stop_loss = PRICE`, or "none"' in result.stdout


def test_without_a_price_nothing_could_be_checked_and_that_is_not_0(folder: Path) -> None:
    """A script must not take it for all clear."""
    result = call(folder, typed())
    assert result.exit_code == 3
    assert "Not checked: by-hand: figures of BTCUSDT: no price; give --mark SYMBOL=PRICE" in result.stdout
    assert result.stdout.splitlines()[-1] == "Nothing could be checked."


def test_accounts_with_keys_need_the_daemon(folder: Path) -> None:
    """Where none answers that is said, and only they are missing."""
    alone = call(folder, KEYED)
    assert alone.exit_code == 3
    assert "Not checked: what is followed by key (keyed); " in alone.stdout
    assert "start `position-monitor run`" in alone.stdout
    both = call(folder, KEYED + typed('"none"'), MARK, "--json")
    assert both.exit_code == 1
    report = json.loads(both.stdout)
    assert report["accounts"] == {"by-hand": 1}
    assert [one["kind"] for one in report["unchecked"]] == ["moves", "account"]


def test_misuse_is_exit_code_2(folder: Path) -> None:
    """An account nobody has, a price of nothing held, a configuration with a mistake."""
    unknown = call(folder, typed(), "--account=nobody")
    assert (unknown.exit_code, "accounts: by-hand" in unknown.stderr) == (2, True)
    assert call(folder, typed(), MARK, "--mark=DOGEUSDT=1").exit_code == 2
    assert call(folder, "[checkup]\nlargest_share = 20\n" + typed()).exit_code == 2


def test_limits_come_from_the_configuration(folder: Path) -> None:
    """And what is ignored is not found."""
    strict = '[checkup]\nexperience = "beginner"\nbeginner_leverage = 1.5\nlargest_share = 0.05\n'
    found = json.loads(call(folder, strict + typed(), MARK, "--json").stdout)["findings"]
    assert [one["code"] for one in found] == ["leverage", "concentration"]
    ignoring = strict + 'ignore = ["leverage", "concentration"]\n'
    assert call(folder, ignoring + typed(), MARK).exit_code == 0


@pytest.mark.parametrize(
    ("stop_loss", "args", "code", "line"),
    [
        ("50000.0", (MARK,), 0, f"CHECKUP OK - nothing found; {LACKING} | findings=0 unchecked=1\n"),
        (
            '"none"', (MARK,), 1,
            f"CHECKUP WARNING - by-hand BTCUSDT LONG no stop; {LACKING} | findings=1 unchecked=1\n",
        ),
        (
            "", (MARK,), 3,
            f"CHECKUP UNKNOWN - nothing found in what could be looked at; {TWO_LACKING}\n",
        ),
        (
            "50000.0", ("--mark=BTCUSDT=30000",), 2,
            f"CHECKUP CRITICAL - by-hand BTCUSDT LONG used up; {LACKING} | findings=1 unchecked=1\n",
        ),
        (
            "50000.0", (), 3,
            f"CHECKUP UNKNOWN - nothing could be checked; {LACKING}, {UNPRICED} | findings=0 unchecked=1\n",
        ),
        ("50000.0", ("--account=x",), 3, "CHECKUP UNKNOWN - --account: found 'x'; allowed: accounts: by-hand\n"),
    ],
)  # fmt: skip
def test_a_monitoring_system_gets_one_line(
    folder: Path, stop_loss: str, args: tuple[str, ...], code: int, line: str
) -> None:
    """Its exit code as of the other commands; a misuse is unknown there, and what is unknown says why."""
    result = call(folder, typed(stop_loss), "--check", *args)
    assert (result.exit_code, result.stdout) == (code, line)


def test_the_one_line_names_a_daemon_that_does_not_run_before_a_price_that_is_missing(folder: Path) -> None:
    """Starting it brings back accounts that are followed by key; what is typed in lacks a price as well."""
    keyed = '[[accounts]]\nname = "main"\napi_key = { env = "KEY" }\napi_secret = { env = "SECRET" }\n'
    result = call(folder, typed() + keyed, "--check")
    assert result.exit_code == 3
    assert "such as what is followed by key (main); no daemon is running on " in result.stdout
    assert "no price" not in result.stdout


def test_a_used_up_margin_is_the_first_finding_and_nothing_soothes_beside_it(folder: Path) -> None:
    """In the words of alerts; other accounts have their findings after it."""
    other = typed('"none"').replace("by-hand", "other")
    result = call(folder, typed('"none"') + other.replace("60000.0", "29000.0"), "--mark=BTCUSDT=30000")
    assert result.exit_code == 1
    lines = [line.strip() for line in result.stdout.splitlines()]
    assert lines[0] == "by-hand"
    assert lines[1].startswith("BTCUSDT LONG  the margin is used up: 0.00 USDT is left, and ")
    assert (
        lines[3] == "To do: look at the exchange first: the margin is used up, and it may have liquidated already"
    )
    assert lines[4:6] == ["", "other"]
    assert "Not checked: by-hand: habits, and shares of the account, of BTCUSDT: its margin is used up." in lines
    assert lines[-1] == "2 findings: 2 positions in 2 accounts."


# With a daemon


def answers(
    *, orders: tuple[Any, ...] | None = (stop(50_000.0),), can_trade: bool = False, leg: Position = LEG,
    typical: float | None = 0.004, moves_left: float | None = 20.0,
) -> dict[str, object]:  # fmt: skip
    account = AccountSnapshot("keyed", {"USDT": 20_000.0}, (leg,), source=Source.REST)
    around = Surroundings(keys={"keyed": KeyKnown("keyed", can_trade, can_withdraw=False)})
    if orders is not None:
        around = around.after(OrdersKnown("keyed", NOW_MS, ("BTCUSDT",), orders))
    tables: dict[str, BracketTable] = {"BTCUSDT": table()}
    seen = engine(
        symbols=(symbol(mark=60_000.0, typical_move=typical),),
        wallets=(wallet(account="keyed", cushion=2940.0, moves_left=moves_left),),
        accounts=({"account": "keyed", "corrections": {}},),
    )
    status = msgspec.to_builtins(state())
    status["engine"] = msgspec.to_builtins(seen)
    return {"status": status, "holdings": Holdings((account,), tables, around)}


def asked(folder: Path, told: dict[str, object], *args: str, config: str = KEYED) -> Result:
    with answering(folder / "s", told):
        return call(folder, config, *args)


def test_the_daemon_tells_all_there_is_to_look_at(folder: Path) -> None:
    """Marks, typical moves, orders and the key: nothing is left unchecked."""
    result = asked(folder, answers())
    assert (result.exit_code, result.stdout) == (0, "Nothing found: 1 position in 1 account.\n")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"orders": ()}, "no_stop"),
        ({"orders": (stop(50_000.0, on_mark=False),)}, "stop_last"),
        ({"can_trade": True}, "trading_key"),
        ({"leg": msgspec.structs.replace(LEG, auto_add_margin=True)}, "auto_add"),
        ({"typical": 0.2}, "near"),
    ],
)
def test_findings_of_accounts_with_keys(folder: Path, changes: dict[str, Any], code: str) -> None:
    """As the exchange tells them."""
    found = json.loads(asked(folder, answers(**changes), "--json").stdout)["findings"]
    assert [(one["account"], one["code"]) for one in found] == [("keyed", code)]


def test_what_the_daemon_does_not_know_is_listed(folder: Path) -> None:
    """Orders that were not fetched yet are no missing stop."""
    result = asked(folder, answers(orders=None, typical=None))
    assert result.exit_code == 3
    assert asked(folder, answers(typical=None)).exit_code == 0
    assert "Not checked: keyed: stops of BTCUSDT: its waiting orders are not known yet.\n" in result.stdout
    assert "Not checked: keyed: how far a typical day goes of BTCUSDT: " in result.stdout


def test_one_account_may_be_asked_for(folder: Path) -> None:
    """Of two with a fault each only one is looked at."""
    config = KEYED + typed('"none"')
    both = asked(folder, answers(orders=()), "--json", config=config)
    assert [one["account"] for one in json.loads(both.stdout)["findings"]] == ["by-hand", "keyed"]
    only = json.loads(asked(folder, answers(orders=()), "--json", "--account=keyed", config=config).stdout)
    assert [one["account"] for one in only["findings"]] == ["keyed"]
    assert only["accounts"] == {"keyed": 1}


def test_where_no_move_is_typical_nobody_is_sent_to_wait_for_one(folder: Path) -> None:
    """As with the configuration of a demonstration."""
    result = call(folder, f"[exchange]\ntypical_moves = false\n{typed()}", MARK)
    assert result.stdout.splitlines()[0] == (
        "Not checked: by-hand: how far a typical day goes: `typical_moves = false` in [exchange], for no move"
        " there is typical."
    )


def test_a_mark_given_is_used_in_place_of_the_daemons(folder: Path) -> None:
    """What would be found there."""
    found = json.loads(asked(folder, answers(), "--mark=BTCUSDT=49000", "--json").stdout)["findings"]
    assert [one["code"] for one in found] == ["stop_side"]
