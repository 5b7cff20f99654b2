"""Ports that are measured: each of these adapters calls the one that it wraps, and counts. They know no metrics library;
`entrypoints/metrics` reads the counts when it is asked."""
