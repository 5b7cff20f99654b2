"""Pictures and films for tests, good and bad ones, made by code."""
