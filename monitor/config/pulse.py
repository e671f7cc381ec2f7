"""[heartbeat] and [summary]: how somebody learns that the service itself is alive."""

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from monitor.config import values
from monitor.config.problems import Problems, shown
from monitor.config.schema import REF_SHAPE, HeartbeatSection, SummarySection
from monitor.config.secret import Fetched, SecretRef
from monitor.config.settings import ChannelSettings, HeartbeatSettings, SummarySettings
from monitor.core.settings import ChannelRule

SHORTEST_S = 10.0  # services count pings more often than a few times a minute as abuse
LONGEST_S = 86_400.0


def build_heartbeat(raw: dict[str, Any], problems: Problems) -> HeartbeatSettings | None:
    """Return where to ping; None if nowhere. Mistakes are recorded."""
    if not raw:
        return None
    section = problems.check(HeartbeatSection, raw, ("heartbeat",))
    if section is None:
        return None
    if not SHORTEST_S <= section.interval <= LONGEST_S:
        allowed = f'from "{SHORTEST_S:.0f}s" to "1d"'
        hint = "the service waits as long before it raises the alarm; 60s is usual"
        problems.add(("heartbeat", "interval"), shown(raw.get("interval")), allowed, hint)
    if section.url is None:
        problems.add(("heartbeat", "url"), "nothing", REF_SHAPE, "without it nothing is pinged")
        return None
    return HeartbeatSettings(section.url, section.kind, section.interval, section.tell_failure)


def build_summary(raw: dict[str, Any], problems: Problems) -> SummarySettings:
    """Return when the summary is sent; mistakes are recorded."""
    section = problems.check(SummarySection, raw, ("summary",)) or SummarySection.model_validate({})
    return SummarySettings(section.enabled, section.at)


def with_summary(
    rules: Sequence[ChannelRule], channels: Sequence[ChannelSettings], summary: SummarySettings
) -> tuple[ChannelRule, ...]:
    """Return the channels' rules with those marked that get the daily summary.

    Those that ask for it; if none says anything, the quietest: the first of those with the lowest level.

    Args:
        rules: one for each channel.
        channels: in the same order.
        summary: whether there is one at all.
    """
    chosen = {one.name for one in channels if one.summary}
    if not chosen:
        undecided = [one for one in channels if one.summary is None]
        chosen = {min(undecided, key=lambda one: one.min_level).name} if undecided else set()
    return tuple(msgspec.structs.replace(rule, summary=summary.enabled and rule.name in chosen) for rule in rules)


def judged_address(fetched: Fetched, ref: SecretRef) -> Fetched:
    """Return what was fetched, or why it is no address to ping; nothing of it is repeated."""
    if fetched.secret is None:
        return fetched
    text = fetched.secret.reveal()
    found, fix = "", ""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    if not host or port == 0 or not text.isascii() or re.search(r"[\s\x00-\x1f]", text):
        found, fix = "is no address", "copy the ping address from the service as it is shown there"
    elif parts.scheme not in {"http", "https"}:
        found, fix = "is no web address", "it starts with https://"
    elif parts.scheme == "http" and not values.is_loopback(host):
        found, fix = "is not encrypted", "https://; unencrypted addresses are for this machine only"
    elif "@" in parts.netloc or parts.fragment:
        found, fix = "holds a user or a fragment", "copy the ping address from the service as it is shown there"
    return Fetched(found=f"{ref.spoken}, which {found}", fix=fix, warning=fetched.warning) if found else fetched
