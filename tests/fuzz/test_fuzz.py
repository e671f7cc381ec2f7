"""Foreign bytes end in a value within its bounds or in a documented error, whatever they are."""

import secrets
from collections.abc import Iterator
from pathlib import Path
from random import Random

import msgspec
import pytest

from monitor.binance import rest_wire, wire
from tests.fuzz import wire_targets
from tests.fuzz.mutate import DEEPEST, TOKENS, Mutator, shrunk
from tests.fuzz.report import FuzzResult, render, section, write_section
from tests.fuzz.run import Score, all_targets, aside, call_count, input_of, run_target, shared_out, silent
from tests.fuzz.target import Target

INPUTS = 21_000
FIXED = "the same every time"


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with silent():
        yield


@pytest.fixture
def _alone() -> Iterator[None]:
    with aside():
        yield


def run(targets: list[Target], inputs: int, seed: str) -> list[Score]:
    counts = shared_out(targets, inputs, short=True)
    return [run_target(one, count, seed, weighed=False) for one, count in zip(targets, counts, strict=True)]


@pytest.mark.parametrize("seed", [FIXED, ""], ids=["fixed", "new"])
def test_no_input_leads_out_of_the_typed_errors_or_beyond_a_bound(seed: str, tmp_path: Path) -> None:
    """Thousands of inputs over every place; a failure names the seed and a short input that fails."""
    scores = run(all_targets(tmp_path), INPUTS // 2, seed or secrets.token_hex(8))
    assert sum(one.inputs for one in scores) >= INPUTS // 2
    found = [str(finding) for one in scores for finding in one.findings]
    assert not found, "\n".join(found)
    idle = [one.target for one in scores if not one.accepted]
    assert not idle, "a target that refuses everything looks at nothing"


def test_work_grows_with_the_input_and_not_faster(tmp_path: Path) -> None:
    """Counted in calls: a hundred thousand brackets, digits or letters cost a few calls for each byte at most."""
    for target in all_targets(tmp_path):
        sample = target.samples[0]
        long = (
            b"[" * DEEPEST, b'{"a":' * DEEPEST, b"9" * DEEPEST, b'"' + b"A" * DEEPEST + b'"', b"\\" * DEEPEST,
            sample * (DEEPEST // len(sample) + 1), sample[:1] + b"," * DEEPEST, b"\xed\xa0\x80" * DEEPEST,
        )  # fmt: skip
        for raw in long[:: 7 if target.slow else 1]:
            calls = call_count(lambda raw=raw, target=target: target.check(raw))  # type: ignore[misc]
            assert calls <= 20_000 + 4 * len(raw), (target.name, raw[:20], len(raw), calls)


@pytest.mark.usefixtures("_alone")
def test_nothing_is_kept_of_an_input() -> None:
    """Memory after thousands of refused and accepted frames is what it was after the first hundreds."""
    for target in (wire_targets.mark_decoder(), wire_targets.mark_feed(), wire_targets.user_decoder()):
        score = run_target(target, 1_500, FIXED)
        assert not score.findings
        assert score.blocks_grown < 500


def test_every_decoder_of_rest_is_among_the_targets(tmp_path: Path) -> None:
    """A new endpoint is not forgotten."""
    decoders = {
        name for name, one in vars(rest_wire).items()
        if getattr(one, "__module__", "") == rest_wire.__name__ and getattr(one, "__name__", "") == "decode"
    }  # fmt: skip
    names = {target.name for target in all_targets(tmp_path)}
    assert len(decoders) > 20
    assert {f"rest-{name}" for name in decoders} <= names


# What must go red.


def test_a_decoder_that_believes_any_price_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the border a zero, an infinity or an endless number gets through."""
    monkeypatch.setattr(wire, "believable_price", lambda value, _where: float(value))
    findings = run_target(wire_targets.mark_decoder(), 800, FIXED, weighed=False).findings
    assert any("BrokenPromise" in one.error or "ValueError" in one.error for one in findings)


def test_an_error_outside_the_tree_is_found_out_with_a_short_reproducer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A decoder that forgets that damaged text is no ValidationError; the reproducer fails as the input did."""
    monkeypatch.setattr(wire, "UNREADABLE", (msgspec.ValidationError,))
    target = wire_targets.premium_index()
    findings = run_target(target, 400, FIXED, weighed=False).findings
    assert findings
    for one in findings:
        with pytest.raises((UnicodeError, RecursionError, ValueError)):
            target.check(bytes.fromhex(one.reproducer))
        assert len(one.reproducer) // 2 <= len(input_of(target, Mutator(target.samples), FIXED, one.number))


@pytest.mark.usefixtures("_alone")
def test_what_is_kept_of_every_input_is_found_out() -> None:
    """A list that grows by a value an input, and a set without a bound."""
    kept: list[list[bytes]] = []

    def check(raw: bytes) -> bool:
        kept.append([raw])
        return True

    leaky = Target("leaky", [b"1"], check, 1, lambda: {"kept": (len(kept), 100)})
    errors = [one.error for one in run_target(leaky, 6_000, FIXED).findings]
    assert any("kept holds 6000" in one for one in errors)
    assert any("blocks of memory" in one for one in errors)


# The tools themselves.


def test_an_input_comes_again_from_its_seed_and_number() -> None:
    """What was found in one run is looked at in another."""
    target = wire_targets.user_decoder()
    first, again = (
        [input_of(target, Mutator(target.samples), seed, number) for number in range(50)] for seed in ("a", "a")
    )
    assert first == again
    assert first != [input_of(target, Mutator(target.samples), "b", number) for number in range(50)]


def test_all_kinds_of_damage_are_made() -> None:
    """Deep nesting, bad UTF-8, half surrogates, endless numbers, keys said twice, cut and untouched inputs."""
    sample = b'{"e":"x","p":"1.5","n":[1,2],"z":true}'
    made = [Mutator([sample]).make(Random(f"{number}")) for number in range(9_000)]  # noqa: S311
    assert sample in made
    assert any(one.count(b"[") >= DEEPEST for one in made)
    assert any(one.count(b'"p":') == 2 for one in made)
    assert any(sample.startswith(one) and one != sample for one in made)
    for token in TOKENS:
        assert any(token in one for one in made), token


def test_a_failing_input_is_made_as_short_as_it_can_be() -> None:
    """Only the bytes that make it fail are left."""
    assert shrunk(b"x" * 500 + b"A" + b"y" * 300 + b"B" + b"z", lambda raw: b"A" in raw and b"B" in raw) == b"AB"


def test_the_section_of_a_run_replaces_only_what_stands_between_its_markers(tmp_path: Path) -> None:
    """Other parts of the document are others' work."""
    page = tmp_path / "faults.md"
    result = FuzzResult("s", (Score("marks", 10, 4, 1.0, 0.5, 20, 0, 0), Score("rest-a", 5, 1, 1.0, 0.1, 9, 0, 0)))
    write_section("fuzz", section(result), page)
    page.write_text(page.read_text() + "\nafter\n")
    write_section("fuzz", "new", page)
    write_section("soak", "hours", page)
    text = page.read_text()
    assert "<!-- fuzz -->\nnew\n<!-- /fuzz -->" in text
    assert "\nafter\n" in text
    assert text.endswith("<!-- soak -->\nhours\n<!-- /soak -->\n")
    assert "15" in render(result)
