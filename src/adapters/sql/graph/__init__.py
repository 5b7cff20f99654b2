"""Follows, requests, blocks and mutes, in SQLite and PostgreSQL."""
