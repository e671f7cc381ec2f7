"""How the emulated exchange behaves when nothing is wrong with it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EmulatorSettings:
    """Everything but the market itself.

    Attributes:
        port: where to listen on the loopback interface; 0 for any free port.
        tick_s: seconds from one tick to the next. ``@1s`` streams push on every tick, the slower ones on every
            third, whatever the tick is; event times are always wall time.
        forever: begin the scenario anew at its end.
        connection_life_s: age at which a stream connection is closed.
        ping_every_s: seconds from one ping to the next.
        pong_within_s: a connection silent for longer after a ping is cut.
        control_per_s: most control messages a connection may send in a second.
        streams_per_connection: most streams a connection may hold.
        send_within_s: a peer that does not read is cut after so many seconds of blocking.
        weight_per_minute: request weight at which REST answers 429.
        bracket_as_list: answer the tiers of one symbol as a list of one; both forms exist in the wild.
        coefficient_applied: tiers with a ``notionalCoef`` are told with bounds and amounts already multiplied;
            else they are told as everybody has them. What is computed is the same.
        listen_key_life_s: how long a listen key lives without being prolonged.
    """

    port: int = 0
    tick_s: float = 1.0
    forever: bool = False
    connection_life_s: float = 86_400.0
    ping_every_s: float = 180.0
    pong_within_s: float = 600.0
    control_per_s: int = 10
    streams_per_connection: int = 1024
    send_within_s: float = 1.0
    weight_per_minute: int = 6000
    bracket_as_list: bool = False
    coefficient_applied: bool = True
    listen_key_life_s: float = 3600.0
