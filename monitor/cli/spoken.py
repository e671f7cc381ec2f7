"""The group of all commands: mistakes in how one is called are told to programs as well as to people."""

from collections.abc import Sequence
from typing import Any

from typer.core import TyperGroup
from typer.exceptions import TyperException

from monitor.cli.common import print_json_line
from monitor.cli.verdict import CHECKS, UNKNOWN, print_verdict, without_bars

_ARGS = "monitor.cli.spoken"


class Spoken(TyperGroup):
    """Tells programs of a wrong call in their own way, beside the text on standard error.

    Who asked for JSON gets a document, and a monitoring system its one line and the exit code of what is unknown.
    """

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:  # noqa: ANN401 - the library's own, private class
        """Remember how it was called: what cannot be parsed does not say it."""
        words = args[: args.index("--")] if "--" in args else list(args)
        try:
            context = super().make_context(info_name, args, parent, **extra)
        except TyperException as error:
            _tell(error, words)
            raise
        context.meta[_ARGS] = words
        return context

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - the library's own, private class
        """Run the command."""
        try:
            return super().invoke(ctx)
        except TyperException as error:
            _tell(error, ctx.meta.get(_ARGS, ()))
            raise


def _tell(error: Any, words: Sequence[str]) -> None:  # noqa: ANN401 - the library's own, private classes
    if not hasattr(error, "format_message"):
        return
    command = next((word for word in words if word in CHECKS), "")
    if command and "--check" in words:
        print_verdict(command, UNKNOWN, without_bars(error.format_message()))
        error.exit_code = UNKNOWN
    elif "--json" in words:
        print_json_line({"error": error.format_message(), "problems": ()})
