"""Draws docs/lead-time.png: how early each alarm comes, and how often for nothing."""

from pathlib import Path

from benchmarks.lead_time.books import ISOLATED, Terms
from benchmarks.lead_time.plan import LEVERAGES, RATES
from benchmarks.lead_time.policies import CURVES, EXCHANGE, FIRST_CHOICE, OURS, ROOM, WITHOUT_MOVES
from benchmarks.lead_time.study import Case, Results

_COLOURS = {"margin ratio": "#c0392b", "room": "#2e7d32", "moves left": "#1f5fa8"}
_POINTS = (
    (EXCHANGE, "X", "#c0392b", "margin ratio 80 % (the exchange's call)"),
    (ROOM, "s", "#2e7d32", "room 20 %"),
    (WITHOUT_MOVES, "v", "#8a8a8a", "ours before tuning, without moves left"),
    (FIRST_CHOICE, "o", "#9a7bb0", "ours before tuning"),
    (OURS, "*", "#000000", "ours"),
)
_LEAST_MIN = 0.05  # three seconds


def draw(results: Results, target: Path) -> None:
    """Write the picture."""
    import matplotlib as mpl  # noqa: PLC0415 - only the picture pays for it

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(2, 3, figsize=(13.5, 8.2), layout="constrained")
    panels = axes.ravel()
    for panel, leverage in zip(panels, LEVERAGES, strict=False):

        def at(name: str, leverage: float = leverage) -> tuple[float, float, float] | None:
            case = Case(ISOLATED.name, Terms(leverage, RATES[0]), name)
            if case not in results or not results.criticals(case).liquidations:
                return None
            found = results.criticals(case)
            false = max(found.false_alarms, 0.5) / found.months
            return false, max(found.lead_s(0.5) / 60, _LEAST_MIN), max(found.lead_s(0.05) / 60, _LEAST_MIN)

        for name, policies in CURVES.items():
            points = [(point, policy.name.split()[-1]) for policy in policies if (point := at(policy.name))]
            if points:
                panel.plot(
                    [p[0] for p, _ in points], [p[1] for p, _ in points], "-o", markersize=3.5, linewidth=1.3,
                    color=_COLOURS[name], alpha=0.75, label=f"{name} alone, at the thresholds written beside it",
                )  # fmt: skip
            for point, threshold in points:
                panel.annotate(
                    threshold,
                    point[:2],
                    textcoords="offset points",
                    xytext=(4, -9),
                    fontsize=7,
                    color=_COLOURS[name],
                )
        for policy, marker, colour, label in _POINTS:
            if (point := at(policy.name)) is None:
                continue
            size = 190 if marker == "*" else 62
            panel.scatter(point[0], point[1], s=size, marker=marker, color=colour, zorder=3, label=label)
            panel.vlines(point[0], point[2], point[1], color=colour, linewidth=1, linestyle=":", zorder=1)
            panel.scatter(point[0], point[2], s=22, marker="_", color=colour, zorder=2)
        panel.set(xscale="log", yscale="log", title=f"{leverage:g}x")
        panel.set_xlabel("false criticals per position and month")
        panel.set_ylabel("lead before liquidation, minutes")
        panel.grid(visible=True, which="major", alpha=0.25)
        for axis, subs in ((panel.xaxis, (1.0, 2.0, 5.0)), (panel.yaxis, (1.0,))):
            axis.set_major_locator(mpl.ticker.LogLocator(subs=subs))
            axis.set_major_formatter(mpl.ticker.FuncFormatter(lambda value, _: f"{value:g}"))
            axis.set_minor_formatter(mpl.ticker.NullFormatter())
        panel.tick_params(axis="x", labelsize=8)
    handles, labels = panels[2].get_legend_handles_labels()
    panels[-1].axis("off")
    panels[-1].legend(handles, labels, loc="center", fontsize=9.5, frameon=False)
    panels[-1].text(
        0.5, 0.08, "marks: median lead; dotted down to the 5 % lead\nup and to the left is better",
        ha="center", fontsize=9.5, transform=panels[-1].transAxes,
    )  # fmt: skip
    figure.suptitle(
        "One isolated position, maintenance rate 0.4 %: how early a critical alert comes, how often for nothing"
    )
    figure.savefig(target, dpi=110)
    plt.close(figure)
