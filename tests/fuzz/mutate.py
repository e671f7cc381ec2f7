"""Makes inputs nobody sends out of inputs somebody does: bytes flipped, cut and joined, tokens replaced.

Seeded: the same seed, target and number give the same bytes on any machine.
"""

import re
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

# A quoted text, a number, a bare word: what a decoder makes a value of, in JSON and in TOML.
_TOKEN = re.compile(rb'"(?:[^"\\\n]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\b(?:true|false|null)\b')
_PAIR = re.compile(rb'"[A-Za-z_]{1,24}"\s*:\s*(?:"[^"\\\n]*"|-?[0-9.eE+-]+|true|false|null)')

_LONG_DIGITS: Final = b"9" * 5_000  # Python itself refuses to convert as many
TOKENS: Final = (
    b"NaN", b'"NaN"', b"nan", b'"-nan"', b"Infinity", b'"Infinity"', b"-Infinity", b'"inf"', b"inf", b"1e999",
    b"-1e999", b'"1e999"', b'"-1e999"', b"1e-400", b"5e-324", b'"5e-324"', b"1.7976931348623157e308", b"0", b'"0"',
    b"-0.0", b'"-0"', b"-1", b'"-1"', b"1", b"0.5", b'"0.004"', b"1e15", b'"1000000000000001"', b"1e16",
    b"9223372036854775807", b"9223372036854775808", b"-9223372036854775809", b"18446744073709551616",
    b"9" * 400, b'"' + b"9" * 400 + b'"', _LONG_DIGITS, b'"' + _LONG_DIGITS + b'"', b"0." + b"3" * 400,
    b"1780000000000", b"1780000059999", b"1780000060001", b"99999999999999", b"1546300800000", b"253402300800000",
    b'"1_0"', b'" 1 "', b'"0x10"', b"0x10", b"01", b"+1", b".5", b'"5."', b'"\xd9\xa3"', b'"1,5"', b'"1\\u0000"',
    b"true", b"false", b"null", b"[]", b"{}", b"[[]]", b'{"a":1}', b'""', b'"x"', b'"\\ud800"',
    b'"\\udc00\\ud800"', b'"\\u0000"', b'"\x00"', b'"\x1b[31m"', b'"\xff\xfe"', b'"\xed\xa0\x80"', b'"\xc3\x28"',
    b'"' + b"A" * 100 + b'"', b'"' + b"A" * 20_000 + b'"', b'"BTCUSDT"', b'"BOTH"', b'"LONG"', b'"cross"',
)  # fmt: skip
_PIECES: Final = (
    b"\x00", b"\xff", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"\\ud800", b"\\", b'"', b"{", b"}", b"[", b"]",
    b",", b":", b"\n", b"\r\n", b"\xef\xbb\xbf", b"\x1b]0;x\x07", b"#", b"'''", b"=", b"\xe2\x80\xae", b"\x7f",
)  # fmt: skip
_DEPTHS: Final = (3, 64, 513, 1_100)
DEEPEST: Final = 100_000
_DEEPEST_ONE_IN: Final = 60  # of the nested ones: they are a hundred times as long as any other
_TOKEN_SHARE, _BYTE_SHARE = 0.55, 0.35  # of inputs; the rest are spliced of two samples
_UNTOUCHED_SHARE = 0.02


