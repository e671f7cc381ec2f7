"""What can be looked at without a network: secrets, and the addresses of channels."""

from collections.abc import Iterator, Mapping

from monitor.config import Secrets, Settings
from monitor.doctor.finding import Finding, State
from monitor.errors import ConfigError, Problem
from monitor.notify.apprise import AppriseChannel, build_channel


def configuration_findings(settings: Settings) -> Iterator[Finding]:
    """Yield what is to say about a configuration that could be loaded."""
    exchange, keyed = settings.exchange, len(settings.keyed)
    typed = sum(len(account.positions) for account in settings.accounts)
    words = f"{settings.source}: {exchange.environment}, accounts by key: {keyed}, positions typed in: {typed}"
    yield Finding("configuration", "", State.OK, words)
    for warning in settings.warnings:
        yield Finding("configuration", "", State.WARN, warning)


def secret_findings(settings: Settings, secrets: Secrets, problems: tuple[Problem, ...]) -> Iterator[Finding]:
    """Yield a finding for each secret that could not be had, and one for each owner of those that could."""
    for problem in problems:
        yield Finding("secrets", problem.path, State.FAIL, problem.found, problem.hint)
    for account in settings.keyed:
        if account.name in secrets.account_keys:
            places = f"{account.api_key.spoken}, {account.api_secret.spoken}"
            yield Finding("secrets", account.name, State.OK, places)
    for channel in settings.channels:
        if channel.name in secrets.channel_urls:
            yield Finding("secrets", channel.name, State.OK, channel.url.spoken)
    if settings.heartbeat is None:
        words = "no [heartbeat]: nobody elsewhere notices when this machine or its network is gone"
        yield Finding("secrets", "heartbeat", State.OK, words)
    elif secrets.heartbeat_url is not None:
        yield Finding("secrets", "heartbeat", State.OK, f"{settings.heartbeat.url.spoken}; nothing was sent")
    for warning in secrets.warnings:
        path, _, words = warning.partition(": ")
        yield Finding("secrets", path, State.WARN, words, "make it readable by its owner only")


def open_channels(settings: Settings, secrets: Secrets) -> tuple[dict[str, AppriseChannel], list[Finding]]:
    """Return the channels whose addresses can be used, by name, and what is wrong with the others.

    The caller closes them.
    """
    built: dict[str, AppriseChannel] = {}
    found = []
    for channel in settings.channels:
        url = secrets.channel_urls.get(channel.name)
        if url is None:
            words, fix = "its address could not be had", "see its secret"
            found.append(Finding("channels", channel.name, State.UNKNOWN, words, fix))
            continue
        try:
            built[channel.name] = build_channel(
                channel.name, url.reveal(), fmt=channel.format, charts=channel.chart
            )
        except ConfigError as error:
            for problem in error.problems:
                fix = f"allowed: {problem.allowed}" + (f" ({problem.hint})" if problem.hint else "")
                found.append(Finding("channels", channel.name, State.FAIL, problem.found, fix))
    return built, found


def channel_findings(names: Mapping[str, AppriseChannel], outcomes: Mapping[str, str] | None) -> Iterator[Finding]:
    """Yield what is to say about channels whose addresses can be used.

    Args:
        names: by name.
        outcomes: by name why a test message was not accepted, empty if it was; None if none was sent.
    """
    for name in names:
        if outcomes is None:
            words = "its address can be used; nothing was sent (--send, or `position-monitor test-alert`)"
            yield Finding("channels", name, State.OK, words)
        elif reason := outcomes.get(name, ""):
            fix = "check its address and the recipient"
            yield Finding("channels", name, State.FAIL, f"a test message was not accepted: {reason}", fix)
        else:
            yield Finding("channels", name, State.OK, "a test message was accepted")
