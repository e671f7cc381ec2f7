"""REST clients from the configuration and its secrets."""

from random import Random

from monitor.binance.endpoints import Environment, endpoints
from monitor.binance.keys import Credentials
from monitor.binance.rest import RestClient
from monitor.binance.weights import WeightBudget
from monitor.config import AccountKey, KeyedAccount, Settings
from monitor.core.model import Market
from monitor.doctor.figures import ClientOf, Impatient, RestProbe
from monitor.ports import Clock

# What takes longer is said to whoever asks for an account, instead of waited for without a word.
TELL_BLOCK_S = 10.0


def rest_client(  # noqa: PLR0917 - what a client is made of
    settings: Settings, keyed: KeyedAccount, key: AccountKey, clock: Clock, rng: Random, budget: WeightBudget
) -> RestClient:
    """Return the client of an account followed by its key; use it within a running loop, and close it.

    Args:
        settings: the configuration.
        keyed: the account.
        key: what signs its requests.
        clock: time, and what pauses are made on.
        rng: chance for the jitter of pauses.
        budget: of the address: the same for all clients, of both markets.

    Raises:
        KeyRefusedError: key or secret cannot be what it should be.
    """
    exchange = settings.exchange
    bases = endpoints(exchange.environment, keyed.market, rest_url=exchange.rest_url or "").rest
    return RestClient(
        keyed.market,
        Environment(exchange.environment),
        bases,
        credentials=Credentials(key.key.reveal(), key.secret.reveal()),
        clock=clock,
        rng=rng,
        budget=budget,
        longest_block_s=TELL_BLOCK_S,
    )


def public_client(
    settings: Settings, market: Market, clock: Clock, rng: Random, budget: WeightBudget
) -> RestClient:
    """Return a client for what needs no key; use it within a running loop, and close it."""
    exchange = settings.exchange
    bases = endpoints(exchange.environment, market, rest_url=exchange.rest_url or "").rest
    environment = Environment(exchange.environment)
    return RestClient(market, environment, bases, clock=clock, rng=rng, budget=budget)


def client_factory(settings: Settings, clock: Clock, rng: Random) -> ClientOf:
    """Return what makes clients for commands that ask once; they share one budget. Only within a running loop."""
    clock = Impatient(clock)
    budget = WeightBudget(clock)

    def make(keyed: KeyedAccount, key: AccountKey) -> RestProbe:
        return RestProbe(rest_client(settings, keyed, key, clock, rng, budget), keyed.name)

    return make
