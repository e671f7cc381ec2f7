import logging

import pytest

from monitor.notify.overheard import asked_pause_s, listening, silence


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (429, {"Retry-After": "17"}, 17.0),
        (503, {"Retry-After": " 2.5 "}, 2.5),
        (200, {"Retry-After": "17"}, 0.0),
        (500, {"Retry-After": "17"}, 0.0),
        (429, {}, 0.0),
        (429, {"Retry-After": "-3"}, 0.0),
        (429, {"Retry-After": "nan"}, 0.0),
        (429, {"Retry-After": "inf"}, 0.0),
        (429, {"Retry-After": "soon"}, 0.0),
        (
            429,
            {"Retry-After": "Tue, 24 Nov 2026 10:01:30 GMT", "Date": "Tue, 24 Nov 2026 10:00:00 GMT"},
            90.0,
        ),
        (
            429,
            {"Retry-After": "Tue, 24 Nov 2026 10:00:00 GMT", "Date": "Tue, 24 Nov 2026 10:01:00 GMT"},
            0.0,
        ),
        (429, {"Retry-After": "Tue, 24 Nov 2026 10:01:30 GMT"}, 0.0),
        (
            429,
            {"Retry-After": "Tue, 24 Nov 2026 10:01:30 GMT", "Date": "Tue, 24 Nov 2026 10:00:00 -0000"},
            0.0,
        ),
    ],
)
def test_a_pause_is_a_number_or_a_date(status: int, headers: dict[str, str], seconds: float) -> None:
    """Both forms of Retry-After count, for the statuses that mean it; nonsense asks for nothing."""
    assert asked_pause_s(status, headers) == seconds


def test_lines_belong_to_the_attempt_that_caused_them(caplog: pytest.LogCaptureFixture) -> None:
    """Outside of an attempt, and once silenced anywhere, nothing of them is kept or shown."""
    silence()
    logger = logging.getLogger("apprise")
    with listening() as first:
        logger.warning("about %s", "the first")
    logger.warning("about nobody")
    with listening() as second:
        logger.debug("about the second")
    assert first.lines == [(logging.WARNING, "about the first")]
    assert second.lines == [(logging.DEBUG, "about the second")]
    assert caplog.text == ""
