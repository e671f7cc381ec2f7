"""The configuration of a running daemon, read again: everything that can fail, before anything changes."""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from monitor.binance.rest import RestClient
from monitor.cli.planning import build_plan
from monitor.cli.sourcing import Sourcing
from monitor.config import Secrets, Settings, gather_secrets, load
from monitor.config_difference import Difference, InForce, difference, only_by_restart
from monitor.core.model import AccountSnapshot
from monitor.errors import ConfigError, Problem
from monitor.plan import Plan, Renewal
from monitor.ports import Channel, Clock
from monitor.storage.account_cache import AccountCache

# Makes the channels of these names; raises ConfigError with every one that cannot be made.
Opened = Callable[[Settings, Secrets, Collection[str]], Sequence[Channel]]


class Renewer:
    """Knows what is in force. Called, in a thread, it is what ``plan.Renew`` says; one call at a time counts.

    Args:
        config: the file, an absolute path.
        settings: what it held at the start.
        secrets: all that it refers to, as they were when channels and clients were made of them.
        plan: what was made of it.
        sourcing: makes what follows accounts.
        environ: the environment.
        clock: all time.
        opened: makes channels.
        adopted: told of settings that came into force.
    """

    def __init__(
        self, config: Path, settings: Settings, secrets: Secrets, plan: Plan, sourcing: Sourcing, *,
        environ: Mapping[str, str], clock: Clock, opened: Opened, adopted: Callable[[Settings], None],
    ) -> None:  # fmt: skip
        self._config = config
        self._plan = plan
        self._sourcing = sourcing
        self._environ = environ
        self._clock = clock
        self._opened = opened
        self._adopted = adopted
        self._held = self._with_secrets(settings, secrets)

    def __call__(self) -> Renewal:
        """Return what the file says now, ready to be gone over to.

        Raises:
            ConfigError: with every mistake in the file, every secret that cannot be had or used, and every change
                that only a restart can make.
        """
        settings = load(self._config, self._environ)
        secrets, unread = gather_secrets(settings, self._environ)
        after, held = self._with_secrets(settings, secrets), self._held
        problems: list[Problem] = [*only_by_restart(held, after), *unread]
        try:
            clients = self._sourcing.clients(settings, secrets.account_keys)
        except ConfigError as error:
            problems.extend(error.problems)
        changes = difference(held, after) if not problems else Difference.nothing()
        wanted = changes.channels if not problems else secrets.channel_urls.keys()
        made: Sequence[Channel] = ()
        try:
            made = self._opened(settings, secrets, wanted)
        except ConfigError as error:
            problems.extend(error.problems)

        def drop() -> None:
            for channel in made:
                channel.close()

        if problems:
            drop()
            raise ConfigError(settings.source, problems)
        try:
            return self._renewal(after, changes, made, clients, drop)
        except BaseException:
            drop()
            raise

    def _renewal(
        self, after: InForce, changes: Difference, made: Sequence[Channel], clients: Mapping[str, RestClient],
        drop: Callable[[], None],
    ) -> Renewal:  # fmt: skip
        settings, secrets = after.settings, after.secrets
        plan = self._planned(settings, secrets, made)
        accounts = [one for one in settings.keyed if one.name in changes.followed]

        def adopt() -> None:
            self._held, self._plan = after, plan
            self._adopted(settings)

        return Renewal(
            plan=plan,
            changes=changes,
            known=self._known(changes.followed),
            followed=self._sourcing.follow(accounts, clients, heirs=True),
            adopt=adopt,
            drop=drop,
            warnings=(*settings.warnings, *secrets.warnings),
        )

    def _with_secrets(self, settings: Settings, secrets: Secrets) -> InForce:
        environ = self._environ
        return InForce(settings, secrets, settings.state_directory(environ), settings.history_path(environ))

    def _planned(self, settings: Settings, secrets: Secrets, made: Sequence[Channel]) -> Plan:
        """Return the plan, with whatever goes on as it is."""
        before = self._plan
        channels = {one.name: one for one in (*before.channels, *made)}
        same_zone = settings.display == self._held.settings.display
        plan = build_plan(
            settings, secrets, [channels[one.name] for one in settings.channels], clock=self._clock,
            environ=self._environ, before=before, zone=before.time_zone if same_zone else None,
        )  # fmt: skip
        return plan._replace(
            journal=before.journal, pace_minute_s=before.pace_minute_s, systemd=before.systemd, away=before.away
        )

    def _known(self, names: Collection[str]) -> dict[str, AccountSnapshot]:
        if not names:
            return {}
        found = AccountCache(self._plan.state_dir).load()
        return {one.account: one for one in found if one.account in names}
