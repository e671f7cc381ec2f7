"""``demo``: the daemon against a local exchange that plays a fall into danger and back; no key, no network."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.common import FAILED, JsonOption, complain, console, globals_of, guarded, print_json

if TYPE_CHECKING:
    import datetime as dt

    from monitor.cli.summary import Summary

_SHORTEST_S, _LONGEST_S = 5.0, 3600.0


@guarded
def demo(  # noqa: PLR0917 - typer passes options by name
    context: typer.Context,
    forever: Annotated[bool, typer.Option("--forever", help="Begin anew at the end, until stopped.")] = False,
    plain: Annotated[bool, typer.Option("--plain", help="Lines instead of the live view.")] = False,
    seconds: Annotated[
        float | None,
        typer.Option("--seconds", min=_SHORTEST_S, max=_LONGEST_S, help="Tell the story in so many seconds."),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            "--state", metavar="DIR", help="Keep the files here and go on with what an earlier demo left."
        ),
    ] = None,
    web: Annotated[
        bool, typer.Option("--web", help="Serve the status page meanwhile, on this machine only.")
    ] = False,
    web_port: Annotated[
        int | None,
        typer.Option("--web-port", metavar="PORT", min=1, max=65535, help="Its port; 9757, or a free one."),
    ] = None,
    json: JsonOption = False,
) -> int:
    """Watch a scripted fall into danger and back on a local exchange; needs no key and no network.

    Messages say what to do, and near the worst moment the owners of two accounts do it: margin is added to one
    wallet, a position of another is reduced. The exit code is 1 unless every level was told and following the
    messages ended both alerts. With --json the summary has each amount that was advised, and what came of it,
    under deeds. With --forever each round begins as the first: what its owners did is undone in between.
    """
    from monitor.cli.show import Show
    from monitor.cli.stage import free_port, prepare
    from monitor.config.settings import WebSettings

    as_json = json or globals_of(context).json
    port = (web_port or free_port(WebSettings().port)) if web or web_port else None
    show = Show(prepare(state), seconds=seconds, forever=forever, web_port=port)
    with show.logged():
        summary = show.run(live=not plain and not as_json and sys.stdout.isatty(), stderr=as_json)
    _tell(summary, as_json=as_json, zone=show.zone)
    return 0 if forever else _judge(summary)


def _tell(summary: "Summary", *, as_json: bool, zone: "dt.tzinfo | None") -> None:
    from monitor.cli.summary import print_summary

    if as_json:
        print_json(summary)
    else:
        print_summary(summary, console(), zone)


def _judge(summary: "Summary") -> int:
    """Return the exit code: what was stopped, or did not show everything, is no success."""
    reasons = summary.missing if summary.complete else ("it was stopped",)
    if not reasons:
        return 0
    complain(f"the demonstration is incomplete: {'; '.join(reasons)}")
    return FAILED
