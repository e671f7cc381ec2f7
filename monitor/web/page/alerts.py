"""Open alerts with what may be done about them from here, and the wishes for quiet in force."""

from typing import NamedTuple

from monitor.commands import in_words
from monitor.core.holds import ALL, alert_target
from monitor.core.notices import Hold, HoldKind
from monitor.core.view import OpenAlert
from monitor.notify.subjects import subject_name
from monitor.web.page.markup import Html, tag
from monitor.web.page.seen import Seen
from monitor.web.page.top import badge, level_class
from monitor.web.page.words import alerts_title

SHOWN = 20
HOLDS_SHOWN = 10
ACK_S = 12 * 3600
SNOOZES = ((1800, "30 minutes"), (3600, "1 hour"), (2 * 3600, "2 hours"), (8 * 3600, "8 hours"))
MUTES = ((1800, "30 minutes"), (3600, "1 hour"), (2 * 3600, "2 hours"))
_STATES = {HoldKind.ACK: "acknowledged", HoldKind.SNOOZE: "snoozed", HoldKind.MUTE: "muted"}


class Target(NamedTuple):
    """What a form is about: as it is asked for, in words, and within the names of elements."""

    target: str
    words: str
    key: str


def alerts(seen: Seen) -> Html:
    """Return what is open, the worst first, and what holds messages back."""
    engine = seen.status.engine
    open_ = sorted(engine.alerts, key=lambda one: (-one.level, one.number))
    more = len(open_) - SHOWN
    return tag(
        "section",
        tag("h2", alerts_title(len(open_))),
        tag("p", seen.said, class_="said", role="status") if seen.said else None,
        tag("ul", *(_alert(seen, one) for one in open_[:SHOWN]), class_="alerts") if open_ else None,
        tag("p", f"and {more} more; /api/v1/alerts has all.") if more > 0 else None,
        *(_held(seen, one) for one in engine.holds[:HOLDS_SHOWN] if one.kind is not HoldKind.ACK),
        _mute(seen) if seen.form_token else _how(seen),
        id="alerts", data_part=True,
    )  # fmt: skip


def _alert(seen: Seen, alert: OpenAlert) -> Html:
    level = alert.level.label
    held = alert.held
    told = "" if held is None else f"{_STATES[held.kind]} until {seen.time(held.until_ms)}"
    about = Target(alert_target(alert.number), f"alert {alert.number}", str(alert.number))
    is_seen = held is not None and held.kind is HoldKind.ACK
    forms = tag(
        "div",
        None if is_seen else _form(seen, HoldKind.ACK, about, "Acknowledge"),
        _form(seen, HoldKind.SNOOZE, about, "Snooze", SNOOZES),
        class_="actions",
    )
    return tag(
        "li",
        tag("p", badge(level), f" Alert {alert.number}: {subject_name(alert.subject)}"),
        tag("p", f"since {seen.time(alert.since_ms)}", f"; {told}" if told else "", class_="small"),
        forms if seen.form_token else None,
        class_=level_class(level),
    )


def _held(seen: Seen, hold: Hold) -> Html:
    why = f', "{hold.why}"' if hold.why else ""
    words = f"{_STATES[hold.kind].capitalize()} until {seen.time(hold.until_ms)}: {in_words(hold.target)}{why}"
    lift = None
    if seen.form_token:
        lift = tag(
            "form", _hidden("form_token", seen.form_token), _hidden("target", hold.target),
            tag("button", "Take back", type="submit", aria_label=f"Take back: {in_words(hold.target)}",
                id=f"lift-{hold.target}"),
            method="post", action="/lift",
        )  # fmt: skip
    return tag("div", tag("p", words), lift, class_="held")


def _mute(seen: Seen) -> Html:
    form = _form(seen, HoldKind.MUTE, Target(ALL, "everything", ALL), "Mute everything", MUTES)
    return tag("div", form, tag("p", "Whatever gets worse is told all the same.", class_="small"), class_="held")


def _how(seen: Seen) -> Html:
    """Return how whoever looks may acknowledge from here."""
    if seen.can_change:
        return tag("p", tag("a", "Log in", href="/login"), " to acknowledge or snooze from here.", class_="small")
    return tag(
        "p", "To acknowledge or snooze from here, configure a token in ", tag("code", "[web]"), "; without one: ",
        tag("code", "position-monitor ack N"), ".", class_="small",
    )  # fmt: skip


def _form(
    seen: Seen, kind: HoldKind, about: Target, words: str, lengths: tuple[tuple[int, str], ...] = ()
) -> Html:
    """Return a button, beside a choice of how long where there is one."""
    options = [tag("option", text, value=str(length)) for length, text in lengths]
    name = f"{kind.value}-{about.key}"
    label = words if about.words in words.lower() else f"{words}: {about.words}"
    how_long = tag("select", *options, name="for_s", id=f"{name}-for", aria_label=f"How long. {label}")
    return tag(
        "form",
        _hidden("form_token", seen.form_token),
        _hidden("kind", kind.value),
        _hidden("target", about.target),
        tag("button", words, type="submit", id=name, aria_label=label),
        how_long if options else _hidden("for_s", str(ACK_S)),
        method="post",
        action="/hold",
    )


def _hidden(name: str, value: str) -> Html:
    return tag("input", type="hidden", name=name, value=value)
