"""The exchange: URLs as data, wire decoding, streams."""
