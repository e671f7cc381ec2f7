"""Which words may stand at the cursor, from the tree of commands and the words before it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from monitor.cli.completing.values import FILES, Known, Value, values_for

_LONGEST_ABOUT = 60
_BREAKS = "=:"  # where bash begins a new word


class Found(NamedTuple):
    """What may stand there: words, and whether any path may."""

    words: list[Value]
    files: bool = False


class _Place(NamedTuple):
    command: Any  # the group or the command that the words so far lead to
    name: str  # of the command; empty before one was named
    waiting: Any  # the option whose value comes next, or None
    arguments: int  # given so far
    options: bool  # whether options may still be given
    config: str | None


def joined(words: Sequence[str], place: int) -> tuple[list[str], int]:
    """Return the words of bash as they were typed: it makes words of their own of ``=`` and ``:``."""
    made: list[str] = []
    at = 0
    glue = False
    for index, word in enumerate(words):
        is_break = bool(word) and set(word) <= set(_BREAKS) and index > 0
        if made and (glue or is_break):
            made[-1] += word
        else:
            made.append(word)
        glue = is_break
        if index == place:
            at = len(made) - 1
    return made, at


def find(tree: Any, before: Sequence[str], current: str, environ: Any) -> Found:  # noqa: ANN401 - the library's own, private classes
    """Return what may stand in place of ``current``.

    Args:
        tree: the group of all commands.
        before: the words before it, without the program's name.
        current: what of it was typed; its beginning is that of all words returned.
        environ: the environment.
    """
    place = _walk(tree, before)
    if place is None:
        return Found([])
    known = Known(place.config, environ)
    if place.waiting is not None:
        return _values(place, place.waiting, known, current)
    if place.options and current.startswith("-"):
        return _option_or_value(place, known, current)
    if hasattr(place.command, "commands"):
        return Found(_beginning(current, _commands(place.command)))
    taken = [one for one in place.command.params if one.param_type_name == "argument"]
    if not taken or (place.arguments >= len(taken) and taken[-1].nargs > 0):
        return Found(_beginning(current, _options(place.command)))
    found = _values(place, taken[min(place.arguments, len(taken) - 1)], known, current)
    more = _beginning(current, _commands(tree)) if place.name == "help" else []  # topics, and commands as well
    return Found([*found.words, *more], found.files)


def _option_or_value(place: _Place, known: Known, current: str) -> Found:
    name, equals, typed = current.partition("=")
    if not equals:
        return Found(_beginning(current, _options(place.command)))
    option = _option(place.command, name)
    found = _values(place, option, known, typed) if option is not None else Found([])
    return Found([Value(f"{name}={one.text}", one.about) for one in found.words], found.files)


def _beginning(typed: str, values: Sequence[Value]) -> list[Value]:
    return [one for one in values if one.text.startswith(typed)]


def _walk(tree: Any, before: Sequence[str]) -> _Place | None:  # noqa: ANN401 - as above
    command, name, waiting, arguments, options, config = tree, "", None, 0, True, None
    for word in before:
        if waiting is not None:
            config = word if waiting.name == "config" else config
            waiting = None
        elif options and word == "--":
            options = False
        elif options and word.startswith("-") and word != "-":
            stem, equals, value = word.partition("=")
            option = _option(command, stem)
            if option is not None and option.name == "config" and equals:
                config = value
            waiting = option if option is not None and not option.is_flag and not equals else None
        elif hasattr(command, "commands"):
            if word not in command.commands:
                return None
            command, name = command.commands[word], word
        else:
            arguments += 1
    return _Place(command, name, waiting, arguments, options, config)


def _option(command: Any, word: str) -> Any:  # noqa: ANN401 - as above
    return next((one for one in command.params if word in one.opts), None)


def _options(command: Any) -> list[Value]:  # noqa: ANN401 - as above
    found = [
        Value(word, _short(one.help))
        for one in command.params
        if one.param_type_name == "option" and not one.hidden
        for word in one.opts
        if word.startswith("--")
    ]
    return [*found, Value("--help", "Show help and stop.")]


def _commands(group: Any) -> list[Value]:  # noqa: ANN401 - as above
    return [Value(name, _short(one.help)) for name, one in group.commands.items() if not one.hidden]


def _values(place: _Place, parameter: Any, known: Known, typed: str) -> Found:  # noqa: ANN401 - as above
    values = values_for(place.name, parameter.name, parameter.metavar, known)
    if isinstance(values, str):
        return Found([], files=values == FILES)
    return Found(_beginning(typed, values))


def _short(text: str | None) -> str:
    first = (text or "").strip().partition("\n")[0]
    return first if len(first) <= _LONGEST_ABOUT else f"{first[: _LONGEST_ABOUT - 3]}..."
