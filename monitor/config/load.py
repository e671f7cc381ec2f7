"""Makes Settings of a TOML text: everything right, or every mistake at once."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from monitor.config.accounts import AccountBuilder, account_warnings, has_keys
from monitor.config.alerts import build_rules, escalate_after, rule_warnings
from monitor.config.channels import build_channels
from monitor.config.checkup import checkup_rules
from monitor.config.collateral import Rates
from monitor.config.contracts import build_contracts, contract_warnings
from monitor.config.doubts import position_warnings
from monitor.config.locate import find_config, read_config
from monitor.config.outgrown import outgrown_warnings
from monitor.config.positions import PositionBuilder
from monitor.config.problems import Problems, shown, without_secrets
from monitor.config.pulse import build_heartbeat, build_summary, with_summary
from monitor.config.schema import (
    AdviceSection,
    AuditSection,
    CheckupSection,
    DisplaySection,
    DocumentSection,
    ExchangeSection,
    HistorySection,
    LogSection,
    Section,
    StateSection,
)
from monitor.config.settings import (
    DisplaySettings,
    ExchangeSettings,
    HistorySettings,
    LogSettings,
    Settings,
    StateSettings,
)
from monitor.config.shipped import shipped_tables
from monitor.config.tiers import SymbolCheck, build_tables, table_warnings
from monitor.config.web import build_web
from monitor.core.brackets import tables_for
from monitor.core.settings import AdviceRules, AuditRules, EngineSettings
from monitor.errors import ConfigError, Problem

_AT = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")

SectionT = TypeVar("SectionT", bound=Section)


def load(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Return the settings of a file; ``find_config`` tells which. Secrets are not fetched.

    Raises:
        ConfigError: the file cannot be read, or holds mistakes; all of them are told.
    """
    chosen = find_config(path, environ)
    return load_text(read_config(chosen), str(chosen))


def load_text(text: str, source: str) -> Settings:
    """Return the settings a TOML text holds; ``source`` is what errors call it.

    Raises:
        ConfigError: with every mistake, in the order of the file.
    """
    return load_document(_parse(text, source), source)


