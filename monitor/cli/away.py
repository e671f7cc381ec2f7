"""What ``status`` says of the last time that nobody watched."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datetime as dt

    from rich.console import Console

    from monitor.core.notices import WorstAway
    from monitor.status import AwayView


def print_away(view: "AwayView | None", out: "Console", zone: "dt.tzinfo | None") -> None:
    """Print it; nothing where there was none since the start."""
    from monitor.notify.numbers import span
    from monitor.notify.times import local_time

    if view is None:
        return
    when = f"{local_time(view.from_ms, zone, day=True)} to {local_time(view.until_ms, zone, day=True)}"
    why = "nothing ran" if view.restarted else "marks did not arrive"
    parts = [f"Away {when} ({span((view.until_ms - view.from_ms) / 1000)}, {why})"]
    if view.doing:
        parts.append(f"being looked at: {view.doing}")
    if view.worst is not None:
        parts.append(f"worst {_worst(view.worst)}")
    elif not view.doing:
        parts.append("nothing could be judged")
    if view.unknown:
        parts.append(f"not known: {', '.join(view.unknown)}")
    if view.rows:
        parts.append(f"{view.rows} rows recorded")
    out.print(f"{'; '.join(parts)}.", markup=False, highlight=False)


def _worst(one: "WorstAway") -> str:
    from monitor.notify.numbers import percent

    if one.liquidatable:
        far = "margin used up"
    else:
        distances = [distance for distance in (one.distance, one.joint_distance) if distance is not None]
        far = f"{percent(min(distances))} from liquidation" if distances else "no liquidation price"
    return f"{one.level.label}, {one.subject}, {one.symbol} {far}"
