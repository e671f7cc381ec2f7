"""Control messages: what each is answered with."""

import json

import pytest

from monitor.emulator.control import Subscriptions
from tests.emulator.conftest import Json


def say(one: Subscriptions, method: str, params: object = None, number: object = 1) -> Json:
    """Send one message and return the reply."""
    message = {"method": method, "id": number} | ({} if params is None else {"params": params})
    return json.loads(one.answer(json.dumps(message)))


def test_subscriptions_come_and_go_in_order() -> None:
    """Names are kept once, in order; unsubscribing a stranger is fine; unknown names are acknowledged too."""
    one = Subscriptions(combined=False)
    assert say(one, "SUBSCRIBE", ["b@markPrice", "a@markPrice@1s"], 7) == {"result": None, "id": 7}
    assert say(one, "SUBSCRIBE", ["b@markPrice", "nonsense"]) == {"result": None, "id": 1}
    assert say(one, "LIST_SUBSCRIPTIONS", number=3) == {
        "result": ["b@markPrice", "a@markPrice@1s", "nonsense"], "id": 3,
    }  # fmt: skip
    assert say(one, "UNSUBSCRIBE", ["b@markPrice", "stranger"], 312) == {"result": None, "id": 312}
    assert list(one.names) == ["a@markPrice@1s", "nonsense"]


def test_the_combined_property() -> None:
    """It can be set and read."""
    one = Subscriptions(combined=False)
    assert say(one, "GET_PROPERTY", ["combined"]) == {"result": False, "id": 1}
    assert say(one, "SET_PROPERTY", ["combined", True], 5) == {"result": None, "id": 5}
    assert say(one, "GET_PROPERTY", ["combined"], 2) == {"result": True, "id": 2}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"method":"GET_PROPERTY","params":["colour"],"id":1}', 0),
        ('{"method":"SET_PROPERTY","params":["colour",true],"id":1}', 0),
        ('{"method":"SET_PROPERTY","params":["combined","yes"],"id":1}', 1),
        ('{"method":"SET_PROPERTY","params":["combined"],"id":1}', 2),
        ('{"method":"SET_PROPERTY","params":[1,true],"id":1}', 2),
        ('{"method":"GET_PROPERTY","params":["combined",1],"id":1}', 2),
        ('{"method":"SHOUT","id":1}', 2),
        ('{"id":1}', 2),
        ('{"method":"LIST_SUBSCRIPTIONS"}', 2),
        ('{"method":"LIST_SUBSCRIPTIONS","id":-1}', 2),
        ('{"method":"LIST_SUBSCRIPTIONS","id":true}', 2),
        ('{"method":"LIST_SUBSCRIPTIONS","id":""}', 2),
        ('{"method":"SUBSCRIBE","params":"a","id":1}', 2),
        ('{"method":"SUBSCRIBE","params":[],"id":1}', 2),
        ('{"method":"UNSUBSCRIBE","params":[1],"id":1}', 2),
        ("[]", 2),
        ("{", 3),
        (b"\xff\xfe", 3),
    ],
)
def test_mistakes_have_codes(text: str | bytes, code: int) -> None:
    """0 unknown property, 1 wrong type, 2 invalid request, 3 invalid JSON; nothing is subscribed by a mistake."""
    one = Subscriptions(combined=False)
    reply = json.loads(one.answer(text))
    assert reply["code"] == code
    assert set(reply) == {"code", "msg"}
    assert one == Subscriptions(combined=False)


def test_a_connection_holds_so_many_streams() -> None:
    """Beyond the limit the request is refused whole; names held already do not count twice."""
    one = Subscriptions(combined=False, limit=2)
    say(one, "SUBSCRIBE", ["a", "b"])
    assert say(one, "SUBSCRIBE", ["c"])["code"] == 2
    assert say(one, "SUBSCRIBE", ["a"])["result"] is None
    assert list(one.names) == ["a", "b"]


def test_ids_may_be_texts() -> None:
    """The official client numbers its requests with texts; they come back as they are."""
    text = Subscriptions(combined=True).answer('{"method":"LIST_SUBSCRIPTIONS","id":"7f3a"}')
    assert json.loads(text) == {"result": [], "id": "7f3a"}
