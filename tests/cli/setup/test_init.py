"""``init`` by options: complete without a question, or it says what is missing; secrets are told nowhere."""

import asyncio
import json
import os
import stat
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from monitor.cli.root import app
from monitor.cli.setup import trying
from monitor.cli.setup.answers import Answers, KeyPair, Stored, TypedPosition
from monitor.cli.setup.finish import next_commands
from monitor.cli.setup.places import system_place
from monitor.cli.setup.trying import try_accounts
from monitor.cli.setup.write import write
from monitor.config import Secret, load_text
from monitor.doctor.finding import State
from monitor.emulator.server import Emulator
from monitor.system_clock import SystemClock
from tests.cli.setup.service import taking
from tests.emulator.conftest import KEY, small_scenario

HUSH = "hush-not-told"
TYPED = [
    "--typed", "--symbol", "BTCUSDT", "--side", "LONG", "--quantity", "0.5", "--entry", "62,000",
    "--margin-mode", "isolated", "--margin", "1550",
]  # fmt: skip
COINS = [
    "--typed", "--symbol", "BTCUSD_PERP", "--side", "LONG", "--quantity", "200", "--entry", "62000",
    "--margin-mode", "isolated", "--margin", "0.05",
]  # fmt: skip


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user of their own, of whom nothing is there yet."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("POSITION_MONITOR_CONFIG", raising=False)
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def init(*words: str, stdin: str = "") -> Result:
    result = CliRunner().invoke(app, ["init", *words], input=stdin)
    assert HUSH not in result.output
    assert HUSH not in str(result.exception)
    return result


def kept(path: Path, text: str) -> str:
    path.write_text(text)
    path.chmod(0o600)
    return str(path)


def files_of(home: Path) -> dict[str, int]:
    return {
        str(one.relative_to(home)): stat.S_IMODE(one.lstat().st_mode) for one in home.rglob("*") if one.is_file()
    }


def test_complete_options_need_no_question(home: Path, tmp_path: Path) -> None:
    """Files, modes, the message that was sent, and the next command; check-config accepts it all."""
    with taking() as (url, sent):
        result = init(*TYPED, "--telegram-url-file", kept(tmp_path / "url", url), "--web")
    assert result.exit_code == 0, result.output
    assert len(sent) == 1
    assert "position-monitor run" in result.stdout
    config = ".config/position-monitor"
    assert files_of(home) == {
        f"{config}/config.toml": 0o600, f"{config}/secrets/channel-url": 0o600,
        f"{config}/secrets/web-token": 0o600,
    }  # fmt: skip
    assert (home / config / "secrets/channel-url").read_text().strip() == url
    assert len((home / config / "secrets/web-token").read_text().strip()) == 43
    token = (home / config / "secrets/web-token").read_text().strip()
    assert token not in result.output
    assert tomllib.loads((home / config / "config.toml").read_text())["accounts"][0]["positions"][0] == {
        "symbol": "BTCUSDT", "side": "LONG", "quantity": 0.5, "entry_price": 62000.0, "margin_mode": "isolated",
        "margin": 1550.0,
    }  # fmt: skip
    checked = CliRunner().invoke(app, ["check-config"])
    assert checked.exit_code == 0, checked.output


def test_coins_are_as_easy_as_dollars(home: Path) -> None:
    """The market comes of the symbol, tables of the tiers; check-config and assess take what was written."""
    result = init(*COINS, "--tier", "5=0.4%", "--tier", "10=0.005", "--no-channel", "--no-test", "--yes")
    assert result.exit_code == 0, result.output
    document = tomllib.loads((home / ".config/position-monitor/config.toml").read_text())
    assert document["accounts"] == [{"name": "by-hand", "market": "coinm", "positions": [{
        "symbol": "BTCUSD_PERP", "side": "LONG", "quantity": 200, "entry_price": 62000.0,
        "margin_mode": "isolated", "margin": 0.05,
    }]}]  # fmt: skip
    assert document["brackets"] == {"BTCUSD_PERP": {"rows": [[0, 5, 0.004, 0], [5, 10, 0.005, 0.005]]}}
    assert "contracts" not in document
    checked = CliRunner().invoke(app, ["check-config"])
    assert checked.exit_code == 0, checked.output
    assessed = CliRunner().invoke(app, ["assess", "--mark", "BTCUSD_PERP=60000", "--json"])
    (wallet,) = json.loads(assessed.stdout)["wallets"]
    assert (wallet["asset"], wallet["wallet_balance"], wallet["level"]) == ("BTC", 0.05, "ok")


