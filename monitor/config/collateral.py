"""[collateral.ASSET]: what assets count in multi-assets mode where no stream says it."""

from collections.abc import Mapping
from typing import Any

from monitor.config.problems import Loc, Problems, fix_of, shown_text
from monitor.config.schema import CollateralSection
from monitor.config.values import asset_name
from monitor.core.model import PAR, AssetRate

# What contracts are quoted in, worth about a dollar. The core has the same set, beside NumPy: too heavy here.
QUOTE_ASSETS = ("USDT", "USDC", "BUSD", "FDUSD", "TUSD", "USD1", "U")
RATE_SHAPE = "index = 0.99, bid_buffer = 0.01, ask_buffer = 0.005"


class Rates:
    """The rates of one's own, and which of them were asked for."""

    def __init__(self, raw_collateral: Mapping[str, Any], problems: Problems) -> None:
        # A table that is broken has been reported; its asset is not without one.
        self._raw = raw_collateral
        self._problems = problems
        self._own: dict[str, AssetRate] = {}
        self._asked: dict[str, None] = {}
        for name, raw in raw_collateral.items():
            loc: Loc = ("collateral", name)
            if (fix := fix_of(asset_name, name)) is not None:
                problems.add(loc, shown_text(name), 'an asset in capitals, such as "USDT"', fix)
            if (section := problems.check(CollateralSection, raw, loc)) is not None:
                bid = section.index * (1 - section.bid_buffer)
                ask = section.index * (1 + section.ask_buffer)
                self._own[name] = AssetRate(bid, ask, fixed=True)

    def of(self, asset: str, loc: Loc) -> AssetRate | None:
        """Return what an asset counts; None, with the mistake recorded, where nothing tells.

        Args:
            asset: in capitals.
            loc: where it stands.
        """
        self._asked[asset] = None
        if asset in self._raw:
            return self._own.get(asset)
        if asset in QUOTE_ASSETS:
            return PAR
        self._problems.add(
            loc,
            f"{shown_text(asset)}, an asset without a rate",
            "in multi-assets mode an asset in [collateral]",
            f"add [collateral.{asset}] with index in US dollars, bid_buffer and ask_buffer",
        )
        return None

    def warnings(self) -> list[str]:
        """Return which assets count at par for want of a rate, and which rates nothing uses."""
        unused = [
            f"collateral.{name} is not used: no typed-in account in multi-assets mode has {name}"
            for name in self._own
            if name not in self._asked
        ]
        assumed = [asset for asset in self._asked if asset not in self._raw]
        if not assumed:
            return unused
        text = f"{', '.join(assumed)} counted as exactly one dollar in multi-assets mode"
        return [f"{text}: give the exchange's rates as [collateral.{assumed[0]}] {RATE_SHAPE}", *unused]
