"""Looks for secrets in what a service leaves behind, in every form in which they could get there by mistake."""

import base64
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote, quote_plus

SHORTEST: Final = 12  # characters of a part that is looked for; shorter ones turn up by chance


class Found(NamedTuple):
    """A secret that is where it must not be."""

    place: str
    secret: str  # its name, not its value
    form: str


def forms_of(value: str) -> Iterator[tuple[str, bytes]]:
    """Yield how a secret may be written, each form with its name."""
    plain = value.encode()
    yield "plain", plain
    yield "percent-encoded", quote(value, safe="").encode()
    yield "as in a form", quote_plus(value).encode()
    yield "hexadecimal", plain.hex().encode()
    yield "UTF-16", value.encode("utf-16-le")
    yield "backwards", plain[::-1]
    half = len(value) // 2
    if half >= SHORTEST:
        yield "its first half", plain[:half]
        yield "its second half", plain[half:]
    for before in range(3):
        # Whatever stands before it, such as a user's name and a colon, moves it within the groups of base64.
        whole = (b"\0" * before + plain)[: (before + len(plain)) // 3 * 3]
        core = base64.b64encode(whole)[4 if before else 0 :]
        yield f"base64, {before} bytes in", core
        yield f"base64 for addresses, {before} bytes in", core.replace(b"+", b"-").replace(b"/", b"_")


def leaks(place: str, content: bytes, secrets: Mapping[str, str]) -> list[Found]:
    """Return which secrets are in some bytes, each once."""
    found = []
    for name, value in secrets.items():
        form = next((form for form, written in forms_of(value) if written in content), None)
        if form is not None:
            found.append(Found(place, name, form))
    return found


def files_in(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield every file of a folder and below, named by its path, and every name as if it were content."""
    for path in sorted(folder.rglob("*")):
        yield f"the name of {path.name}", str(path.relative_to(folder)).encode()
        if path.is_file():
            yield str(path), path.read_bytes()


def processes_of(pid: int) -> Iterator[tuple[str, bytes]]:
    """Yield what everybody on this machine can read of a process, its threads and its children; of these all.

    The environment of the first one is what whoever started it put there; what it hands on is its own doing.
    """
    for one in (pid, *_children(pid)):
        proc = Path("/proc") / str(one)
        names = ["cmdline", "comm", "status", *(["environ"] if one != pid else [])]
        places: Iterable[Path] = (*(proc / name for name in names), *proc.glob("task/*/comm"))
        for place in places:
            try:
                yield str(place), place.read_bytes()
            except OSError:
                continue  # it has just ended


def _children(pid: int) -> Iterator[int]:
    for place in Path("/proc").glob(f"{pid}/task/*/children"):
        try:
            children = place.read_text().split()
        except OSError:
            continue
        for child in map(int, children):
            yield child
            yield from _children(child)
