"""A local exchange that speaks the REST and stream protocol, with its own slow arithmetic."""
