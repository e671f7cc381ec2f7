"""How long before a liquidation does an alert come, and how often for nothing? ``python -m benchmarks.lead_time``."""
