"""Status page, health, metrics and the JSON interface of the running daemon; off unless configured."""
