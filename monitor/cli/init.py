"""``init``: the first configuration, asked for or given by options, tried out, with the next command."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.common import (
    FAILED,
    ConfigOption,
    JsonOption,
    complain,
    globals_of,
    guarded,
    misuse,
    print_json,
    print_json_line,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.cli.setup.given import Given
    from monitor.cli.setup.places import Place
    from monitor.cli.setup.tiers import Tier

_File = Annotated[str | None, typer.Option(metavar="PATH")]


def _path(name: str, what: str, *others: str) -> object:
    return typer.Option(name, *others, metavar="PATH", help=f"File with {what}; - is standard input.")


def _variable(name: str, what: str) -> object:
    return typer.Option(name, metavar="NAME", help=f"Environment variable with {what}, where it stays.")


@guarded
def init(  # noqa: PLR0917 - typer passes options by name
    context: typer.Context,
    environment: Annotated[
        str | None, typer.Option("--environment", metavar="NAME", help="testnet (the default) or live.")
    ] = None,
    account: Annotated[
        str | None, typer.Option("--account", metavar="NAME", help="What to call the account.")
    ] = None,
    market: Annotated[
        str | None, typer.Option("--market", metavar="NAME", help="usdm or coinm; else by the symbol, or usdm.")
    ] = None,
    api_key_file: Annotated[str | None, _path("--api-key-file", "an API key that can only read")] = None,
    api_key_env: Annotated[str | None, _variable("--api-key-env", "the API key")] = None,
    api_secret_file: Annotated[str | None, _path("--api-secret-file", "its secret, or its private key")] = None,
    api_secret_env: Annotated[str | None, _variable("--api-secret-env", "its secret")] = None,
    typed: Annotated[
        bool, typer.Option("--typed", help="Type in a position in place of following an account.")
    ] = False,
    symbol: Annotated[
        str | None, typer.Option("--symbol", metavar="SYMBOL", help="Such as BTCUSDT or BTCUSD_PERP.")
    ] = None,
    side: Annotated[str | None, typer.Option("--side", metavar="SIDE", help="LONG or SHORT.")] = None,
    quantity: Annotated[
        str | None, typer.Option("--quantity", metavar="NUMBER", help="Of the base asset; contracts of coinm.")
    ] = None,
    entry: Annotated[str | None, typer.Option("--entry", metavar="PRICE", help="The entry price.")] = None,
    margin_mode: Annotated[
        str | None, typer.Option("--margin-mode", metavar="MODE", help="isolated or cross.")
    ] = None,
    margin: Annotated[
        str | None,
        typer.Option("--margin", metavar="AMOUNT", help="The isolated wallet balance; with cross, of its wallet."),
    ] = None,
    tier: Annotated[
        list[str] | None,
        typer.Option("--tier", metavar="CAP=RATE", help="A maintenance tier, as 5=0.4%; for coinm, one by one."),
    ] = None,
    contract_size: Annotated[
        str | None, typer.Option("--contract-size", metavar="USD", help="Of coinm; else as the exchange has it.")
    ] = None,
    channel_url_file: Annotated[
        str | None, _path("--channel-url-file", "the Apprise address for alerts", "--telegram-url-file")
    ] = None,
    channel_url_env: Annotated[str | None, _variable("--channel-url-env", "the Apprise address")] = None,
    channel_name: Annotated[
        str | None, typer.Option("--channel-name", metavar="NAME", help="What to call the channel.")
    ] = None,
    no_channel: Annotated[bool, typer.Option("--no-channel", help="Alerts go to the log only.")] = False,
    heartbeat_url_file: Annotated[str | None, _path("--heartbeat-url-file", "an address to ping")] = None,
    heartbeat_url_env: Annotated[str | None, _variable("--heartbeat-url-env", "an address to ping")] = None,
    web: Annotated[
        bool, typer.Option("--web", help="Serve the status page, health and metrics; a token is made.")
    ] = False,
    listen: Annotated[
        str | None, typer.Option("--listen", metavar="ADDRESS", help="For --web; else 127.0.0.1:9757.")
    ] = None,
    time_zone: Annotated[
        str | None, typer.Option("--time-zone", metavar="NAME", help="Of messages; else local.")
    ] = None,
    system: Annotated[
        bool, typer.Option("--system", help="For the machine's service, in /etc/position-monitor; as root.")
    ] = False,
    instance: Annotated[
        str | None,
        typer.Option("--instance", metavar="NAME", help="With --system: for position-monitor@NAME."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Keep files that are there already as .bak-TIME and write anew.")
    ] = False,
    no_test: Annotated[
        bool, typer.Option("--no-test", help="Send no test message and ask the exchange nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing: options and defaults are the answers.")] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> int:
    """Write a first configuration, test that alerts reach you, and say what comes next.

    On a terminal it asks for what the options do not say. Secrets are typed hidden, or come from files or
    variables, and are stored in files of their own that nobody else can read; never give one as an argument, which
    every user of the machine can see. Nothing is overwritten, and nothing is written before the end.
    """
    from monitor.cli.setup import checks
    from monitor.cli.setup.given import Given, source_of

    place = _place(config or globals_of(context).config, instance, system=system)
    _check_streams(
        {
            "--api-key-file": api_key_file,
            "--api-secret-file": api_secret_file,
            "--channel-url-file": channel_url_file,
            "--heartbeat-url-file": heartbeat_url_file,
        }
    )
    if system:
        _no_variables(api_key_env, api_secret_env, channel_url_env, heartbeat_url_env)
    if listen is not None and not web:
        raise misuse("--listen", "no --web beside it", "only with --web")
    given = Given(
        environment=environment,
        account=account,
        market=market,
        typed=typed or None,
        key=source_of("--api-key", api_key_file, api_key_env, checks.key_trouble),
        secret=source_of("--api-secret", api_secret_file, api_secret_env, checks.secret_trouble),
        symbol=symbol,
        side=side,
        quantity=_number("--quantity", quantity),
        entry_price=_number("--entry", entry),
        margin_mode=margin_mode,
        margin=_number("--margin", margin),
        contract_size=_number("--contract-size", contract_size),
        tiers=_tiers(tier or ()),
        channel=source_of("--channel-url", channel_url_file, channel_url_env, checks.channel_trouble),
        no_channel=no_channel,
        channel_name=channel_name,
        heartbeat=source_of("--heartbeat-url", heartbeat_url_file, heartbeat_url_env, checks.address_trouble),
        web=web or None,
        listen=listen,
        time_zone=time_zone,
    )
    as_json = json or globals_of(context).json
    return _begin(given, place, force=force, test=not no_test, ask=not yes, as_json=as_json)


def _begin(given: "Given", place: "Place", *, force: bool, test: bool, ask: bool, as_json: bool) -> int:
    from monitor.cli.setup.ask import complete
    from monitor.cli.setup.finish import finish
    from monitor.cli.setup.terminal import there
    from monitor.cli.setup.write import foreseen, write

    foreseen(place, keep=force)
    try:
        if given.missing() and ask and there():
            complete(given, place)
        answers = given.answers()
        written = write(answers, place, keep=force)
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        complain("stopped; nothing was written")
        if as_json:
            print_json_line({"error": "stopped; nothing was written", "problems": ()})
        return FAILED
    document, code = finish(answers, place, written, test=test, silent=as_json)
    if as_json:
        print_json(document)
    return code


def _place(config: Path | None, instance: str | None, *, system: bool) -> "Place":
    from monitor.cli.setup.places import system_place, user_place

    if not system:
        if instance is not None:
            raise misuse("--instance", "no --system beside it", "only with --system")
        return user_place(config, os.environ)
    if config is not None:
        raise misuse("--config", "--system beside it", "one of them", "the service reads /etc/position-monitor")
    place = system_place(instance)
    if os.geteuid() != 0:
        hint = "sudo position-monitor init --system; without --system it is for you alone"
        raise misuse("--system", "another user than root", "root", hint)
    return place


def _check_streams(files: dict[str, str | None]) -> None:
    streamed = [option for option, path in files.items() if path == "-"]
    if len(streamed) > 1:
        raise misuse(streamed[1], "standard input, which holds one secret already", "a file")


def _no_variables(*variables: str | None) -> None:
    if any(one is not None for one in variables):
        hint = "files: their secrets are handed to the service, and to nothing else"
        raise misuse("--system", "a secret in an environment variable", "secrets from files", hint)


def _tiers(texts: "Sequence[str]") -> "tuple[Tier, ...]":
    from monitor.cli.setup.tiers import SHAPE, TierError, parse_tier

    tiers = []
    for text in texts:
        try:
            tiers.append(parse_tier(text))
        except TierError as error:
            hint = "once for each tier, the lowest first"
            raise misuse("--tier", ": ".join(filter(None, (repr(text[:60]), str(error)))), SHAPE, hint) from None
    return tuple(tiers)


def _number(option: str, text: str | None) -> float | None:
    from monitor.cli.typed import number_of

    if text is None:
        return None
    number = number_of(text)
    if number is None:
        raise misuse(option, repr(text[:60]), "a number above 0")
    return number
