"""``completion``: the script for a shell; and the answers it asks for."""

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from monitor.cli.common import guarded, misuse


@guarded
def completion(
    context: typer.Context,  # noqa: ARG001 - says how errors are told
    shell: Annotated[str, typer.Argument(metavar="SHELL", help="bash, zsh or fish.")],
) -> int:
    """Print a script that completes commands, options and names in your shell.

    For this shell alone: source <(position-monitor completion bash). The first lines of the script say how to
    have it in every one.
    """
    from monitor.cli.completing.shells import SCRIPTS
    from monitor.config.problems import nearest

    if shell not in SCRIPTS:
        raise misuse("SHELL", repr(shell[:60]), ", ".join(SCRIPTS), nearest(shell, SCRIPTS))
    sys.stdout.write(SCRIPTS[shell])
    return 0


def answer(words: Sequence[str]) -> None:
    """Print what may stand at the cursor; nothing at all where anything goes wrong.

    Args:
        words: shell, place, and the words of the line; see ``completing.shells``.
    """
    try:
        text = _answer(words)
    except Exception:  # noqa: BLE001 - a message here would land in the middle of what somebody types
        return
    sys.stdout.write(text)


def _answer(words: Sequence[str]) -> str:
    from monitor.cli.completing.line import find, joined
    from monitor.cli.root import app

    shell, place, line = words[0], int(words[1]), list(words[2:])
    if shell == "bash":
        line, place = joined(line, place)
    current = line[place] if place < len(line) else ""
    found = find(typer.main.get_command(app), line[1:place], current, os.environ)
    # Of a word that bash has cut, it wants the last piece only.
    cut = max(current.rfind("="), current.rfind(":")) + 1 if shell == "bash" else 0
    lines = [f"word\t{one.text[cut:]}\t{one.about}" for one in found.words]
    return "".join(f"{one}\n" for one in [*lines, *(["file"] if found.files else [])])
