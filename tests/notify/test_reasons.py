import inspect
import re

import pytest

from monitor.notify import apprise, verdict
from monitor.notify.reasons import in_words


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("refused", "connection refused"),
        ("http-502", "the service refused the message: HTTP 502"),
        ("http-429", "the service refused the message: HTTP 429, too many messages"),
        ("smtp-535", "the mail server refused the message: SMTP 535, the user name or password is wrong"),
        ("http-odd", "http-odd"),
        ("", ""),
    ],
)
def test_a_status_is_told_with_its_meaning(reason: str, words: str) -> None:
    """A constant that nobody foresaw is shown as it is."""
    assert in_words(reason) == words


def test_every_constant_of_the_sender_has_words() -> None:
    """Whatever it may answer is told in plain words."""
    texts = map(inspect.getsource, (apprise, verdict))
    constants = {reason for text in texts for reason in re.findall(r'reason="([a-z]+)"', text)}
    constants |= {reason for _, reason in verdict._NETWORK}
    assert {"timeout", "rejected", "recipient", "dns"} <= constants
    assert all(in_words(reason) != reason for reason in constants)
