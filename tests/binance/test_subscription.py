import msgspec

from monitor.binance.subscription import STREAMS_PER_MESSAGE, Subscription


def test_one_message_names_many_streams() -> None:
    """Streams are asked for together, in order, and only once."""
    subscription = Subscription()
    message = subscription.next_message(["b@x", "a@x"])
    assert message is not None
    assert msgspec.json.decode(message) == {"method": "SUBSCRIBE", "params": ["a@x", "b@x"], "id": 1}
    assert subscription.next_message(["b@x", "a@x"]) is None


def test_symbols_outside_ascii_are_spelled_plainly() -> None:
    """A control message is JSON, where nothing is percent-encoded."""
    message = Subscription().next_message(["币安人生usdt@markPrice@1s"])
    assert message is not None
    assert "币安人生usdt@markPrice@1s" in message


def test_a_long_list_goes_out_in_parts() -> None:
    """Each message carries a bounded number of streams until all are asked for."""
    wanted = [f"s{i}" for i in range(2 * STREAMS_PER_MESSAGE + 1)]
    subscription, sizes = Subscription(), []
    while (message := subscription.next_message(wanted)) is not None:
        sizes.append(len(msgspec.json.decode(message)["params"]))
    assert sizes == [STREAMS_PER_MESSAGE, STREAMS_PER_MESSAGE, 1]
    assert subscription.asked == set(wanted)


def test_new_streams_come_before_old_ones_go() -> None:
    """Changing over subscribes first, so that no symbol is without a stream in between."""
    subscription = Subscription()
    subscription.next_message(["a"])
    messages = [msgspec.json.decode(subscription.next_message(["b"]) or "null") for _ in range(2)]
    assert messages == [
        {"method": "SUBSCRIBE", "params": ["b"], "id": 2},
        {"method": "UNSUBSCRIBE", "params": ["a"], "id": 3},
    ]
    assert subscription.next_message(["b"]) is None


def test_silent_streams_are_asked_for_again() -> None:
    """A repeated stream is named once more, alone."""
    subscription = Subscription()
    subscription.next_message(["a", "b"])
    subscription.repeat(["b"])
    assert msgspec.json.decode(subscription.next_message(["a", "b"]) or "null")["params"] == ["b"]
