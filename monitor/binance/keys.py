"""An API key and what signs with it. Both are secrets: held here, shown nowhere."""

import re
from enum import StrEnum
from typing import Final, NoReturn

from monitor.errors import KeyRefusedError

MALFORMED_KEY: Final = "malformed_key"
MALFORMED_SECRET: Final = "malformed_secret"  # noqa: S105 - a reason
ENCRYPTED_PEM: Final = "encrypted_pem"
PUBLIC_PEM: Final = "public_pem"
MALFORMED_PEM: Final = "malformed_pem"
OTHER_CURVE: Final = "other_curve"

_WHERE = "api key"
_KEY_FORM = re.compile(r"[A-Za-z0-9_-]{1,256}")
_SECRET_FORM = re.compile(r"[!-~]{1,512}")  # ASCII, no spaces
_BEGIN = "-----BEGIN"


class KeyKind(StrEnum):
    """How requests are signed."""

    HMAC = "HMAC"
    RSA = "RSA"
    ED25519 = "Ed25519"


class Credentials:
    r"""A key with its secret: the shared one of an HMAC key, or the PEM of an RSA or Ed25519 private key.

    Args:
        key: sent along with each request.
        secret: text or PEM; line ends may be written as ``\n``, as in environment variables.

    Raises:
        KeyRefusedError: one of them cannot be what it should be; says what is wrong, not what it was.
    """

    __slots__ = ("_key", "_pem", "_secret", "kind")

    def __init__(self, key: str, secret: str) -> None:
        self._key = key.strip()
        if not _KEY_FORM.fullmatch(self._key):
            raise KeyRefusedError(_WHERE, MALFORMED_KEY, hint="A key is letters and digits in one line")
        text = secret.strip()
        self.kind, self._secret, self._pem = KeyKind.HMAC, text, ""
        if _BEGIN in text:
            self.kind, self._pem = _private_key(text.replace("\\n", "\n"))
            self._secret = ""
        elif not _SECRET_FORM.fullmatch(text):
            hint = "A secret is letters and digits in one line, or a PEM from its first line to its last"
            raise KeyRefusedError(_WHERE, MALFORMED_SECRET, hint=hint)

    def reveal_key(self) -> str:
        """Return the API key."""
        return self._key

    def reveal_secret(self) -> str:
        """Return the shared secret, empty where there is a private key."""
        return self._secret

    def reveal_pem(self) -> str:
        """Return the private key in the form the signing library tells kinds apart by, empty where HMAC."""
        return self._pem

    def __repr__(self) -> str:
        return f"Credentials({self.kind}, ***)"

    __str__ = __repr__

    def __format__(self, _spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is never serialised")


def _private_key(text: str) -> tuple[KeyKind, str]:
    """Return kind and canonical PEM. Whatever is wrong is found here, before anything is sent."""
    # Imported here: heavy, and an HMAC key does not need it.
    from Crypto.PublicKey import ECC, RSA  # noqa: PLC0415

    if "ENCRYPTED" in text:
        hint = "The private key is protected by a password: store it without one (openssl pkey -in KEY -out PLAIN)"
        raise KeyRefusedError(_WHERE, ENCRYPTED_PEM, hint=hint)
    if "PRIVATE KEY" not in text:
        raise KeyRefusedError(
            _WHERE, PUBLIC_PEM, hint="This is not a private key: the exchange has the public half"
        )
    lines = "\n".join(line.strip() for line in text.splitlines() if line.strip())
    try:
        pair = RSA.import_key(lines)
    except (ValueError, IndexError, TypeError):
        pass
    else:
        return KeyKind.RSA, pair.export_key(pkcs=8).decode()
    try:
        curve = ECC.import_key(lines)
    except (ValueError, IndexError, TypeError):
        hint = "The PEM cannot be read: it has to be whole, from its BEGIN line to its END line"
        raise KeyRefusedError(_WHERE, MALFORMED_PEM, hint=hint) from None
    if curve.curve != "Ed25519":
        raise KeyRefusedError(_WHERE, OTHER_CURVE, hint="The exchange takes RSA and Ed25519 keys, no other curve")
    return KeyKind.ED25519, curve.export_key(format="PEM", use_pkcs8=True)