def test_a_cross_wallet_of_coins_and_a_contract_of_another_size(home: Path) -> None:
    """The balance is in the coin; a size that was given is written down."""
    words = [*COINS, "--margin-mode", "cross", "--tier", "5=0.4%", "--contract-size", "10", "--market", "coinm"]
    result = init(*words, "--no-channel", "--no-test", "--yes")
    assert result.exit_code == 0, result.output
    settings = load_text((home / ".config/position-monitor/config.toml").read_text(), "test")
    assert settings.accounts[0].balances == {"BTC": 0.05}
    assert settings.accounts[0].positions[0].contract_size == 10.0


def test_figures_that_agree_with_nothing_are_warned_of(home: Path) -> None:
    """Tiers that end before liquidation, and a size that no contract has: it may be meant, and is kept."""
    words = [*COINS, "--no-channel", "--no-test", "--yes", "--json"]
    (warning,) = _warnings(*words, "--tier", "0.33=0.4%")
    assert "rows end at 0.33 BTC, and the LONG of by-hand is worth 0.3711 BTC at 53894.4" in warning
    (warning,) = _warnings(*words, "--tier", "5=0.4%", "--contract-size", "10", "--force")
    assert "contracts.BTCUSD_PERP.size = 10, and a contract is of 100 US dollars" in warning
    assert _warnings(*words, "--tier", "5=0.4%", "--contract-size", "100", "--force") == []
    assert (home / ".config/position-monitor/config.toml").is_file()


def _warnings(*words: str) -> list[str]:
    result = init(*words)
    assert result.exit_code == 0, result.output
    return [one for one in json.loads(result.stdout)["warnings"] if "BTCUSD_PERP" in one]


def test_a_contract_whose_tiers_do_not_come_with_the_program_may_bring_its_own(home: Path) -> None:
    """Of any market."""
    words = [*TYPED, "--symbol", "BTCUSDX", "--no-channel", "--no-test", "--yes"]
    refused = init(*words)
    assert refused.exit_code == 2
    assert "or --tier with it" in refused.stderr
    assert (
        init(*TYPED, "--symbol", "NEWUSDT", "--tier", "100000=1%", "--no-channel", "--no-test", "--yes").exit_code
        == 0
    )
    assert "[brackets.NEWUSDT]" in (home / ".config/position-monitor/config.toml").read_text()


def test_what_is_missing_is_named_all_at_once(home: Path) -> None:
    """Where nobody can be asked; nothing is written."""
    result = init()
    assert result.exit_code == 2
    assert "--api-key-file" in result.stderr
    assert "--channel-url-file" in result.stderr
    result = init("--typed", "--symbol", "BTCUSDT", "--no-channel", "--yes", "--json")
    assert [one["path"] for one in json.loads(result.stdout)["problems"]] == [
        "--side", "--quantity", "--entry", "--margin-mode", "--margin",
    ]  # fmt: skip
    result = init(*COINS, "--no-channel", "--yes", "--json")
    (missing,) = json.loads(result.stdout)["problems"]
    assert missing["path"] == "--tier"
    assert "caps in BTC" in missing["allowed"]
    assert list(home.iterdir()) == []


