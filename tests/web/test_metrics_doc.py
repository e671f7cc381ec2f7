"""docs/metrics.md is what the service exports today."""

from docs.metrics import GROUPS, TARGET, bound, document
from monitor.web.families.table import FAMILIES
from tests.cli import made
from tests.web.scraping import series_of, text_of


def test_the_page_is_up_to_date() -> None:
    """It is made by ``python -m docs.metrics``."""
    assert TARGET.read_text() == document()


def test_every_family_stands_in_it_once() -> None:
    """None is left out, and none is in two groups."""
    told = [one.name for _, families in GROUPS for one in families]
    assert sorted(told) == sorted(one.name for one in FAMILIES)


def test_there_are_no_more_series_than_it_says() -> None:
    """By the formula of the page, with one of everything."""
    factors, constant = bound()
    cross = made.wallet(wallet="cross:USDT", margin_mode="cross", moves_left=1.0)
    status = made.state(engine=made.engine(wallets=(cross,), positions=(made.position(wallet="cross:USDT"),)))
    ours = [key for key in series_of(text_of(status)) if key[0].startswith("position_monitor_")]
    dropped = [key for key in ours if key[0] == "position_monitor_dropped_total"]
    assert len(ours) - len(dropped) <= constant + sum(factors.values())
    assert factors["P"] == len({name for name, labels in ours if "side" in dict(labels)})
