"""Renew docs/openapi.json, the description of the JSON interface: ``python -m docs.openapi``."""

from pathlib import Path

from monitor.web.api import BASE, OPERATIONS
from monitor.web.openapi import encoded

FILE = Path(__file__).with_name("openapi.json")


def main() -> None:
    """Write it anew."""
    FILE.write_bytes(encoded(BASE, OPERATIONS))


if __name__ == "__main__":
    main()
