"""Follows, requests, blocks and mutes in memory."""
