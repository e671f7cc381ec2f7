"""What a subject is called for people: a wallet, a feed, a database, whatever an announcement was about. Pure."""

from monitor.core.incidents import TOLD_PREFIX
from monitor.core.notices import Facts
from monitor.notify.words import clean

_NOTHING = Facts()
_FORCED = "forced:"  # the exchange closed something: of which position is what people look for


def wallet_name(wallet: str, symbol: str = "") -> str:
    """Return a wallet's name for people; beside its own symbol an isolated one is just ``isolated``."""
    mode, _, rest = wallet.partition(":")
    return mode if symbol and rest.startswith(f"{symbol}:") else f"{mode} {rest.replace(':', ' ')}".strip()


def subject_name(subject: str, facts: Facts = _NOTHING) -> str:
    """Return whose it is, such as ``main BTCUSDT LONG``, with 19 more ``main BTCUSDT LONG +19``, or ``feed usdm``.

    Args:
        subject: of an incident or an announcement.
        facts: of its message; a wallet is called by its worst position where they have one.
    """
    if subject.startswith(TOLD_PREFIX):
        about = subject.removeprefix(TOLD_PREFIX).rpartition("#")[0]
        if about.startswith(_FORCED) and facts.symbol:
            return clean(f"{about.removeprefix(_FORCED)} {facts.symbol} {facts.side}")
        return subject_name(about) if about.startswith("/") else clean(about)
    account, _, name = subject.partition("/")
    if not account:
        return clean(" ".join(name.split(":")))
    more = f" +{facts.positions - 1}" if facts.positions > 1 else ""
    return clean(f"{account} {f'{facts.symbol} {facts.side}{more}' if facts.symbol else wallet_name(name)}")
