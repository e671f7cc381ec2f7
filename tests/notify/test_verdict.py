import logging

import pytest

from monitor.notify.overheard import Heard
from monitor.notify.verdict import Outcome, judge

DETAIL = "Socket Exception: "


def heard(*lines: tuple[int, str], retry_after_s: float = 0.0) -> Heard:
    return Heard(list(lines), retry_after_s)


def refused(status: int, answer: str = "") -> tuple[tuple[int, str], tuple[int, str]]:
    """Return the two lines that Apprise's services log of a refusal."""
    return (
        (logging.WARNING, f"Failed to send notification: why, error={status}."),
        (logging.DEBUG, f"Response Details:\r\n{answer.encode()!r}"),
    )


@pytest.mark.parametrize(
    ("text", "reason", "unheard"),
    [
        ("... Read timed out. (read timeout=8)", "timeout", False),
        ("[Errno 111] Connection refused", "refused", True),
        ("NameResolutionError(...)", "dns", True),
        ("[Errno -3] Temporary failure in name resolution", "dns", True),
        ("[SSL: CERTIFICATE_VERIFY_FAILED]", "tls", True),
        ("STARTTLS extension not supported by server.", "tls", True),
        ("('Connection aborted.', RemoteDisconnected())", "disconnected", False),
        ("Connection unexpectedly closed", "disconnected", False),
        ("[Errno 32] Broken pipe", "disconnected", False),
        ("[Errno 101] Network is unreachable", "unreachable", True),
        ("something new", "rejected", False),
    ],
)
def test_the_cause_of_a_network_failure_is_a_constant(text: str, reason: str, unheard: bool) -> None:  # noqa: FBT001
    """Reasons are labels of metrics and lines of a log: never a service's words."""
    outcome = judge(heard((logging.DEBUG, DETAIL + text)))
    assert outcome == Outcome(accepted=False, reason=reason, unheard=unheard)


def test_our_own_words_are_no_cause() -> None:
    """The payload that Apprise logs may say anything."""
    lines = [(logging.DEBUG, "JSON Payload: timed out (535, b'x') retry-after: 9"), (logging.INFO, "error=401.")]
    assert judge(heard(*lines)) == Outcome(accepted=False, reason="rejected")


@pytest.mark.parametrize(
    ("text", "code", "permanent"),
    [
        ("(535, b'5.7.8 Username and Password not accepted')", 535, True),
        ("(534, b'5.7.9 Application-specific password required')", 534, True),
        ("(530, b'5.7.0 Authentication Required', 'me@example.com')", 530, True),
        ("(454, b'4.7.0 Temporary authentication failure')", 454, False),
        ("{'x@example.com': (550, b'5.1.1 no such user')}", 550, True),
        ("{'x@example.com': (550, b'no such user')}", 550, True),
        ("{'x@example.com': (553, b'5.1.3 bad address')}", 553, True),
        ("{'x@example.com': (450, b'4.2.0 greylisted')}", 450, False),
        ("{'x@example.com': (550, b'5.2.2 mailbox full')}", 550, False),
        ("{'x@example.com': (550, b'5.4.5 daily quota exceeded')}", 550, False),
        ('{"x@example.com": (550, b"5.7.1 we don\'t take mail from your network")}', 550, False),
        ("{'x@example.com': (552, b'5.2.2 over quota')}", 552, False),
        ("(553, b'5.1.8 sender address rejected', 'me@example.com')", 553, True),
        ("(550, b'5.7.1 message looks like spam')", 550, False),
        ("(550, b'not today')", 550, False),
        ("(552, b'5.3.4 message too big')", 552, False),
        ("(554, b'5.6.0 cannot read that')", 554, False),
        ("(421, b'4.3.2 shutting down')", 421, False),
        ("{'x@example.com': (550, b'5.1.1 unknown'), 'y@example.com': (451, b'later')}", 550, False),
    ],
)
def test_only_a_login_or_an_address_that_is_wrong_is_final_in_mail(text: str, code: int, permanent: bool) -> None:  # noqa: FBT001
    """What a server says of the message itself, of quotas and of its own state may pass."""
    assert judge(heard((logging.DEBUG, DETAIL + text))) == Outcome(
        accepted=False, reason=f"smtp-{code}", permanent=permanent
    )


@pytest.mark.parametrize(
    "answer",
    [
        "Bad Request: chat not found",
        "Bad Request: group chat was upgraded to a supergroup chat",
        "Bad Request: not enough rights to send text messages to the chat",
        "Bad Request: message thread not found",
        "Bad Request: PEER_ID_INVALID",
    ],
)
def test_a_recipient_that_is_none_is_final(answer: str) -> None:
    """Telegram says so with the status it has for everything, so its words decide."""
    assert judge(heard(*refused(400, answer))) == Outcome(accepted=False, reason="recipient", permanent=True)


def test_a_refusal_of_the_form_is_never_final() -> None:
    """Another form of the same message may pass."""
    for status in (400, 413, 415, 422):
        outcome = judge(heard(*refused(status, "Bad Request: can't parse entities")))
        assert outcome == Outcome(accepted=False, reason=f"http-{status}", about_content=True)


def test_of_several_recipients_one_may_be_final_only_if_all_failures_are() -> None:
    """A recipient that is gone does not end the attempts to reach one whose server is down."""
    gone, stranger, down = refused(403), refused(400, "chat not found"), refused(500)
    assert judge(heard(*gone, *stranger)).permanent
    assert not judge(heard(*gone, *down)).permanent
    assert not judge(heard(*stranger, *down)).permanent
    mixed = judge(heard(*stranger, *refused(400, "can't parse entities")))
    assert (mixed.permanent, mixed.about_content) == (False, True)


def test_the_longest_pause_asked_for_counts() -> None:
    """Wherever a busy service says it: in its reply or in a header; others are not asked."""
    assert judge(heard(*refused(429, '{"parameters": {"retry_after": 17}}'))).retry_after_s == 17.0
    assert judge(heard(*refused(429, '{"retry_after": 17.5}'), retry_after_s=30.0)).retry_after_s == 30.0
    assert judge(heard(*refused(503), retry_after_s=5.0)).retry_after_s == 5.0
    assert judge(heard(*refused(500), retry_after_s=5.0)).retry_after_s == 0.0


def test_a_service_s_own_digits_after_the_status_do_not_hide_it() -> None:
    """40101 is how ntfy says 401."""
    assert judge(heard(*refused(40101))) == Outcome(accepted=False, reason="http-401", permanent=True)
