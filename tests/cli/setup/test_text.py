"""What ``init`` writes is what was answered, whatever that is."""

import tomllib
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import astuple

from monitor.cli.setup.answers import Answers, InVariable, KeyPair, Source, Stored, TypedPosition
from monitor.cli.setup.places import Place, system_place
from monitor.cli.setup.text import configuration, quoted
from monitor.cli.setup.tiers import Tier, rows_of
from monitor.config import Secret, load_text, shipped_tables
from monitor.config.positions import margin_asset_of
from monitor.config.secret import Keeper
from monitor.core.model import MarginMode

HUSH = "hush-not-told-4711"
SYMBOLS = sorted(name for name in shipped_tables() if margin_asset_of(name))
names = st.from_regex(r"[A-Za-z0-9_.-]{1,64}", fullmatch=True)
variables = st.from_regex(r"[A-Z_][A-Z0-9_]{0,30}", fullmatch=True)
amounts = st.floats(min_value=1e-8, max_value=1e12)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=40)
paths = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40).map(
    lambda text: Path("/") / text.strip("/").replace("/", "-") / "config.toml"
)
sources: st.SearchStrategy[Source] = st.one_of(st.just(Stored(Secret(HUSH))), st.builds(InVariable, variables))
positions = st.builds(
    lambda symbol, side, quantity, entry, mode, margin: TypedPosition(
        symbol, side, quantity, entry, mode, margin, margin_asset_of(symbol) or ""
    ),
    st.sampled_from(SYMBOLS), st.sampled_from(["LONG", "SHORT"]), amounts, amounts,
    st.sampled_from(["isolated", "cross"]), amounts,
)  # fmt: skip
coins = st.builds(
    lambda quantity, entry, mode, margin, size, cap: TypedPosition(
        "BTCUSD_PERP", "LONG", float(quantity), entry, mode, margin, "BTC", size,
        rows_of("BTCUSD_PERP", [Tier(cap, 0.004), Tier(cap * 2, 0.1 / 3)]),
    ),
    st.integers(1, 10**9), amounts, st.sampled_from(["isolated", "cross"]), amounts, st.none() | amounts, amounts,
)  # fmt: skip
holdings = st.one_of(
    st.tuples(st.one_of(st.builds(KeyPair, sources, sources), positions), st.just("usdm")),
    st.tuples(st.one_of(st.builds(KeyPair, sources, sources), coins), st.just("coinm")),
)
everything = st.builds(
    lambda held, **others: Answers(holding=held[0], market=held[1], **others),
    held=holdings,
    account=names,
    channel=st.none() | sources,
    channel_name=names,
    environment=st.sampled_from(["testnet", "live"]),
    heartbeat=st.none() | sources,
    web_token=st.none() | st.just(Secret(HUSH)),
    listen=st.sampled_from(["127.0.0.1:9757", "0.0.0.0:1", "[::1]:65535"]),
    time_zone=st.sampled_from(["local", "UTC", "Europe/Rome"]),
)


@given(texts)
def test_any_text_is_read_back(text: str) -> None:
    """Quotes, backslashes, control characters and the one that JSON does not escape."""
    assert tomllib.loads(f"a = {quoted(text)}") == {"a": text}
    assert "\n" not in quoted(text)


@given(everything, paths, st.booleans())
def test_answers_are_read_back(answers: Answers, path: Path, system: bool) -> None:  # noqa: FBT001
    """The loader finds every answer in it and every secret where it is kept; no secret stands in it."""
    plain = Place(path, path.parent / "secrets", Keeper.FILE)
    place = system_place("main") if system else plain
    refs = place.refs(answers)
    text = configuration(answers, refs, "Somewhere.", place.state)
    settings = load_text(text, "test")
    assert HUSH not in text
    assert settings.exchange.environment == answers.environment
    assert settings.engine.accounts == (answers.account,)
    if isinstance(answers.holding, KeyPair):
        (keyed,) = settings.keyed
        assert keyed.market.value == answers.market
        assert (keyed.api_key, keyed.api_secret) == (refs["api-key"], refs["api-secret"])
    else:
        _is_held(answers.holding, settings.accounts[0].positions[0], settings.accounts[0].balances)
        own = [[tuple(row)[:4] for row in map(astuple, table.brackets)] for table in settings.own_tables]
        assert own == ([list(answers.holding.rows)] if answers.holding.rows else [])
    told = [(one.name, one.url) for one in settings.channels]
    assert told == ([(answers.channel_name, refs["channel-url"])] if answers.channel else [])
    assert (settings.heartbeat.url if settings.heartbeat else None) == (
        refs["heartbeat-url"] if answers.heartbeat else None
    )
    assert settings.web.enabled is (answers.web_token is not None)
    if settings.web.enabled:
        assert settings.web.token == refs["web-token"]
        assert answers.listen.endswith(f":{settings.web.port}")
    assert settings.display.time_zone == answers.time_zone
    assert settings.state.directory == ("/var/lib/position-monitor-main" if system else None)


def _is_held(asked: TypedPosition, held: object, balances: object) -> None:
    isolated = asked.margin_mode == "isolated"
    assert balances == ({} if isolated else {asked.margin_asset: asked.margin})
    for name in ("symbol", "side", "quantity", "entry_price", "margin_mode", "margin_asset"):
        assert getattr(held, name) == getattr(asked, name)
    if asked.contract_size is not None:
        assert getattr(held, "contract_size", None) == asked.contract_size
    assert getattr(held, "margin", None) == (asked.margin if isolated else 0.0)
    assert MarginMode(asked.margin_mode) in MarginMode


def test_what_is_shown_of_answers_holds_no_secret() -> None:
    """Neither of the answers nor of the files that are to be written."""
    answers = Answers(holding=KeyPair(Stored(Secret(HUSH)), InVariable("SECRET")), account="main", channel=None)
    files = system_place(None).files(answers, "text")
    assert HUSH not in repr(answers)
    assert HUSH not in repr(files)
