"""``audit``: figures side by side, from a running daemon or from the exchange itself."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner, Result

from monitor.cli.root import app
from monitor.core.account_view import AccountView
from monitor.core.model import Compared, Figure
from tests.cli.answering import answering
from tests.cli.made import NOW_MS, engine, state

KEYED = """
[[accounts]]
name = "main"
api_key = { env = "MAIN_KEY" }
api_secret = { env = "MAIN_SECRET" }
[[accounts]]
name = "coins"
market = "coinm"
api_key = { env = "MAIN_KEY" }
api_secret = { env = "MAIN_SECRET" }
"""

AGREES = Compared(
    "main", "cross:USDT", "BTCUSDT", "LONG", Figure.LIQUIDATION_PRICE, 51234.5, 51234.6, 5.0, agrees=True
)
DIFFERS = Compared("main", "cross:USDT", "", "", Figure.MAINTENANCE_MARGIN, 120.0, 150.0, 0.15, agrees=False)
NONE = Compared(
    "coins", "cross:BTC", "BTCUSD_PERP", "LONG", Figure.LIQUIDATION_PRICE, None, None, 1.0, agrees=True
)


def view(account: str = "main", **changes: object) -> AccountView:
    facts: dict[str, Any] = {
        "account": account,
        "market": "usdm" if account == "main" else "coinm",
        "source": "rest",
        "as_of_ms": NOW_MS,
        "ok": True,
        "reason": "",
        "positions": 1,
        "multi_assets": False,
        "hedge_mode": False,
        "untabled": (),
        "audited_ms": NOW_MS,
        "compared": (AGREES,) if account == "main" else (NONE,),
        "corrections": {},
    }
    facts.update(changes)
    return AccountView(**facts)


def call(*args: str) -> Result:
    return CliRunner().invoke(app, list(args))


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "config.toml"
    path.write_text(f'[state]\ndirectory = "{tmp_path / "s"}"\n[display]\ntime_zone = "UTC"\n{KEYED}')
    return f"--config={path}"


def told(tmp_path: Path, config: str, views: tuple[AccountView, ...], *args: str) -> Result:
    with answering(tmp_path / "s", {"status": state(engine=engine(accounts=views))}):
        return call("audit", config, *args)


def test_partial_closes_are_shown_where_any_were_seen(tmp_path: Path, config: str) -> None:
    """How often the share was released that amounts to reduce are computed with, and how often not."""
    words = "partial closes of isolated positions seen"
    result = told(tmp_path, config, (view(released=(3, 1)), view("coins")))
    assert f"main: {words}: 3 as assumed, 1 otherwise.\n" in result.stdout
    assert result.stdout.count(words) == 1
    assert result.exit_code == 0  # it is no figure of the exchange's that differs
    as_json = json.loads(told(tmp_path, config, (view(released=(3, 1)), view("coins")), "--json").stdout)
    assert [one["released"] for one in as_json] == [[3, 1], [0, 0]]


def test_figures_stand_side_by_side(tmp_path: Path, config: str) -> None:
    """Account, wallet, symbol, both figures, their difference, the tolerance and the verdict; when it was."""
    result = told(tmp_path, config, (view(), view("coins")))
    assert result.exit_code == 0, result.output
    head, *lines = result.stdout.splitlines()
    words = "account wallet symbol side figure ours exchange's difference tolerance verdict"
    assert head.split() == words.split()
    line = next(line for line in lines if "BTCUSDT" in line)
    assert line.split("  ")[0].strip() == "main"
    for part in (
        "cross USDT",
        "BTCUSDT",
        "LONG",
        "liquidation price",
        "51234.5",
        "51234.6",
        "-0.1",
        "5",
        "agrees",
    ):
        assert part in line
    assert line.split().count("agrees") == 1
    assert "none" in next(line for line in lines if "BTCUSD_PERP" in line)
    assert "compared 2026-05-28 20:26:40+00:00, by the running daemon: all 1 agree." in result.stdout


def test_a_figure_that_differs_is_exit_code_1(tmp_path: Path, config: str) -> None:
    """Both figures, and what the worse one does to the levels."""
    drifting = view(compared=(DIFFERS, AGREES), corrections={"cross:USDT": (0.0, 30.0)})
    result = told(tmp_path, config, (drifting, view("coins")))
    assert result.exit_code == 1
    assert "DIFFERS" in result.stdout
    assert "1 figure of 2 differ" in result.stdout
    assert "the worse figures rule: 30.00 USDT on its maintenance margin" in result.stdout
    # The other account is not affected by it.
    assert told(tmp_path, config, (drifting, view("coins")), "--account", "coins").exit_code == 0


def test_programs_get_the_same(tmp_path: Path, config: str) -> None:
    """One object for each account, with everything that was compared."""
    result = told(tmp_path, config, (view(compared=(DIFFERS,)), view("coins")), "--json")
    main, coins = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (main["account"], main["agrees"], coins["agrees"]) == ("main", False, True)
    assert main["compared"][0]["theirs"] == 150.0
    assert coins["compared"][0]["ours"] is None
    assert coins["asked"] == "daemon"


@pytest.mark.parametrize(
    ("views", "code", "words"),
    [
        ((view(), view("coins")), 0, "AUDIT OK - 2 figures of 2 accounts agree | figures=2 differing=0"),
        (
            (view(compared=(DIFFERS,)), view("coins")),
            1,
            "1 figure not the exchange's, such as main cross:USDT maintenance margin | figures=2 differing=1",
        ),
        ((view(),), 3, "AUDIT UNKNOWN - coins: the daemon has yet to see this account | figures=1 differing=0"),
        (
            (view(compared=(DIFFERS,)),),
            3,
            "AUDIT UNKNOWN - coins: the daemon has yet to see this account; 1 figure",
        ),
        ((view(audited_ms=0, compared=()), view("coins")), 3, "AUDIT UNKNOWN - main: nothing was compared yet"),
        ((view(ok=False, reason="key_refused"), view("coins")), 3, "main: it cannot be followed: key_refused"),
        ((view(untabled=("NEWUSDT",)), view("coins")), 3, "main: no maintenance tiers of NEWUSDT"),
    ],
)
def test_the_check(tmp_path: Path, config: str, views: tuple[AccountView, ...], code: int, words: str) -> None:
    """What is not known comes before what differs; neither ever counts as agreeing."""
    result = told(tmp_path, config, views, "--check")
    assert result.exit_code == code
    assert words in result.stdout
    plain = told(tmp_path, config, views)
    assert plain.exit_code == (0 if code == 0 else 1)


def test_a_configuration_without_followed_accounts_says_so(tmp_path: Path) -> None:
    """There is nothing to compare with: exit code 2, or 3 for a monitoring system."""
    path = tmp_path / "config.toml"
    path.write_text('[[accounts]]\nname = "by-hand"\n')
    result = call("audit", f"--config={path}")
    assert result.exit_code == 2
    assert "no account followed by its key" in result.stderr
    check = call("audit", f"--config={path}", "--check")
    assert check.exit_code == 3
    assert check.stdout.startswith("AUDIT UNKNOWN - accounts: found no account followed by its key")


def test_an_account_that_is_not_followed_is_named(config: str) -> None:
    """With the names of those that are."""
    result = call("audit", config, "--account", "maim")
    assert result.exit_code == 2
    assert "'maim'" in result.stderr
    assert "main, coins" in result.stderr


@pytest.mark.parametrize("columns", [60, 80])
def test_in_a_narrow_terminal_no_figure_and_no_verdict_is_cut(
    tmp_path: Path, config: str, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    """Where they do not fit side by side there are two lines for each; none is wider than the terminal."""
    monkeypatch.setenv("COLUMNS", str(columns))
    long = msgspec.structs.replace(
        DIFFERS, wallet="isolated:BTCUSDT:SHORT", ours=1195.0185123, theirs=1195.0185999
    )
    shown = told(tmp_path, config, (view(compared=(AGREES, long)), view("coins"))).stdout
    assert "…" not in shown
    for part in (
        "51234.5 ",
        "51234.6",
        "1195.018512 ",
        "1195.0186",
        "agrees",
        "DIFFERS",
        "isolated BTCUSDT SHORT",
    ):
        assert part in shown
    assert max(map(len, shown.splitlines())) <= columns
    monkeypatch.setenv("COLUMNS", "159")
    assert "at the exchange" not in told(tmp_path, config, (view(compared=(AGREES, long)), view("coins"))).stdout
