"""What is shown of the service on a booted root, in order. Each step leaves the service running."""

# ruff: noqa: E501 - command lines are as they are typed

import json
import re

from tests.service.container import Container, Done, Row, free_ports

UNIT = "position-monitor"
CONFIG = "/etc/position-monitor/config.toml"
DYNAMIC = (61184, 65519)  # users that systemd makes for a service
STATE = "/var/lib/position-monitor"
EXCHANGE, RECEIVER = free_ports(2)  # the root shares this machine's network
TOLD = "/root/told.jsonl"
TOKEN = "a-secret-nobody-may-see"
ADDRESS = f"json://user:{TOKEN}@127.0.0.1:{RECEIVER}/"
# What somebody types where `init` asks, as options; the address lies in a file.
ANSWERS = (
    " --yes --typed --account by-hand --symbol BTCUSDT --side LONG --quantity 0.5 --entry 62000 --margin-mode isolated"
    " --margin 1550 --channel-name telegram --channel-url-file /root/url"
)
OVERRIDES = f"""
rest_url = "http://127.0.0.1:{EXCHANGE}"
market_stream_url = "ws://127.0.0.1:{EXCHANGE}/market"
private_stream_url = "ws://127.0.0.1:{EXCHANGE}/private"
typical_moves = false
"""
# So that a picture comes soon: it takes some minutes of history, which the first alert has not.
SOON = '\\n[alerts.emergency]\\nreminder = "60s"\\n'


