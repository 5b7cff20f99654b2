"""The checks that every driving adapter makes before it calls a use case, whatever its protocol.

Authentication, rate limits, idempotency keys and cursors take strings and values here. An adapter translates its
protocol to them and their results back; `entrypoints.http` is one, and a second one needs nothing of it.
"""
