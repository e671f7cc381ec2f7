"""A TLS server whose certificate nobody should accept: signed by itself, and expired in 2021."""

import ssl
from pathlib import Path
from tempfile import TemporaryDirectory

from Crypto.Hash import SHA256
from Crypto.PublicKey import ECC
from Crypto.Signature import DSS
from Crypto.Util.asn1 import DerBitString, DerInteger, DerObject, DerObjectId, DerSequence, DerSetOf

_ECDSA_SHA256 = "1.2.840.10045.4.3.2"
_COMMON_NAME = "2.5.4.3"
_UTF8_TEXT, _UTC_TIME = 0x0C, 0x17


def bad_tls() -> ssl.SSLContext:
    """Return the context of a server with such a certificate, made anew; its key is kept nowhere."""
    key = ECC.generate(curve="P-256")
    common = DerSequence([DerObjectId(_COMMON_NAME).encode(), DerObject(_UTF8_TEXT, b"127.0.0.1").encode()])
    name = DerSequence([DerSetOf([common.encode()]).encode()]).encode()
    dates = [DerObject(_UTC_TIME, text).encode() for text in (b"200101000000Z", b"210101000000Z")]
    algorithm = DerSequence([DerObjectId(_ECDSA_SHA256).encode()]).encode()
    body = DerSequence(
        [
            DerInteger(1).encode(),
            algorithm,
            name,
            DerSequence(dates).encode(),
            name,
            key.public_key().export_key(format="DER"),
        ]
    ).encode()
    signature = DSS.new(key, "fips-186-3", encoding="der").sign(SHA256.new(body))
    signed = DerSequence([body, algorithm, DerBitString(signature).encode()]).encode()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with TemporaryDirectory() as directory:  # OpenSSL takes both from files only
        file = Path(directory, "server.pem")
        file.touch(0o600)
        file.write_text(ssl.DER_cert_to_PEM_cert(signed) + key.export_key(format="PEM") + "\n", encoding="ascii")
        context.load_cert_chain(file)
    return context
