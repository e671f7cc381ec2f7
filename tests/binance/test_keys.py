"""Keys of each kind, and what is wrong with others, found before anything is sent."""

import pickle
from collections.abc import Callable

import pytest
from Crypto.PublicKey import ECC, RSA

from monitor.binance import keys
from monitor.binance.keys import Credentials, KeyKind
from monitor.emulator.credentials import Credentials as Verifier
from monitor.errors import KeyRefusedError

SECRET = "a-shared-secret"


@pytest.fixture(scope="module")
def rsa() -> RSA.RsaKey:
    return RSA.generate(2048)


@pytest.fixture(scope="module")
def ed25519() -> ECC.EccKey:
    return ECC.generate(curve="Ed25519")


def pem_of(pair: ECC.EccKey) -> str:
    return str(pair.export_key(format="PEM"))


def test_text_is_a_shared_secret() -> None:
    """What has no BEGIN line is the secret of an HMAC key."""
    one = Credentials(" key\n", f" {SECRET}\n")
    assert (one.kind, one.reveal_key(), one.reveal_secret(), one.reveal_pem()) == (KeyKind.HMAC, "key", SECRET, "")


SPELLINGS: dict[str, Callable[[str], str]] = {
    "as made": lambda pem: pem,
    "line end": lambda pem: pem + "\n\n",
    "windows": lambda pem: pem.replace("\n", "\r\n") + "\r\n",
    "indented": lambda pem: "\n".join(f"  {line}" for line in pem.splitlines()),
    "escaped": lambda pem: pem.replace("\n", "\\n"),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_private_keys_are_read_however_they_were_pasted(
    spelling: str, rsa: RSA.RsaKey, ed25519: ECC.EccKey
) -> None:
    """The library tells kinds apart by length, and a few more line ends made an Ed25519 key an RSA one."""
    edwards = Credentials("key", SPELLINGS[spelling](pem_of(ed25519)))
    assert edwards.kind is KeyKind.ED25519
    assert len(edwards.reveal_pem()) <= 120
    one = Credentials("key", SPELLINGS[spelling](rsa.export_key(pkcs=8).decode()))
    assert one.kind is KeyKind.RSA
    assert len(one.reveal_pem()) > 120


async def test_signatures_of_key_pairs_are_accepted(rsa: RSA.RsaKey, ed25519: ECC.EccKey) -> None:
    """What the library makes of them is verified by the public half, by other code."""
    from monitor.binance.futures_client import FuturesClient  # noqa: PLC0415 - heavy

    for pem, public in (
        (rsa.export_key().decode(), rsa.public_key().export_key().decode()),
        (pem_of(ed25519), pem_of(ed25519.public_key())),
    ):
        client = FuturesClient("http://127.0.0.1:9", Credentials("key", pem), lambda: 1_780_000_000_000, {})
        data: dict[str, object] = {"symbol": "币安人生USDT", "recvWindow": 5000, "timestamp": 0}
        signature = client._generate_signature(data)
        payload = "recvWindow=5000&symbol=%E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9FUSDT&timestamp=1780000000000"
        assert Verifier("key", public_key=public).signed(payload, signature)
        await client.close_connection()


def test_an_encrypted_private_key_says_what_to_do(rsa: RSA.RsaKey) -> None:
    """There is nobody to type the password."""
    pem = rsa.export_key(passphrase="guess", pkcs=8, protection="PBKDF2WithHMAC-SHA1AndAES256-CBC").decode()
    with pytest.raises(KeyRefusedError, match="password") as caught:
        Credentials("key", pem)
    assert caught.value.reason == keys.ENCRYPTED_PEM


@pytest.mark.parametrize(
    ("key", "secret", "reason"),
    [
        ("", SECRET, keys.MALFORMED_KEY),
        ("two words", SECRET, keys.MALFORMED_KEY),
        ("line\nbreak", SECRET, keys.MALFORMED_KEY),
        ("good-key", "", keys.MALFORMED_SECRET),
        ("good-key", "a-shared secret", keys.MALFORMED_SECRET),
        ("good-key", "geheimnis\u00fc", keys.MALFORMED_SECRET),
        (
            "good-key",
            "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIE\n-----END PRIVATE KEY-----",
            keys.MALFORMED_PEM,
        ),
        ("good-key", "-----BEGIN PRIVATE KEY-----", keys.MALFORMED_PEM),
        ("good-key", "-----BEGIN PUBLIC KEY-----\nabc\n-----END PUBLIC KEY-----", keys.PUBLIC_PEM),
    ],
)
def test_what_cannot_be_a_key_is_refused_without_repeating_it(key: str, secret: str, reason: str) -> None:
    """The error says what is wrong and how it should be, never what stood there."""
    with pytest.raises(KeyRefusedError) as caught:
        Credentials(key, secret)
    assert caught.value.reason == reason
    assert caught.value.hint
    assert caught.value.__cause__ is None
    for part in (key, secret):
        assert not part or part not in f"{caught.value} {caught.value!r}"


def test_other_curves_are_refused() -> None:
    """The exchange takes none."""
    with pytest.raises(KeyRefusedError, match="no other curve"):
        Credentials("key", pem_of(ECC.generate(curve="P-256")))


def test_nothing_shows_a_key_or_its_secret(ed25519: ECC.EccKey) -> None:
    """Not a log, not a traceback, not a pickle."""
    for secret in (SECRET, pem_of(ed25519)):
        one = Credentials("the-key", secret)
        shown = f"{one} {one!r} {[one]} {one:>40}"
        assert "the-key" not in shown
        assert secret not in shown
        with pytest.raises(TypeError):
            pickle.dumps(one)
        with pytest.raises(TypeError):
            vars(one)
