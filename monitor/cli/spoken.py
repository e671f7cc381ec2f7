"""The group of all commands: mistakes in how one is called are told to programs as well as to people."""

from collections.abc import Iterable, Sequence
from typing import Any

from typer.core import TyperGroup
from typer.exceptions import TyperException

from monitor.cli.common import print_json_line
from monitor.cli.guide import GROUPS
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

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401, ARG002 - the library's own, private classes
        """Write the commands in their groups."""
        shown = {name: one for name, one in self.commands.items() if not one.hidden}
        limit = formatter.width - 6 - max(map(len, shown), default=0)
        for group, names in grouped_commands(shown).items():
            with formatter.section(group):
                formatter.write_dl([(name, shown[name].get_short_help_str(limit)) for name in names])


def grouped_commands(names: Iterable[str]) -> dict[str, list[str]]:
    """Return commands by group, in the order of the groups; those that nobody put into one come last."""
    left = dict.fromkeys(names)
    groups = {group: [one for one in some if one in left] for group, some in GROUPS.items()}
    grouped = {one for some in groups.values() for one in some}
    groups["More"] = [one for one in left if one not in grouped]
    return {group: some for group, some in groups.items() if some}


def _tell(error: Any, words: Sequence[str]) -> None:  # noqa: ANN401 - the library's own, private classes
    if not hasattr(error, "format_message"):
        return
    command = next((word for word in words if word in CHECKS), "")
    if command and "--check" in words:
        print_verdict(command, UNKNOWN, without_bars(error.format_message()))
        error.exit_code = UNKNOWN
    elif "--json" in words:
        print_json_line({"error": error.format_message(), "problems": ()})
