"""What can be made to go wrong, as plain data that tests and demonstrations change at run time."""

from dataclasses import dataclass, field


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
        retry_after_s: sent as ``Retry-After`` with the two above; 0 to leave it out.
    """

    refuse_connections: bool = False
    accept_then_close: bool = False
    silence: bool = False
    muted: set[str] = field(default_factory=set)
    handshake_status: int = 0
    rest_status: dict[str, int] = field(default_factory=dict)
    retry_after_s: int = 0

    def rest(self, path: str) -> int:
        """Return the HTTP status to answer a REST path with, or 0."""
        return self.rest_status.get(path, self.rest_status.get("*", 0))

    def headers(self) -> dict[str, str]:
        """Return the headers of a refusal."""
        return {"Retry-After": str(self.retry_after_s)} if self.retry_after_s else {}