def load_document(document: dict[str, Any], source: str) -> Settings:
    """Return the settings of decoded TOML.

    Raises:
        ConfigError: with every mistake, in the order of the file.
    """
    problems = Problems(document, source)
    problems.check(DocumentSection, document, ())
    exchange = _section(ExchangeSection, document, problems)
    raw_brackets = _table(document, "brackets")
    own_tables = build_tables(raw_brackets, problems)
    raw_accounts = _list(document, "accounts")
    any_symbol = any(has_keys(raw) for raw in raw_accounts)
    contracts = build_contracts(_table(document, "contracts"), problems)
    rates = Rates(_table(document, "collateral"), problems)
    positions = PositionBuilder(problems, SymbolCheck(raw_brackets, problems), contracts.sizes)
    accounts = AccountBuilder(problems, positions, rates).build(raw_accounts)
    if document.get("accounts", []) == []:
        problems.add(
            ("accounts",), "nothing", "at least one [[accounts]]", "without one, nothing would be watched"
        )
    names = _raw_values(raw_accounts, "name")
    rules, overrides = build_rules(
        _table(document, "alerts"), problems, names, _raw_symbols(raw_accounts), any_symbol=any_symbol
    )
    audit = _section(AuditSection, document, problems)
    advice = _section(AdviceSection, document, problems)
    checkup = _section(CheckupSection, document, problems)
    channels = build_channels(_list(document, "channels"), problems)
    history = _section(HistorySection, document, problems)
    if history.keep_minutes < history.keep_raw:
        written = _table(document, "history").get("keep_minutes")
        found = '"400d", the default' if written is None else shown(written)
        hint = "one-minute rows are what is left when raw samples go"
        problems.add(("history", "keep_minutes"), found, "at least as long as keep_raw", hint)
    log = _section(LogSection, document, problems)
    heartbeat = build_heartbeat(_table(document, "heartbeat"), problems)
    summary = build_summary(_table(document, "summary"), problems)
    display = _section(DisplaySection, document, problems)
    state = _section(StateSection, document, problems)
    web = build_web(_table(document, "web"), problems)
    problems.raise_any()

    held = tuple(dict.fromkeys(p.symbol for account in accounts.typed for p in account.positions))
    tables = tables_for(held, own_tables, shipped_tables())
    warnings = [
        *account_warnings(accounts, exchange.environment),
        *table_warnings(held, own_tables, tables, exchange.environment, any_symbol=any_symbol),
        *contract_warnings(held, contracts, any_symbol=any_symbol),
        *position_warnings(names, accounts.typed, contracts.lots, tables),
        *outgrown_warnings(accounts.typed, tables),
        *rates.warnings(),
        *rule_warnings(rules, overrides),
    ]
    if not channels:
        warnings.append("there are no [[channels]]: alerts go to the log only")
    return Settings(
        source=source,
        exchange=ExchangeSettings(**exchange.model_dump()),
        accounts=accounts.typed,
        keyed=accounts.keyed,
        tables=tables,
        own_tables=tuple(own_tables.values()),
        engine=EngineSettings(
            environment=exchange.environment,
            rules=rules,
            overrides=overrides,
            channels=with_summary(tuple(one.rule() for one in channels), channels, summary),
            accounts=names,
            escalate_after_s=escalate_after(_table(document, "alerts")),
            audit=AuditRules(audit.tolerance, audit.liquidation_mark, audit.liquidation_distance),
            advice=AdviceRules(advice.taker_fee, advice.slippage),
            checkup=checkup_rules(checkup, raw_accounts, accounts.typed),
            lots=contracts.lots,
            typical_moves=exchange.typical_moves,
        ),
        channels=channels,
        history=HistorySettings(history.path, history.keep_raw, history.keep_minutes),
        log=LogSettings(log.level, log.format),
        display=DisplaySettings(display.time_zone),
        state=StateSettings(state.directory),
        warnings=tuple(warnings),
        heartbeat=heartbeat,
        summary=summary,
        web=web,
    )


def _parse(text: str, source: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        match = _AT.search(message)
        lines = text.split("\n")
        line, column = (match[1], match[2]) if match and match[1] else (str(len(lines)), str(len(lines[-1]) + 1))
        found = without_secrets(_AT.sub("", message))
        problem = Problem(f"line {line}, column {column}", found[:1].lower() + found[1:], "TOML")
        raise ConfigError(source, [problem]) from None
    except ValueError:
        # Python refuses to convert integers of thousands of digits; the parser passes that on without a place.
        raise ConfigError(source, [Problem("file", "a number that is too long", "TOML")]) from None
    except RecursionError:
        raise ConfigError(source, [Problem("file", "lists or tables nested too deeply", "TOML")]) from None


def _section(model: type[SectionT], document: Mapping[str, Any], problems: Problems) -> SectionT:
    """Return a section that has defaults for everything; after a mistake the defaults, for the checks to go on."""
    name = model.__name__.removesuffix("Section").lower()
    return problems.check(model, _table(document, name), (name,)) or model()


def _table(document: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = document.get(key)
    return value if isinstance(value, dict) else {}


def _list(document: Mapping[str, Any], key: str) -> list[Any]:
    value = document.get(key)
    return value if isinstance(value, list) else []


def _raw_values(items: list[Any], key: str) -> tuple[str, ...]:
    """Return what the tables of a list say at a key, mistakes elsewhere in them or not."""
    values = (item.get(key) for item in items if isinstance(item, dict))
    return tuple(dict.fromkeys(value for value in values if isinstance(value, str)))


def _raw_symbols(raw_accounts: list[Any]) -> tuple[str, ...]:
    positions = [item for raw in raw_accounts if isinstance(raw, dict) for item in _list(raw, "positions")]
    return _raw_values(positions, "symbol")
