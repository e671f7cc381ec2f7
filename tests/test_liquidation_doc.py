"""docs/liquidation.md says what the commands print today, and holds no figure that does not come from one."""

import io
import json
import re
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from docs.liquidation import (
    ACCOUNTS,
    CALL,
    CONFIG,
    README,
    TARGET,
    TEMPLATE,
    Onset,
    Story,
    document,
    figures,
    readme,
    stories,
)
from docs.liquidation_chart import draw
from monitor.cli.root import app
from monitor.core.model import Level

ROOT = Path(__file__).parents[1]
TEXT = TARGET.read_text(encoding="utf-8")
SOURCE = TEMPLATE.read_text(encoding="utf-8")
NUDGE = 1e-9
ONSETS = [(story, onset) for story in stories() for onset in story.onsets()]


def test_the_document_is_what_the_commands_print_today() -> None:
    """Run `make liquidation` where it is not; then read it again: the sentences must still be true."""
    assert document() == TEXT


def test_the_readme_has_the_same_figures() -> None:
    """The familiar leverages beside the rule of thumb, as the command prints them today."""
    text = README.read_text(encoding="utf-8")
    assert readme(text) == text
    assert "| 20x | 5.00 % | 4.62 % | 4.58 % | 0.10 % |" in text


def test_no_figure_is_typed_in() -> None:
    """Beside commands, links, numbered lines and the leverages that are asked about, the text holds no digit."""
    bare = re.sub(r"\{\{.+?\}\}|`[^`]+`|\]\([^)]+\)|^\d+\. |\b\d+x\b", "", SOURCE, flags=re.MULTILINE)
    assert re.findall(r".{0,20}\d.{0,20}", bare) == []


def test_every_name_in_the_text_is_a_figure() -> None:
    """And a misspelled one is an error, not an empty place."""
    names = set(re.findall(r"\{\{([^$].*?)\}\}", SOURCE))
    assert len(names) > 40
    assert names <= figures().keys()


def test_commands_and_files_exist() -> None:
    """Every command that is named has a help, every link a target."""
    commands = set(re.findall(r"position-monitor ([a-z-]+)", TEXT))
    assert {"leverage", "assess", "simulate"} <= commands
    for command in commands:
        assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0, command
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", TEXT):
        assert (TARGET.parent / target).exists(), target


def level_of(account: str, price: float) -> tuple[int, float]:
    """Return level and margin ratio of an account, as `assess` prints them."""
    result = CliRunner().invoke(app, ["assess", "--config", str(CONFIG), "--mark", f"BTCUSDT={price!r}", "--json"])
    assert result.exit_code == 0, result.output
    (wallet,) = [one for one in json.loads(result.stdout)["wallets"] if one["account"] == account]
    return Level[wallet["level"].upper()], wallet["margin_ratio"]


@pytest.mark.parametrize(
    ("story", "onset"), ONSETS, ids=[f"{story.account} {onset.what}" for story, onset in ONSETS]
)
def test_each_warning_begins_where_the_text_says(story: Story, onset: Onset) -> None:
    """`assess` shows the level, or a ratio of 80 %, at that price and not just above it."""
    above, at = (level_of(story.account, onset.price * (1.0 + sign * NUDGE)) for sign in (1, -1))
    if onset.what == CALL:
        assert above[1] < 0.8 <= at[1]
    else:
        wanted = Level[onset.what.upper()]
        assert above[0] < wanted <= at[0]


def test_the_call_is_a_quarter_of_the_rate_before_the_end_at_any_leverage() -> None:
    """The sentence the whole program stands on: 0.10 % at a maintenance rate of 0.4 %."""
    known = figures()
    assert known["first rate"] == "0.40 %"
    assert {known[f"after call {account}"] for account in ACCOUNTS} == {"0.10 %"}
    assert {known[f"{CALL} {account} left"] for account in ACCOUNTS} == {"0.10 %"}


def test_every_warning_comes_before_the_call() -> None:
    """As the picture shows; only critical at 100x begins with it, by the same condition."""
    for story in stories():
        told = {onset.what: onset.price for onset in story.onsets()}
        assert told["notice"] > told["warning"] > told["critical"] > told["emergency"]
        assert told["warning"] > told[CALL]
        assert told["critical"] >= told[CALL]


def test_the_picture_shows_what_the_text_says() -> None:
    """The file beside the text was drawn of the same figures as today, in the same size."""
    with Image.open(io.BytesIO(draw(stories()))) as drawn, Image.open(TARGET.with_name("liquidation.png")) as kept:
        assert drawn.size == kept.size == (1100, 460)
        assert kept.info["Description"] == drawn.info["Description"]
        assert f"20x {CALL} 4.52" in kept.info["Description"]