def test_a_margin_that_is_used_up_at_once_is_warned_of(home: Path) -> None:
    """A missing zero is not found by a daemon that then alarms at once."""
    result = init(*TYPED[:-1], "150", "--quantity", "1", "--no-channel", "--yes", "--no-test", "--json")
    assert result.exit_code == 0, result.output
    (warning,) = [one for one in json.loads(result.stdout)["warnings"] if ".margin" in one]
    assert "(by-hand BTCUSDT) = 150 is used up at the entry price already" in warning
    assert (home / ".config" / "position-monitor" / "config.toml").is_file()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--symbol", "BTCUSDX"], "--symbol"),
        (["--side", "long"], "--side"),
        (["--quantity", "-1"], "--quantity"),
        (["--entry", "dear"], "--entry"),
        (["--margin-mode", "both"], "--margin-mode"),
        (["--environment", "moon"], "--environment"),
        (["--account", "a b"], "--account"),
        (["--time-zone", "Europe/Atlantis"], "--time-zone"),
        (["--listen", "127.0.0.1:9757"], "--listen"),
        (["--web", "--listen", "here"], "--listen"),
        (["--market", "coinm"], "--market"),
        (["--market", "spot"], "--market"),
        (["--market", "coinm", "--symbol", "BTCUSD"], "--symbol"),
        (["--symbol", "BTCUSD", "--tier", "5=1%"], "--symbol"),
        (["--symbol", "BTCUSD_PERP", "--tier", "5=1%", "--market", "usdm"], "--market"),
        (["--symbol", "BTCUSD_PERP", "--tier", "5=1%"], "--quantity"),
        (["--symbol", "BTCUSD_PERP", "--tier", "5", "--quantity", "2"], "--tier"),
        (["--symbol", "BTCUSD_PERP", "--tier", "5=1%", "--tier", "4=2%", "--quantity", "2"], "--tier"),
        (["--symbol", "BTCUSD_PERP", "--tier", "5=1%", "--quantity", "20000"], "--tier"),
        (["--symbol", "BTCUSD_250627", "--tier", "5=1%", "--quantity", "2"], "--symbol"),
        (["--contract-size", "100"], "--contract-size"),
        (
            ["--symbol", "BTCUSD_PERP", "--tier", "5=1%", "--quantity", "2", "--contract-size", "0"],
            "--contract-size",
        ),
        (["--instance", "main"], "--instance"),
        (["--channel-name", "a b"], "--channel-name"),
        (["--api-key-env", "lower"], "--api-key-env"),
        (["--api-key-env", "KEY", "--api-secret-env", "SECRET"], "--typed"),
        (["--channel-url-env", "URL"], "--no-channel"),
        (["--channel-url-file", "/nowhere/hush-not-told"], "--channel-url-file"),
        (["--channel-url-file", "-", "--heartbeat-url-file", "-"], "--heartbeat-url-file"),
    ],
)
def test_an_answer_that_cannot_be_is_refused_by_its_option(home: Path, words: list[str], told: str) -> None:
    """With what is allowed; nothing is written, and a path that may be a secret is not repeated."""
    result = init(*TYPED, "--no-channel", "--no-test", *words)
    assert result.exit_code == 2, result.output
    assert f"{told}: found" in result.stderr
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("option", ["--channel-url-file", "--heartbeat-url-file", "--api-secret-file"])
def test_a_secret_that_cannot_be_used_is_refused_without_being_told(home: Path, option: str) -> None:
    """From standard input as well; the words say what is needed instead."""
    result = init(option, "-", "--no-test", stdin=f"{HUSH} {HUSH}\n")
    assert result.exit_code == 2
    assert f"{option}: found" in result.stderr
    assert list(home.iterdir()) == []


