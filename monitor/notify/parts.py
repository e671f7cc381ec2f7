"""What is told of the parts of the service, and of the private streams it listens to. Pure."""

from collections.abc import Callable, Iterator
from datetime import tzinfo

from monitor.core.notices import Facts, NoticeKind
from monitor.notify.words import Line, clean

_SILENT = "silent"  # REST shows again and again what no event told
_CHECKED = "while REST answers, changes of the account are noticed up to 30 s late; without it not at all"
_UNSEEN = "REST does not describe the account either: until one of both does, changes of it are not noticed at all"


def _job_title(facts: Facts) -> str:
    if facts.ends:
        return f"SERVICE ENDS - {_part(facts)} keeps failing{_error(facts)}"
    return f"SERVICE - {_part(facts)} failed{_error(facts)} and was started again"


def _job_back_title(facts: Facts) -> str:
    return f"SERVICE BACK - {_part(facts)} has run for 5 min without failing"


def _job_lines(facts: Facts, tz: tzinfo) -> Iterator[Line]:  # noqa: ARG001 - one signature for every body
    yield Line("Part", f"{_name(facts)}{_error(facts)}")
    if facts.ends:
        yield Line("Meaning", "the service ends, so that a clean one can be started: until then nobody watches")
        yield Line("To do", "see that it runs again: position-monitor status; its log says what failed")
    else:
        yield Line("Meaning", "it goes on where it was; further failures within 5 min are not told one by one")
        yield Line("To do", "nothing now; its log says what failed")


def _job_back_lines(facts: Facts, tz: tzinfo) -> Iterator[Line]:  # noqa: ARG001 - same
    yield Line("Part", _name(facts))
    yield Line("Meaning", "it works again")


def _stream_title(facts: Facts) -> str:
    what = "tells nothing" if facts.reason == _SILENT else "is missing"
    meaning = "and REST does not answer for it" if facts.undescribed else "changes are noticed late"
    return f"STREAM - {_account(facts)}: its private stream {what}, {meaning}"


def _stream_back_title(facts: Facts) -> str:
    return f"STREAM BACK - {_account(facts)}: changes are noticed at once again"


def _stream_lines(facts: Facts, tz: tzinfo) -> Iterator[Line]:  # noqa: ARG001 - same
    yield Line("Account", _account(facts))
    silent = "REST showed changes that it had not told, and so it was connected anew in vain"
    yield Line("Reason", silent if facts.reason == _SILENT else "no connection has been open for a minute or more")
    yield Line("Meaning", _UNSEEN if facts.undescribed else _CHECKED)


def _stream_back_lines(facts: Facts, tz: tzinfo) -> Iterator[Line]:  # noqa: ARG001 - same
    yield Line("Account", _account(facts))
    yield Line("Meaning", "its private stream is open again")


TITLES: dict[NoticeKind, Callable[[Facts], str]] = {
    NoticeKind.JOB: _job_title,
    NoticeKind.JOB_BACK: _job_back_title,
    NoticeKind.STREAM: _stream_title,
    NoticeKind.STREAM_BACK: _stream_back_title,
}
BODIES: dict[NoticeKind, Callable[[Facts, tzinfo], Iterator[Line]]] = {
    NoticeKind.JOB: _job_lines,
    NoticeKind.JOB_BACK: _job_back_lines,
    NoticeKind.STREAM: _stream_lines,
    NoticeKind.STREAM_BACK: _stream_back_lines,
}


def _name(facts: Facts) -> str:
    return clean(facts.detail) or "without a name"


def _part(facts: Facts) -> str:
    return f"part '{_name(facts)}'"


def _error(facts: Facts) -> str:
    return f" ({clean(facts.reason)})" if facts.reason else ""


def _account(facts: Facts) -> str:
    return clean(facts.account) or "an account"
