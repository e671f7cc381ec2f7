"""What can be wrong with market data that arrives, and with the exchange's time."""

from decimal import Decimal
from types import MappingProxyType

from monitor.emulator.effects import drawn, switching
from monitor.emulator.fault import SHARE, Fault, Parameter, figures
from monitor.emulator.faults import EVERY, Malformed
from monitor.emulator.stage import Switch


def data() -> list[Fault]:
    """Return the faults of market data."""

    def one(name: str) -> Switch:
        return drawn(lambda stage, _: {name: {stage.symbol}})

    every = Parameter(3, 1, 20, "frames", whole=True)

    def malformed(kinds: tuple[Malformed, ...]) -> Switch:
        return drawn(
            lambda _, effect: {"malformed": kinds, "malformed_every": max(1, round(effect.values["every"]))}
        )

    said = {
        Malformed.TRUNCATED: "half of itself",
        Malformed.NOT_JSON: "a page instead of JSON",
        Malformed.WRONG_SHAPE: "JSON of another shape",
        Malformed.EMPTY: "empty",
        Malformed.BINARY: "bytes that are no text",
        Malformed.HUGE: "several megabytes long",
        Malformed.NAN: "told with a price of NaN",
        Malformed.INFINITE: "told with a price of Infinity",
        Malformed.NEGATIVE: "told with a negative price",
        Malformed.ZERO: "told with a price of zero",
        Malformed.TEXT: "told with a price in letters",
        Malformed.FUTURE: "told with an event time a year ahead",
        Malformed.UNKNOWN: "about symbols nobody trades",
    }
    return [
        Fault("silence", "data", "Streams are open and acknowledged, and no data comes.", switching(silence=True)),
        Fault("ping-only", "data", "Pings go on at every tick, and no data comes.", switching(ping_only=True)),
        Fault("symbol-missing", "data", "One symbol is missing from every stream.", one("muted")),
        Fault("price-stuck", "data", "One symbol's stream price stands still while event times go on.",
              one("stuck")),
        Fault("prices-stuck", "data", "All stream prices stand still while event times go on.",
              switching(stuck={EVERY})),
        Fault("time-frozen", "data", "One symbol's stream price and event time stand still.", one("frozen")),
        Fault("times-frozen", "data", "All stream prices and event times stand still.", switching(frozen={EVERY})),
        Fault("price-elsewhere", "data", "One symbol's stream price is off by a factor.",
              drawn(lambda stage, effect: {"offset": {stage.symbol: Decimal(str(effect.values["factor"]))}}),
              parameters=figures(factor=Parameter(1.05, 0.9, 1.1, "times"))),
        Fault("duplicates", "data", "Every market frame comes several times.",
              drawn(lambda _, effect: {"duplicates": round(effect.values["more"])}),
              parameters=figures(more=Parameter(1, 1, 5, "times more", whole=True))),
        Fault("reordering", "data", "Market frames of some ticks come in another order, older after newer.",
              drawn(lambda _, effect: {"reorder": round(effect.values["ticks"])}),
              parameters=figures(ticks=Parameter(3, 2, 6, "ticks", whole=True))),
        Fault("frames-lost", "data", "A share of market frames is lost.",
              drawn(lambda _, effect: {"drop_share": effect.values["share"]}), parameters=figures(share=SHARE)),
        Fault("gaps", "data", "Market data comes for some ticks, then stays away for some, and so on.",
              drawn(lambda _, effect: {"gaps": (round(effect.values["with"]), round(effect.values["without"]))}),
              parameters=MappingProxyType({"with": Parameter(5, 1, 20, "ticks", whole=True),
                                           "without": Parameter(5, 1, 20, "ticks", whole=True)})),
        Fault("malformed", "data", "Some market frames are malformed, in every way in turn.",
              malformed(tuple(Malformed)), parameters=figures(every=every)),
        *(Fault(f"malformed-{kind}", "data", f"Some market frames are {said[kind]}.", malformed((kind,)),
                parameters=figures(every=every)) for kind in Malformed),
    ]  # fmt: skip


def clocks() -> list[Fault]:
    """Return the faults of the exchange's time."""

    def skewed(sign: int) -> Switch:
        return drawn(lambda _, effect: {"skew_ms": sign * round(effect.values["skew_s"] * 1000)})

    skew = figures(skew_s=Parameter(30, 0.5, 3_600, "s"))
    return [
        Fault("clock-ahead", "clock", "The exchange's clock is ahead of ours.", skewed(1), parameters=skew),
        Fault("clock-behind", "clock", "The exchange's clock is behind ours.", skewed(-1), parameters=skew),
    ]