class Mutator:
    """Makes inputs of some samples.

    Args:
        samples: valid inputs, at least one.
    """

    def __init__(self, samples: Sequence[bytes]) -> None:
        self._samples = tuple(samples)
        self._tokens = [[match.span() for match in _TOKEN.finditer(sample)] for sample in samples]
        self._pairs = [[match.span() for match in _PAIR.finditer(sample)] for sample in samples]

    def make(self, rng: Random) -> bytes:
        """Return the next input, which may be a sample as it is."""
        number = rng.randrange(len(self._samples))
        sample = self._samples[number]
        kind = rng.random()
        if kind < _UNTOUCHED_SHARE:
            return sample
        if kind < _UNTOUCHED_SHARE + _TOKEN_SHARE and self._tokens[number]:
            return self._by_token(number, rng)
        if kind < _UNTOUCHED_SHARE + _TOKEN_SHARE + _BYTE_SHARE:
            return self._by_byte(sample, rng)
        other = rng.choice(self._samples)
        return sample[: rng.randint(0, len(sample))] + other[rng.randint(0, len(other)) :]

    def _by_token(self, number: int, rng: Random) -> bytes:
        sample = self._samples[number]
        kind = rng.randrange(10)
        if kind == 0 and self._pairs[number]:
            return self._doubled(number, rng)
        if kind == 1:
            return _nested(sample, rng.choice(self._tokens[number]), rng)
        spans = sorted(rng.choice(self._tokens[number]) for _ in range(rng.choice((1, 1, 1, 2, 3, 8))))
        parts, at = [], 0
        for start, end in spans:
            if start < at:
                continue
            parts += [sample[at:start], self._token(number, rng)]
            at = end
        return b"".join([*parts, sample[at:]])

    def _token(self, number: int, rng: Random) -> bytes:
        if rng.randrange(4):
            return rng.choice(TOKENS)
        start, end = rng.choice(self._tokens[number])  # another of its own, in a place where it is not expected
        return self._samples[number][start:end]

    def _doubled(self, number: int, rng: Random) -> bytes:
        """Say a key twice, the second time with another value."""
        sample = self._samples[number]
        start, end = rng.choice(self._pairs[number])
        name = sample[start:end].split(b":")[0]
        return sample[:end] + b"," + name + b":" + rng.choice(TOKENS) + sample[end:]

    def _by_byte(self, sample: bytes, rng: Random) -> bytes:
        raw = bytearray(sample)
        for _ in range(rng.choice((1, 1, 2, 4))):
            rng.choice(_BYTE_CHANGES)(raw, rng)
        return bytes(raw)


def _nested(sample: bytes, span: tuple[int, int], rng: Random) -> bytes:
    depth = DEEPEST if rng.randrange(_DEEPEST_ONE_IN) == 0 else rng.choice(_DEPTHS)
    start, end = span
    opening, closing = rng.choice(((b"[", b"]"), (b'{"a":', b"}")))
    inner = sample[start:end]
    kind = rng.randrange(3)
    if kind == 0:
        return sample[:start] + opening * depth + inner + closing * depth + sample[end:]
    if kind == 1:
        return sample[:start] + opening * depth  # never closed
    return opening * depth + sample + closing * depth


def _flip(raw: bytearray, rng: Random) -> None:
    if raw:
        raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)


def _set(raw: bytearray, rng: Random) -> None:
    if raw:
        raw[rng.randrange(len(raw))] = rng.randrange(256)


def _cut(raw: bytearray, rng: Random) -> None:
    del raw[rng.randint(0, len(raw)) :]


def _drop(raw: bytearray, rng: Random) -> None:
    start = rng.randint(0, len(raw))
    del raw[start : start + rng.choice((1, 1, 2, 8, 64))]


def _insert(raw: bytearray, rng: Random) -> None:
    at = rng.randint(0, len(raw))
    raw[at:at] = rng.choice(_PIECES)


def _noise(raw: bytearray, rng: Random) -> None:
    at = rng.randint(0, len(raw))
    raw[at:at] = rng.randbytes(rng.choice((1, 4, 32)))


def _repeat(raw: bytearray, rng: Random) -> None:
    start = rng.randint(0, len(raw))
    part = raw[start : start + rng.choice((1, 8, 64, 512))]
    raw[start:start] = part * rng.choice((1, 2, 16))


_BYTE_CHANGES: Sequence[Callable[[bytearray, Random], None]] = (
    _flip,
    _flip,
    _set,
    _cut,
    _drop,
    _insert,
    _noise,
    _repeat,
)


def shrunk(raw: bytes, fails: Callable[[bytes], bool], most_tries: int = 4_000) -> bytes:
    """Return a shorter input that still fails: parts are left out for as long as it does.

    Args:
        raw: fails.
        fails: whether an input does.
        most_tries: calls of ``fails``.
    """
    tries = 0
    size = max(1, len(raw) // 2)
    while True:
        at = 0
        while at < len(raw):
            shorter = raw[:at] + raw[at + size :]
            tries += 1
            if tries > most_tries:
                return raw
            if fails(shorter):
                raw = shorter
            else:
                at += size
        if size == 1:
            return raw
        size = max(1, size // 2)
