"""A command whose options are told apart by the order in which they were given, across different options."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

import typer
from typer.core import TyperCommand

_GIVEN = "monitor.cli.in_order"
OPTIONAL = {"--ladder": "-20%:+20%:1%"}  # options that may stand without their value, and what it is then


class InOrder(TyperCommand):
    """Remembers in which order options stood, and fills in values that may be left out."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - the library's own, private class
        """Parse as usual; see ``given``."""
        args = list(_filled(args))
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        ctx.meta[_GIVEN] = tuple(parameter.name for parameter in order)
        return super().parse_args(ctx, args)


def given(context: typer.Context, values: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    """Return names and values of options in the order of the command line.

    Args:
        context: of a command of the class ``InOrder``.
        values: by name of the parameter, what was given for each option, in order.
    """
    left = {name: iter(some) for name, some in values.items()}
    order = context.meta.get(_GIVEN, ())
    found = [(name, value) for name in order if name in left and (value := next(left[name], None)) is not None]
    return found + [(name, value) for name, some in left.items() for value in some]


def _filled(args: Sequence[str]) -> Iterator[str]:
    for here, following in zip_longest(args, args[1:], fillvalue="--"):
        yield here
        if here in OPTIONAL and (following.startswith("--") or following == "-h"):
            yield OPTIONAL[here]
