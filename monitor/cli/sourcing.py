"""What brings events into a daemon, and what a reload of the configuration adds to it while it runs."""

from collections.abc import Mapping, Sequence
from random import Random

from monitor.binance.account import AccountFollower
from monitor.binance.account_rest import AccountClient
from monitor.binance.account_values import AccountTimings
from monitor.binance.around_market import MarketAround
from monitor.binance.bridge import Bridge
from monitor.binance.candles import CandleHistory
from monitor.binance.endpoints import Environment, endpoints
from monitor.binance.keys import MALFORMED_KEY
from monitor.binance.klines import Klines, SeededFeed
from monitor.binance.rest import RestClient
from monitor.binance.streams import MarkFeed
from monitor.binance.weights import WeightBudget
from monitor.cli.exchange import public_client, rest_client
from monitor.config import AccountKey, KeyedAccount, Settings
from monitor.core.model import AccountSnapshot, Market
from monitor.errors import ConfigError, KeyRefusedError, Problem
from monitor.inbox import Gate
from monitor.plan import Following, Sources
from monitor.ports import Clock, Feed, Inbox
from monitor.storage.account_cache import AccountCache
from monitor.storage.bracket_cache import BracketCache


def build_clients(
    settings: Settings, keys: Mapping[str, AccountKey], clock: Clock, rng: Random, budget: WeightBudget
) -> dict[str, RestClient]:
    """Return the REST clients of followed accounts by name, as far as there are keys; nothing is sent yet.

    Raises:
        ConfigError: keys that cannot be used, all of them; never with a key in it.
    """
    places = {name: index for index, name in enumerate(settings.engine.accounts)}
    clients: dict[str, RestClient] = {}
    problems: list[Problem] = []
    for keyed in settings.keyed:
        if keyed.name not in keys:
            continue
        try:
            clients[keyed.name] = rest_client(settings, keyed, keys[keyed.name], clock, rng, budget)
        except KeyRefusedError as error:
            path = f"accounts[{places[keyed.name]}].api_{'key' if error.reason == MALFORMED_KEY else 'secret'}"
            problems.append(
                Problem(path, error.reason.replace("_", " "), "a key as the exchange made it", error.hint)
            )
    if problems:
        raise ConfigError(settings.source, problems)
    return clients


class Sourcing:
    """Makes sources, and knows them: they share one budget of requests. Called once, it is a ``SourceFactory``.

    Args:
        settings: the configuration of the start; addresses of the exchange stay what they are in it.
        environ: the environment.
        clients: of its followed accounts, by name.
        budget: of the address of this machine.
        clock: all time.
        rng: spreads reconnections and retries.
        timings: of following accounts.
    """

    def __init__(
        self, settings: Settings, environ: Mapping[str, str], clients: Mapping[str, RestClient], *,
        budget: WeightBudget, clock: Clock, rng: Random, timings: AccountTimings,
    ) -> None:  # fmt: skip
        self._settings = settings
        self._state_dir = settings.state_directory(environ)
        self._clients = clients
        self._budget = budget
        self._clock = clock
        self._rng = rng
        self._timings = timings
        self._inbox: Inbox | None = None
        self._around: dict[Market, MarketAround] = {}
        self._marks: list[MarkFeed] = []
        self._followers: dict[str, AccountFollower] = {}

    def __call__(self, inbox: Inbox) -> Sources:
        """Return the sources of the start."""
        clock, rng, budget = self._clock, self._rng, self._budget
        self._inbox = inbox
        asked = {market: public_client(self._settings, market, clock, rng, budget) for market in Market}
        self._around = {one: MarketAround(one, asked[one], inbox=inbox, clock=clock) for one in Market}
        last = {one.account: one for one in AccountCache(self._state_dir).load()}
        accounts = self.follow(self._settings.keyed, self._clients)
        for one in accounts:
            one.begin(last.get(one.account))
        return Sources(
            feeds={market: self._feed(market, asked[market], inbox) for market in Market},
            accounts=accounts,
            close=tuple(client.close for client in asked.values()),
            past=CandleHistory(asked, clock=clock, rng=rng, budget=budget),
        )

    def clients(self, settings: Settings, keys: Mapping[str, AccountKey]) -> dict[str, RestClient]:
        """Return clients as ``build_clients`` does, within the common budget."""
        return build_clients(settings, keys, self._clock, self._rng, self._budget)

    def follow(
        self, accounts: Sequence[KeyedAccount], clients: Mapping[str, RestClient], *, heirs: bool = False
    ) -> tuple[Following, ...]:
        """Return what follows accounts, one each, once it is begun in place of what followed them before.

        Args:
            accounts: which.
            clients: by name.
            heirs: others may have followed them in this run.
        """
        return tuple(self._following(keyed, clients[keyed.name], heir=heirs) for keyed in accounts)

    def _following(self, keyed: KeyedAccount, client: RestClient, *, heir: bool) -> Following:
        if self._inbox is None:
            raise RuntimeError("sources are made first")
        exchange = self._settings.exchange
        gate = Gate(self._inbox)
        follower = AccountFollower(
            keyed.name,
            keyed.market,
            endpoints(
                exchange.environment, keyed.market, private_stream_url=exchange.private_stream_url or ""
            ).private_stream,
            rest=AccountClient(
                keyed.name, client, self._budget, self._clock, on_rules=self._around[keyed.market].take_rules
            ),
            cache=BracketCache(self._state_dir, keyed.name),
            inbox=gate,
            clock=self._clock,
            rng=self._rng,
            refuse_trading_key=exchange.environment == Environment.LIVE and not keyed.allow_trading_key,
            heir=heir,
            timings=self._timings,
        )

        def begin(last: AccountSnapshot | None) -> None:
            if last is not None:
                follower.go_on_from(last)
            self._followers[keyed.name] = follower
            for marks in self._marks:
                marks.tell_contracts(self._contract_changed)

        def shut() -> None:
            gate.shut()
            if self._followers.get(keyed.name) is follower:
                del self._followers[keyed.name]

        return Following(keyed.name, follower, begin, shut, client.close)

    def _feed(self, market: Market, client: RestClient, inbox: Inbox) -> Feed:
        clock, rng, budget, exchange = self._clock, self._rng, self._budget, self._settings.exchange
        bases = endpoints(exchange.environment, market, market_stream_url=exchange.market_stream_url or "")
        told = self._contract_changed if self._followers else None
        marks = MarkFeed(
            market.value, (), bases.market_stream, inbox=inbox, clock=clock, rng=rng, market=market,
            on_contract=told,
        )  # fmt: skip
        self._marks.append(marks)
        past = Klines(market.value, client, inbox=inbox, clock=clock, rng=rng, budget=budget)
        around = self._around[market]
        bridge = Bridge(market, marks, client, inbox=inbox, clock=clock, rng=rng, budget=budget, around=around)
        return SeededFeed(marks, past, bridge)

    def _contract_changed(self, symbol: str, has_tiers: bool) -> None:
        if has_tiers:
            for follower in self._followers.values():
                follower.refresh_brackets(symbol)
