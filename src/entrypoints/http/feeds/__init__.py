"""Feeds and trending over HTTP."""
