"""What became of an attempt, read from what it gave away. Pure; the shapes are those of Apprise's log.

Final is only what no repetition can change: a token, a password or a recipient that is wrong. Everything else is
tried again, for a limit, a quota, a full mailbox or a spam filter that says no today may say yes in a minute, and
an alert given up by mistake is lost.
"""

import logging
import re
from collections.abc import Sequence
from typing import NamedTuple

from monitor.notify.overheard import Heard


class Outcome(NamedTuple):
    """What became of one attempt; reasons are constants of this module, never a service's words."""

    accepted: bool
    reason: str = ""
    permanent: bool = False
    retry_after_s: float = 0.0
    about_content: bool = False  # refused for what it says or how it is written; another form may pass
    unheard: bool = False  # no service ever saw the message
    picture: str = ""  # why the picture did not go along; empty if it did or there was none
    plain: bool = False  # only the plain form was accepted


_BAD_REQUEST = 400
_WRONG = frozenset({401, 403, 404})  # the token or the recipient, and they stay wrong
_CONTENT = frozenset({_BAD_REQUEST, 413, 415, 422})
_BUSY = frozenset({429, 503})
_STATUS = re.compile(r"\berror=(\d{3})(?:\d\d)?\b")  # ntfy adds two digits of its own
_RETRY_AFTER = re.compile(r"retry[_-]after\W{1,5}(\d{1,9}(?:\.\d{1,9})?)", re.IGNORECASE)
# What Telegram's Bot API answers with status 400 where the address is what is wrong.
_NO_RECIPIENT = (
    "chat not found", "user not found", "chat_id is empty", "peer_id_invalid", "message thread not found",
    "upgraded to a supergroup", "not enough rights", "have no rights", "need administrator rights",
    "topic_closed", "topic_deleted",
)  # fmt: skip
_SMTP = re.compile(r"\((\d{3}), b['\"](?:([245]\.\d{1,3}\.\d{1,3})\b)?")  # a code and its enhanced form
_SMTP_RECIPIENTS = re.compile(r"^Socket Exception: \{")  # refusals by recipient
_SMTP_SENDER = re.compile(r"^Socket Exception: \(\d{3}, b.*, '[^']*'\)$", re.DOTALL)
_SMTP_LOGIN = frozenset({530, 534, 535, 538})
_SMTP_ADDRESS = frozenset({550, 551, 553})
# RFC 3463: mailbox full or over a limit, the network, and policy, which is what spam filters answer.
_SMTP_PASSING = re.compile(r"\d\.(2\.[234]|4\.\d+|7\.\d+)")
_UNHEARD = frozenset({"refused", "dns", "tls", "unreachable"})
_NETWORK = (
    ("timed out", "timeout"),
    ("Connection refused", "refused"),
    ("NameResolutionError", "dns"),
    ("Name or service not known", "dns"),
    ("name resolution", "dns"),
    ("nodename nor servname", "dns"),
    ("certificate", "tls"),
    ("SSL", "tls"),
    ("STARTTLS", "tls"),
    ("Connection aborted", "disconnected"),
    ("reset by peer", "disconnected"),
    ("Broken pipe", "disconnected"),
    ("unexpectedly closed", "disconnected"),
    ("unreachable", "unreachable"),
)


def judge(heard: Heard) -> Outcome:
    """Return the outcome of the failed attempt that gave this away."""
    statuses = [
        int(found[-1])
        for level, text in heard.lines
        if level >= logging.WARNING and (found := _STATUS.findall(text))
    ]
    # Other debug lines hold the message itself, which may say anything.
    details = [text for _, text in heard.lines if text.startswith(("Socket Exception", "Response Details"))]
    if statuses:
        return _of_http(statuses, details, heard.retry_after_s)
    # Of several recipients a single one may be gone; giving up takes all of them.
    if codes := [code for text in details for code in _SMTP.finditer(text)]:
        permanent = all(_is_final(code) for code in codes)
        return Outcome(accepted=False, reason=f"smtp-{codes[0][1]}", permanent=permanent)
    for text in details:
        for sign, reason in _NETWORK:
            if sign.lower() in text.lower():
                return Outcome(accepted=False, reason=reason, unheard=reason in _UNHEARD)
    return Outcome(accepted=False, reason="rejected")


def _of_http(statuses: Sequence[int], details: Sequence[str], header_s: float) -> Outcome:
    answers = [text.lower() for text in details]
    strangers = sum(any(sign in text for sign in _NO_RECIPIENT) for text in answers)
    nobody = 0 < statuses.count(_BAD_REQUEST) <= strangers
    final = _WRONG | {_BAD_REQUEST} if nobody else _WRONG
    waits = [float(wait) for text in answers for wait in _RETRY_AFTER.findall(text)]
    last = statuses[-1]
    return Outcome(
        accepted=False,
        reason="recipient" if nobody and last == _BAD_REQUEST else f"http-{last}",
        permanent=final.issuperset(statuses),
        retry_after_s=max(header_s, *waits, 0.0) if _BUSY & set(statuses) else 0.0,
        about_content=last in _CONTENT and not nobody,
    )


def _is_final(code: re.Match[str]) -> bool:
    """Return whether a mail server's refusal can never pass.

    A failed login cannot, and neither can a sender or recipient that is no mailbox. A refusal of the message
    itself (550, 552, 554 after DATA) is about size, quota or a filter and may pass, as may all that begins with 4.
    """
    number, enhanced = int(code[1]), code[2] or ""
    if number in _SMTP_LOGIN:
        return True
    about_address = _SMTP_RECIPIENTS.match(code.string) or _SMTP_SENDER.match(code.string)
    return bool(about_address) and number in _SMTP_ADDRESS and not _SMTP_PASSING.fullmatch(enhanced)
