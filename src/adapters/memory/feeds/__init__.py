"""Timelines and engagement signals in memory."""
