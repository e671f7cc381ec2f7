"""Messages, and the services that take them."""
