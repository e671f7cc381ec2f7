"""What another configuration changes, in words and in sets, and what of it only a restart can."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config import AccountKey, Secret, Secrets, Settings, load_text
from monitor.config_difference import Difference, InForce, difference, only_by_restart
from tests.reloaded import account, position

SECRET_WORDS = "hidden"
CHANNEL = '[[channels]]\nname = "{}"\nurl = {{ env = "URL" }}\n'
KEYED = '[[accounts]]\nname = "{}"\napi_key = {{ env = "KEY" }}\napi_secret = {{ env = "SECRET" }}\n'
PINGS = '[heartbeat]\nurl = { env = "PING" }\n'
PARTS = (
    account("a", position("BTCUSDT")),
    account("b", position("ETHUSDT", entry=3000.0)),
    KEYED.format("k"),
    CHANNEL.format("tg"),
    CHANNEL.format("mail"),
    PINGS,
    '[log]\nlevel = "debug"\n',
    '[display]\ntime_zone = "UTC"\n',
    '[summary]\nat = "09:00"\n',
    '[history]\nkeep_raw = "1d"\n',
    "[alerts.notice]\nroom = 0.4\n",
    "[alerts]\nescalate_after = '5m'\n",
    "[advice]\nslippage = 0.001\n",
    "[brackets.BTCUSDT]\nrows = [[0, 500000, 0.01, 0]]\n",
)


def held(*parts: str, kept: str = "1", state: str = "/s", history: str = "/s/h.db") -> InForce:
    """A configuration in force whose secrets are all the same."""
    settings = load_text("\n".join(parts), "test")
    value = Secret(f"{SECRET_WORDS}-{kept}")
    secrets = Secrets(
        {one.name: value for one in settings.channels},
        {one.name: AccountKey(value, value) for one in settings.keyed},
        heartbeat_url=value if settings.heartbeat is not None else None,
    )
    return InForce(settings, secrets, Path(state), Path(history))


def some() -> st.SearchStrategy[InForce]:
    """Any of the parts, with one account at least and the levels in one table."""
    chosen = st.sets(st.sampled_from(range(len(PARTS)))).map(
        lambda which: {*which, 0} - ({11} if 10 in which else set())
    )
    return st.builds(
        lambda which, kept: held(*(PARTS[at] for at in sorted(which)), kept=kept),
        chosen,
        st.sampled_from(("1", "2")),
    )


@given(some())
def test_the_same_configuration_changes_nothing(one: InForce) -> None:
    """Read again, an equal file with equal secrets leaves everything as it is."""
    again = InForce(one.settings, one.secrets, one.state_dir, one.history_path)
    assert difference(one, again) == Difference.nothing()
    assert only_by_restart(one, again) == ()


@given(some(), some())
def test_whatever_differs_is_said_and_done(one: InForce, other: InForce) -> None:
    """No difference without a word; and going there and back names the same accounts and channels."""
    there, back = difference(one, other), difference(other, one)
    same = one.settings.engine == other.settings.engine and _rest(one) == _rest(other)
    assert bool(there.words) is bool(back.words)
    if not there.words:
        assert same
    names = set(other.settings.engine.accounts)
    keyed = {account.name for account in other.settings.keyed}
    assert there.followed <= keyed
    assert there.typed <= names - keyed
    assert there.left <= {account.name for account in one.settings.keyed}
    # Whoever follows now and did before either goes on or is replaced, and whoever does not any more is let go of.
    before = {account.name for account in one.settings.keyed}
    assert there.left == (before - keyed) | (before & there.followed)
    assert keyed - before <= there.followed
    assert there.channels >= {c.name for c in other.settings.channels} - {c.name for c in one.settings.channels}
    assert not only_by_restart(one, other)


@given(some(), some())
def test_words_hold_no_secret(one: InForce, other: InForce) -> None:
    """Whatever changed; they go into the log."""
    assert SECRET_WORDS not in " ".join(difference(one, other).words)
    assert SECRET_WORDS not in repr(difference(one, other))


def _rest(one: InForce) -> tuple[object, ...]:
    settings = one.settings
    return settings.history, settings.log, settings.display, settings.summary, bool(settings.heartbeat)


A, TG = PARTS[0], PARTS[3]


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ((A,), (A, PARTS[1]), "account b: added"),
        ((A, PARTS[1]), (A,), "account b: taken out"),
        ((A,), (account("a", position("BTCUSDT", margin=9.0)),), "account a: changed"),
        ((A,), (KEYED.format("a"),), "account a: followed by its key, typed in before"),
        ((KEYED.format("a"),), (A,), "account a: typed in, followed by its key before"),
        ((A,), (A, '[log]\nlevel = "debug"\n'), "log.level: info -> debug"),
        ((A, PINGS), (A,), "heartbeat: taken out"),
        ((A,), (A, PARTS[13]), "brackets: BTCUSDT"),
        ((A,), (A, "[alerts]\nescalate_after = '5m'\n"), "alerts: escalate_after"),
    ],
)
def test_words_name_what_changes(before: tuple[str, ...], after: tuple[str, ...], words: str) -> None:
    """One line each."""
    assert words in difference(held(*before), held(*after)).words


def test_another_secret_under_the_same_name_is_a_change() -> None:
    """Where it is kept does not matter: its value does."""
    parts = (A, KEYED.format("k"), TG, PINGS)
    found = difference(held(*parts), held(*parts, kept="2"))
    assert [set(one) for one in (found.followed, found.left, found.channels)] == [{"k"}, {"k"}, {"tg"}]
    assert found.words == (
        "account k: followed anew with another key, market or allowance",
        "channel tg: another address or format",
        "heartbeat: address or rhythm",
    )
    moved = [part.replace('"URL"', '"ELSEWHERE"') for part in parts]
    assert difference(held(*parts), held(*moved)) == Difference.nothing()


@pytest.mark.parametrize(
    ("more", "paths"),
    [
        ('[exchange]\nenvironment = "live"\n', ["exchange.environment"]),
        (
            '[exchange]\nrest_url = "http://127.0.0.1:1"\ntypical_moves = false\n',
            ["exchange.rest_url", "exchange.typical_moves"],
        ),
        ("[web]\nenabled = true\n", ["web.enabled"]),
        ('[web]\nlisten = "127.0.0.1:1234"\n', []),
    ],
)
def test_what_only_a_restart_can_change_is_named(more: str, paths: list[str]) -> None:
    """With what holds and the word restart; the address of a web interface that is off changes nothing."""
    found = only_by_restart(held(A), held(A, more))
    assert [one.path for one in found] == paths
    assert all("restart" in one.hint for one in found)


def test_paths_count_as_they_are_and_not_as_they_are_written() -> None:
    """A state directory takes the history along; elsewhere the history is named."""
    assert [one.path for one in only_by_restart(held(A), held(A, state="/t", history="/t/h.db"))] == [
        "state.directory"
    ]
    assert [one.path for one in only_by_restart(held(A), held(A, history="/t/h.db"))] == ["history.path"]
    written: Settings = load_text(f'{A}[history]\npath = "/s/h.db"\n', "test")
    assert not only_by_restart(held(A), held(A)._replace(settings=written))


def test_a_listening_web_interface_keeps_its_address() -> None:
    """Its token and names may change."""
    on = "[web]\nenabled = true\n{}"
    before = held(A, on.format(""))
    assert [one.path for one in only_by_restart(before, held(A, on.format('listen = "127.0.0.1:1"\n')))] == [
        "web.listen"
    ]
    named = held(A, on.format('names = ["monitor.lan"]\n'))
    assert only_by_restart(before, named) == ()
    assert difference(before, named).words == ("web.names",)


def following(**keys: str) -> InForce:
    """Accounts that are followed, by name, each with a key and perhaps a market in front of it."""
    text, found = "", {}
    for name, key in keys.items():
        market, _, word = key.rpartition(":")
        text += KEYED.format(name).replace("KEY", name.upper()) + (f'market = "{market}"\n' if market else "")
        found[name] = AccountKey(Secret(f"{SECRET_WORDS}-{word}"), Secret(SECRET_WORDS))
    return InForce(load_text(text, "test"), Secrets({}, found), Path("/s"), Path("/s/h.db"))


@pytest.mark.parametrize(
    ("before", "after", "origins"),
    [
        ({"main": "1"}, {"main": "1"}, {}),
        ({"main": "1"}, {"main": "1", "other": "2"}, {}),
        ({"main": "1"}, {"renamed": "1"}, {"renamed": "main"}),
        ({"main": "1"}, {"renamed": "coinm:1"}, {}),
        ({"main": "1", "hedge": "2"}, {"main": "2", "hedge": "1"}, {"main": "hedge", "hedge": "main"}),
        ({"main": "1"}, {"main": "2"}, {"main": ""}),
        ({"main": "1"}, {"main": "coinm:1"}, {"main": ""}),
        ({"main": "1", "hedge": "2"}, {"main": "2"}, {"main": "hedge"}),
    ],
)
def test_an_account_is_known_by_its_key_and_market_under_another_name(
    before: dict[str, str], after: dict[str, str], origins: dict[str, str]
) -> None:
    """What is known of it goes on; where a name has another key, it may be another account's."""
    assert difference(following(**before), following(**after)).origins == origins
