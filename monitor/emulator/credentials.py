"""What an account's requests are signed with, and what its key may do."""

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass, field
from urllib.parse import unquote


@dataclass(frozen=True, slots=True)
class Credentials:
    """An API key and what checks its signatures: a shared secret, or the public half of a key pair.

    Attributes:
        api_key: sent as ``X-MBX-APIKEY``.
        secret: of an HMAC key.
        public_key: PEM of an RSA or an Ed25519 key; goes before the secret.
    """

    api_key: str = field(repr=False)
    secret: str = field(default="", repr=False)
    public_key: str = field(default="", repr=False)

    def signed(self, payload: str, signature: str) -> bool:
        """Say whether a signature, percent-encoded as in the address, is ours over the payload."""
        if not self.public_key:
            made = hmac.new(self.secret.encode(), payload.encode(), hashlib.sha256).hexdigest()
            return hmac.compare_digest(made, signature.lower())
        try:
            raw = base64.b64decode(unquote(signature), validate=True)
        except binascii.Error:
            return False
        return _verified(self.public_key, payload.encode(), raw)


@dataclass(frozen=True, slots=True)
class Permissions:
    """What the key of an account may do; the default can read and nothing else."""

    reading: bool = True
    futures: bool = False  # trading them
    spot: bool = False
    withdrawals: bool = False
    ip_restricted: bool = False


def _verified(public_key: str, payload: bytes, signature: bytes) -> bool:
    # Imported here: only accounts with a key pair pay for it.
    from Crypto.Hash import SHA256  # noqa: PLC0415
    from Crypto.PublicKey import ECC, RSA  # noqa: PLC0415
    from Crypto.Signature import eddsa, pkcs1_15  # noqa: PLC0415

    try:
        pair = RSA.import_key(public_key)
    except ValueError:
        try:
            eddsa.new(ECC.import_key(public_key), "rfc8032").verify(payload, signature)
        except ValueError:
            return False
        return True
    try:
        pkcs1_15.new(pair).verify(SHA256.new(payload), signature)
    except ValueError:
        return False
    return True
