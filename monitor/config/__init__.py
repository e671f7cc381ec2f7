"""Configuration: TOML text in, frozen Settings out, or one ConfigError with every mistake in it.

settings = load(None, os.environ)
secrets = resolve_secrets(settings, os.environ)  # or accounts=False, where no key is needed
"""

from monitor.config.load import load, load_text
from monitor.config.locate import find_config
from monitor.config.partly import COMPUTED, RECORDED, load_partly, may_hide
from monitor.config.resolve import AccountKey, Secrets, gather_secrets, resolve_secrets
from monitor.config.secret import Secret, SecretRef
from monitor.config.settings import (
    ChannelSettings,
    DisplaySettings,
    ExchangeSettings,
    HeartbeatSettings,
    HistorySettings,
    KeyedAccount,
    LogSettings,
    Settings,
    StateSettings,
    SummarySettings,
    WebSettings,
)
from monitor.config.shipped import shipped_contract_size, shipped_tables

__all__ = [
    "COMPUTED",
    "RECORDED",
    "AccountKey",
    "ChannelSettings",
    "DisplaySettings",
    "ExchangeSettings",
    "HeartbeatSettings",
    "HistorySettings",
    "KeyedAccount",
    "LogSettings",
    "Secret",
    "SecretRef",
    "Secrets",
    "Settings",
    "StateSettings",
    "SummarySettings",
    "WebSettings",
    "find_config",
    "gather_secrets",
    "load",
    "load_partly",
    "load_text",
    "may_hide",
    "resolve_secrets",
    "shipped_contract_size",
    "shipped_tables",
]
