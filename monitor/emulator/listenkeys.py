"""Listen keys: who may hear whose events, and until when."""

import hashlib
from dataclasses import dataclass


@dataclass(slots=True)
class _Key:
    text: str
    until_ms: int


class ListenKeys:
    """At most one active key for each account."""

    def __init__(self, life_s: float) -> None:
        self._life_ms = round(life_s * 1000)
        self._active: dict[str, _Key] = {}
        self._made = 0

    def create(self, account: str, now_ms: int) -> str:
        """Return the account's key, its life prolonged: the active one, or a new one."""
        if not self.keep_alive(account, now_ms):
            self._made += 1
            text = hashlib.sha256(f"{account}/{self._made}/{now_ms}".encode()).hexdigest()
            self._active[account] = _Key(text, now_ms + self._life_ms)
        return self._active[account].text

    def keep_alive(self, account: str, now_ms: int) -> bool:
        """Prolong the account's key; False if there is none."""
        key = self._active.get(account)
        if key is None or key.until_ms <= now_ms:
            return False
        key.until_ms = now_ms + self._life_ms
        return True

    def close(self, account: str) -> None:
        """Forget the account's key."""
        self._active.pop(account, None)

    def of(self, account: str, now_ms: int) -> str:
        """Return the account's active key, or an empty text."""
        key = self._active.get(account)
        return key.text if key is not None and key.until_ms > now_ms else ""

    def expired(self, now_ms: int, *, all_of_them: bool = False) -> list[str]:
        """Forget and return the keys whose life is over, or all."""
        over = {name: key for name, key in self._active.items() if all_of_them or key.until_ms <= now_ms}
        for name in over:
            del self._active[name]
        return [key.text for key in over.values()]
