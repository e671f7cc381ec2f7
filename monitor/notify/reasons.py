"""Why a channel does not deliver: the constants of a failed delivery in words. Pure."""

_STATUS_WORDS = {
    "http": "the service refused the message: HTTP",
    "smtp": "the mail server refused the message: SMTP",
}
_MEANINGS = {
    "http-401": ", the token or password is wrong",
    "http-403": ", the token or recipient is not allowed",
    "http-404": ", the token or recipient does not exist",
    "http-429": ", too many messages",
    "smtp-535": ", the user name or password is wrong",
    "smtp-550": ", there is no such mailbox or it takes no such mail",
}
_WORDS = {
    "refused": "connection refused",
    "timeout": "timed out",
    "dns": "the name of the service cannot be found",
    "tls": "the service's certificate or encryption is not accepted",
    "disconnected": "the service closed the connection",
    "unreachable": "the network or the service cannot be reached",
    "unusable": "the address cannot be used any more, or no thread could be started",
    "stuck": "too many earlier messages are still stuck",
    "closed": "the channel was closed",
    "rejected": "the service did not accept the message and gave no reason",
    "recipient": "the service knows no such recipient, or is not allowed to write there",
    "overdue": "it accepts nothing, and messages are waiting",
}


def in_words(reason: str) -> str:
    """Return the constant a delivery failed with as people say it."""
    kind, _, status = reason.partition("-")
    if kind in _STATUS_WORDS and status.isdigit():
        return f"{_STATUS_WORDS[kind]} {status}{_MEANINGS.get(reason, '')}"
    return _WORDS.get(reason, reason)
