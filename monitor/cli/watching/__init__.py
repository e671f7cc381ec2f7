"""The live view of the running daemon: pure where it is shown; a shell has terminal, clock and socket."""
