"""Traces with OpenTelemetry. Nothing outside of this package imports the library, and nothing imports this package unless
traces are recorded; `address` needs no library."""
