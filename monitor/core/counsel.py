"""What is said beside a level: what to do about it, what is ahead, and which habits lead there.

The engine asks; what is around positions is kept here, and what was said of it once.
"""

from monitor.core.incidents import Incidents
from monitor.core.surroundings import Fact, Surroundings


class Counsel:
    """Owns the surroundings. Told of facts, asked for what notices say beside their readings."""

    def __init__(self, incidents: Incidents) -> None:
        self._incidents = incidents
        self.surroundings = Surroundings()

    def learn(self, fact: Fact) -> None:
        """Take what became known."""
        self.surroundings = self.surroundings.after(fact)
