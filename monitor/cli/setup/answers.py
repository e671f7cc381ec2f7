"""What somebody answered: checked, frozen, secrets as values that do not print themselves."""

from collections.abc import Iterator
from dataclasses import dataclass

from monitor.config import Secret

CHANNEL_URL = "channel-url"
API_KEY = "api-key"
API_SECRET = "api-secret"  # noqa: S105 - the name of a file
HEARTBEAT_URL = "heartbeat-url"
WEB_TOKEN = "web-token"  # noqa: S105 - the name of a file
ALL_SECRETS = (API_KEY, API_SECRET, CHANNEL_URL, HEARTBEAT_URL, WEB_TOKEN)

LISTEN = "127.0.0.1:9757"


@dataclass(frozen=True, slots=True)
class Stored:
    """A secret that is to be written to a file of its own."""

    value: Secret


@dataclass(frozen=True, slots=True)
class InVariable:
    """A secret that stays in an environment variable, of which only the name is written."""

    name: str


Source = Stored | InVariable


@dataclass(frozen=True, slots=True)
class KeyPair:
    """What follows an account: both are secrets."""

    key: Source
    secret: Source


@dataclass(frozen=True, slots=True)
class TypedPosition:
    """A position typed in. ``margin`` is the isolated wallet balance, or with cross that of the cross wallet."""

    symbol: str
    side: str  # LONG or SHORT
    quantity: float  # base asset, or coin-margined contracts; above 0
    entry_price: float
    margin_mode: str  # isolated or cross
    margin: float
    margin_asset: str  # what margins the contract, such as USDT
    contract_size: float | None = None  # US dollars of a coin-margined contract; None: by the rule of the program
    rows: tuple[
        tuple[float, ...], ...
    ] = ()  # tiers of one's own: floor, cap, mmr, cum; none: those of the program


@dataclass(frozen=True, slots=True)
class Answers:
    """Everything ``init`` asks for."""

    holding: KeyPair | TypedPosition
    account: str
    channel: Source | None  # None: alerts go to the log only
    channel_name: str = "alerts"
    environment: str = "testnet"
    market: str = "usdm"
    heartbeat: Source | None = None
    web_token: Secret | None = None  # None: no web interface
    listen: str = LISTEN
    time_zone: str = "local"

    def sources(self) -> Iterator[tuple[str, Source]]:
        """Yield every secret with the name it is kept by."""
        if isinstance(self.holding, KeyPair):
            yield API_KEY, self.holding.key
            yield API_SECRET, self.holding.secret
        if self.channel is not None:
            yield CHANNEL_URL, self.channel
        if self.heartbeat is not None:
            yield HEARTBEAT_URL, self.heartbeat
        if self.web_token is not None:
            yield WEB_TOKEN, Stored(self.web_token)
