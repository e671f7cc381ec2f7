"""All families there are."""

from typing import Final

from monitor.web.families.delivery import DELIVERY
from monitor.web.families.family import PREFIX, Family, Kind
from monitor.web.families.positions import POSITIONS
from monitor.web.families.service import SERVICE
from monitor.web.families.sources import SOURCES

# Counted between scrapes, and so read from nowhere: see ``monitor.web.metrics.Meter``.
TICK_TO_DECISION: Final = Family(
    PREFIX + "tick_to_decision_seconds",
    Kind.HISTOGRAM,
    "Seconds from the arrival of a frame to the decision on it, evaluation of all positions included; one "
    "observation for each batch of marks, of its oldest frame.",
    (),
    lambda _found: (),
)

READ: Final = (*POSITIONS, *SOURCES, *DELIVERY, *SERVICE)
FAMILIES: Final = (*READ, TICK_TO_DECISION)
