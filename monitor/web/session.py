"""Sessions of the status page: a signed cookie, so that a browser need not keep the token itself.

The key is made at the start and never written: a restart ends all sessions. Nobody can sign a session that begins
without a login, and what is remembered of those that ended is bounded.
"""

import hmac
import secrets
from typing import Final

from monitor.ports import Clock

LENGTH_S: Final = 12 * 3600
_MOST_ENDED: Final = 256


class Sessions:
    """Begins, knows and ends sessions.

    Args:
        clock: of which the monotonic time counts, so that a wall clock set back makes none longer.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._ended: dict[str, int] = {}  # until when they would have lasted

    def begin(self) -> str:
        """Return the value of a new session's cookie."""
        body = f"{secrets.token_hex(16)}.{int(self._clock.mono_s()) + LENGTH_S}"
        return f"{body}.{self._signed('session', body)}"

    def known(self, value: str) -> bool:
        """Return whether a cookie's value is that of a session that lasts."""
        body, _, signature = value.rpartition(".")
        if not value.isascii() or not hmac.compare_digest(signature, self._signed("session", body)):
            return False
        return body not in self._ended and self._clock.mono_s() < _until(body)

    def end(self, value: str) -> None:
        """End a session that is known; its cookie is worth nothing from now on."""
        if not self.known(value):
            return
        body = value.rpartition(".")[0]
        now_s = self._clock.mono_s()
        self._ended = {one: until_s for one, until_s in self._ended.items() if until_s > now_s}
        self._ended[body] = _until(body)
        if len(self._ended) > _MOST_ENDED:
            self.end_all()

    def end_all(self) -> None:
        """End every session."""
        self._key = secrets.token_bytes(32)
        self._ended = {}

    def form_token(self, value: str) -> str:
        """Return what a form has to send back in a session: nobody else can know it. Empty for none."""
        return self._signed("form", value) if self.known(value) else ""

    def is_form_token(self, given: str, value: str) -> bool:
        """Return whether a form sent back what belongs to the session."""
        wanted = self.form_token(value)
        return bool(wanted) and given.isascii() and hmac.compare_digest(given, wanted)

    def _signed(self, purpose: str, text: str) -> str:
        return hmac.digest(self._key, f"{purpose}:{text}".encode(), "sha256").hex()


def _until(body: str) -> int:
    """Return when a session ends; only for what was signed."""
    return int(body.rpartition(".")[2])
