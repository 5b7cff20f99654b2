"""Accounts, sessions and signing keys in memory."""
