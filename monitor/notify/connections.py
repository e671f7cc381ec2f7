"""Why a stream does not deliver: the constants of feeds in words. Pure."""

WORDS = {
    "connection_refused": "the connection is refused: nothing listens there",
    "dns_failed": "the name of the host cannot be found",
    "unreachable": "the network or the host cannot be reached",
    "tls_failed": "the certificate or the encryption is not accepted",
    "open_timeout": "does not answer",
    "proxy_failed": "the proxy does not serve it",
    "bad_handshake": "answers, but not as a stream does",
    "bad_address": "the address cannot be used",
    "closed": "connects and then closes",
    "http_403": "refuses to connect (HTTP 403): a firewall, or not served in this country",
    "http_418": "has banned this address for a while (HTTP 418)",
    "http_429": "asks for fewer connections (HTTP 429)",
    "ping_timeout": "does not answer any more",
    "no_data": "connects and then delivers nothing",
    "unusable_data": "delivers nothing that can be used",
    "stalled": "delivered, and then fell silent",
    "future_time": "tells times of the future: check the clock of this machine (timedatectl set-ntp true)",
    "absurd_time": "tells times that cannot be: check the clock of this machine (timedatectl set-ntp true)",
    "http_other": "refuses to connect",
}


def in_words(reason: str) -> str:
    """Return the constant a stream failed with as people say it."""
    return WORDS.get(reason, reason.replace("_", " "))
