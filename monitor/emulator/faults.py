"""What can be made to go wrong, as plain data that tests and demonstrations change at run time."""

from dataclasses import dataclass, field

from monitor.emulator.brackets import Brackets


@dataclass(slots=True)
class Faults:
    """Switches; the default is a healthy exchange. A change acts on the next connection, request or tick.

    Attributes:
        refuse_connections: cut every new connection and request without an answer.
        accept_then_close: complete a stream's handshake, then close it at once.
        silence: accept and acknowledge, but push no market data.
        muted: symbols whose marks are left out of every stream; REST still has them.
        handshake_status: answer a stream's handshake with this HTTP status; 0 for a healthy handshake.
        rest_status: HTTP status by REST path; ``*`` stands for every path.
        next_statuses: HTTP statuses of the next requests, one taken off for each; 0 lets one pass.
        html: HTTP status by REST path, as above, of an answer that is an HTML page.
        retry_after_s: sent as ``Retry-After`` with every refusal above; 0 to leave it out.
        skew_ms: how far the exchange's clock is ahead of the wall.
        private_silent: push no user events; what happens still happens.
        drop_events: how many of the next user events are lost.
        rest_brackets: tiers by symbol that account figures in REST are computed with, whatever is published.
    """

    refuse_connections: bool = False
    accept_then_close: bool = False
    silence: bool = False
    muted: set[str] = field(default_factory=set)
    handshake_status: int = 0
    rest_status: dict[str, int] = field(default_factory=dict)
    next_statuses: list[int] = field(default_factory=list)
    html: dict[str, int] = field(default_factory=dict)
    retry_after_s: int = 0
    skew_ms: int = 0
    private_silent: bool = False
    drop_events: int = 0
    rest_brackets: dict[str, Brackets] = field(default_factory=dict)

    def rest(self, path: str) -> int:
        """Return the HTTP status to answer a REST path with, or 0; uses up one of the next statuses."""
        if self.next_statuses:
            return self.next_statuses.pop(0)
        return self.rest_status.get(path, self.rest_status.get("*", 0))

    def page(self, path: str) -> int:
        """Return the HTTP status of the HTML page to answer a REST path with, or 0."""
        return self.html.get(path, self.html.get("*", 0))

    def loses_event(self) -> bool:
        """Say whether the user event about to be pushed is lost; counts it."""
        if self.drop_events > 0:
            self.drop_events -= 1
            return True
        return self.private_silent

    def headers(self) -> dict[str, str]:
        """Return the headers of a refusal."""
        return {"Retry-After": str(self.retry_after_s)} if self.retry_after_s else {}
