"""The directory, the configuration and the script of a demonstration."""

import os
import socket
import stat
import tempfile
from decimal import Decimal
from pathlib import Path

import pytest

from monitor.cli import stage
from monitor.cli.stage import LOOPBACK, compressed, free_port, prepare, scale_of, with_keys, write_config
from monitor.cli.wiring import build_channels
from monitor.config import load, resolve_secrets
from monitor.emulator.scenario import demo_scenario
from monitor.errors import ConfigError


def written(folder: Path) -> Path:
    return write_config(
        folder, demo_scenario(), market_ws="ws://127.0.0.1:9/market", rest="http://127.0.0.1:9", dwell_s=0.4
    )


def test_the_configuration_is_one_that_a_user_could_have_written(tmp_path: Path) -> None:
    """It loads like any other and holds what the scenario says, with tiers and dwell of its own."""
    settings = load(written(tmp_path), {})
    assert settings.exchange.market_stream_url == "ws://127.0.0.1:9/market"
    assert settings.exchange.rest_url == "http://127.0.0.1:9"
    assert settings.state_directory({}) == tmp_path
    held = [
        (a.account, p.symbol, p.side.value, p.quantity, p.margin) for a in settings.accounts for p in a.positions
    ]
    assert held == [
        (p.account, p.symbol, p.side, float(p.quantity), float(p.margin)) for p in demo_scenario().positions
    ]
    assert {table.origin for table in settings.tables} == {"config"}
    assert {rule.dwell_s for rule in settings.engine.rules.levels} == {0.4}
    assert [(c.name, c.min_level.label) for c in settings.channels] == [("phone", "warning"), ("log", "notice")]
    assert settings.accounts[1].balances == {"USDT": 3000.0}


def test_its_page_is_off_unless_asked_for_and_stays_on_this_machine(tmp_path: Path) -> None:
    """With --web; nobody can change anything there, for there is no token."""
    assert not load(written(tmp_path), {}).web.enabled
    path = write_config(
        tmp_path, demo_scenario(), market_ws="ws://127.0.0.1:9/market", rest="http://127.0.0.1:9", dwell_s=0.4,
        web_port=9876,
    )  # fmt: skip
    web = load(path, {}).web
    assert (web.enabled, web.host, web.port, web.token) == (True, "127.0.0.1", 9876, None)


def test_no_move_of_it_is_typical(tmp_path: Path) -> None:
    """Its hours pass in seconds: stops, days and leverages made of them would be nonsense, in `run` too."""
    assert not load(written(tmp_path), {}).engine.typical_moves


