"""Accounts, sessions and signing keys, in SQLite and PostgreSQL."""