def test_secrets_may_stay_where_they_are(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the names of variables are written; what is not set here is not tested, and that is said."""
    monkeypatch.delenv("URL", raising=False)
    words = ["--api-key-env", "KEY", "--api-secret-env", "SECRET", "--channel-url-env", "URL", "--json"]
    result = init(*words)
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert [one.partition(":")[0] for one in document["not_tested"]] == ["api-key", "api-secret", "channel-url"]
    assert document["channels"] == {}
    assert list(files_of(home)) == [".config/position-monitor/config.toml"]
    text = (home / ".config/position-monitor/config.toml").read_text()
    assert 'api_key = { env = "KEY" }' in text
    assert 'url = { env = "URL" }' in text


def test_a_message_that_does_not_arrive_is_a_failure_and_keeps_the_files(home: Path, tmp_path: Path) -> None:
    """Exit code 1, the reason, and what to do; the files stay."""
    with taking(status=500) as (url, _):
        result = init(*TYPED, "--channel-url-file", kept(tmp_path / "url", url))
    assert result.exit_code == 1
    assert "did not arrive" in result.stdout
    assert "position-monitor doctor --send" in result.stdout
    assert len(files_of(home)) == 2


def test_ctrl_c_while_it_tests_keeps_the_files(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are whole, and that is said; nobody claims that the message arrived."""

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(trying, "try_channels", stop)
    url = kept(tmp_path / "url", "json://127.0.0.1:9/")
    result = init(*TYPED, "--channel-url-file", url)
    assert result.exit_code == 1
    assert "stopped before the tests were over; the files are written" in result.stderr
    assert len(files_of(home)) == 2


def test_nothing_is_overwritten_unless_asked(home: Path) -> None:
    """Refused with the way out before anything else; with --force the old one is kept."""
    assert init(*TYPED, "--no-channel", "--no-test").exit_code == 0
    config = home / ".config/position-monitor/config.toml"
    config.write_text("old = 1\n")
    result = init()
    assert result.exit_code == 2
    assert "--force" in result.stderr
    assert "--channel-url-file" not in result.stderr
    document = json.loads(init(*TYPED, "--no-channel", "--no-test", "--force", "--json").stdout)
    (old,) = document["kept"]
    assert Path(old).read_text() == "old = 1\n"
    assert Path(old).name.startswith("config.toml.bak-")
    assert "[[accounts]]" in config.read_text()


def test_another_place_has_secrets_of_its_own(home: Path, tmp_path: Path) -> None:
    """Two configurations in one directory do not share a file."""
    for name in ("config.toml", "second.toml"):
        url = kept(tmp_path / "url", "json://127.0.0.1:9/")
        result = init(*TYPED, "--channel-url-file", url, "--no-test", "--config", str(home / name))
        assert result.exit_code == 0, result.output
    assert sorted(files_of(home)) == [
        "config.toml", "second.toml", "secrets/channel-url", "secrets/second-channel-url",
    ]  # fmt: skip
    assert f"position-monitor run --config {home / 'second.toml'}" in result.stdout


def test_the_machine_has_its_own_places(tmp_path: Path) -> None:
    """The configuration for everybody to read, secrets for root, and what hands them to the service."""
    answers = Answers(
        holding=KeyPair(Stored(Secret("k" * 64)), Stored(Secret("s" * 64))), account="main",
        channel=Stored(Secret("json://127.0.0.1:9/")), web_token=Secret("t" * 32),
    )  # fmt: skip
    place = system_place(None, tmp_path)
    write(answers, place, keep=False)
    home = tmp_path / "etc/position-monitor"
    assert stat.S_IMODE(home.stat().st_mode) == 0o755
    assert stat.S_IMODE((home / "config.toml").stat().st_mode) == 0o644
    assert stat.S_IMODE((home / "credentials").stat().st_mode) == 0o700
    names = ["api-key", "api-secret", "channel-url", "web-token"]
    assert sorted(os.listdir(home / "credentials")) == names  # noqa: PTH208 - names only
    assert {stat.S_IMODE((home / "credentials" / one).stat().st_mode) for one in names} == {0o600}
    drop_in = tmp_path / "etc/systemd/system/position-monitor.service.d/credentials.conf"
    assert drop_in.read_text().splitlines()[1:] == [
        "[Service]", *(f"LoadCredential={one}:{home / 'credentials' / one}" for one in names)
    ]  # fmt: skip
    assert stat.S_IMODE(drop_in.stat().st_mode) == 0o644
    text = (home / "config.toml").read_text()
    assert 'api_key = { credential = "api-key" }' in text
    assert 'directory = "/var/lib/position-monitor"' in text
    assert "sudo systemctl enable --now position-monitor" in next_commands(place, failed=False)
    assert "sudo systemctl restart position-monitor" in next_commands(place, failed=False, anew=True)
    assert next_commands(place, failed=True)[0].startswith("sudo position-monitor doctor --send")


def test_an_instance_is_apart_from_the_others(tmp_path: Path) -> None:
    """Configuration, secrets, drop-in and state; commands name its configuration."""
    answers = Answers(
        holding=TypedPosition("BTCUSDT", "LONG", 1.0, 1.0, "cross", 1.0, "USDT"), account="a",
        channel=Stored(Secret("json://127.0.0.1:9/")),
    )  # fmt: skip
    place = system_place("second", tmp_path)
    write(answers, system_place(None, tmp_path), keep=False)
    write(answers, place, keep=False)
    assert (tmp_path / "etc/position-monitor/credentials/second-channel-url").exists()
    unit = tmp_path / "etc/systemd/system/position-monitor@second.service.d/credentials.conf"
    assert "LoadCredential=second-channel-url:" in unit.read_text()
    settings = load_text(place.config.read_text(), "test")
    assert settings.state.directory == "/var/lib/position-monitor-second"
    steps = next_commands(place, failed=False)
    assert "sudo systemctl enable --now position-monitor@second" in steps
    assert steps[-1].endswith("second.toml")


def test_only_root_installs_for_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others are told how; secrets of the service come from files."""
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    result = init("--system")
    assert result.exit_code == 2
    assert "sudo position-monitor init --system" in result.stderr


def test_without_a_configuration_the_way_to_one_is_told() -> None:
    """By every command that needs it."""
    result = CliRunner().invoke(app, ["status"])
    assert result.exit_code == 2
    assert "`position-monitor init` writes one" in result.stderr


@pytest.mark.parametrize(("secret", "state"), [(KEY.secret, State.OK), ("another", State.FAIL)])
async def test_the_key_is_asked_of_the_exchange(secret: str, state: State) -> None:
    """One that works is told to, one that is refused is a failure; nobody who answers is neither."""
    emulator = Emulator(SystemClock(), small_scenario())
    await emulator.start()
    settings = load_text(
        f'[exchange]\nrest_url = "{emulator.base_http}"\nprivate_stream_url = "{emulator.base_private_ws}"\n'
        '[[accounts]]\nname = "main"\napi_key = { env = "KEY" }\napi_secret = { env = "SECRET" }\n',
        "test",
    )
    environ = {"KEY": KEY.api_key, "SECRET": secret}
    try:
        found = await asyncio.to_thread(try_accounts, settings, environ)
        assert [one.state for one in found if one.area == "key"] == [state]
    finally:
        await emulator.stop()
    found = await asyncio.to_thread(try_accounts, settings, environ)
    assert [(one.area, one.state) for one in found] == [("key", State.UNKNOWN)]
    assert "doctor" in found[0].fix
