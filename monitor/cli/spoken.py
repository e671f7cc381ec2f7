"""The group of all commands: mistakes in how one is called are told to programs as well as to people."""

from typing import Any

from typer.core import TyperGroup
from typer.exceptions import TyperException

from monitor.cli.common import print_json_line

_JSON = "--json"


class Spoken(TyperGroup):
    """Prints a JSON document about a wrong call where one was asked for, beside the text on standard error."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:  # noqa: ANN401 - the library's own, private class
        """Remember whether JSON is wanted: what cannot be parsed does not say it."""
        wanted = _JSON in args[: args.index("--")] if "--" in args else _JSON in args
        try:
            context = super().make_context(info_name, args, parent, **extra)
        except TyperException as error:
            _tell(error, wanted=wanted)
            raise
        context.meta[_JSON] = wanted
        return context

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - the library's own, private class
        """Run the command."""
        try:
            return super().invoke(ctx)
        except TyperException as error:
            _tell(error, wanted=ctx.meta.get(_JSON, False))
            raise


def _tell(error: Any, *, wanted: bool) -> None:  # noqa: ANN401 - the library's own, private classes
    if wanted and hasattr(error, "format_message"):
        print_json_line({"error": error.format_message(), "problems": ()})
