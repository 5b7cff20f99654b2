"""Notifications and their stream over HTTP."""
