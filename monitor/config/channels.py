"""[[channels]]: where alerts go."""

from typing import Any

from monitor.config.problems import Problems, shown_text
from monitor.config.schema import ChannelSection
from monitor.config.settings import ChannelSettings
from monitor.core.model import Level


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
            level = Level[section.min_level.upper()]
            channels.append(
                ChannelSettings(section.name, section.url, level, section.format, section.changes, section.summary)
            )
    return tuple(channels)
