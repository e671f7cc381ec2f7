"""A process that commits without end and says what was acknowledged, until it is killed."""

import asyncio
import itertools
import sys
from pathlib import Path

from monitor.core.model import Level
from monitor.core.notices import Facts, Notice, NoticeKind, SubjectState
from monitor.ports import Rows
from monitor.storage.state import SqliteState
from monitor.system_clock import SystemClock


async def commit_forever(path: Path, run: str) -> None:
    store = SqliteState(path, SystemClock())
    await store.open()
    for n in itertools.count():
        subject = f"{run}/{n}"
        state = SubjectState(subject, Level.WARNING, since_ms=n, incident=1, peak=Level.WARNING)
        notice = Notice(
            key=subject,
            channel="phone",
            subject=subject,
            kind=NoticeKind.ALERT,
            level=Level.WARNING,
            previous=Level.OK,
            decided_ms=n,
            incident=1,
            facts=Facts(),
        )
        await store.commit(Rows(subjects=(state,), notices=(notice,)))
        sys.stdout.write(f"{subject}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(commit_forever(Path(sys.argv[1]), sys.argv[2]))
