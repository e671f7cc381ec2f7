"""Configuration: TOML text in, frozen Settings out, or one ConfigError with every mistake in it.

settings = load(None, os.environ)
secrets = resolve_secrets(settings, os.environ)
"""

from monitor.config.channels import Secrets, resolve_secrets
from monitor.config.load import load, load_text
from monitor.config.locate import find_config
from monitor.config.secret import Secret, SecretRef
from monitor.config.settings import (
    ChannelSettings,
    DisplaySettings,
    ExchangeSettings,
    HistorySettings,
    LogSettings,
    Settings,
    StateSettings,
)
from monitor.config.shipped import shipped_tables

__all__ = [
    "ChannelSettings",
    "DisplaySettings",
    "ExchangeSettings",
    "HistorySettings",
    "LogSettings",
    "Secret",
    "SecretRef",
    "Secrets",
    "Settings",
    "StateSettings",
    "find_config",
    "load",
    "load_text",
    "resolve_secrets",
    "shipped_tables",
]
