"""Where things go: beside the user's configuration, or where the unit of the machine looks for them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from monitor.cli.common import misuse
from monitor.cli.setup.answers import ALL_SECRETS, Answers, Stored
from monitor.cli.setup.files import NewFile
from monitor.config import SecretRef
from monitor.config.secret import Keeper
from monitor.places import VARIABLE, at_home, user_config

MACHINE = Path("/")
_PROGRAM = "position-monitor"
_INSTANCE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,40}")
_USUAL = "config"


@dataclass(frozen=True, slots=True)
class Place:
    """Where configuration and secrets of one installation go."""

    config: Path
    secrets: Path
    keeper: Keeper  # what the configuration calls the secrets' keeper
    prefix: str = ""  # of the names of secrets, where several configurations share a directory
    drop_in: Path | None = None  # what tells systemd of the secrets
    state: str | None = None
    unit: str = ""

    @property
    def system(self) -> bool:
        """Whether it is the machine's."""
        return self.drop_in is not None

    def refs(self, answers: Answers) -> dict[str, SecretRef]:
        """Return by name where each secret is kept, or would be."""
        found = {name: self._file_of(name) for name in ALL_SECRETS}
        for name, source in answers.sources():
            if not isinstance(source, Stored):
                found[name] = SecretRef(Keeper.ENV, source.name)
        return found

    def _file_of(self, name: str) -> SecretRef:
        if self.keeper is Keeper.CREDENTIAL:
            return SecretRef(Keeper.CREDENTIAL, self.prefix + name)
        return SecretRef(Keeper.FILE, str(self.secrets / (self.prefix + name)))

    def files(self, answers: Answers, text: str) -> list[NewFile]:
        """Return what is to be written, the configuration last: with it, everything it names is there."""
        stored = {self.prefix + name: one.value for name, one in answers.sources() if isinstance(one, Stored)}
        new = [
            NewFile(self.secrets / name, value.reveal() + "\n", 0o600, 0o700, secret=True)
            for name, value in stored.items()
        ]
        if self.drop_in is not None and stored:
            new.append(NewFile(self.drop_in, _drop_in(self.secrets, list(stored)), 0o644, 0o755))
        mode, folder_mode = (0o644, 0o755) if self.system else (0o600, 0o700)
        return [*new, NewFile(self.config, text, mode, folder_mode)]

    def environ(self, environ: Mapping[str, str]) -> Mapping[str, str]:
        """Return the environment in which secrets are found as the service will find them."""
        return {**environ, "CREDENTIALS_DIRECTORY": str(self.secrets)} if self.system else environ


def user_place(config: Path | None, environ: Mapping[str, str]) -> Place:
    """Return the place of a configuration that was named, or of the user's own."""
    named = environ.get(VARIABLE)
    path = Path(at_home(str(config) if config else named or user_config(environ), environ)).absolute()
    _check_printable(path)
    return Place(path, path.parent / "secrets", Keeper.FILE, _prefix(path.stem))


def system_place(instance: str | None, root: Path = MACHINE) -> Place:
    """Return the place of the machine's service, or of one of several.

    Args:
        instance: of the template unit; None for the plain unit.
        root: of the file system.

    Raises:
        ConfigError: no unit can have that name.
    """
    home = root / "etc" / _PROGRAM
    name = instance or _USUAL
    if instance is not None and (not _INSTANCE.fullmatch(instance) or instance == _USUAL):
        raise misuse("--instance", repr(instance[:60]), "letters, digits, dash and underscore", "such as main")
    unit = f"{_PROGRAM}@{instance}.service" if instance else f"{_PROGRAM}.service"
    return Place(
        config=home / f"{name}.toml",
        secrets=home / "credentials",
        keeper=Keeper.CREDENTIAL,
        prefix=_prefix(name),
        drop_in=root / "etc/systemd/system" / f"{unit}.d" / "credentials.conf",
        state=f"/var/lib/{_PROGRAM}" + (f"-{instance}" if instance else ""),
        unit=unit,
    )


def _prefix(stem: str) -> str:
    bare = re.sub(r"[^A-Za-z0-9_-]", "-", stem)[:40]
    return "" if stem == _USUAL else f"{bare}-"


def _check_printable(path: Path) -> None:
    text = str(path)
    if not text.isprintable():
        raise misuse("--config", ascii(text)[:80], "a path of printable characters", "the file names its secrets")


def _drop_in(secrets: Path, names: list[str]) -> str:
    lines = [
        "# Written by `position-monitor init`: the secrets that the configuration names, for the service only.",
        "[Service]",
        *(f"LoadCredential={name}:{secrets / name}" for name in names),
    ]
    return "\n".join(lines) + "\n"
