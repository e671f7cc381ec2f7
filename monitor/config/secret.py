"""Secrets: where they are kept, and values that do not print themselves."""

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NoReturn

from monitor import places

# Far above any key or address, far below what would hurt to read.
_LARGEST_FILE_BYTES = 65536
# Keys and tokens are longer than names: one put in a name's place by mistake is not repeated.
_LONGEST_SPOKEN_NAME = 40
# Where engines put the secrets of a container, for everybody in it to read.
_OF_CONTAINERS = "/run/secrets/"


class Keeper(StrEnum):
    """Who keeps a secret; the values are the keys of a reference in the configuration."""

    ENV = "env"
    FILE = "file"
    CREDENTIAL = "credential"


NAME_SHAPES = {
    Keeper.ENV: re.compile(r"[A-Z_][A-Z0-9_]{0,99}"),
    Keeper.FILE: re.compile(r"(/|~/)[^\x00-\x1f]+"),
    Keeper.CREDENTIAL: re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}"),
}


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where a secret is kept; holds no secret. ``name`` fits ``NAME_SHAPES[keeper]``."""

    keeper: Keeper
    name: str

    @property
    def spoken(self) -> str:
        """The place in words, without a name that might be a misplaced secret itself."""
        if self.keeper is Keeper.FILE:
            return f"file {self.name}"
        kind = "environment variable" if self.keeper is Keeper.ENV else "credential"
        return f"{kind} {self.name}" if len(self.name) <= _LONGEST_SPOKEN_NAME else f"the {kind} named there"


class Secret:
    """A value that only ``reveal`` shows: not ``str``, ``repr``, ``format``, ``pickle`` or ``vars``."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value itself; for the one call that needs it."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(****)"

    def __str__(self) -> str:
        return "****"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is never serialised")

    def __getstate__(self) -> NoReturn:
        raise TypeError("a secret is never serialised")


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came of fetching one secret: the secret, or what is wrong and the fix; a warning goes with either."""

    secret: Secret | None = None
    found: str = ""
    fix: str = ""
    warning: str = ""


def fetch(ref: SecretRef, environ: Mapping[str, str], credentials_dir: Path | None) -> Fetched:
    """Return the secret a reference points to; never raises for anything the operator can get wrong."""
    if ref.keeper is Keeper.ENV:
        value = environ.get(ref.name)
        if value is None:
            return Fetched(found=f"{ref.spoken}, which is not set", fix="set it where the program is started")
        return _checked(value, ref)
    if ref.keeper is Keeper.CREDENTIAL:
        if credentials_dir is None:
            return Fetched(
                found=f"{ref.spoken}, but there is no $CREDENTIALS_DIRECTORY",
                fix="start under systemd with LoadCredential= or SetCredentialEncrypted=, or use file or env",
            )
        return _read(credentials_dir / ref.name, ref, "add LoadCredential= for it to the systemd unit")
    fix = "check the path, and that the user of the service may read it"
    # Nobody else is in a container. The image says that it is one (`container`, as systemd and engines do);
    # elsewhere this directory is one like others.
    alone = bool(environ.get("container")) and ref.name.startswith(_OF_CONTAINERS)
    return _read(at_home(ref.name, environ), ref, fix, alone=alone)


def at_home(path: str, environ: Mapping[str, str]) -> Path:
    """Return the path with a leading ``~/`` replaced by $HOME, or by the user's entry where that is not set."""
    return Path(places.at_home(path, environ))


def _read(path: Path, ref: SecretRef, fix: str, *, alone: bool = False) -> Fetched:
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            return Fetched(found=f"{ref.spoken}, which is no regular file", fix=fix)
        with path.open("rb") as stream:
            content = stream.read(_LARGEST_FILE_BYTES + 1)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else "cannot be read"
        if isinstance(error, PermissionError) and ref.keeper is Keeper.CREDENTIAL:
            fix = f"ask as root, with sudo; a unit of systemd: {fix}"
        return Fetched(found=f"{ref.spoken}, which cannot be read: {reason.lower()}", fix=fix)
    if len(content) > _LARGEST_FILE_BYTES:
        return Fetched(found=f"{ref.spoken}, which is too large for a secret", fix="put only the secret in it")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return Fetched(found=f"{ref.spoken}, which is not UTF-8 text", fix="put only the secret in it, as text")
    # systemd shows a unit's credentials to nobody else, whatever the mode bits say.
    exposed = ref.keeper is Keeper.FILE and bool(mode & stat.S_IROTH) and not alone
    warning = f"{ref.spoken} can be read by every user of this machine: chmod o-r it" if exposed else ""
    return _checked(text, ref, warning)


def _checked(text: str, ref: SecretRef, warning: str = "") -> Fetched:
    value = text.strip()
    if not value:
        return Fetched(found=f"{ref.spoken}, which is empty", fix="put the secret there", warning=warning)
    return Fetched(secret=Secret(value), warning=warning)
