"""[[channels]]: where alerts go."""

from typing import Any

from monitor.config.problems import Problems, listed, nearest, shown_text
from monitor.config.schema import ChannelSection
from monitor.config.settings import ChannelSettings
from monitor.core.model import Level

# A message that is repeated has to have a chance; one that waits for an hour is no alert any more.
SOONEST_S = 10.0
LATEST_S = 3600.0


def build_channels(raw_channels: list[Any], problems: Problems) -> tuple[ChannelSettings, ...]:
    """Return the channels that could be understood; everything else is recorded."""
    channels: list[ChannelSettings] = []
    names: dict[str, int] = {}
    for index, raw in enumerate(raw_channels):
        section = problems.check(ChannelSection, raw, ("channels", index))
        name = raw.get("name") if isinstance(raw, dict) else None
        if isinstance(name, str) and names.setdefault(name, index) != index:
            first = f"channels[{names[name]}] has it already"
            problems.add(("channels", index, "name"), shown_text(name), "a name no other channel has", first)
        if section is not None:
            channels.append(_channel(section))
            _check_helper(index, section, raw_channels, problems)
    return tuple(channels)


def _channel(section: ChannelSection) -> ChannelSettings:
    # One that is there for escalation is called when nobody answers, unless it says that it wants more than that.
    silent = section.escalation and "min_level" not in section.model_fields_set
    return ChannelSettings(
        section.name,
        section.url,
        Level.EMERGENCY if silent else Level[section.min_level.upper()],
        section.format,
        section.changes,
        section.summary,
        section.chart,
        section.fallback or "",
        section.fallback_after,
        section.escalation,
    )


def _check_helper(index: int, section: ChannelSection, raw_channels: list[Any], problems: Problems) -> None:
    """Refuse a fallback that is nobody, or the channel itself."""
    here = ("channels", index)
    others = [
        raw["name"]
        for raw in raw_channels
        if isinstance(raw, dict) and isinstance(raw.get("name"), str) and raw["name"] != section.name
    ]
    if section.fallback is not None and section.fallback not in others:
        allowed = f"another channel: {listed(others)}" if others else "another channel; there is no other"
        problems.add((*here, "fallback"), shown_text(section.fallback), allowed, nearest(section.fallback, others))
    if section.fallback is None and "fallback_after" in section.model_fields_set:
        hint = 'say which channel takes over: fallback = "NAME"'
        problems.add((*here, "fallback_after"), "no fallback beside it", "only with fallback", hint)
    if not SOONEST_S <= section.fallback_after <= LATEST_S:
        allowed = f'from "{SOONEST_S:.0f}s" to "1h"'
        problems.add((*here, "fallback_after"), f"{section.fallback_after:g} s", allowed, "2m is the default")
