"""Webhooks and self-hosted push services over loopback."""

import base64
import logging

import pytest

from monitor.notify.retry import ThrottledError
from tests.notify.real.senders import PASSWORD, PNG, TEXT, Sending
from tests.notify.real.web_service import Reply, WebService, as_json


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_a_success_is_a_success(sending: Sending, web: WebService, status: int) -> None:
    """Also one without a body; title and text arrive as they are."""
    web.replies = [Reply(status)]
    await sending.channel(web.url("json")).send(TEXT)
    (got,) = web.got
    assert (got.fields["title"], got.fields["message"], got.fields["type"]) == (TEXT.title, TEXT.body, "failure")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_no_acceptance(sending: Sending, web: WebService, status: int) -> None:
    """It is not followed either: what was sent would be left out or end elsewhere."""
    web.replies = [Reply(status, headers={"Location": f"http://127.0.0.1:{web.port}/elsewhere"})]
    error = await sending.failure(sending.channel(web.url("json")))
    assert (error.reason, error.permanent, len(web.got)) == (f"http-{status}", False, 1)


@pytest.mark.parametrize(
    ("status", "permanent"), [(401, True), (403, True), (404, True), (408, False), (410, False), (500, False)]
)
async def test_a_refusal_is_final_if_the_address_is_wrong(
    sending: Sending,
    web: WebService,
    status: int,
    permanent: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """Everything else is tried again."""
    web.replies = [Reply(status, f"no: {PASSWORD}")]
    error = await sending.failure(sending.channel(web.url("json")))
    assert (error.reason, error.permanent, len(web.got)) == (f"http-{status}", permanent, 1)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "20"}, 20.0),
        (
            {"Retry-After": "Tue, 24 Nov 2026 10:01:00 GMT", "Date": "Tue, 24 Nov 2026 10:00:00 GMT"},
            60.0,
        ),
    ],
)
async def test_a_header_may_ask_for_time(
    sending: Sending, web: WebService, status: int, headers: dict[str, str], seconds: float
) -> None:
    """Retry-After, as seconds or a date, reaches the caller."""
    web.replies = [Reply(status, headers=headers)]
    error = await sending.failure(sending.channel(web.url("json")))
    assert isinstance(error, ThrottledError)
    assert (error.reason, error.retry_after_s) == (f"http-{status}", seconds)


async def test_a_header_of_another_attempt_is_forgotten(sending: Sending, web: WebService) -> None:
    """Each attempt is judged by its own replies."""
    channel = sending.channel(web.url("json"))
    web.replies = [Reply(429, headers={"Retry-After": "20"}), Reply(429)]
    assert isinstance(await sending.failure(channel), ThrottledError)
    assert not isinstance(await sending.failure(channel), ThrottledError)


async def test_a_webhook_gets_the_picture_beside_the_text(sending: Sending, web: WebService) -> None:
    """Byte for byte; one that takes no more than the text gets that."""
    channel = sending.channel(web.url("json"))
    await channel.send(TEXT._replace(chart=PNG))
    (attached,) = web.got[0].fields["attachments"]
    assert (attached["filename"], attached["mimetype"]) == ("chart.png", "image/png")
    assert base64.b64decode(attached["base64"]) == PNG
    web.replies = [Reply(413)]
    await channel.send(TEXT._replace(chart=PNG))
    assert [got.fields["attachments"] for got in web.got[1:]] != []
    assert (web.got[-1].fields["attachments"], web.got[-1].fields["message"]) == ([], TEXT.body)


async def test_ntfy_gets_text_picture_and_status(
    sending: Sending, web: WebService, caplog: pytest.LogCaptureFixture
) -> None:
    """A self-hosted ntfy: JSON without a picture, an upload with one, and its own numbers for refusals."""
    channel = sending.channel(web.url("ntfy"))
    await channel.send(TEXT)
    assert (web.got[0].fields["topic"], web.got[0].fields["message"]) == ("hook", TEXT.body)
    await channel.send(TEXT._replace(chart=PNG))
    upload = web.got[1]
    assert (upload.path, upload.raw, upload.fields["title"]) == ("/hook", PNG, TEXT.title)
    assert upload.fields["message"].splitlines() == TEXT.body.splitlines()
    web.replies = [as_json(401, {"code": 40101, "http": 401, "error": "unauthorized"})]
    error = await sending.failure(channel)
    assert (error.reason, error.permanent) == ("http-401", True)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_gotify_takes_no_files(sending: Sending, web: WebService) -> None:
    """A service that has no place for a picture gets the text alone."""
    channel = sending.channel(f"gotify://127.0.0.1:{web.port}/{PASSWORD}")
    assert not channel.takes_files
    await channel.send(TEXT._replace(chart=PNG))
    assert (web.got[0].path, web.got[0].fields["title"]) == ("/message", TEXT.title)
    assert web.got[0].fields["message"].splitlines() == TEXT.body.splitlines()
