"""A row for every fault of the emulator's catalogue, with what is promised beside it."""

from collections.abc import Mapping
from dataclasses import replace

from monitor.core.notices import NoticeKind
from monitor.emulator.fault_script import CATALOGUE
from tests.faults.rows import PROMISED_S, Expected, Row, of_catalogue

STREAM = "The price stream; REST is well"
ALL = "Stream and REST at once"
DATA = "Wrong data on the price stream"
REST = "REST; streams are well"
ACCOUNT = "Private stream and signed requests; the danger is margin that is taken out"
CLOCKS = "Clocks"
_BY_GROUP = {"connection": STREAM, "data": DATA, "rest": REST, "account": ACCOUNT, "clock": CLOCKS}
_EVERYTHING = (
    "network-down", "network-black-hole", "network-blink", "exchange-gone", "ip-ban", "ip-ban-403",
)  # fmt: skip

# Longest pause between two attempts to connect, and what follows.
_BACK_S = 75.0
_CHECKED_S = 85.0  # a stream is compared with REST once a minute, and again before it is believed no more
_LONG_S = 100.0
_ALONE_S = 45.0  # REST describes the account each 30 s at the latest
_BLIND = NoticeKind.BLIND

_SILENT = Expected(_BLIND)
_QUICK = Expected(_BLIND, quick=True)
# The first of the marks that stand still is new, and comes up to a second after the fault began.
_FROZEN = Expected(_BLIND, told_s=PROMISED_S + 1.0)
_GONE = Expected(_BLIND, seen=False, late_s=_BACK_S)
_DISTRUSTED = Expected(_BLIND, told_s=_CHECKED_S, late_s=_CHECKED_S, lasts_s=_LONG_S)
_LIED_TO = Expected(late_s=15, lasts_s=_LONG_S, most=14)

_EXPECTED: Mapping[str, Expected] = {
    "market-refused": _QUICK,
    "market-reset-on-accept": _SILENT,
    "market-closed-on-accept": _SILENT,
    "market-never-answers": _SILENT,
    "market-half-open": Expected(quick=True),
    "market-black-hole": _QUICK,
    "market-held": _SILENT,
    "market-drip": Expected(values={"bytes_per_s": 100}),
    "market-latency": Expected(values={"latency_s": 4}),
    "market-cut": Expected(),
    "market-speaks-tls": _SILENT,
    "market-plain-text": _SILENT,
    "market-garbage": _SILENT,
    "market-handshake-429": _SILENT,
    "market-handshake-403": _SILENT,
    "market-handshake-503": _SILENT,
    "market-accept-then-close": _SILENT,
    "network-down": _GONE,
    "network-black-hole": Expected(_BLIND, seen=False, late_s=_BACK_S, quick=True),
    "exchange-gone": _GONE,
    "ip-ban": Expected(_BLIND, seen=False, late_s=_BACK_S, values={"ban_s": 45}),
    "ip-ban-403": Expected(_BLIND, seen=False, late_s=_BACK_S, values={"ban_s": 45}, quick=True),
    "ack-refused": _SILENT,
    "silence": _QUICK,
    "ping-only": _SILENT,
    "symbol-missing": _QUICK,
    "price-stuck": Expected(_BLIND, told_s=_CHECKED_S, late_s=_CHECKED_S, lasts_s=_LONG_S, quick=True),
    "prices-stuck": _DISTRUSTED,
    "time-frozen": replace(_FROZEN, quick=True),
    "times-frozen": _FROZEN,
    "price-elsewhere": _DISTRUSTED,
    "duplicates": Expected(values={"more": 4}),
    "reordering": Expected(quick=True),
    "malformed": Expected(quick=True, values={"every": 2}),
    "malformed-nan": Expected(values={"every": 1}),
    "rest-hang": Expected(lasts_s=_LONG_S),
    "rest-429": Expected(quick=True),
    "premium-stuck": _LIED_TO,
    "premium-frozen": _LIED_TO,
    "premium-elsewhere": _LIED_TO,
    "private-silent": Expected(withdraw=True, late_s=_ALONE_S, quick=True),
    "private-black-hole": Expected(withdraw=True, late_s=_ALONE_S, quick=True),
    "events-twice": Expected(withdraw=True, late_s=_ALONE_S, quick=True),
    "key-revoked": Expected(NoticeKind.ACCOUNT, told_s=45, withdraw=True, late_s=_ALONE_S, lasts_s=_LONG_S),
    "clock-ahead": Expected(quick=True),
}
_OTHERS: Mapping[str, Expected] = {
    "connection": Expected(),
    "data": Expected(),
    "rest": Expected(),
    "account": Expected(withdraw=True, late_s=_ALONE_S),
    "clock": Expected(),
}


def _group(name: str) -> str:
    return ALL if name in _EVERYTHING else _BY_GROUP[CATALOGUE[name].group]


ROWS: tuple[Row, ...] = tuple(
    of_catalogue(name, _group(name), _EXPECTED.get(name, _OTHERS[one.group])) for name, one in CATALOGUE.items()
)
