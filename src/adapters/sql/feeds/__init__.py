"""The stores of feeds in SQLite and PostgreSQL."""
