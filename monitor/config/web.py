"""[web]: the status page, health, metrics and the JSON interface."""

from typing import Any

from monitor.config import values
from monitor.config.problems import Problems, shown
from monitor.config.schema import REF_SHAPE, WebSection
from monitor.config.secret import Fetched, SecretRef
from monitor.config.settings import WebSettings

# Guessing it has to be hopeless: 16 letters and digits by chance are more than 90 bits.
FEWEST_CHARS = 16


def build_web(raw: dict[str, Any], problems: Problems) -> WebSettings:
    """Return what is served where; mistakes are recorded."""
    section = problems.check(WebSection, raw, ("web",))
    if section is None:
        return WebSettings()
    host, port = values.split_address(section.listen)
    if section.enabled and section.token is None and not values.is_loopback(host):
        found = f"nothing, and listen = {shown(section.listen)}"
        hint = "whoever reaches that address would see every position; 127.0.0.1 needs no token"
        problems.add(("web", "token"), found, REF_SHAPE, hint)
    return WebSettings(section.enabled, host, port, section.token, tuple(section.names))


def judged_token(fetched: Fetched, ref: SecretRef) -> Fetched:
    """Return what was fetched, or why it is no token; nothing of it is repeated."""
    if fetched.secret is None:
        return fetched
    text = fetched.secret.reveal()
    if not text.isascii() or not text.isprintable() or " " in text:
        found = "is not a single word of ASCII characters"
    elif len(text) < FEWEST_CHARS:
        found = f"has fewer than {FEWEST_CHARS} characters"
    else:
        return fetched
    fix = "make one with: openssl rand -hex 24"
    return Fetched(found=f"{ref.spoken}, which {found}", fix=fix, warning=fetched.warning)
