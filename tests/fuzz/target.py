"""What is fuzzed: something that takes foreign bytes, and what it promises of them."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple


class BrokenPromiseError(AssertionError):
    """An input was accepted, and what came of it is not what is documented."""


class Target(NamedTuple):
    """A place where foreign bytes come in.

    Attributes:
        name: of the target, for reports and seeds.
        samples: valid inputs.
        check: takes one input and returns whether it was accepted. Raises BrokenPromiseError where a promise is
            broken; anything else it raises is an error outside the typed tree.
        share: how many of the inputs of a run it gets, beside those of the others.
        sizes: of what it keeps between inputs, each with the most it may become.
        slow: it writes files or runs an engine; a short run gives it a tenth of its share.
    """

    name: str
    samples: Sequence[bytes]
    check: Callable[[bytes], bool]
    share: int
    sizes: Callable[[], Mapping[str, tuple[int, int]]] = dict
    slow: bool = False


def promise(holds: bool, what: object) -> None:  # noqa: FBT001 - reads as the promise itself
    """Raise BrokenPromiseError unless it holds."""
    if not holds:
        raise BrokenPromiseError(str(what)[:300])
