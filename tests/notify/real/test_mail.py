"""Mail through a real server, in the clear and through TLS."""

import asyncio

import pytest

from monitor.core.model import Level
from monitor.ports import Message
from tests.notify.real.mail_server import Certificate, MailServer, mail_server
from tests.notify.real.senders import HTML, PASSWORD, PNG, TEXT, Sending, plugin_of


def address(box: MailServer, scheme: str = "mailto", more: str = "") -> str:
    return (
        f"{scheme}://watch:{PASSWORD}@127.0.0.1:{box.port}/"
        f"?from=watch@example.com&to=me@example.com&format=text{more}"
    )


async def test_a_mail_arrives_as_it_was_written(sending: Sending) -> None:
    """Subject and text, decoded, are those of the message, with every character; the login is used."""
    async with mail_server() as box:
        box.needs_login = True
        await sending.channel(address(box)).send(TEXT)
    (mail,) = box.mails
    assert (mail["Subject"], mail["From"].addresses[0].addr_spec) == (TEXT.title, "watch@example.com")
    assert (box.recipients, box.names, box.protected) == (["me@example.com"], ["watch"], [False])
    body = mail.get_body(("plain",))
    assert body is not None
    assert body.get_content().splitlines() == TEXT.body.splitlines()


@pytest.mark.parametrize("mode", ["starttls", "ssl"])
@pytest.mark.parametrize("verified", [True, False])
async def test_a_mail_arrives_through_tls(
    sending: Sending,
    certificate: Certificate,
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
    verified: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """With a certificate that is trusted, or where the address says that it need not be."""
    if verified:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
    context = certificate.context
    served = mail_server(implicit=context) if mode == "ssl" else mail_server(starttls=context)
    async with served as box:
        box.needs_login = True
        more = f"&mode={mode}" + ("" if verified else "&verify=no")
        await sending.channel(address(box, "mailtos", more)).send(TEXT)
    assert [mail["Subject"] for mail in box.mails] == [TEXT.title]
    assert (box.names, box.protected) == (["watch"], [True])


@pytest.mark.parametrize("mode", ["starttls", "ssl"])
async def test_a_certificate_nobody_vouches_for_gets_no_password(
    sending: Sending, certificate: Certificate, mode: str
) -> None:
    """The line is cut before the login, and tried again later: certificates are renewed."""
    context = certificate.context
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # the server's own view of it
    served = mail_server(implicit=context) if mode == "ssl" else mail_server(starttls=context)
    async with served as box:
        error = await sending.failure(sending.channel(address(box, "mailtos", f"&mode={mode}")))
    assert (error.reason, error.permanent) == ("tls", False)
    assert (box.names, box.mails) == ([], [])


async def test_a_server_without_tls_gets_no_password(sending: Sending) -> None:
    """An address that asks for TLS never falls back to none."""
    async with mail_server() as box:
        error = await sending.failure(sending.channel(address(box, "mailtos")))
    assert (error.reason, error.permanent, box.names) == ("tls", False, [])


async def test_a_wrong_password_is_final(sending: Sending) -> None:
    """It stays wrong until somebody changes the address; the server's words, which repeat it, are not kept."""
    async with mail_server() as box:
        channel = sending.channel(address(box).replace(PASSWORD, f"{PASSWORD}-old"))
        error = await sending.failure(channel)
    assert (error.reason, error.permanent) == ("smtp-535", True)


async def test_a_login_that_is_required_and_not_given_is_final(sending: Sending) -> None:
    """An address without a password stays without one."""
    async with mail_server() as box:
        box.needs_login = True
        error = await sending.failure(sending.channel(address(box).replace(f"watch:{PASSWORD}@", "")))
    assert (error.reason, error.permanent) == ("smtp-530", True)


@pytest.mark.parametrize(
    ("step", "reply", "permanent"),
    [
        ("at_recipient", "550 5.1.1 no such user here", True),
        ("at_recipient", "553 5.1.3 bad mailbox name", True),
        ("at_recipient", "450 4.2.0 greylisted, come back in a minute", False),
        ("at_recipient", "452 4.2.2 mailbox full", False),
        ("at_recipient", "550 5.7.1 your network is on a list", False),
        ("at_sender", "553 5.7.0 you are not watch@example.com", False),
        ("at_sender", "550 5.1.8 no such sender", True),
        ("at_data", "451 4.3.0 try later", False),
        ("at_data", "550 5.7.1 looks like spam", False),
        ("at_data", "552 5.3.4 too big", False),
        ("at_data", "554 5.6.0 refused", False),
    ],
)
async def test_what_a_server_refuses_is_final_only_if_it_is_an_address(
    sending: Sending,
    step: str,
    reply: str,
    permanent: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """A temporary refusal, and one of the message itself, is tried again."""
    async with mail_server() as box:
        channel = sending.channel(address(box))
        setattr(box, step, reply)
        error = await sending.failure(channel)
        assert (error.reason, error.permanent) == (f"smtp-{reply[:3]}", permanent)
        setattr(box, step, "250 OK")
        await channel.send(TEXT)
    assert len(box.mails) == 1


async def test_a_line_cut_in_the_middle_of_a_message_is_no_acceptance(sending: Sending) -> None:
    """Nothing is known of it then, so it is sent again."""
    async with mail_server() as box:
        channel = sending.channel(address(box))
        box.drops_data = True
        error = await sending.failure(channel)
        assert (error.reason, error.permanent) == ("disconnected", False)
        box.drops_data = False
        await channel.send(TEXT)
    assert len(box.mails) == 1


async def test_a_server_that_goes_silent_is_given_up(sending: Sending) -> None:
    """The time-out that the address may set holds in the middle of a conversation too."""
    async with mail_server() as box:
        box.hangs = True
        error = await sending.failure(sending.channel(address(box, more="&cto=0.2")))
        assert box.silent.is_set()
    assert (error.reason, error.permanent) == ("timeout", False)


async def test_two_mails_follow_each_other_at_once(sending: Sending) -> None:
    """Apprise would pause for seconds between them; an emergency after a warning must not wait for that."""
    async with mail_server() as box:
        channel = sending.channel(address(box))
        assert plugin_of(channel).request_rate_per_sec == 0.0
        await channel.send(TEXT)
        await channel.send(TEXT._replace(title="EMERGENCY"))
    assert [mail["Subject"] for mail in box.mails] == [TEXT.title, "EMERGENCY"]


async def test_a_picture_is_part_of_the_mail(sending: Sending) -> None:
    """One mail, text and HTML beside the picture, byte for byte."""
    async with mail_server() as box:
        channel = sending.channel(address(box).replace("format=text", "format=html"))
        assert channel.takes_files
        await channel.send(HTML._replace(chart=PNG))
    (mail,) = box.mails
    (picture,) = [part for part in mail.walk() if part.get_content_maintype() == "image"]
    assert (picture.get_content_type(), picture.get_filename()) == ("image/png", "chart.png")
    assert picture.get_content() == PNG
    html, text = mail.get_body(("html",)), mail.get_body(("plain",))
    assert html is not None
    assert text is not None
    assert "<b>Mark:</b> 1 &lt; 2 &amp; a_b*" in html.get_content()
    assert "Mark: 1 < 2 & a_b*" in text.get_content()


async def test_a_mail_too_big_goes_without_its_picture(sending: Sending) -> None:
    """A server may take text and no more."""
    async with mail_server() as box:
        box.refuses_pictures = True
        channel = sending.channel(address(box))
        await channel.send(Message("t", "b", "text", Level.WARNING, PNG))
    (mail,) = box.mails
    assert [part.get_content_type() for part in mail.walk() if not part.is_multipart()] == ["text/plain"]
