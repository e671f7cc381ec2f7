"""The status page: what somebody wants to see at three in the morning, on a phone."""
