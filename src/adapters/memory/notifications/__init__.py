"""Streams, stream tickets and the mail queue in memory."""