class Story:
    """Plays once.

    Args:
        container: a root that runs, with the source in /root/source.
        readme: whose commands are typed.
    """

    def __init__(self, container: Container, readme: str) -> None:
        self._in = container
        section = readme.partition("### Run as a service")[2].partition("\n### ")[0]
        blocks = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
        self._blocks = [[re.split(r"\s+# ", line)[0].strip() for line in block.splitlines()] for block in blocks]
        self.rows: list[Row] = []

    def play(self) -> None:
        """Show all of it; what fails is a row like what holds."""
        self._install()
        self._judge()
        self._begin()
        self._secrets()
        self._commands()
        self._reload()
        self._marks()
        self._crashes()
        self._stop()
        self._gives_up()
        self._instances()
        self._journal()
        self._boot_again()

    # Steps

    def _install(self) -> None:
        """Type the first block; where init asks, options answer."""
        self._in.sh(f"umask 077; echo {ADDRESS} > /root/url")
        began = sum(one.took_s for one in self._in.done)
        for line in self._blocks[0][:-1]:
            asks = line.startswith("sudo position-monitor init")
            if asks:
                self._in.sh(
                    f"setsid /opt/position-monitor/bin/python tests/service/exchange.py {EXCHANGE} {RECEIVER} {TOLD}"
                    " >/root/exchange.log 2>&1 </dev/null & sleep 3; cat /root/exchange.log"
                )
            done = self._in.sh(line + (ANSWERS if asks else ""))
            if done.code:
                self._row("installed by the README's commands", done, holds=False)
        took_s = sum(one.took_s for one in self._in.done) - began
        modes = self._in.sh(
            "cd /etc/position-monitor && stat -c '%n %U %a' . config.toml credentials credentials/*"
        )
        right = (". root 755", "config.toml root 644", "credentials root 700", "credentials/channel-url root 600")
        holds = all(one in modes.output for one in right)
        self._row(
            "installed by the README's commands; owners and modes", modes._replace(took_s=took_s), holds=holds
        )

    def _judge(self) -> None:
        names = f"{UNIT}.service {UNIT}@second.service {UNIT}-failed@{UNIT}.service"
        verify = self._in.sh(f"systemd-analyze verify {names}")
        self._row("systemd-analyze verify", verify, holds=verify.code == 0 and not verify.output.strip())
        for name in names.split():
            done = self._in.sh(f"systemd-analyze security --no-pager {name} | tail -n 1")
            found = re.search(r"(\d+\.\d)", done.output)
            self._row(f"systemd-analyze security {name}", done, holds=found is not None and float(found[1]) <= 1.5)

    def _begin(self) -> None:
        """Start where no exchange answers: it is ready once that was told."""
        started = self._in.sh(self._blocks[0][-1], 200)
        self._row("enable --now, no exchange: ready once blindness was told", started, holds=started.code == 0)
        status = self._in.sh(f"{self._blocks[1][0]} --no-pager --lines=0")
        line = next((one for one in status.output.splitlines() if "Status:" in one), "")
        self._row(
            "systemctl status has the line",
            status._replace(output=line),
            holds="active (running)" in status.output and bool(line),
        )
        self._told("BLIND", "the alert of blindness arrives")
        # On disk it is the user's, or with newer systemd nobody's and mapped; what the service sees is its own.
        owner = self._in.sh(
            f"pid=$(systemctl show -P MainPID {UNIT}); stat -c '%u %a' /proc/$pid /proc/$pid/root/var/lib/private/{UNIT};"
            f" stat -c '%n: %u %a' /var/lib/private/{UNIT}; readlink {STATE}"
        )
        (process, _), (directory, mode) = (line.split() for line in owner.output.splitlines()[:2])
        own = process == directory and mode == "700" and int(process) >= DYNAMIC[0] and int(process) <= DYNAMIC[1]
        self._row("state directory: its own user's, 0700", owner, holds=own)

    def _secrets(self) -> None:
        reach = "setpriv --reuid=65534 --regid=65534 --clear-groups cat"
        for path in (
            f"/run/credentials/{UNIT}.service/channel-url",
            "/etc/position-monitor/credentials/channel-url",
            f"{STATE}/state.db",
        ):
            done = self._in.sh(f"ls {path} && {reach} {path}")
            self._row(
                f"another user cannot read {path}",
                done,
                holds=done.code != 0 and "Permission denied" in done.output and TOKEN not in done.output,
            )
        seen = self._in.sh(
            f"systemctl show {UNIT}; systemctl cat {UNIT}; tr '\\0' '\\n' </proc/$(systemctl show -P MainPID {UNIT})/environ;"
            f" ps -ef; journalctl --no-pager -u {UNIT}; cat {CONFIG}"
        )
        self._row(
            "the secret is in no unit, environment, process list, journal or configuration",
            seen._replace(output=""),
            holds=TOKEN not in seen.output,
        )

    def _commands(self) -> None:
        for line in self._blocks[1][1:4]:
            done = self._in.sh(line)
            self._row(line, done, holds=done.code == (1 if "healthcheck" in line else 0))
        tested = self._in.sh(self._blocks[1][5])
        self._row(self._blocks[1][5], tested, holds=tested.code == 0)
        other = self._in.sh(f"setpriv --reuid=65534 --regid=65534 --clear-groups {UNIT} status --config {CONFIG}")
        self._row("status of another user is refused", other, holds=other.code != 0)

    def _reload(self) -> None:
        before = self._pid()
        self._in.sh(f"cp {CONFIG} /root/good.toml; printf '\\n[alerts.warning]\\nroom = 0.25\\n' >> {CONFIG}")
        taken = self._in.sh(self._blocks[1][4])
        log = self._in.sh(f"journalctl --no-pager -o cat -u {UNIT} -n 3")
        self._row("systemctl reload: a change is taken", log._replace(took_s=taken.took_s), holds=taken.code == 0)
        self._in.sh(f"printf '\\n[nonsense]\\n' >> {CONFIG}")
        refused = self._in.sh(f"{self._blocks[1][4]}; echo code $?; systemctl is-active {UNIT}")
        kept = "active" in refused.output.splitlines() and self._pid() == before
        self._row(
            "systemctl reload: a mistake fails it, and the same process goes on",
            refused,
            holds="code 0" not in refused.output and kept,
        )
        line = self._in.sh(f"systemctl show -P StatusText {UNIT}; {UNIT} status | head -n 4")
        self._row("the refusal is shown", line, holds="refused" in line.output or "configuration" in line.output)
        self._in.sh(f"cp /root/good.toml {CONFIG}; systemctl reload {UNIT}")

    def _marks(self) -> None:
        """The emulated exchange: marks, an emergency, a picture."""
        lines = OVERRIDES.strip().replace("\n", "\\n").replace("/", "\\/")
        self._in.sh(
            f"sed -i 's/^environment = .*/&\\n{lines}/' {CONFIG}; printf '{SOON}' >> {CONFIG}; cp {CONFIG} /root/good.toml"
        )
        refused = self._in.sh(f"systemctl reload {UNIT}")
        self._row(
            "systemctl reload: another exchange needs a restart, and is refused", refused, holds=refused.code != 0
        )
        self._in.sh(f"rm -f {TOLD}")
        started = self._in.sh(f"systemctl restart {UNIT}")
        self._row("restart with an exchange: ready after the first marks", started, holds=started.code == 0)
        text = self._in.until(f"systemctl show -P StatusText {UNIT} | tee /dev/stderr | grep -q .", 5)
        self._row("the status line then", text, holds=text.code == 0)
        self._told("CRITICAL|EMERGENCY", "an alert of the emulated fall arrives", 90)
        picture = self._in.until(
            f"grep -qE '\"pictures\": \\[[0-9]{{4,}}' {TOLD} && grep -E '\"pictures\": \\[[0-9]' {TOLD}", 400
        )
        self._row(
            "with a picture, drawn by its process in the sandbox",
            picture._replace(output=picture.output[-60:]),
            holds=picture.code == 0,
        )
        healthy = self._in.until(f"{UNIT} healthcheck", 60)
        self._row("healthcheck is well", healthy, holds=healthy.code == 0)
        alert = self._number()
        done = self._in.sh(f"sudo {UNIT} ack {alert} --config {CONFIG}")
        self._row("ack by root while it runs", done, holds=done.code == 0)

    def _crashes(self) -> None:
        for signal, words, patience in (
            ("SEGV", "a crash", 40),
            ("TERM", "SIGTERM by somebody else", 40),
            ("STOP", "a hang (SIGSTOP): the watchdog", 130),
        ):
            before = self._pid()
            self._in.sh(f"kill -{signal} {before}")
            back = self._in.until(
                f"test $(systemctl show -P MainPID {UNIT}) != {before} && test $(systemctl show -P MainPID {UNIT}) != 0 && systemctl is-active {UNIT}",
                patience,
            )
            self._row(f"{words}: started again and ready", back, holds=back.code == 0)
        log = self._in.sh(f"journalctl --no-pager -o cat -u {UNIT} | grep -c -E 'Watchdog timeout|watchdog'")
        self._row("the journal says that it was the watchdog", log, holds=log.code == 0)

    def _stop(self) -> None:
        alert = self._number()
        stopped = self._in.sh(f"systemctl stop {UNIT}; systemctl show -P Result -P ExecMainStatus {UNIT}")
        self._row(
            "systemctl stop: drained within 5 s, code 0",
            stopped,
            holds=stopped.took_s < 6 and stopped.output.split() == ["success", "0"],
        )
        log = self._in.sh(f"journalctl --no-pager -o cat -u {UNIT} -n 8")
        order = [log.output.find(word) for word in ("daemon.stopping", "daemon.stopped", "Stopped ")]
        self._row(
            "its order in the journal",
            log._replace(output="daemon.stopping, daemon.stopped, Stopped"),
            holds=-1 not in order and order == sorted(order),
        )
        quiet = self._in.sh(
            f"sudo {UNIT} mute 1h --why test --config {CONFIG}; sudo {UNIT} alerts --config {CONFIG} | head -n 3"
        )
        self._row(
            "mute and alerts by root while it is stopped",
            quiet,
            holds="code" not in quiet.output and quiet.code == 0,
        )
        if alert:
            self._row(
                "ack by root while it is stopped",
                done := self._in.sh(f"sudo {UNIT} ack {alert} --config {CONFIG}"),
                holds=done.code == 0 or "is not open" in done.output,
            )
        self._in.sh(f"rm -f {STATE}/lock; sudo {UNIT} mute 1h --why again --config {CONFIG}")
        found = self._in.sh(f"find {STATE}/ -user root -printf '%p %m\\n'")
        self._row(
            "root left no file of its own in the state directory, not even where the lock was gone",
            found,
            holds=not found.output.strip(),
        )
        again = self._in.sh(
            f"systemctl start {UNIT}; systemctl is-active {UNIT}; sudo {UNIT} status --config {CONFIG} | grep -i -m 1 mute"
        )
        self._row(
            "it starts again and knows the mute",
            again,
            holds=again.code == 0 and again.output.startswith("active"),
        )
        self._in.sh(f"sudo {UNIT} unsnooze all --config {CONFIG}")

    def _gives_up(self) -> None:
        """Exit code 2, a credential that is gone, and what is told of them."""
        self._in.sh(f"rm -f {TOLD}; printf '\\n[nonsense]\\n' >> {CONFIG}")
        ended = self._in.sh(
            f"systemctl restart {UNIT}; sleep 8; systemctl show -P ActiveState -P NRestarts -P ExecMainStatus {UNIT}"
        )
        self._row(
            "a broken configuration: code 2, not started again",
            ended,
            holds=set(ended.output.split()) >= {"failed", "2", "0"},
        )
        self._told("SERVICE STOPPED.*nobody watches.*exit code 2", "its message arrives")
        unit = self._in.sh(
            f"systemctl show -P Result -P ExecMainStatus '{UNIT}-failed@{UNIT}'; journalctl --no-pager -o cat -u '{UNIT}-failed@{UNIT}' | grep failure | tail -n 2"
        )
        self._row("the unit that tells it", unit, holds="failure.told" in unit.output)
        self._in.sh(
            f"rm -f {TOLD}; cp /root/good.toml {CONFIG}; mv /etc/position-monitor/credentials/channel-url /root/channel-url"
        )
        self._in.sh(f"systemctl reset-failed {UNIT}; systemctl start {UNIT}")
        limit = self._in.until(f"systemctl is-failed -q {UNIT}", 150)
        self._row("a credential that is gone: given up after twelve starts", limit, holds=limit.code == 0)
        left = self._in.until(
            f"journalctl --no-pager -o cat -u '{UNIT}-failed@{UNIT}' | grep failure.no_address", 30
        )
        self._row("the report starts all the same, and says what is missing", left, holds=left.code == 0)
        self._in.until(f"systemctl is-failed -q '{UNIT}-failed@{UNIT}'", 30)
        self._in.sh(
            f"mv /root/channel-url /etc/position-monitor/credentials/channel-url; systemctl reset-failed; rm -f {TOLD}"
        )
        by_hand = self._in.sh(f"{self._blocks[2][0]}")
        self._row("the report by hand", by_hand, holds=by_hand.code == 0)
        self._told("names no failure", "its message arrives, too")
        # No channel is concerned by this one: systemd cannot start the program at all.
        self._in.sh(
            f"rm -f {TOLD}; mkdir -p /run/systemd/system/{UNIT}.service.d; printf '[Service]\\nExecStart=\\nExecStart=/bin/false\\n' > /run/systemd/system/{UNIT}.service.d/x.conf; systemctl daemon-reload; systemctl start {UNIT}"
        )
        self._told(
            "SERVICE STOPPED.*started again and again.*exit code 1",
            "what keeps failing is told once it is given up",
            150,
        )
        self._in.sh(
            f"rm -r /run/systemd/system/{UNIT}.service.d; systemctl daemon-reload; systemctl reset-failed; systemctl start {UNIT}"
        )

    def _instances(self) -> None:
        lines = OVERRIDES.strip().replace("\n", "\\n").replace("/", "\\/")
        for line in self._blocks[3]:
            asks = " init " in line
            done = self._in.sh(line + (ANSWERS if asks else ""), 200)
            self._row(line, done, holds=done.code == 0)
            if asks:
                self._in.sh(f"sed -i 's/^environment = .*/&\\n{lines}/' /etc/position-monitor/second.toml")
        both = self._in.sh(f"systemctl is-active {UNIT} {UNIT}@second; ls /var/lib/private")
        holds = both.code == 0 and both.output.split()[2:] == [UNIT, f"{UNIT}-second"]
        self._row("both run, each with a state directory of its own", both, holds=holds)
        self._in.sh(
            f"rm -f {TOLD}; printf '\\n[nonsense]\\n' >> /etc/position-monitor/second.toml; systemctl restart {UNIT}@second"
        )
        self._told(f"SERVICE STOPPED - {UNIT}@second has stopped", "the end of one of several is told by its name")
        # Left broken, it would be told again after the next boot, where nobody takes the message.
        self._in.sh(f"systemctl disable --now {UNIT}@second; systemctl stop '{UNIT}-failed@{UNIT}@second'")
        self._encrypted()

    def _encrypted(self) -> None:
        """The credential, encrypted, in place of the plain one: for the service and for the report of its end."""
        line = "LoadCredentialEncrypted=channel-url:/etc/credstore.encrypted/channel-url"
        drop_in = f"/etc/systemd/system/{UNIT}.service.d/credentials.conf"
        other = f"/etc/systemd/system/{UNIT}-failed@.service.d"
        commands = (
            *self._blocks[4],
            f"sed -i s,LoadCredential=channel-url:.*,{line}, {drop_in}",
            f"mkdir {other}; printf '[Service]\n{line}\n' > {other}/override.conf",
            "systemctl daemon-reload",
            f"rm -f {TOLD}; systemctl restart {UNIT}",
            self._blocks[2][0],
        )
        done = [self._in.sh(command) for command in commands]
        wrong = [one for one in done if one.code]
        self._row("encrypted credentials, for the service and for the report", (wrong or done)[0], holds=not wrong)
        self._told("SERVICE STOPPED", "the report reaches the channel by an encrypted credential")

    def _journal(self) -> None:
        read = (
            "import json,sys; rows=[json.loads(x) for x in sys.stdin]; own=[r for r in rows if r.get('_COMM') != 'systemd'];"
            "bad=[r['MESSAGE'] for r in own if not str(r['MESSAGE']).startswith('{')];"
            "[json.loads(r['MESSAGE']) for r in own if str(r['MESSAGE']).startswith('{')];"
            "print(len(own), 'lines,', len(bad), 'not JSON', bad[:3])"
        )
        done = self._in.sh(f'journalctl -o json -u {UNIT} | python3 -c "{read}"')
        self._row(
            "journalctl -o json: each line a JSON object, errors of the command line aside",
            done,
            holds=done.code == 0,
        )

    def _boot_again(self) -> None:
        self._in.halt()
        booted = self._in.boot()
        active = self._in.until(f"systemctl is-active {UNIT}", 60)
        self._row(
            "enabled: it runs after the next boot",
            active._replace(took_s=booted.took_s + active.took_s),
            holds=active.code == 0,
        )

    # Helpers

    def _told(self, pattern: str, what: str, patience_s: float = 40.0) -> None:
        done = self._in.until(f"grep -E '{pattern}' {TOLD} | tail -n 1 | grep .", patience_s)
        line = done.output.strip()
        title = json.loads(line)["title"] if line.startswith("{") else line
        self._row(what, done._replace(output=title), holds=done.code == 0)

    def _pid(self) -> str:
        return self._in.sh(f"systemctl show -P MainPID {UNIT}").output.strip()

    def _number(self) -> str:
        """Return the number of an open alert."""
        done = self._in.until(
            f'{UNIT} status --json --config {CONFIG} | python3 -c "import json,sys;'
            "d=json.load(sys.stdin); print(d['engine']['alerts'][0]['number'])\"", 50,
        )  # fmt: skip
        return done.output.strip().splitlines()[-1] if done.code == 0 else ""

    def _row(self, what: str, done: Done, *, holds: bool) -> None:
        self.rows.append(Row(what, holds, done.took_s, done.output))
