"""Fetching the secrets the settings refer to."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from monitor import places
from monitor.config.problems import Loc, key_path, named
from monitor.config.pulse import judged_address
from monitor.config.secret import Fetched, Secret, SecretRef, fetch
from monitor.config.settings import Settings
from monitor.config.web import judged_token
from monitor.errors import ConfigError, Problem

SYSTEM_CREDENTIALS = Path(places.SYSTEM_CREDENTIALS)
_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]{1,40})-----")
_PRIVATE = ("PRIVATE KEY", "RSA PRIVATE KEY")
_FEWEST_LINES = 3  # a heading, the key, an ending
_WORD = re.compile(r"[!-~]+")
_HEARTBEAT: Loc = ("heartbeat", "url")
_WEB: Loc = ("web", "token")


@dataclass(frozen=True, slots=True)
class AccountKey:
    """What signs an account's requests: ``secret`` is an HMAC secret, or a private key in PEM form."""

    key: Secret
    secret: Secret


@dataclass(frozen=True, slots=True)
class Secrets:
    """The secrets that were asked for, and what is unwise about how they are kept."""

    channel_urls: Mapping[str, Secret]  # by channel name
    account_keys: Mapping[str, AccountKey]  # by account name
    warnings: tuple[str, ...] = ()
    heartbeat_url: Secret | None = None
    web_token: Secret | None = None


def resolve_secrets(
    settings: Settings,
    environ: Mapping[str, str],
    credentials_dir: Path | None = None,
    *,
    channels: bool = True,
    accounts: bool = True,
    heartbeat: bool = True,
    web: bool = True,
) -> Secrets:
    """Fetch the secrets the settings refer to: all of them, or only those of some parts.

    Args:
        settings: loaded and checked.
        environ: the environment.
        credentials_dir: where systemd put the unit's credentials; default $CREDENTIALS_DIRECTORY.
        channels: whether the addresses of channels are needed.
        accounts: whether the keys of accounts are needed.
        heartbeat: whether the address to ping is needed.
        web: whether the token of the web interface is needed.

    Raises:
        ConfigError: with every secret that could not be had, its place and the fix; never a secret itself.
    """
    secrets, problems = gather_secrets(
        settings, environ, credentials_dir, channels=channels, accounts=accounts, heartbeat=heartbeat, web=web
    )
    if problems:
        raise ConfigError(settings.source, problems)
    return secrets


def gather_secrets(
    settings: Settings,
    environ: Mapping[str, str],
    credentials_dir: Path | None = None,
    *,
    channels: bool = True,
    accounts: bool = True,
    heartbeat: bool = True,
    web: bool = True,
) -> tuple[Secrets, tuple[Problem, ...]]:
    """Return what could be fetched, and what is wrong with the rest; arguments as of ``resolve_secrets``."""
    if credentials_dir is None:
        credentials_dir = _credentials(environ)
    found: dict[Loc, Secret] = {}
    problems: list[Problem] = []
    warnings: list[str] = []
    names = {
        "accounts": [{"name": name} for name in settings.engine.accounts],
        "channels": [{"name": channel.name} for channel in settings.channels],
    }
    for loc, ref in _references(settings, channels=channels, accounts=accounts, heartbeat=heartbeat, web=web):
        fetched = fetch(ref, environ, credentials_dir)
        if loc == _HEARTBEAT:
            fetched = judged_address(fetched, ref)
        elif loc == _WEB:
            fetched = judged_token(fetched, ref)
        elif fetched.secret is not None and loc[-1] != "url":
            fetched = _judged(fetched, fetched.secret.reveal(), ref, pem=loc[-1] == "api_secret")
        if fetched.secret is None:
            allowed = "a reference to a secret that is there"
            problems.append(Problem(key_path(loc), fetched.found, allowed, fetched.fix, named(names, loc)))
        else:
            found[loc] = fetched.secret
        if fetched.warning:
            about = f" ({name})" if (name := named(names, loc)) else ""
            warnings.append(f"{key_path(loc)}{about}: {fetched.warning}")
    urls = {
        channel.name: found[loc]
        for i, channel in enumerate(settings.channels)
        if (loc := ("channels", i, "url")) in found
    }
    keys = {
        name: AccountKey(found[key], found[secret])
        for i, name in enumerate(settings.engine.accounts)
        if (key := ("accounts", i, "api_key")) in found and (secret := ("accounts", i, "api_secret")) in found
    }
    return Secrets(urls, keys, tuple(warnings), found.get(_HEARTBEAT), found.get(_WEB)), tuple(problems)


def _credentials(environ: Mapping[str, str]) -> Path | None:
    """Return where credentials are: where systemd put them, else the machine's, into which only root gets."""
    if given := environ.get("CREDENTIALS_DIRECTORY"):
        return Path(given)
    return SYSTEM_CREDENTIALS if os.access(SYSTEM_CREDENTIALS, os.F_OK) else None


def _references(
    settings: Settings, *, channels: bool, accounts: bool, heartbeat: bool, web: bool
) -> Iterator[tuple[Loc, SecretRef]]:
    """Yield each reference that is asked for, with its place in the file."""
    if accounts:
        # The engine's names are those of all accounts, in the order of the file.
        places = {name: index for index, name in enumerate(settings.engine.accounts)}
        for account in settings.keyed:
            yield ("accounts", places[account.name], "api_key"), account.api_key
            yield ("accounts", places[account.name], "api_secret"), account.api_secret
    if channels:
        for index, channel in enumerate(settings.channels):
            yield ("channels", index, "url"), channel.url
    if heartbeat and settings.heartbeat is not None:
        yield _HEARTBEAT, settings.heartbeat.url
    if web and settings.web.enabled and settings.web.token is not None:
        yield _WEB, settings.web.token


def _judged(fetched: Fetched, value: str, ref: SecretRef, *, pem: bool) -> Fetched:
    """Return what was fetched, or why it can be no key; nothing of it is repeated."""
    match = _PEM.search(value) if pem else None
    if match is None:
        if _WORD.fullmatch(value):
            return fetched
        found, fix = "is not a single word", "put only the key in it, as the exchange showed it"
    elif match[1] == "ENCRYPTED PRIVATE KEY" or "Proc-Type: 4,ENCRYPTED" in value:
        found, fix = "is a private key with a passphrase", "store it without one, readable by the service only"
    elif match[1] not in _PRIVATE:
        found, fix = "is no RSA or Ed25519 private key in PEM form", 'it starts with "-----BEGIN PRIVATE KEY-----"'
    elif len(value.splitlines()) < _FEWEST_LINES:
        found, fix = "is a private key without its line breaks", "keep its lines as they were, best in a file"
    else:
        return fetched
    return Fetched(found=f"{ref.spoken}, which {found}", fix=fix, warning=fetched.warning)
