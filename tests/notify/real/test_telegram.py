"""Telegram through a Bot API server that gives the real one's replies."""

import pytest

from monitor.core.model import Level
from monitor.notify.retry import ThrottledError
from monitor.ports import Message
from tests.notify.real.bot_api import BotApi, refusal
from tests.notify.real.senders import HTML, PNG, TEXT, Sending, plugin_of
from tests.notify.real.web_service import Reply

WORDS = "<b>CRITICAL &lt;x&gt; 82 % &amp; a_b 币安人生USDT</b>\r\n<b>Mark:</b> 1 &lt; 2 &amp; a_b*\r\n<b>币:</b> x"


async def test_a_message_arrives_as_it_was_rendered(
    sending: Sending, bot_api: BotApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its markup is Telegram's, and nothing of its content is read as markup."""
    await bot_api.channel(sending, monkeypatch).send(HTML)
    assert (bot_api.methods, bot_api.texts) == (["sendMessage"], [WORDS])
    assert bot_api.got[0].fields["parse_mode"] == "HTML"


@pytest.mark.parametrize(
    "case",
    [
        (refusal(401, "Unauthorized"), "http-401", True),
        (refusal(403, "Forbidden: bot was blocked by the user"), "http-403", True),
        (refusal(403, "Forbidden: bot was kicked from the group chat"), "http-403", True),
        (refusal(404, "Not Found"), "http-404", True),
        (refusal(400, "Bad Request: chat not found"), "recipient", True),
        (
            refusal(400, "Bad Request: group chat was upgraded to a supergroup chat", migrate_to_chat_id=-10042),
            "recipient",
            True,
        ),
        (refusal(400, "Bad Request: not enough rights to send text messages to the chat"), "recipient", True),
        (refusal(500, "Internal Server Error"), "http-500", False),
        (Reply(502, "<html><head><title>502 Bad Gateway</title></head></html>"), "http-502", False),
    ],
)
async def test_a_refusal_is_final_if_token_or_chat_are_wrong(
    sending: Sending,
    bot_api: BotApi,
    monkeypatch: pytest.MonkeyPatch,
    case: tuple[Reply, str, bool],
) -> None:
    """One request, one verdict; what may pass is the caller's to try again, and then it does."""
    reply, reason, permanent = case
    channel = bot_api.channel(sending, monkeypatch)
    bot_api.replies = [reply]
    error = await sending.failure(channel, HTML)
    assert (error.reason, error.permanent, len(bot_api.got)) == (reason, permanent, 1)
    await channel.send(HTML)
    assert bot_api.texts[-1] == WORDS


async def test_a_busy_service_says_for_how_long(
    sending: Sending, bot_api: BotApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """retry_after reaches the caller, and nothing is tried meanwhile, with or without a picture."""
    channel = bot_api.channel(sending, monkeypatch)
    for message in (HTML, HTML._replace(chart=PNG)):
        bot_api.got.clear()
        bot_api.replies = [refusal(429, "Too Many Requests: retry after 35", retry_after=35)]
        error = await sending.failure(channel, message)
        assert isinstance(error, ThrottledError)
        assert (error.reason, error.retry_after_s, error.permanent) == ("http-429", 35.0, False)
        assert len(bot_api.got) == 1


async def test_a_hang_is_a_time_out(sending: Sending, bot_api: BotApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """The request was read and never answered: nobody knows whether it arrived, so it is tried again."""
    channel = bot_api.channel(sending, monkeypatch, "?rto=0.2")
    bot_api.gate.clear()
    error = await sending.failure(channel, HTML)
    assert (error.reason, error.permanent, len(bot_api.got)) == ("timeout", False, 1)


async def test_markup_that_is_refused_becomes_plain_text(
    sending: Sending, bot_api: BotApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake of ours in the looks of a message must not lose it; title and words arrive."""
    channel = bot_api.channel(sending, monkeypatch)
    bot_api.replies = [refusal(400, "Bad Request: can't parse entities: Unsupported start tag")]
    await channel.send(Message("title & <x>", "<b>Mark:</b> 1 &lt; 2<br>\n<b>a_b*", "html", Level.CRITICAL))
    assert bot_api.methods == ["sendMessage", "sendMessage"]
    plain = bot_api.texts[1]
    assert [line.strip() for line in plain.splitlines()] == ["title &amp; &lt;x&gt;", "Mark: 1 &lt; 2", "a_b*"]


async def test_a_form_that_is_refused_in_any_form_is_tried_again(
    sending: Sending, bot_api: BotApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is never given up: the service, or a newer version of this program, may change its mind."""
    channel = bot_api.channel(sending, monkeypatch)
    bot_api.replies = [refusal(400, "Bad Request: message is too long")] * 2
    error = await sending.failure(channel, HTML)
    assert (error.reason, error.permanent, len(bot_api.got)) == ("http-400", False, 2)


async def test_a_picture_carries_a_short_message(
    sending: Sending, bot_api: BotApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One message: the picture with the text as its caption."""
    channel = bot_api.channel(sending, monkeypatch)
    assert channel.takes_files
    await channel.send(HTML._replace(chart=PNG))
    (got,) = bot_api.got
    assert (bot_api.methods, got.files) == (["sendPhoto"], {"photo": PNG})
    assert (got.fields["caption"], got.fields["parse_mode"]) == (WORDS, "HTML")
    assert (got.fields["chat_id"], got.fields["filename"]) == ("42", "chart.png")


async def test_a_long_message_goes_before_its_picture(
    sending: Sending, bot_api: BotApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A caption holds a thousand characters; what is longer is sent whole, and first."""
    channel = bot_api.channel(sending, monkeypatch)
    long = HTML._replace(body="<br>\n".join(["<b>Line:</b> of many"] * 60), chart=PNG)
    await channel.send(long)
    assert bot_api.methods == ["sendMessage", "sendPhoto"]
    assert bot_api.texts[0].count("of many") == 60
    assert (bot_api.texts[1], bot_api.got[1].files) == ("", {"photo": PNG})
    bot_api.got.clear()
    bot_api.replies = [Reply(200, '{"ok": true}'), Reply(502)]
    await channel.send(long)  # the text is what counts
    assert len(bot_api.got) == 2


async def test_a_long_message_with_a_shorter_form_is_one_with_its_picture(
    sending: Sending, bot_api: BotApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The short form stands beside the picture; where that is refused, the whole text goes alone."""
    channel = bot_api.channel(sending, monkeypatch)
    whole = "<br>\n".join(["<b>Line:</b> of many"] * 60)
    long = HTML._replace(body=whole, chart=PNG, caption="<b>To do:</b> add 5 USDT")
    await channel.send(long)
    assert bot_api.methods == ["sendPhoto"]
    assert bot_api.texts[0].endswith("<b>To do:</b> add 5 USDT")
    bot_api.got.clear()
    bot_api.replies = [refusal(400, "Bad Request: IMAGE_PROCESS_FAILED")]
    await channel.send(long)
    assert bot_api.methods == ["sendPhoto", "sendMessage"]
    assert bot_api.texts[1].count("of many") == 60
    bot_api.got.clear()
    await channel.send(long._replace(chart=None))
    assert bot_api.texts[0].count("of many") == 60


@pytest.mark.parametrize(
    "reply",
    [
        refusal(400, "Bad Request: not enough rights to send photos to the chat"),
        refusal(400, "Bad Request: IMAGE_PROCESS_FAILED"),
        refusal(413, "Request Entity Too Large"),
        Reply(502, "Bad Gateway"),
    ],
)
async def test_a_picture_that_is_refused_never_blocks_the_text(
    sending: Sending, bot_api: BotApi, monkeypatch: pytest.MonkeyPatch, reply: Reply
) -> None:
    """The text follows at once without it, with its markup; after three in a row no more are offered."""
    channel = bot_api.channel(sending, monkeypatch)
    for sent in range(3):
        assert channel.takes_files, sent
        bot_api.replies = [reply]
        await channel.send(HTML._replace(chart=PNG))
        assert (bot_api.methods[-2:], bot_api.texts[-1]) == (["sendPhoto", "sendMessage"], WORDS)
    assert not channel.takes_files
    await channel.send(HTML._replace(chart=PNG))  # rendered before that was known
    assert bot_api.methods[-1] == "sendMessage"
    assert len(bot_api.got) == 7


async def test_after_a_picture_that_took_too_long_the_text_goes_alone(
    sending: Sending, bot_api: BotApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow line carries text; the next message may have its picture again."""
    channel = bot_api.channel(sending, monkeypatch, "?rto=0.2")
    bot_api.gate.clear()
    error = await sending.failure(channel, HTML._replace(chart=PNG))
    assert (error.reason, error.permanent, bot_api.methods) == ("timeout", False, ["sendPhoto"])
    bot_api.gate.set()
    await channel.send(HTML._replace(chart=PNG))
    await channel.send(HTML._replace(chart=PNG))
    assert bot_api.methods == ["sendPhoto", "sendMessage", "sendPhoto"]


async def test_a_picture_that_passes_clears_the_record(
    sending: Sending, bot_api: BotApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only refusals in a row say that a service wants none."""
    channel = bot_api.channel(sending, monkeypatch)
    for reply in (Reply(502), Reply(502), None, Reply(502), Reply(502)):
        bot_api.replies = [] if reply is None else [reply]
        await channel.send(HTML._replace(chart=PNG))
    assert channel.takes_files


async def test_a_chat_that_is_gone_is_final_with_a_picture_too(
    sending: Sending, bot_api: BotApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The text alone is what decides."""
    channel = bot_api.channel(sending, monkeypatch)
    bot_api.replies = [refusal(403, "Forbidden: bot was blocked by the user")] * 2
    error = await sending.failure(channel, HTML._replace(chart=PNG))
    assert (error.reason, error.permanent) == ("http-403", True)
    assert channel.takes_files


async def test_a_silent_channel_gets_no_pictures(
    sending: Sending, bot_api: BotApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a picture Apprise forgets to ask for silence; without one it does not."""
    channel = bot_api.channel(sending, monkeypatch, "?silent=yes")
    assert not channel.takes_files
    await channel.send(HTML._replace(chart=PNG))
    assert (bot_api.methods, bot_api.got[0].fields["disable_notification"]) == (["sendMessage"], True)


async def test_markdown_reaches_telegram_as_markup(
    sending: Sending, bot_api: BotApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address may ask for it; Apprise turns CommonMark into Telegram's own."""
    channel = bot_api.channel(sending, monkeypatch, "?format=markdown")
    assert channel.format == "markdown"
    await channel.send(Message("t", "- **Mark:** 1 \\< 2", "markdown", Level.WARNING))
    assert bot_api.got[0].fields["parse_mode"].startswith("MARKDOWN")
    assert bot_api.texts[0].splitlines()[-1] == "- *Mark:* 1 < 2"


def test_the_real_address_is_telegram_s(sending: Sending) -> None:
    """What the other tests replace is the host and nothing else."""
    channel = sending.channel("tgram://123456789:not_a_real_token-not_a_real_token/42/")
    assert getattr(plugin_of(channel), "notify_url", "") == "https://api.telegram.org/bot"
    assert TEXT.chart is None