def test_its_channels_can_be_built_by_the_daemon(tmp_path: Path) -> None:
    """`run` on these files finds addresses that can be used, readable by their owner only."""
    channels = build_channels(load(written(tmp_path), {}), {}).channels
    assert [channel.name for channel in channels] == ["phone", "log"]
    for channel in channels:
        channel.close()
    for name in ("config.toml", "phone.url", "log.url"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_accounts_with_keys_are_followed_by_them(tmp_path: Path) -> None:
    """As a user would have it: keys in files of the owner's, nothing typed in, none in the configuration."""
    scenario = with_keys(demo_scenario())
    path = write_config(
        tmp_path, scenario, market_ws="ws://127.0.0.1:9/market", private_ws="ws://127.0.0.1:9/private",
        rest="http://127.0.0.1:9", dwell_s=0.4,
    )  # fmt: skip
    settings = load(path, {})
    assert [one.name for one in settings.keyed] == ["isolated", "cross"]
    assert [one.account for one in settings.accounts] == ["hedge"]
    assert settings.exchange.private_stream_url == "ws://127.0.0.1:9/private"
    keys = resolve_secrets(settings, {}).account_keys
    text = path.read_text()
    for account in scenario.accounts[:2]:
        assert account.credentials is not None
        assert keys[account.name].key.reveal() == account.credentials.api_key
        assert keys[account.name].secret.reveal() == account.credentials.secret
        assert account.credentials.api_key not in text
        assert account.credentials.secret not in text
        for kind in ("key", "secret"):
            assert stat.S_IMODE((tmp_path / f"{account.name}.{kind}").stat().st_mode) == 0o600


def test_keys_are_new_each_time() -> None:
    """No key stands in the program, and no two are the same."""
    found = [
        text
        for scenario in (with_keys(demo_scenario()), with_keys(demo_scenario()))
        for account in scenario.accounts
        if account.credentials is not None
        for text in (account.credentials.api_key, account.credentials.secret)
    ]
    assert len(set(found)) == len(found) == 8
    assert all(one.credentials is None for one in demo_scenario().accounts)


def test_a_fresh_directory_is_made_and_kept() -> None:
    """Without a directory given, a new one of the user's own is made."""
    folder = prepare(None)
    try:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert folder.name.startswith("position-monitor-demo-")
    finally:
        folder.rmdir()


def test_a_temporary_directory_too_deep_for_a_socket_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where $TMPDIR is too long for the control socket, /tmp is taken."""
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    folder = prepare(None)
    folder.rmdir()
    assert folder.parent == Path("/", "tmp")
    assert not any(deep.iterdir())


def test_a_directory_of_an_earlier_demo_is_taken_again(tmp_path: Path) -> None:
    """A new directory is made where it is asked for; one that a demo wrote in is used as it is."""
    folder = prepare(tmp_path / "new" / "one")
    written(folder)
    (folder / "state.db").touch()
    assert prepare(folder) == folder


@pytest.mark.parametrize("config", [None, b"[exchange]\n", b"\xff\xfe"])
def test_real_state_is_not_mixed_with_a_demonstration(tmp_path: Path, config: bytes | None) -> None:
    """A directory that holds what no demo wrote is refused and left alone."""
    (tmp_path / "state.db").touch()
    if config is not None:
        (tmp_path / "config.toml").write_bytes(config)
    with pytest.raises(ConfigError, match="holds other files"):
        prepare(tmp_path)


def test_a_path_too_long_for_a_socket_is_refused(tmp_path: Path) -> None:
    """The limit is told, instead of an error that nobody understands."""
    with pytest.raises(ConfigError, match="a path of at most 90"):
        prepare(tmp_path / ("d" * 100))


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    """What cannot be used is refused with the system's reason."""
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(ConfigError, match="file exists"):
        prepare(path)


def test_a_compressed_story_is_the_same_story() -> None:
    """Prices, and their order, stay; only the times shrink."""
    whole, half = demo_scenario(), compressed(demo_scenario(), 22.5)
    assert half.duration_s == 22.5
    for one, other in zip(whole.instruments, half.instruments, strict=True):
        assert [price for _, price in one.path.points] == [price for _, price in other.path.points]
        assert [time_s / 2 for time_s, _ in one.path.points] == [time_s for time_s, _ in other.path.points]
    assert half.instruments[0].path.points[0][1] == Decimal(62000)
    assert scale_of(22.5) == 0.5
    assert scale_of(None) == 1.0


def test_paths_with_unusual_characters(tmp_path: Path) -> None:
    """Quotes and letters of any script in a path survive the way through the configuration."""
    folder = tmp_path / 'o"ö\\x'
    folder.mkdir()
    assert load(written(folder), dict(os.environ)).state_directory({}) == folder


def test_the_channels_tell_two_stories() -> None:
    """One channel is quiet, one hears everything."""
    assert dict(stage.CHANNELS) == {"phone": "warning", "log": "notice"}


def test_a_port_that_is_taken_is_not_the_demo_s() -> None:
    """Nobody asked for this one in particular, and what others serve there is no page of ours."""
    with socket.create_server((LOOPBACK, 0)) as other:
        taken = other.getsockname()[1]
        found = free_port(taken)
        assert found not in {taken, 0}
    assert free_port(taken) == taken
