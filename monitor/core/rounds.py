"""A checkup of many accounts in parts, some accounts with each beat: marks must not wait for all of it. Pure."""

from collections import deque
from typing import Final

from monitor.core.checkup import Checkup, check
from monitor.core.looked_at import seen_of
from monitor.core.model import AccountSnapshot
from monitor.core.scene import Scene
from monitor.core.surroundings import Surroundings

IN_A_BEAT: Final = 100  # positions: some milliseconds; an account is never divided


class Round:
    """One checkup of all accounts that are known where it begins.

    Args:
        scene: the moment at which it begins.
    """

    def __init__(self, scene: Scene) -> None:
        self._waiting = deque(scene.accounts)
        self._parts: list[Checkup] = []
        self.looked_at: set[str] = set()  # accounts

    def go_on(self, scene: Scene, around: Surroundings, now_ms: int) -> Checkup | None:
        """Look at the next accounts as they are now; return what was found of all once there are no more.

        Args:
            scene: the moment.
            around: what is known around positions.
            now_ms: wall clock.
        """
        accounts = self._next(scene)
        if accounts:
            self._parts.append(check(seen_of(scene, around, now_ms)._replace(accounts=accounts)))
        if self._waiting:
            return None
        # An account that is no more ended while others were looked at.
        return Checkup(
            tuple(one for part in self._parts for one in part.findings if one.account in scene.accounts),
            tuple(gap for part in self._parts for gap in part.gaps if gap.account in scene.accounts),
        )

    def _next(self, scene: Scene) -> tuple[AccountSnapshot, ...]:
        found: list[AccountSnapshot] = []
        room = IN_A_BEAT
        while self._waiting:
            account = scene.accounts.get(self._waiting[0])
            if account is not None:
                if found and len(account.positions) > room:
                    break
                found.append(account)
                self.looked_at.add(account.account)
                room -= len(account.positions)
            self._waiting.popleft()
        return tuple(found)
