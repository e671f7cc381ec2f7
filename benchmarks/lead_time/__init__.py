"""How long before a liquidation does an alert come, and how often for nothing? See docs/lead-time.md."""
