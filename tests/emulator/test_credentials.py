"""Signatures of the three kinds of keys."""

import base64
from urllib.parse import quote

from Crypto.Hash import SHA256
from Crypto.PublicKey import ECC, RSA
from Crypto.Signature import eddsa, pkcs1_15

from monitor.emulator.credentials import Credentials

PAYLOAD = (
    "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC"
    "&recvWindow=5000&timestamp=1591702613943"
)


def encoded(signature: bytes) -> str:
    return quote(base64.b64encode(signature).decode(), safe="")


def test_the_published_vector() -> None:
    """The exchange's own example of an HMAC signature."""
    one = Credentials("k", "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9")
    signature = "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9"
    assert one.signed(PAYLOAD, signature)
    assert not one.signed(PAYLOAD + "0", signature)


def test_rsa_and_ed25519() -> None:
    """A public half checks what the private half signed, percent-encoded base64, and nothing else."""
    pair = RSA.generate(2048)
    signature = encoded(pkcs1_15.new(pair).sign(SHA256.new(PAYLOAD.encode())))
    one = Credentials("k", public_key=pair.public_key().export_key().decode())
    assert one.signed(PAYLOAD, signature)
    assert not one.signed(PAYLOAD + "0", signature)
    curve = ECC.generate(curve="Ed25519")
    other = Credentials("k", public_key=curve.public_key().export_key(format="PEM"))
    edwards = encoded(eddsa.new(curve, "rfc8032").sign(PAYLOAD.encode()))
    assert other.signed(PAYLOAD, edwards)
    assert not other.signed(PAYLOAD, signature)
    assert not other.signed(PAYLOAD, "no base64!")


def test_nothing_secret_is_shown() -> None:
    """Neither key nor secret stand in the representation."""
    assert "abc" not in repr(Credentials("abc", "abcdef", "abcpem"))
