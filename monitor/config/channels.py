"""[[channels]], and fetching the secrets they need."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitor.config.problems import Problems, key_path, shown_text
from monitor.config.schema import ChannelSection
from monitor.config.secret import Secret, fetch
from monitor.config.settings import ChannelSettings, Settings
from monitor.core.model import Level
from monitor.errors import ConfigError, Problem


@dataclass(frozen=True, slots=True)
class Secrets:
    """Every secret the program needs, and what is unwise about how they are kept."""

    channel_urls: Mapping[str, Secret]  # by channel name
    warnings: tuple[str, ...] = ()


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
            channels.append(ChannelSettings(section.name, section.url, level, section.format))
    return tuple(channels)


def resolve_secrets(
    settings: Settings, environ: Mapping[str, str], credentials_dir: Path | None = None
) -> Secrets:
    """Fetch every secret the settings refer to.

    Args:
        settings: loaded and checked.
        environ: the environment.
        credentials_dir: where systemd put the unit's credentials; default $CREDENTIALS_DIRECTORY.

    Raises:
        ConfigError: with every secret that could not be had, its place and the fix; never a secret itself.
    """
    if credentials_dir is None and environ.get("CREDENTIALS_DIRECTORY"):
        credentials_dir = Path(environ["CREDENTIALS_DIRECTORY"])
    urls: dict[str, Secret] = {}
    problems: list[Problem] = []
    warnings: list[str] = []
    for index, channel in enumerate(settings.channels):
        path = key_path(("channels", index, "url"))
        fetched = fetch(channel.url, environ, credentials_dir)
        if fetched.secret is None:
            problems.append(Problem(path, fetched.found, "a reference to a secret that is there", fetched.fix))
        else:
            urls[channel.name] = fetched.secret
        if fetched.warning:
            warnings.append(f"{path}: {fetched.warning}")
    if problems:
        raise ConfigError(settings.source, problems)
    return Secrets(urls, tuple(warnings))
