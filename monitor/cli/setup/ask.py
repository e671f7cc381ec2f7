"""What a first user is asked, and told before it: few words, one thing after the other."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from monitor.cli.setup import checks
from monitor.cli.setup.answers import LISTEN, Source, Stored, TypedPosition
from monitor.cli.setup.given import Given
from monitor.cli.setup.places import Place
from monitor.cli.setup.terminal import Refused, ask, ask_hidden, heading, say
from monitor.cli.setup.tiers import PLACE, Tier, TierError, parse_tier, rows_of
from monitor.cli.typed import number_of
from monitor.config import Secret
from monitor.config.contracts import coin_of, contract_size
from monitor.doctor.judge import MANAGE

_STEPS = 5


def complete(given: Given, place: Place) -> None:
    """Ask for what is not given.

    Raises:
        NobodyAnswersError: the end of input.
    """
    say(
        "This writes a configuration, tests that alerts reach you, and says what to do next."
        " Enter alone takes what stands in brackets. Ctrl-C stops; nothing is written before the end."
    )
    _exchange(given)
    _holding(given)
    _channel(given)
    _extras(given)
    heading(f"{_STEPS} of {_STEPS}  Write it")
    say(f"  configuration  {place.config}\n  secrets        {place.secrets}, readable by {_reader(place)} only")
    if not ask("Write these files? yes or no", "yes", _yes_or_no):
        raise KeyboardInterrupt


def _reader(place: Place) -> str:
    return "root and the service" if place.system else "you"


def _exchange(given: Given) -> None:
    if given.environment is not None:
        return
    heading(f"1 of {_STEPS}  Exchange")
    say("The testnet has play money and keys of its own; live is the real exchange.")
    given.environment = ask("testnet or live", "testnet", lambda text: _valid("environment", text.lower()))


def _holding(given: Given) -> None:
    heading(f"2 of {_STEPS}  What to watch")
    if given.typed is None and given.key is None and given.secret is None:
        say("Follow an account with a key that can only read, or type in one position by hand.")
        given.typed = ask("key or typed", "key", lambda text: _one_of(text, "key", "typed")) == "typed"
    if given.typed:
        _position(given)
    else:
        _key(given)


def _key(given: Given) -> None:
    environment = given.environment or "testnet"
    if given.key is None or given.secret is None:
        say(
            f"Make one there, with futures enabled and nothing but reading allowed:\n  {MANAGE[environment]}\n"
            "Secrets are not shown as you type or paste them. The secret of an RSA or Ed25519 key is the path of"
            " its private key file."
        )
    if given.key is None:
        given.key = _stored(ask_hidden("API key (hidden)", checks.key_trouble, needed=True))
    if given.secret is None:
        answer = ask_hidden("API secret (hidden)", _secret_trouble, needed=True)
        given.secret = _stored(_private_key(answer) if answer is not None and _is_path(answer) else answer)
    if given.market is None:
        say("Which contracts? usdm are margined in USDT or USDC, coinm in coins.")
        given.market = ask("usdm or coinm", "usdm", lambda text: _one_of(text, "usdm", "coinm"))


def _position(given: Given) -> None:
    if given.symbol is None:
        say("As the exchange shows it. Others can be added to the file later.")
        like = {"usdm": "BTCUSDT", "coinm": "BTCUSD_PERP"}.get(given.market or "", "BTCUSDT or BTCUSD_PERP")
        given.symbol = ask(f"Symbol, such as {like}", "", lambda text: _symbol(text, given.market))
    symbol, coin = given.symbol, coin_of(given.symbol)
    if given.side is None:
        given.side = ask("LONG or SHORT", "LONG", lambda text: _valid("side", text.upper()))
    if given.quantity is None:
        size = given.contract_size or contract_size(symbol, {})
        what = f"Contracts of {size:g} US dollars, such as 200" if coin else "Quantity in coins, such as 0.5"
        given.quantity = ask(what, "", lambda text: _number("quantity", text, symbol))
    if given.entry_price is None:
        given.entry_price = ask("Entry price, such as 62000", "", lambda text: _number("entry_price", text))
    if given.margin_mode is None:
        words = "isolated or cross"
        given.margin_mode = ask(words, "isolated", lambda text: _valid("margin_mode", text.lower()))
    if given.margin is None:
        what = "Margin of the position" if given.margin_mode == "isolated" else "Balance of the cross wallet"
        like = f"in {coin}, such as 0.05" if coin else "such as 1550"
        given.margin = ask(f"{what}, {like}", "", lambda text: _number("margin", text))
    if coin and not given.tiers:
        notional = checks.notional_of(symbol, given.quantity, given.entry_price, given.contract_size)
        typed = partial(
            TypedPosition, symbol, given.side, given.quantity, given.entry_price, given.margin_mode, given.margin,
            coin, given.contract_size,
        )  # fmt: skip
        given.tiers = _tiers(symbol, coin, notional, lambda tiers: checks.outgrows(typed(rows_of(symbol, tiers))))


def _tiers(
    symbol: str, coin: str, notional: float, outgrows: Callable[[tuple[Tier, ...]], str]
) -> tuple[Tier, ...]:
    say(
        "Maintenance tiers of coin-margined contracts do not come with the program. The exchange shows them at"
        f" {PLACE}. For each, from the first: up to how many {coin}, and the rate. The position is"
        f" {notional:.4g} {coin}: go one tier further. Enter alone ends."
    )
    tiers: tuple[Tier, ...] = ()
    told = False
    while True:
        convert = partial(_tier, symbol=symbol, before=tiers, notional=notional)
        more = ask(f"Tier {len(tiers) + 1}, such as 5 0.4%", "", convert)
        if more is not None:
            tiers = (*tiers, more)
        elif not told and (words := outgrows(tiers)):
            # The exchange may have no more, and then nobody can answer.
            say(f"Before it is liquidated {words}: go one tier further, or Enter if there is none.")
            told = True
        else:
            return tiers


def _tier(text: str, symbol: str, before: tuple[Tier, ...], notional: float) -> Tier | None:
    """Return one more tier, or None where no more come."""
    if not text:
        if not before or notional >= before[-1].cap:
            raise Refused("the tier of the position is missing; Ctrl-C stops")
        return None
    try:
        tier = parse_tier(text)
        rows_of(symbol, (*before, tier))
    except TierError as error:
        raise Refused("; ".join(filter(None, (str(error), "a cap and a rate, such as 5 0.4%")))) from None
    return tier


def _channel(given: Given) -> None:
    if given.channel is not None or given.no_channel:
        return
    heading(f"3 of {_STEPS}  Where alerts go")
    say(
        "An Apprise address, which is a secret and not shown as you paste it:\n"
        "  Telegram   tgram://TOKEN/CHAT\n"
        "             TOKEN: write /newbot to @BotFather. Then write to your new bot.\n"
        "             CHAT: open https://api.telegram.org/botTOKEN/getUpdates and take\n"
        '             the number behind "chat":{"id":\n'
        "  Email      mailtos://USER:PASSWORD@gmail.com, with an app password\n"
        "  and more   https://appriseit.com/services/\n"
        "Enter alone leaves it out: alerts then go to the log only."
    )
    url = ask_hidden("Address (hidden)", checks.channel_trouble, needed=False)
    given.channel, given.no_channel = _stored(url), url is None


def _extras(given: Given) -> None:
    wanted = (given.heartbeat, given.web, given.time_zone)
    if None not in wanted:
        return
    heading(f"4 of {_STEPS}  Good to have")
    if given.heartbeat is None:
        say(
            "A ping address of healthchecks.io or Uptime Kuma lets somebody else notice when this machine is gone."
            " Enter alone leaves it out."
        )
        given.heartbeat = _stored(ask_hidden("Ping address (hidden)", checks.address_trouble, needed=False))
    if given.web is None:
        say(
            f"A status page, health and metrics on http://{given.listen or LISTEN}, with a token that is made now."
        )
        given.web = ask("yes or no", "no", _yes_or_no)
    if given.time_zone is None:
        say("The time zone of messages: local, UTC, or a name such as Europe/Rome.")
        given.time_zone = ask("Time zone", "local", lambda text: _valid("time_zone", text))


def _stored(secret: Secret | None) -> Source | None:
    return None if secret is None else Stored(secret)


def _is_path(answer: Secret) -> bool:
    return answer.reveal().startswith(("/", "~/"))


def _private_key(answer: Secret) -> Secret | None:
    return checks.from_file(Path(answer.reveal()).expanduser()).secret


def _secret_trouble(answer: Secret) -> str:
    if not _is_path(answer):
        return checks.secret_trouble(answer)
    fetched = checks.from_file(Path(answer.reveal()).expanduser())
    # What was typed is not repeated: it may have been meant as a secret.
    return "this file cannot be read" if fetched.secret is None else checks.secret_trouble(fetched.secret)


def _valid(key: str, text: str) -> str:
    if not text:
        raise Refused("something is needed here; Ctrl-C stops")
    if (problem := checks.trouble(key, text)) is not None:
        hint = f" ({problem.hint})" if problem.hint else ""
        raise Refused(f"that is {problem.found}; what is needed is {problem.allowed}{hint}")
    return text


def _symbol(text: str, market: str | None) -> str:
    symbol = text.upper()
    if not symbol:
        raise Refused("something is needed here; Ctrl-C stops")
    if market == "usdm" and checks.market_of(symbol) == "coinm":
        raise Refused(
            "that is a coin-margined contract, and usdm was asked for; what is needed is one like BTCUSDT"
        )
    if (problem := checks.symbol_trouble(symbol, market, tiers=False)) is not None:
        raise Refused(f"that is {problem.found}; {problem.hint or f'what is needed is {problem.allowed}'}")
    return symbol


def _number(key: str, text: str, symbol: str = "BTCUSDT") -> float:
    number = number_of(text)
    if number is None or number <= 0:
        raise Refused("a number above 0, such as 1550 or 0.5")
    if (problem := checks.trouble(key, number, symbol)) is not None:
        raise Refused(f"what is needed is {problem.allowed}: {problem.hint}")
    return number


def _one_of(text: str, *allowed: str) -> str:
    if text.lower() not in allowed:
        raise Refused(f"please answer {' or '.join(allowed)}")
    return text.lower()


def _yes_or_no(text: str) -> bool:
    answer = text.lower()
    if answer not in {"yes", "y", "no", "n"}:
        raise Refused("please answer yes or no")
    return answer.startswith("y")
